"""Parquet and XLSX: rows of typed cells."""

import io
import warnings
import zipfile
from collections.abc import Generator, Iterator, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.utils.exceptions import InvalidFileException

from schemas.mapping import Reader
from streams.errors import InvalidError, UsageError
from streams.importing.csv_source import checked_header
from streams.importing.records import BadRecord, Cell, Record, Source, cell_reader, row_text
from streams.importing.rejects import OWN_COLUMNS, ROW, Reject, table

_EXCEL_ERRORS = frozenset({"#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A", "#GETTING_DATA"})
_ROWS = 1_000


class _TableSource(Source):
    """What both have in common: named columns and counted rows."""

    columns: tuple[str, ...]

    def __init__(self, path: Path, reader: Reader) -> None:
        self.path = path
        self._reader = reader
        self._done = 0
        self._total = 0

    def cell(self, column: str) -> Cell:
        """Reads a column's value; texts are stripped."""
        return cell_reader(itemgetter(self.columns.index(column)), frozenset(self._reader.blanks))

    def raw(self, record: Record) -> bytes:
        """The row as a JSON object."""
        return row_text(self.columns, record.values)

    def fingerprint(self, record: Record) -> bytes:
        """The cells as texts."""
        return "\x1f".join(["" if value is None else str(value).strip() for value in record.values]).encode()

    def position(self) -> tuple[int, int]:
        """Rows read and rows in the file."""
        return self._done, self._total

    def has_column(self, column: str) -> bool:
        """Whether the table has the column."""
        return column in self.columns


class ParquetSource(_TableSource):
    """Rows of a Parquet file, counted from 1.

    Raises:
        InvalidError: the file is no Parquet file or has no rows.
    """

    def __init__(self, path: Path, reader: Reader) -> None:
        super().__init__(path, reader)
        with self._open() as file:
            self._total = file.metadata.num_rows
            self.columns = checked_header(path, list(file.schema_arrow.names))
        self.holds_rejects = ROW in self.columns
        if not self._total:
            msg = f"{path} has no rows: nothing to import"
            raise InvalidError(msg)

    def records(self) -> Iterator[Record | BadRecord]:
        """All rows."""
        self._done = 0
        with self._open() as file:
            for batch in file.iter_batches(batch_size=_ROWS):
                for values in zip(*(_values(column) for column in batch.columns), strict=True):
                    self._done += 1
                    yield Record(self._done, None, values)

    def rejects(self, rejects: Sequence[Reject]) -> bytes:
        """Parquet with the types of this file."""
        names, rows = table(self.columns, rejects)
        with self._open() as file:
            types = {field.name.strip(): field.type for field in file.schema_arrow}
        columns = [
            pa.array([row[index] for row in rows], pa.string() if name in OWN_COLUMNS else types[name])
            for index, name in enumerate(names)
        ]
        out = io.BytesIO()
        pq.write_table(pa.Table.from_arrays(columns, names), out)
        return out.getvalue()

    def _open(self) -> Any:
        try:
            return pq.ParquetFile(self.path)
        except (pa.ArrowInvalid, OSError) as error:
            msg = f"{self.path} is not a Parquet file: {str(error).splitlines()[0]}"
            raise InvalidError(msg) from error


def _values(column: Any) -> list[Any]:
    if pa.types.is_timestamp(column.type) and column.type.unit == "ns":
        column = column.cast(pa.timestamp("us", column.type.tz), safe=False)
    values: list[Any] = column.to_pylist()
    return values


class XlsxSource(_TableSource):
    """Rows of a sheet, numbered as Excel shows them.

    Raises:
        InvalidError: the file is no workbook or the sheet is empty.
        UsageError: there is no such sheet, or its header cannot be used.
    """

    def __init__(self, path: Path, reader: Reader) -> None:
        super().__init__(path, reader)
        self.holds_rejects = ROW in map(_name, self._row_below(0) or ())
        if self.holds_rejects:  # their header is the first row, whatever the mapping says about the file they were in
            self._reader = reader = reader.model_copy(update={"columns": None, "skip_rows": 0})
        self._first = reader.skip_rows + (1 if reader.columns is None else 0)
        head = self._row_below(reader.skip_rows)
        if head is None:
            msg = f"{path} is empty: nothing to import"
            raise InvalidError(msg)
        self.columns = reader.columns or checked_header(path, [_name(value) for value in _trimmed(head)])

    def records(self) -> Iterator[Record | BadRecord]:
        """Rows below the header; empty rows are left out."""
        width = len(self.columns)
        self._done = 0
        for number, row in self._rows():
            self._done = number
            values = _trimmed(row)
            if number <= self._first or not values:
                continue
            if len(values) > width:
                reason = f"the row has {len(values)} cells where the header has {width}: name every column"
                text = row_text((*self.columns, *map(str, range(width, len(values)))), values)
                yield BadRecord(number, text, reason, values)
            else:
                yield Record(number, None, values + (None,) * (width - len(values)))

    def cell(self, column: str) -> Cell:
        """Reads a column's value and refuses Excel's error values."""
        read = super().cell(column)

        def checked(values: Any) -> Any:
            value = read(values)
            if type(value) is str and value in _EXCEL_ERRORS:
                msg = f"column {column!r} holds the Excel error {value}"
                raise InvalidError(msg)
            return value

        return checked

    def rejects(self, rejects: Sequence[Reject]) -> bytes:
        """A workbook with one sheet, named as the mapping or the file names it."""
        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet(self._reader.sheet or "rejected")
        names, rows = table(self.columns, rejects)
        for row in (names, *rows):
            sheet.append([_literal(sheet, value) for value in row])
        out = io.BytesIO()
        book.save(out)
        return out.getvalue()

    def _row_below(self, number: int) -> tuple[Any, ...] | None:
        rows = self._rows()
        found = next((row for at, row in rows if at > number), None)
        rows.close()
        return found

    def _rows(self) -> Generator[tuple[int, tuple[Any, ...]]]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                book = openpyxl.load_workbook(self.path, read_only=True, data_only=True)
            except (InvalidFileException, zipfile.BadZipFile, KeyError, OSError, ValueError) as error:
                msg = f"{self.path} is not an Excel workbook (.xlsx): {error}"
                raise InvalidError(msg) from error
        try:
            sheet = self._sheet(book)
            self._total = sheet.max_row or 0
            sheet.reset_dimensions()
            yield from enumerate(sheet.iter_rows(values_only=True), 1)
        finally:
            book.close()

    def _sheet(self, book: Any) -> Any:
        names = [sheet.title for sheet in book.worksheets]
        wanted = self._reader.sheet or (names[0] if names else "")
        if wanted not in names:
            msg = f"{self.path} has no sheet {wanted!r}: it has {', '.join(map(repr, names))}"
            raise UsageError(msg)
        return book[wanted]


def _trimmed(row: tuple[Any, ...]) -> tuple[Any, ...]:
    end = len(row)
    while end and (row[end - 1] is None or row[end - 1] == ""):
        end -= 1
    return row[:end]


def _literal(sheet: Any, value: Any) -> Any:
    """A cell that holds just this: a text that begins with = is no formula."""
    if not isinstance(value, str):
        return value
    cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub(" ", value))
    cell.data_type = "s"
    return cell


def _name(value: Any) -> str:
    return "" if value is None else str(value).strip()
