"""Publish and load reference data: reps, organisation, institutions, products and the rest.

The tables only grow. The newest text of a (key, effective_from) counts; older texts stay as history.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import redis
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

from schemas.reference import Reference
from schemas.rows import REFERENCE_TABLES, ReferenceTable
from streams.clickhouse import translated
from streams.errors import InvalidError, UnavailableError

#: Others may publish at the same moment.
_ATTEMPTS = 10
#: What a row is about: its key and the day it is in force from.
Identity = tuple[tuple[str, ...], date]


def publish(client: Client, rows: Sequence[Reference], author: str) -> int:
    """Add the rows that differ from what is there, as one new version.

    Args:
        client: a client of a migrated database.
        rows: rows of any kinds; identical rows count once.
        author: who publishes.

    Returns:
        The newest version; the one that was newest before when nothing differs.

    Raises:
        InvalidError: two rows of the same key and effective_from differ; nothing is written.
        UnavailableError: ClickHouse does not answer; the same call may be repeated.
    """
    wanted = _by_identity(rows)
    there = {kind: _newest(client, REFERENCE_TABLES[kind]) for kind in wanted}
    _check_levels([*there.get("node", {}).values(), *wanted.get("node", {}).values()])
    changed = {kind: _changed(of_kind, there[kind]) for kind, of_kind in wanted.items()}
    counts = {kind: len(new) for kind, new in changed.items() if new}
    recorded, written = newest_version(client), _newest_written(client)
    if not counts and written <= recorded:
        return recorded
    # rows without their publication are left by a call that was interrupted: this one completes it
    version = max(recorded, written) + 1 if counts else written
    now = datetime.now(UTC)
    for kind in counts:
        _append(client, REFERENCE_TABLES[kind], changed[kind], (version, now, author))
    return _record(client, version, (now, author, counts))


def load(client: Client, version: int | None = None) -> dict[str, list[Reference]]:
    """The newest text of every (key, effective_from), by kind, in order of key and date.

    Args:
        client: a client of a migrated database.
        version: what was newest when this version was published; the newest of all when left out.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    return {
        kind: [row for _, row in sorted(_newest(client, table, version).items(), key=lambda item: item[0])]
        for kind, table in REFERENCE_TABLES.items()
    }


def newest_version(client: Client) -> int:
    """Number of the newest publication; 0 before the first.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    return _number(client, "SELECT max(version) FROM reference_publications")


def announce(redis_url: SecretStr, group: str, version: int) -> None:
    """Tell the workers of `group` that `version` is published.

    Raises:
        UnavailableError: Redis does not answer.
    """
    try:
        with redis.Redis.from_url(redis_url.get_secret_value()) as client:
            client.publish(f"{group}:published", version)
    except redis.RedisError as error:
        msg = f"Redis does not answer: {error}"
        raise UnavailableError(msg) from error


def _record(client: Client, version: int, publication: tuple[datetime, str, dict[str, int]]) -> int:
    """Note a publication under a number of its own: a worker that knows a number does not look again."""
    columns = ["version", "published_at", "author", "rows"]
    for _ in range(_ATTEMPTS):
        with translated():
            client.insert("reference_publications", [[version, *publication]], column_names=columns)
        if _number(client, f"SELECT count() FROM reference_publications WHERE version = {version:d}") == 1:
            return version
        version = newest_version(client) + 1
    msg = "others publish reference data all the time: publish again once they are done"
    raise InvalidError(msg)


def _identity(row: Reference) -> Identity:
    return row.key, row.effective_from


def _by_identity(rows: Iterable[Reference]) -> dict[str, dict[Identity, Reference]]:
    found: dict[str, dict[Identity, Reference]] = defaultdict(dict)
    for row in rows:
        if (other := found[row.kind_name].setdefault(_identity(row), row)) != row:
            raise InvalidError(_contradiction(other, row))
    return found


def _check_levels(nodes: Iterable[Any]) -> None:
    """Refuse a node that changes its level: its figures of before and after would be one row.

    Raises:
        InvalidError: naming the node.
    """
    levels: dict[str, str] = {}
    for node in nodes:
        if levels.setdefault(node.node_id, node.level) != node.level:
            msg = f"node {node.node_id} is a {levels[node.node_id]} and cannot become a {node.level}: give it a new id"
            raise InvalidError(msg)


def _contradiction(one: Reference, other: Reference) -> str:
    fields = [name for name in type(one).model_fields if getattr(one, name) != getattr(other, name)]
    values = ", ".join(f"{name} {getattr(one, name)!r} and {getattr(other, name)!r}" for name in fields)
    return (
        f"two rows for {one.kind_name} {' / '.join(one.key)} from {one.effective_from} differ: {values}; "
        "keep one, or give the later one its own effective_from"
    )


def _changed(wanted: Mapping[Identity, Reference], there: Mapping[Identity, Reference]) -> list[Reference]:
    return [row for identity, row in wanted.items() if there.get(identity) != row]


def _newest(client: Client, table: ReferenceTable, version: int | None = None) -> dict[Identity, Reference]:
    up_to = f"WHERE published_version <= {version:d} " if version is not None else ""
    query = (
        f"SELECT {', '.join(table.names)} FROM {table.table} {up_to}ORDER BY published_version DESC, published_at DESC "
        f"LIMIT 1 BY {', '.join(table.model.key_fields)}, effective_from"
    )
    with translated():
        rows = client.query_arrow(query).to_pylist()
    return {_identity(row): row for row in map(table.to_event, rows)}


def _append(client: Client, table: ReferenceTable, rows: Sequence[Reference], publication: tuple[Any, ...]) -> None:
    schema = table.arrow_schema()
    columns = zip(*(table.to_row(row) + publication for row in rows), strict=True)
    arrays = [pa.array(values, type=field.type) for values, field in zip(columns, schema, strict=True)]
    with translated():
        client.insert_arrow(table.table, pa.Table.from_arrays(arrays, schema=schema))


def _newest_written(client: Client) -> int:
    parts = (f"SELECT max(published_version) AS version FROM {table.table}" for table in REFERENCE_TABLES.values())
    return _number(client, f"SELECT max(version) FROM ({' UNION ALL '.join(parts)})")


def _number(client: Client, query: str) -> int:
    with translated():
        return int(client.query(query).first_row[0])
