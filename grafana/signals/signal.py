"""What a signal is: one question to ClickHouse, with its words, unit and thresholds."""

from dataclasses import dataclass, field
from typing import Literal

from grafana.looks import State, Unit

#: (from this value on, colour); the first begins at minus infinity.
Thresholds = tuple[tuple[float | None, str], ...]
Cell = Literal["plain", "light", "gauge", "coloured"]


@dataclass(frozen=True)
class Column:
    """A column of an answer.

    Attributes:
        field: its name in the answer; with `pattern` a regular expression.
        title: header, in both languages.
        unit: of its values.
        cell: how a table shows it: plain, the light of a state, a bar, or coloured by thresholds.
        width: pixels in a table; None: what is left.
        hidden: there for links alone.
        link: name of a link in `grafana.links`.
        thresholds: colours of a coloured cell.
        colour: of a series; None: from the palette.
        dashed: whether a line is dashed.
        pattern: whether `field` is a regular expression.
        largest: value at which a bar is full.
        right: whether a text stands at the right, as numbers do.
        wrap: whether a long text goes on in the next line of the cell.
    """

    field: str
    title: str = ""
    unit: Unit = "text"
    cell: Cell = "plain"
    width: int | None = None
    hidden: bool = False
    link: str | None = None
    thresholds: Thresholds = ()
    colour: str | None = None
    dashed: bool = False
    pattern: bool = False
    largest: float | None = None
    right: bool = False
    wrap: bool = False


@dataclass(frozen=True)
class Signal:
    """One question and how its answer is to be read.

    Attributes:
        name: unique among all signals.
        title: of the panel, in both languages.
        description: what it says and how it is computed, in both languages.
        sql: ClickHouse SQL with Grafana's macros and variables, in both languages.
        unit: of the values that no column names.
        thresholds: colours of the values.
        columns: what is to be said about single columns.
        time_series: whether the answer is a time series (first column `time`, ordered).
        series: column of a long time series that names the series.
        states: whether values are states, alone or in front of a text (`red 81%`).
        expand: column with a JSON object whose keys become columns.
        empty: what to say when there is no row, in both languages.
        weight: column that makes a spot on a map larger.
    """

    name: str
    title: str
    description: str
    sql: str
    unit: Unit = "number"
    thresholds: Thresholds = ()
    columns: tuple[Column, ...] = ()
    time_series: bool = False
    series: str | None = None
    states: bool = False
    expand: str | None = None
    empty: str = "[[没有数据|No data]]"
    decimals: int | None = None
    link: str | None = None
    weight: str | None = None
    words: dict[str, tuple[str, State]] = field(default_factory=dict)
