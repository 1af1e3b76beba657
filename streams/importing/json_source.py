"""JSON lines, plain or gzip: one object a line; numbers keep the digits of the file."""

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from schemas.mapping import Reader
from streams.errors import InvalidError
from streams.importing.cells import got
from streams.importing.lines import TextFile
from streams.importing.records import BadRecord, Cell, Record, Source, cell_reader
from streams.importing.rejects import ROW, Reject, json_line, renewed


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
        self._text = TextFile(path, reader.encoding)
        first = next((line for line in self._text.lines() if line.strip()), "")
        self.holds_rejects = f'"{ROW}"' in first
        self._reader = reader.model_copy(update={"skip_rows": 0}) if self.holds_rejects else reader
        self._seen: dict[str, None] = {}
        self._unread: Iterator[Record | BadRecord] | None = self.records()
        if not first:
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

    def fingerprint(self, record: Record) -> bytes:
        """The line without its end."""
        line: str = record.raw
        return line.strip().encode("utf-8", "surrogateescape")

    def rejects(self, rejects: Sequence[Reject]) -> bytes:
        """JSON lines; what is not valid stays as it came."""
        mark = self._text.mark if self._text.encoding != "utf-8-sig" else b""
        return mark + b"".join(self._text.bytes_of(self._reject(reject)) for reject in rejects)

    def _reject(self, reject: Reject) -> str:
        record = reject.record
        line = self._text.text_of(record.raw) if isinstance(record, BadRecord) else record.raw
        return renewed(line, reject) if self.holds_rejects else json_line(line, reject)

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
            value = json.loads(line.rstrip(), parse_float=Decimal, parse_constant=_no_constant)
        except (ValueError, RecursionError, ArithmeticError) as error:
            return f"not valid JSON ({_cause(line) or error})"
        if isinstance(value, dict):
            return value
        return f"not a JSON object{got(value)}"


def _cause(line: str) -> str:
    """What is wrong, in the words of the parser that reads events from the stream; empty where that one can read it."""
    try:
        from_json(line.rstrip())
    except ValueError as error:
        return str(error)
    return ""


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
