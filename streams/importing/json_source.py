"""JSON lines, plain or gzip: one object a line; numbers keep the digits of the file."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from schemas.mapping import Reader
from streams.errors import InvalidError
from streams.importing.lines import TextFile
from streams.importing.records import BadRecord, Cell, Record, Source, cell_reader

_KINDS = {list: "an array", str: "a text", bool: "true or false", int: "a number", Decimal: "a number"}


def _no_constant(name: str) -> Any:
    msg = f"{name} is no JSON value"
    raise ValueError(msg)


class JsonSource(Source):
    """Objects of a JSON lines file.

    Args:
        path: the file.
        reader: its encoding.

    Raises:
        InvalidError: the file is empty.
    """

    columns = None

    def __init__(self, path: Path, reader: Reader) -> None:
        self.path = path
        self._reader = reader
        self._text = TextFile(path, reader.encoding)
        self._seen: dict[str, None] = {}
        self._unread: Iterator[Record | BadRecord] | None = self.records()
        if not any(line.strip() for line in self._text.lines()):
            msg = f"{path} is empty: nothing to import"
            raise InvalidError(msg)

    def records(self) -> Iterator[Record | BadRecord]:
        """One record a line; blank lines are left out."""
        for number, line in enumerate(self._text.lines(), 1):
            if number <= self._reader.skip_rows or line.isspace():
                continue
            values = self._parse(line)
            if isinstance(values, str):
                yield BadRecord(number, self._text.bytes_of(line), values)
            else:
                yield Record(number, line, values)

    def cell(self, column: str) -> Cell:
        """Reads a field, with dots into nested objects."""
        return cell_reader(lambda values: _field(values, column), frozenset(self._reader.blanks))

    def raw(self, record: Record) -> bytes:
        """The line."""
        return self._text.bytes_of(record.raw)

    def position(self) -> tuple[int, int]:
        """Bytes read and size of the file."""
        return self._text.position()

    def has_column(self, column: str) -> bool:
        """Whether any object has the field; reads on until one has."""
        if column in self._seen:
            return True
        for record in self._unread or ():
            if isinstance(record, Record):
                self._seen.update(dict.fromkeys(_paths(record.values)))
                if column in self._seen:
                    return True
        self._unread = None
        return False

    def seen_columns(self) -> tuple[str, ...]:
        """Fields met so far."""
        return tuple(self._seen)

    def _parse(self, line: str) -> dict[str, Any] | str:
        if "\0" in line:
            return "the line contains a NUL byte: the file is damaged or not text"
        if not line.isascii() and self._text.undecoded(line):
            return (
                f"the line is not {self._reader.encoding}: name the file's encoding in the mapping (reader: encoding)"
            )
        try:
            value = json.loads(line, parse_float=Decimal, parse_constant=_no_constant)
        except (ValueError, RecursionError, ArithmeticError) as error:
            return f"the line is not valid JSON ({error})"
        if isinstance(value, dict):
            return value
        return f"the line is {_KINDS.get(type(value), 'null')}, not a JSON object"


def _field(values: Mapping[str, Any], column: str) -> Any:
    if column in values:
        return values[column]
    found: Any = values
    for part in column.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(part)
    return found


def _paths(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        yield prefix + name
        if isinstance(value, dict):
            yield from _paths(value, f"{prefix}{name}.")
