"""Records of a file and where they stand: what every reader offers."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from streams.importing.rejects import Reject

#: Reads one column of a record's values.
Cell = Callable[[Any], Any]


class Record(NamedTuple):
    """One record.

    Attributes:
        line: physical line of its start (CSV, JSONL) or row number (Parquet, XLSX); the header is line 1.
        raw: the record as it stands in the file.
        values: what `Source.cell` reads from.
    """

    line: int
    raw: Any
    values: Any


class BadRecord(NamedTuple):
    """A record that cannot be read."""

    line: int
    raw: bytes
    reason: str
    values: Any = None
    """Of a table: its cells."""


class Source(ABC):
    """A file opened for reading; each call of `records` starts at the top.

    Attributes:
        path: the file.
        columns: column names, or None when every record names its own.
        holds_rejects: whether it holds the wrong rows of another file, each with its origin (`rejects`).
    """

    path: Path
    columns: tuple[str, ...] | None
    holds_rejects: bool = False

    @abstractmethod
    def records(self) -> Iterator[Record | BadRecord]:
        """All records in order."""

    @abstractmethod
    def cell(self, column: str) -> Cell:
        """A reader of one column: None when the cell is blank."""

    def key(self, columns: tuple[str, ...]) -> Callable[[Any], Any]:
        """A reader of several columns at once whose results can be compared and hashed."""
        cells = [self.cell(column) for column in columns]
        return lambda values: repr([cell(values) for cell in cells])

    @abstractmethod
    def raw(self, record: Record) -> bytes:
        """The record as text."""

    @abstractmethod
    def rejects(self, rejects: "Sequence[Reject]") -> bytes:
        """A file of the same format with these rows, to be mended and imported."""

    @abstractmethod
    def fingerprint(self, record: Record) -> bytes:
        """What two rows have in common that say the same, however they are quoted or encoded."""

    @abstractmethod
    def position(self) -> tuple[int, int]:
        """How far the reading is: (done, total), in bytes or rows."""

    @abstractmethod
    def has_column(self, column: str) -> bool:
        """Whether the column exists; may read on to find out."""


def cell_reader(read: Cell, blanks: frozenset[str]) -> Cell:
    """`read` with texts stripped and blanks as None."""

    def cell(values: Any) -> Any:
        value = read(values)
        if type(value) is str:
            value = value.strip()
            return None if not value or value in blanks else value
        return value

    return cell


def row_text(columns: tuple[str, ...], values: Any) -> bytes:
    """A row of a binary format as one JSON object."""
    row = dict(zip(columns, values, strict=False))
    return json.dumps(row, ensure_ascii=False, default=_plain).encode()


def _plain(value: object) -> object:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return repr(value)
