"""Dead letters: what could not be used, kept byte for byte in ClickHouse until somebody mends it.

A letter's id is a hash of where it came from and what it held, and its row version follows its status, so that the
same failure stored twice is one letter and a replayed letter never turns open again.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any, Literal

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from schemas.outputs import DeadLetter
from schemas.reference import REFERENCE_MODELS
from streams.clickhouse import translated
from streams.errors import UsageError
from streams.topics import ALERTS, COMMANDS, SHARD_TOPICS

TABLE = "dead_letters"
#: Row version by status: the higher one stays.
VERSIONS = {"open": 1, "replayed": 2}
#: Characters of an id that lists show and commands accept.
SHORT_ID = 12
_INSERT_BYTES = 32_000_000
#: Ids in one statement; they are part of its URL.
_IDS = 100

_COLUMNS: tuple[tuple[str, pa.DataType], ...] = (
    ("dead_letter_id", pa.string()),
    ("at", pa.timestamp("us", tz="UTC")),
    ("origin", pa.string()),
    ("topic", pa.string()),
    ("stream_partition", pa.int32()),
    ("stream_offset", pa.int64()),
    ("file", pa.string()),
    ("line", pa.int64()),
    ("key", pa.binary()),
    ("raw", pa.binary()),
    ("has_value", pa.bool_()),
    ("raw_size", pa.uint64()),
    ("step", pa.string()),
    ("error_class", pa.string()),
    ("message", pa.string()),
    ("status", pa.string()),
    ("version", pa.uint64()),
)
_SCHEMA = pa.schema(_COLUMNS)
_RENAMED = {"stream_partition": "partition", "stream_offset": "offset"}
#: Steps that refuse, in their order; `command` is the desk's, `import` reads files.
STEPS = ("size", "decode", "key", "time", "known", "dedupe", "cells", "roll-up", "command", "import")
#: Where letters come from; those of reference data bear its kind.
TOPICS = (*SHARD_TOPICS, ALERTS, COMMANDS, *REFERENCE_MODELS)
#: The id of the event in the bytes, even where these are no valid JSON.
_EVENT_ID = (
    r"""nullIf(extract(substring(raw, 1, 65536), '"event_id"\\s*:\\s*"((?:[^"\\\\]|\\\\.)*)"'), '') AS event_id"""
)
_ORDER = "toStartOfSecond(at) DESC, topic, stream_partition, stream_offset DESC, file, line, dead_letter_id"
_READ = tuple(name for name, _type in _COLUMNS if name != "version")
_BYTES = {"key": "bytes", "raw": "bytes"}
_UNLISTED = frozenset({*_BYTES, "has_value"})


@dataclass(frozen=True, slots=True)
class Summary:
    """A dead letter without its bytes, as lists show it."""

    dead_letter_id: str
    at: datetime
    origin: str
    topic: str
    partition: int | None
    offset: int | None
    file: str | None
    line: int | None
    raw_size: int
    step: str
    error_class: str
    message: str
    status: str
    event_id: str | None = None

    @property
    def place(self) -> str:
        """Where it came from: `sales[3]@1042` of a stream, `sales.csv:17` of a file."""
        if self.file is not None:
            return f"{self.file}:{self.line}" if self.line is not None else self.file
        return f"{self.topic}[{self.partition}]@{self.offset}"


def letter_id(*parts: str | bytes | int | datetime | None) -> str:
    """32 hex digits that depend on every part, its type and its place; the same on every machine.

    Args:
        parts: origin, topic, partition, offset and timestamp of a message, or file hash and line; and the raw bytes.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        kind, data = _encoded(part)
        digest.update(b"%c%d:" % (kind, len(data)))
        digest.update(data)
    return digest.hexdigest()


def store(client: Client, letters: Sequence[DeadLetter]) -> None:
    """Write letters; writing one again changes nothing.

    Raises:
        UnavailableError: ClickHouse does not answer; nothing or a part is written, store all of them again.
        InvalidError: ClickHouse refuses the rows.
    """
    for chunk in _chunks(letters):
        rows = [_row(letter) for letter in chunk]
        table = pa.Table.from_pylist(rows, schema=_SCHEMA)
        with translated():
            client.insert_arrow(TABLE, table)


def find(
    client: Client,
    *,
    status: str | None = None,
    topic: str | None = None,
    step: str | None = None,
    since: datetime | None = None,
    limit: int = 100,
) -> list[Summary]:
    """Letters that match, newest first; of one second, in the order they have in their stream or file.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    wanted = {"status": status, "topic": topic, "step": step}
    tests = [f"{name} = {{{name}:String}}" for name, value in wanted.items() if value is not None]
    if since is not None:
        tests.append("at >= {since:DateTime64(6, 'UTC')}")
    columns = ", ".join([*(name for name in _READ if name not in _UNLISTED), _EVENT_ID])
    where = f"WHERE {' AND '.join(tests)} " if tests else ""
    statement = f"SELECT {columns} FROM {TABLE} FINAL {where}ORDER BY {_ORDER} LIMIT {{limit:UInt64}}"
    parameters: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
    with translated():
        result = client.query(statement, parameters={**parameters, "since": since, "limit": limit}, tz_mode="aware")
    return [Summary(**_fields(row)) for row in result.named_results()]


def get(client: Client, id_prefix: str) -> DeadLetter:
    """The letter whose id starts with `id_prefix`.

    Raises:
        UsageError: no letter or several start so.
        UnavailableError: ClickHouse does not answer.
    """
    if not id_prefix or set(id_prefix.lower()) - set("0123456789abcdef"):
        msg = f"{id_prefix!r} is no dead letter id: `pulse dead-letters list` shows them"
        raise UsageError(msg)
    statement = f"SELECT {', '.join(_READ)} FROM {TABLE} FINAL WHERE startsWith(dead_letter_id, {{id:String}}) LIMIT 2"
    with translated():
        result = client.query(statement, parameters={"id": id_prefix.lower()}, column_formats=_BYTES, tz_mode="aware")
    rows = [_fields(row) for row in result.named_results()]
    if len(rows) != 1:
        problem = "several dead letters start" if rows else "no dead letter starts"
        msg = f"{problem} with {id_prefix}: `pulse dead-letters list` shows the ids"
        raise UsageError(msg)
    row = rows[0]
    del row["raw_size"]
    return DeadLetter.model_validate(row)


def value_of(letter: DeadLetter) -> bytes | None:
    """The value its message had; None when it had none."""
    return letter.raw if letter.has_value else None


def check_name(client: Client, column: Literal["topic", "step"], name: str) -> None:
    """Refuse a topic or step that no letter can have.

    Raises:
        UsageError: naming the known ones.
        UnavailableError: ClickHouse does not answer.
    """
    known = list(TOPICS if column == "topic" else STEPS)
    with translated():
        rows = client.query(f"SELECT DISTINCT {column} FROM {TABLE} ORDER BY {column}").result_rows
    known += [row[0] for row in rows if row[0] not in known]
    if name not in known:
        close = get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
        msg = f"no dead letter has the {column} {name!r}: {hint}"
        raise UsageError(msg)


def count_open(client: Client) -> int:
    """Letters that wait for somebody.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    with translated():
        return int(client.query(f"SELECT count() FROM {TABLE} FINAL WHERE status = 'open'").first_row[0])


def mark_replayed(client: Client, letters: Sequence[DeadLetter]) -> None:
    """Set the status to `replayed`; the letter and its bytes stay.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    store(client, [letter.model_copy(update={"status": "replayed"}) for letter in letters])


def settle(client: Client, ids: Sequence[str]) -> None:
    """Set the status of open letters with these full ids to `replayed`; unknown ids are left alone.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    statement = (
        f"INSERT INTO {TABLE} SELECT * REPLACE ('replayed' AS status, {VERSIONS['replayed']} AS version) "
        f"FROM (SELECT * FROM {TABLE} FINAL WHERE status = 'open' AND dead_letter_id IN {{ids:Array(String)}})"
    )
    for start in range(0, len(ids), _IDS):
        with translated():
            client.command(statement, parameters={"ids": list(ids[start : start + _IDS])})


def _encoded(part: str | bytes | int | datetime | None) -> tuple[int, bytes]:
    if part is None:
        return ord("n"), b""
    if isinstance(part, bytes):
        return ord("b"), part
    if isinstance(part, str):
        return ord("s"), part.encode("utf-8", "surrogatepass")
    if isinstance(part, int):
        return ord("i"), str(part).encode()
    return ord("t"), part.isoformat().encode()


def _row(letter: DeadLetter) -> dict[str, Any]:
    fields = letter.model_dump()
    fields |= {new: fields[old] for new, old in _RENAMED.items()}
    return {**fields, "raw_size": len(letter.raw), "version": VERSIONS[letter.status]}


def _fields(row: dict[str, Any]) -> dict[str, Any]:
    return {_RENAMED.get(name, name): value for name, value in row.items()}


def _chunks(letters: Sequence[DeadLetter]) -> Iterator[Sequence[DeadLetter]]:
    start, size = 0, 0
    for index, letter in enumerate(letters):
        if size and size + len(letter.raw) > _INSERT_BYTES:
            yield letters[start:index]
            start, size = index, 0
        size += len(letter.raw) + 1
    if letters:
        yield letters[start:]
