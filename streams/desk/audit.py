"""The audit trail in ClickHouse: rows written, read back, and what has no row yet."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa
import structlog
from clickhouse_connect.driver.client import Client
from pydantic import ValidationError

from agents.cases.chain import Head
from agents.cases.deciding import Opening
from schemas.cases import CaseEvent
from streams.clickhouse import translated
from streams.desk.reading import in_words
from streams.errors import InvalidError

log = structlog.get_logger("desk")

TABLE = "case_audit"
_MOMENT = pa.timestamp("us", tz="UTC")
_COLUMNS: tuple[tuple[str, pa.DataType], ...] = (
    ("chain", pa.uint32()),
    ("number", pa.uint64()),
    ("previous_hash", pa.string()),
    ("hash", pa.string()),
    ("case_id", pa.string()),
    ("command_id", pa.string()),
    ("action", pa.string()),
    ("outcome", pa.string()),
    ("reason", pa.string()),
    ("state_before", pa.string()),
    ("state", pa.string()),
    ("verdict", pa.string()),
    ("assignee", pa.string()),
    ("by_id", pa.string()),
    ("by_role", pa.string()),
    ("by_name", pa.string()),
    ("other_case_id", pa.string()),
    ("remark", pa.string()),
    ("at", _MOMENT),
    ("recorded_at", _MOMENT),
    ("rule_id", pa.string()),
    ("rep_id", pa.string()),
)
_SCHEMA = pa.schema(_COLUMNS)
_SELECTED = ", ".join(
    f"toString({name}) AS {name}" if name in {"hash", "previous_hash"} else name for name, _type in _COLUMNS
)
_PERSON = {"by_id": "person_id", "by_role": "role", "by_name": "name"}
_IDENTITY = re.compile(r"[0-9a-f]{32}")
_ROWS_AT_ONCE = 20_000
#: Identities in one statement.
_IDS = 2_000
_HEADS = f"""
    SELECT number, toString(hash), recorded_at FROM {TABLE}
    WHERE chain = {{chain:UInt32}} ORDER BY number DESC LIMIT 1"""
_OF_CASES = f"""
    SELECT DISTINCT {_SELECTED} FROM {TABLE}
    WHERE case_id IN ({{ids}}) ORDER BY recorded_at, number"""
_KNOWN = f"""
    SELECT case_id FROM {TABLE} WHERE case_id IN ({{ids}}) AND action = 'open'
    UNION DISTINCT SELECT toString(alert_id) FROM alerts WHERE alert_id IN ({{ids}})"""
_UNOPENED = f"alert_id NOT IN (SELECT toFixedString(case_id, 32) FROM {TABLE} WHERE action = 'open')"
_MISSING = f"""
    SELECT toString(alert_id), rule_id, rep_id, raised_at FROM alerts FINAL
    WHERE {_UNOPENED} ORDER BY raised_at, alert_id LIMIT {{limit:UInt64}}"""
_OF_ALERTS = """
    SELECT toString(alert_id) AS case_id, rule_id, rep_id, raised_at FROM alerts FINAL
    WHERE alert_id IN ({ids}) ORDER BY raised_at, alert_id"""


def write(client: Client, events: Sequence[CaseEvent]) -> None:
    """Append rows; writing one again changes nothing.

    Raises:
        UnavailableError: ClickHouse does not answer; write them again.
    """
    table = pa.Table.from_pylist([_row(event) for event in events], schema=_SCHEMA)
    with translated():
        client.insert_arrow(TABLE, table)


def head(client: Client, chain: int) -> Head:
    """Last row of a chain.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    with translated():
        rows = client.query(_HEADS, {"chain": chain}, tz_mode="aware").result_rows
    return Head(rows[0][0], _text(rows[0][1]), rows[0][2]) if rows else Head()


def trails(client: Client, case_ids: Iterable[str]) -> dict[str, list[CaseEvent]]:
    """Rows of cases, oldest first; a case without rows is left out.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    found: dict[str, list[CaseEvent]] = {}
    for row in _of(client, _OF_CASES, case_ids):
        try:
            found.setdefault(row["case_id"], []).append(event_of(row))
        except InvalidError as error:  # somebody wrote into the table; the case stands as the other rows say
            log.error("a row of the audit trail cannot be used", error=str(error))
    return found


def _of(client: Client, statement: str, case_ids: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Answers about cases; identities stand in the statement, for a URL takes few."""
    ids = [case_id for case_id in case_ids if _IDENTITY.fullmatch(case_id)]
    for start in range(0, len(ids), _IDS):
        quoted = ", ".join(f"'{case_id}'" for case_id in ids[start : start + _IDS])
        with translated():
            yield from client.query(statement.replace("{ids}", quoted), tz_mode="aware").named_results()


def known(client: Client, case_ids: Iterable[str]) -> set[str]:
    """Those cases that were opened, or whose alert is there.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    return {row["case_id"] for row in _of(client, _KNOWN, case_ids)}


def openings(client: Client, case_ids: Sequence[str]) -> list[Opening]:
    """Alerts with these identities.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    return [Opening(**row) for row in _of(client, _OF_ALERTS, case_ids)]


def unopened(client: Client, limit: int) -> list[Opening]:
    """Alerts without a case, oldest first.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    with translated():
        rows = client.query(_MISSING, {"limit": limit}, tz_mode="aware").result_rows
    return [Opening(_text(case_id), *rest) for case_id, *rest in rows]


def count_unopened(client: Client) -> int:
    """How many alerts have no case.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    with translated():
        return int(client.query(f"SELECT uniqExact(alert_id) FROM alerts WHERE {_UNOPENED}").first_row[0])


def answer(client: Client, case_id: str, command_id: str) -> CaseEvent | None:
    """What became of a command; None while nothing did.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    rows = trails(client, [case_id]).get(case_id, ())
    return next((event for event in rows if event.command_id == command_id), None)


def every_row(client: Client, chain: int | None = None) -> Iterator[CaseEvent]:
    """All rows as they are kept, by chain and number; copies of a row once, two rows with one number both.

    Raises:
        UnavailableError: ClickHouse does not answer.
        InvalidError: a row is not as any desk writes it.
    """
    after = (-1, 0)
    while True:
        rows = _page(client, chain, after)
        yield from map(event_of, rows)
        if len(rows) < _ROWS_AT_ONCE:
            return
        after = (rows[-1]["chain"], rows[-1]["number"])


def _page(client: Client, chain: int | None, after: tuple[int, int]) -> list[Mapping[str, Any]]:
    """The next rows; ties with the last number are read to the end, so that no second row of it is passed over."""
    where = f"(chain, number) > ({after[0]}, {after[1]})" if after[0] >= 0 else "1"
    of_chain = f"chain = {int(chain)}" if chain is not None else "1"
    statement = (
        f"SELECT DISTINCT {_SELECTED} FROM {TABLE} WHERE {where} AND {of_chain} "
        f"ORDER BY chain, number LIMIT {_ROWS_AT_ONCE} WITH TIES"
    )
    with translated():
        return list(client.query(statement, tz_mode="aware").named_results())


def event_of(row: Mapping[str, Any]) -> CaseEvent:
    """A row of the table as the model.

    Raises:
        InvalidError: it is not as any desk writes it.
    """
    fields = {name: _text(value) if isinstance(value, bytes) else value for name, value in row.items()}
    person = {_PERSON[name]: fields.pop(name) for name in _PERSON}
    try:
        return CaseEvent.model_validate({**fields, "by": person if person["person_id"] is not None else None})
    except ValidationError as error:
        msg = f"chain {row['chain']} is broken at row {row['number']}: changed: {in_words(error)}"
        raise InvalidError(msg) from None


def message(event: CaseEvent) -> bytes:
    """A row as it goes to the topic, to the store and into an export."""
    return orjson.dumps(event.model_dump(mode="json"))


def _row(event: CaseEvent) -> dict[str, Any]:
    fields = event.model_dump(exclude={"by"})
    by = {} if event.by is None else event.by.model_dump()
    return {**fields, **{column: by.get(name) for column, name in _PERSON.items()}}


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
