"""`pulse sql`: ask ClickHouse and read the answer as a table, JSON or CSV."""

import csv
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from clickhouse_connect.driver.client import Client
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams import settings as settings_module
from streams.clickhouse import translated
from streams.errors import InvalidError, UsageError
from streams.supervisor import reach


class Format(StrEnum):
    """How the answer is written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


#: A row as ClickHouse prints it; None is NULL.
TextRow = list[str | None]

_OWN_FORMAT = re.compile(r"\bFORMAT\s+\w+\s*$", re.IGNORECASE)
_NUMBER = re.compile(r"(?:Nullable\(|LowCardinality\()*(?:U?Int|B?Float|Decimal)")
_INTEGER = re.compile(r"(?:Nullable\(|LowCardinality\()*U?Int")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "0": "\0", "b": "\b", "f": "\f"}
_COMPLAINT = re.compile(r"Code: \d+\. ?(?:DB::Exception: )*(.+?)\.? *(?:\([A-Z_]+\).*)?$", re.DOTALL)
#: Characters of a line that is not for a terminal: never wrapped.
_WIDE = 1_000_000


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sql")(sql)


def sql(
    statement: Annotated[str, typer.Argument(metavar="SELECT…", help="One statement; - reads it from stdin.")],
    data: Annotated[Path | None, typer.Option("--data", help="Folder that `pulse up` used.")] = None,
    form: Annotated[Format, typer.Option("--format", help="How the answer is written.")] = Format.TABLE,
) -> None:
    """Ask ClickHouse a question; nothing can be changed this way.

    JSON is one array of objects: integers are numbers, decimals are strings with all their digits.
    """
    settings = settings_module.load()
    text = checked(sys.stdin.read() if statement == "-" else statement)
    with reach.clickhouse(settings, data, writer=False) as client, complaints():
        # a server without a reader URL is asked as the writer: its rights are taken back for this statement
        limits = {} if settings.clickhouse_url is None or settings.clickhouse_reader_url else {"readonly": 2}
        wire = "JSONCompactEachRowWithNamesAndTypes" if form is Format.JSON else "TabSeparatedWithNamesAndTypes"
        lines = answer(client, text, wire, limits)
        _WRITERS[form](lines, sys.stdout)


def checked(statement: str) -> str:
    """The statement without a closing semicolon.

    Raises:
        UsageError: it is empty, or names a FORMAT itself.
    """
    text = statement.strip().rstrip(";").rstrip()
    if not text:
        msg = "the statement is empty: write for example 'SELECT count() FROM sales_lines'"
        raise UsageError(msg)
    if _OWN_FORMAT.search(text):
        msg = "leave FORMAT out of the statement: take --format table, json or csv"
        raise UsageError(msg)
    return text


@contextmanager
def complaints() -> Iterator[None]:
    """Shorten ClickHouse's refusals to what the person at the keyboard can use."""
    try:
        yield
    except InvalidError as error:
        raise InvalidError(complaint(str(error))) from None


def complaint(message: str) -> str:
    """ClickHouse's own sentence, without codes and stack."""
    match = _COMPLAINT.search(message)
    return f"ClickHouse refused: {' '.join(match[1].split())}" if match else message


def answer(client: Client, statement: str, wire: str, limits: dict[str, Any] | None = None) -> Iterator[bytes]:
    """Lines of the answer in a ClickHouse format, as they arrive.

    Raises:
        InvalidError: ClickHouse refuses the statement.
        UnavailableError: it does not answer.
    """
    with translated():
        stream = client.raw_stream(statement, fmt=wire, settings=limits or None)
        try:
            yield from lines_of(iter(lambda: stream.read(1 << 20), b""))
        finally:
            stream.close()


def lines_of(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Cut blocks of bytes into lines, without their line ends."""
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        yield from lines
    if rest:
        yield rest


def text_row(line: bytes) -> TextRow:
    """Fields of a line of TabSeparated."""
    return [None if field == r"\N" else _unescaped(field) for field in line.decode(errors="replace").split("\t")]


def write_table(lines: Iterator[bytes], out: TextIO) -> None:
    """Write names and rows as a table; numbers to the right, NULL as nothing."""
    names, types = _header(lines, text_row)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name, kind in zip(names, types, strict=True):
        table.add_column(
            Text(name or ""), justify="right" if _NUMBER.match(kind or "") else "left", overflow="fold", no_wrap=False
        )
    count = 0
    for line in lines:
        table.add_row(*(Text(_visible(value)) for value in text_row(line)))
        count += 1
    if names:
        width = None if out.isatty() else _WIDE
        Console(file=out, width=width, highlight=False, emoji=False, markup=False).print(table)
    if out.isatty():
        out.write(f"{count} row{'' if count == 1 else 's'}\n")


def write_csv(lines: Iterator[bytes], out: TextIO) -> None:
    """Write names and rows as CSV; NULL as nothing."""
    names, _types = _header(lines, text_row)
    writer = csv.writer(out, lineterminator="\n")
    if names:
        writer.writerow(names)
    writer.writerows(text_row(line) for line in lines)


def write_json(lines: Iterator[bytes], out: TextIO) -> None:
    """Write an array of objects, one a line."""
    names, types = _header(lines, _json_row)
    out.write("[")
    for index, line in enumerate(lines):
        values = zip(names, types, _json_row(line), strict=True)
        row = {name: exact(value, kind) for name, kind, value in values}
        out.write(f"{',' if index else ''}\n{json.dumps(row, ensure_ascii=False)}")
    out.write("\n]\n")


def exact(value: Any, kind: str) -> Any:
    """A JSON value as scripts get it: decimals as strings, integers of any size as numbers.

    Args:
        value: parsed with every fraction as `Decimal`.
        kind: ClickHouse type of the column.
    """
    if isinstance(value, list):
        return [exact(item, kind) for item in value]
    if isinstance(value, dict):
        return {key: exact(item, kind) for key, item in value.items()}
    if "Decimal" in kind and isinstance(value, Decimal | int) and not isinstance(value, bool):
        return format(value, "f") if isinstance(value, Decimal) else str(value)
    if isinstance(value, Decimal):
        return float(value)
    return int(value) if isinstance(value, str) and _INTEGER.match(kind) else value


def _json_row(line: bytes) -> list[Any]:
    row: list[Any] = json.loads(line.decode(errors="replace"), parse_float=Decimal)
    return row


def _header(lines: Iterator[bytes], parse: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    names = next(lines, None)
    types = next(lines, None)
    return (parse(names) if names is not None else []), (parse(types) if types is not None else [])


def _unescaped(field: str) -> str:
    if "\\" not in field:
        return field
    return _ESCAPED.sub(lambda match: _ESCAPES.get(match[1], match[1]), field)


def _visible(value: str | None) -> str:
    """A cell on one line; control characters would move the cursor."""
    if value is None:
        return ""
    return "".join(sign if sign.isprintable() else " " if sign in "\r\n\t" else "�" for sign in value)


_WRITERS = {Format.TABLE: write_table, Format.CSV: write_csv, Format.JSON: write_json}
