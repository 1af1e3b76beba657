"""CSV, plain or gzip: strict quotes, every row as wide as the header, and a stray quote costs its own line only."""

import csv
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from schemas.mapping import Reader
from streams.errors import InvalidError, UsageError
from streams.importing.lines import TextFile
from streams.importing.records import BadRecord, Cell, Record, Source, cell_reader
from streams.importing.rejects import OWN_COLUMNS, ROW, Reject, csv_line, renewed, table

_OTHER_DELIMITERS = {";": "';'", "\t": "tab", "|": "'|'", ",": "','"}


class _Feed:
    """Physical lines for `csv.reader`, remembered per record and able to take some back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._back: deque[str] = deque()
        self.taken: list[str] = []
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._back.popleft() if self._back else next(self._lines)
        self.number += 1
        self.taken.append(line)
        return line

    def give_back(self, lines: list[str]) -> None:
        self._back.extendleft(reversed(lines))
        self.number -= len(lines)


class CsvSource(Source):
    """Rows of a CSV file.

    Args:
        path: the file.
        reader: delimiter, quote, encoding, names of the columns of a file without header.

    Raises:
        InvalidError: the file is empty.
        UsageError: the header cannot be used.
    """

    columns: tuple[str, ...]

    def __init__(self, path: Path, reader: Reader) -> None:
        self.path = path
        self._text = TextFile(path, reader.encoding)
        self._delimiter = reader.delimiter or ("\t" if ".tsv" in path.suffixes else ",")
        self._reader = reader
        self.holds_rejects = ROW in self._first_cells()
        if self.holds_rejects:  # their header is the first line, whatever the mapping says about the file they were in
            self._reader = reader.model_copy(update={"columns": None, "skip_rows": 0})
        self.columns = self._header()

    def records(self) -> Iterator[Record | BadRecord]:
        """Rows below the header; blank lines are left out."""
        feed = _Feed(self._text.lines())
        rows = csv.reader(feed, delimiter=self._delimiter, quotechar=self._reader.quote, strict=True)
        self._skip(feed, rows)
        while True:
            taken: list[str] = []
            feed.taken = taken
            problem: str | None = None
            values: list[str] = []
            try:
                values = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                problem = f"the quotes of the row do not close properly ({error})"
            line = feed.number - len(taken) + 1
            record = taken[0] if len(taken) == 1 else "".join(taken)
            if problem is None and not values:
                continue
            problem = problem or self._wrong_width(values)
            if problem and len(taken) > 1:
                feed.give_back(taken[1:])
                record = taken[0]
            if problem := problem or self._unreadable(record):
                yield BadRecord(line, self._text.bytes_of(record), problem)
            elif any(values):
                yield Record(line, record, values)

    def cell(self, column: str) -> Cell:
        """Reads a column's text, stripped; None when blank."""
        index, blanks = self.columns.index(column), frozenset(self._reader.blanks)
        if blanks:
            return cell_reader(itemgetter(index), blanks)
        return lambda values: values[index].strip() or None

    def key(self, columns: tuple[str, ...]) -> Callable[[Any], Any]:
        """The columns' texts, unchanged."""
        return itemgetter(*map(self.columns.index, columns)) if columns else lambda _values: ()

    def raw(self, record: Record) -> bytes:
        """The record's line or lines."""
        return self._text.bytes_of(record.raw)

    def fingerprint(self, record: Record) -> bytes:
        """The cells without the blanks around them."""
        return "\x1f".join([value.strip() for value in record.values]).encode("utf-8", "surrogateescape")

    def rejects(self, rejects: Sequence[Reject]) -> bytes:
        """CSV with header; lines that cannot be taken apart stay as they came."""
        header = [*OWN_COLUMNS, *(name for name in self.columns if name not in OWN_COLUMNS)]
        parts = [self._text.mark, self._text.encoded(self._line(header))]
        return b"".join(parts + [self._reject(reject) for reject in rejects])

    def _reject(self, reject: Reject) -> bytes:
        record = reject.record
        raw = record.raw if isinstance(record, BadRecord) else self.raw(record)
        if not self.holds_rejects:
            own = self._line([str(reject.origin), reject.reason]).removesuffix("\n") + self._delimiter
            end = b"" if raw.endswith((b"\n", self._text.encoded("\n"))) else self._text.encoded("\n")
            return self._text.encoded(own) + raw + end
        if isinstance(record, BadRecord):
            return self._text.bytes_of(renewed(self._text.text_of(raw), reject))
        _names, (values,) = table(self.columns, [reject])
        return self._text.bytes_of(self._line(values))

    def _line(self, values: Sequence[str]) -> str:
        return csv_line(values, self._delimiter, self._reader.quote)

    def position(self) -> tuple[int, int]:
        """Bytes read and size of the file."""
        return self._text.position()

    def has_column(self, column: str) -> bool:
        """Whether the header names the column."""
        return column in self.columns

    def _wrong_width(self, values: list[str]) -> str | None:
        if len(values) == len(self.columns):
            return None
        return (
            f"the row has {len(values)} columns where the header has {len(self.columns)}: "
            "a delimiter or a quote is missing or too much"
        )

    def _unreadable(self, record: str) -> str | None:
        if "\0" in record:
            return "the row contains a NUL byte: the file is damaged or not text"
        if not record.isascii() and self._text.undecoded(record):
            return f"the row is not {self._reader.encoding}: name the file's encoding in the mapping (reader: encoding)"
        return None

    def _skip(self, feed: _Feed, rows: Iterator[list[str]]) -> None:
        for _ in range(self._reader.skip_rows):
            next(feed, None)
        if self._reader.columns is None:
            while next(rows) == []:
                pass

    def _first_cells(self) -> list[str]:
        first = next(self._text.lines(), "")
        try:
            cells = next(csv.reader([first], delimiter=self._delimiter, quotechar=self._reader.quote), [])
        except csv.Error:
            return []
        return [cell.strip() for cell in cells]

    def _header(self) -> tuple[str, ...]:
        feed = _Feed(self._text.lines())
        for _ in range(self._reader.skip_rows):
            next(feed, None)
        rows = csv.reader(feed, delimiter=self._delimiter, quotechar=self._reader.quote, strict=True)
        try:
            first = next((row for row in rows if row), None)
        except csv.Error as error:
            msg = f"the header of {self.path} cannot be read ({error}): is it a CSV file with this delimiter and quote?"
            raise UsageError(msg) from error
        if first is None:
            msg = f"{self.path} is empty: nothing to import"
            raise InvalidError(msg)
        if self._reader.columns is not None:
            return self._reader.columns
        if problem := self._unreadable("".join(feed.taken)):
            msg = f"the header of {self.path} cannot be read: {problem.replace('the row', 'it')}"
            raise UsageError(msg)
        return checked_header(self.path, [name.strip() for name in first])

    def delimiter_hint(self) -> str:
        """A remark when the header looks as if another delimiter was meant; empty otherwise."""
        if len(self.columns) == 1:
            for sign, name in _OTHER_DELIMITERS.items():
                if sign != self._delimiter and sign in self.columns[0]:
                    return f" (the columns look separated by {name}: set reader: delimiter in a mapping)"
        return ""


def checked_header(path: Path, names: list[str]) -> tuple[str, ...]:
    """Column names, each there once.

    Raises:
        UsageError: a name is missing or stands twice.
    """
    for number, name in enumerate(names, 1):
        if not name:
            msg = f"column {number} of {path} has no name: give it one, or name all by reader: columns and skip_rows"
            raise UsageError(msg)
        if (first := names.index(name) + 1) != number:
            msg = f"{path} has two columns named {name!r} ({first} and {number}): rename one of them"
            raise UsageError(msg)
    return tuple(names)
