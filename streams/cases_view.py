"""Cases read back from ClickHouse, for people, scripts and summaries."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson
from clickhouse_connect.driver.client import Client

from streams.clickhouse import translated
from streams.errors import UsageError

#: Colours, the worst first.
COLOURS = ("red", "amber", "yellow")
STATES = ("open", "in_review", "needs_more", "closed")
#: Characters of an id that lists show and commands accept.
SHORT_ID = 12
#: A case, or a row of its past, by column.
Shown = Mapping[str, Any]

_LIST = """
    SELECT * FROM case_log
    WHERE (%(colour)s = '' OR colour = %(colour)s)
        AND (%(state)s = '' OR state = %(state)s)
        AND (%(rule)s = '' OR rule_id = %(rule)s)
        AND (%(rep)s = '' OR rep_id = %(rep)s)
        AND (%(region)s = '' OR region_id = %(region)s)
        AND (%(assignee)s = '' OR assignee = %(assignee)s)
    ORDER BY state = 'closed', indexOf(['red', 'amber', 'yellow'], colour), raised_at DESC, case_id
    LIMIT %(limit)s"""
_COUNT = """
    SELECT colour, count() AS alerts, countIf(state != 'closed') AS open FROM case_log GROUP BY colour"""
_FULL_ID = 32


@dataclass(frozen=True)
class Asked:
    """Which cases; an empty text lets everything through."""

    colour: str = ""
    state: str = ""
    rule: str = ""
    rep: str = ""
    region: str = ""
    assignee: str = ""
    limit: int = 100


def cases(client: Client, asked: Asked) -> Sequence[Shown]:
    """Cases that match: those that wait first, the worst first, the newest first.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    return _named(client, _LIST, asdict(asked))


def full_id(client: Client, prefix: str) -> str:
    """The identity of the one case that starts so; a whole one is taken as it is.

    Raises:
        UsageError: no case or several start so.
        UnavailableError: ClickHouse does not answer.
    """
    wanted = prefix.lower()
    if not wanted or set(wanted) - set("0123456789abcdef") or len(wanted) > _FULL_ID:
        msg = f"{prefix!r} is no id of a case: `pulse cases list` shows them"
        raise UsageError(msg)
    if len(wanted) == _FULL_ID:
        return wanted
    rows = _named(client, "SELECT alert_id FROM alert_log WHERE startsWith(alert_id, %(id)s) LIMIT 2", {"id": wanted})
    if len(rows) != 1:
        problem = "several cases start" if rows else "no case starts"
        msg = f"{problem} with {prefix}: `pulse cases list` shows the ids"
        raise UsageError(msg)
    return str(rows[0]["alert_id"])


def case(client: Client, case_id: str) -> dict[str, Any]:
    """A case with evidence, explanation, basis and timeline.

    Raises:
        UsageError: there is none.
        UnavailableError: ClickHouse does not answer.
    """
    rows = _named(client, "SELECT * FROM case_log WHERE case_id = %(id)s", {"id": case_id})
    if not rows:
        msg = f"no case has the id {case_id}: `pulse cases list` shows them"
        raise UsageError(msg)
    statement = (
        "SELECT rule_version, occurred_on, period_start, basis, explanation FROM alert_log WHERE alert_id = %(id)s"
    )
    (alert,) = _named(client, statement, {"id": case_id})
    told = {name: _loaded(alert[name]) for name in ("basis", "explanation")}
    return {**rows[0], **alert, **told, "timeline": timeline(client, case_id)}


def state_of(client: Client, case_id: str) -> str | None:
    """Where a case stands; None when there is none.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    rows = _named(client, "SELECT state FROM case_log WHERE case_id = %(id)s", {"id": case_id})
    return str(rows[0]["state"]) if rows else None


def timeline(client: Client, case_id: str) -> Sequence[Shown]:
    """What happened to a case, refused commands included.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    return _named(client, "SELECT * FROM case_timeline WHERE case_id = %(id)s ORDER BY number", {"id": case_id})


class Counts(NamedTuple):
    """Alerts by colour, the worst first."""

    alerts: dict[str, int]
    open: dict[str, int]
    """Of those, cases that are not closed."""


def counts(client: Client) -> Counts:
    """How many alerts and cases there are.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    found = {row["colour"]: row for row in _named(client, _COUNT, {})}
    by = [{name: found[name][column] for name in COLOURS if name in found} for column in ("alerts", "open")]
    return Counts(*({name: count for name, count in one.items() if count} for one in by))


def _loaded(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _named(client: Client, statement: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    with translated():
        rows: list[dict[str, Any]] = list(client.query(statement, dict(values)).named_results())
    return [{name: _utc(value) for name, value in row.items()} for row in rows]


def _utc(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value
