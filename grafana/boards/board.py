"""What a board is: rows of panels on Grafana's grid of 24 columns, with variables and a time range."""

from dataclasses import dataclass

from grafana.panels import Kind
from grafana.signals import Signal
from grafana.variables import Variable


@dataclass(frozen=True)
class Place:
    """A panel's place in its row: kind, signal and width in columns."""

    kind: Kind
    signal: Signal
    width: int


@dataclass(frozen=True)
class Row:
    """Panels side by side, all of one height (30 pixels a unit)."""

    height: int
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Board:
    """A board.

    Attributes:
        uid: without the language's suffix.
        title: in both languages.
        description: in both languages.
        variables: in the order of the page.
        rows: from the top.
        start: begin of the time range.
        end: its end; boards of a quarter show the one in which it lies.
        refresh: how often it asks again.
    """

    uid: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]
    start: str = "now/fQ"
    end: str = "now/fQ"
    refresh: str = "10s"
