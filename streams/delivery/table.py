"""Deliveries in ClickHouse: rows written and read back, and alerts that nobody was told of."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from clickhouse_connect.driver.client import Client

from schemas.alerts import Alert
from schemas.delivery import Delivery
from streams.clickhouse import translated
from streams.errors import UsageError

TABLE = "deliveries"
SHORT_ID = 12
#: Which of two rows of one millisecond is the later one.
_RANKS = {"waiting": 0, "bundled": 1, "failed": 2, "unrouted": 2, "called_off": 3, "sent": 4}
_STEPS = 8
_FIELDS = tuple(Delivery.model_fields)
_COLUMNS = (*_FIELDS, "version")
#: Ids in one statement; they are part of its URL.
_IDS = 100
_ALERT = """
    toString(alert_id) AS alert_id, rule_id, rule_version, title_zh, title_en, severity, colour, message_zh, message_en,
    subject_kind, subject_id, rep_id, institution_id, hcp_id, team_id, region_id, event_kind, event_id, occurred_at,
    period_start, raised_at, owner, basis, explanation"""
_UNTOLD = f"""
    SELECT {_ALERT} FROM alerts FINAL
    WHERE raised_at > {{since:DateTime64(3, 'UTC')}}
        AND toString(alert_id) NOT IN (SELECT alert_id FROM {TABLE} WHERE planned_at > {{since:DateTime64(3, 'UTC')}})
    ORDER BY raised_at, alert_id LIMIT {{limit:UInt64}}"""
_PENDING = f"""
    SELECT {", ".join(_FIELDS)} FROM {TABLE} FINAL
    WHERE status IN ('waiting', 'bundled') AND planned_at > {{since:DateTime64(3, 'UTC')}} ORDER BY due_at"""
_SEEN = """
    SELECT DISTINCT case_id FROM case_audit
    WHERE outcome = 'done' AND action IN ('acknowledge', 'review', 'need_more', 'close')
        AND case_id IN
        (
            SELECT alert_id FROM deliveries FINAL WHERE kind = 'escalation' AND status IN ('waiting', 'bundled')
        )"""
_LOG = """
    SELECT * FROM delivery_log WHERE ({status:String} = '' OR status = {status:String})
        AND ({recipient:String} = '' OR recipient = {recipient:String})
    ORDER BY coalesce(sent_at, planned_at) DESC, delivery_id LIMIT {limit:UInt64}"""


def row_of(one: Delivery, now: datetime) -> str:
    """A delivery as a row, as JSON; a later state has a higher version."""
    version = int(now.timestamp() * 1000) * _STEPS + _RANKS[one.status]
    return json.dumps({**one.model_dump(mode="json"), "version": version}, ensure_ascii=False)


def write(client: Client, rows: Iterable[str]) -> None:
    """Append rows of `row_of`; writing one again changes nothing.

    Raises:
        UnavailableError: ClickHouse does not answer; write them again.
    """
    content = [_values(json.loads(row)) for row in rows]
    with translated():
        client.insert(TABLE, content, column_names=_COLUMNS)


def _values(row: dict[str, Any]) -> list[Any]:
    moments = {"due_at", "planned_at", "sent_at"}
    return [
        datetime.fromisoformat(row[name]) if name in moments and row[name] is not None else row[name]
        for name in _COLUMNS
    ]


def untold(client: Client, since: datetime, limit: int) -> list[Alert]:
    """Alerts raised after `since` of which no delivery is noted, oldest first.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    with translated():
        result = client.query(_UNTOLD, {"since": since, "limit": limit}, tz_mode="aware")
    return [_alert(row) for row in result.named_results()]


def alerts(client: Client, alert_ids: Iterable[str]) -> list[Alert]:
    """Alerts by their identities, as far as they are stored.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    ids, found = sorted(set(alert_ids)), list[Alert]()
    statement = f"SELECT {_ALERT} FROM alerts FINAL WHERE alert_id IN {{ids:Array(String)}}"
    for start in range(0, len(ids), _IDS):
        with translated():
            result = client.query(statement, {"ids": ids[start : start + _IDS]}, tz_mode="aware")
        found += [_alert(row) for row in result.named_results()]
    return found


def _alert(row: dict[str, Any]) -> Alert:
    fields = {name: _text(value) for name, value in row.items()}
    for name in ("title", "message"):
        fields[name] = {language: fields.pop(f"{name}_{language}") for language in ("zh", "en")}
    for name in ("institution_id", "hcp_id", "team_id", "region_id"):
        fields[name] = fields[name] or None
    fields["basis"] = json.loads(fields["basis"] or "[]")
    fields["explanation"] = json.loads(fields["explanation"] or "null")
    return Alert.model_validate(fields)


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def pending(client: Client, since: datetime) -> list[Delivery]:
    """What waited when it was last noted.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    with translated():
        result = client.query(_PENDING, {"since": since}, tz_mode="aware")
    return [Delivery.model_validate(row) for row in result.named_results()]


def over(client: Client, since: datetime) -> dict[str, str]:
    """How deliveries planned after `since` ended, by identity.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    statement = f"""
        SELECT delivery_id, status FROM {TABLE} FINAL
        WHERE status NOT IN ('waiting', 'bundled') AND planned_at > {{since:DateTime64(3, 'UTC')}}"""
    with translated():
        return {row[0]: row[1] for row in client.query(statement, {"since": since}).result_rows}


def acknowledged(client: Client) -> list[str]:
    """Alerts that wait to escalate although somebody acted; none where no cases are kept.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    with translated():
        if not client.command("EXISTS TABLE case_audit"):
            return []
        return [row[0] for row in client.query(_SEEN).result_rows]


def calendar(client: Client) -> dict[int, bool]:
    """Whether a day that differs from the usual week is worked, by ordinal.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    with translated():
        rows = client.query("SELECT day, is_working_day FROM calendar_days_today").result_rows
    return {day.toordinal(): bool(works) for day, works in rows}


def log(client: Client, *, status: str = "", recipient: str = "", limit: int = 50) -> list[dict[str, Any]]:
    """Recent deliveries, newest first.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    parameters = {"status": status, "recipient": recipient, "limit": limit}
    with translated():
        return list(client.query(_LOG, parameters, tz_mode="aware").named_results())


def get(client: Client, beginning: str) -> Delivery:
    """The delivery whose identity begins like this.

    Raises:
        UsageError: there is none, or several.
        UnavailableError: ClickHouse does not answer.
    """
    statement = f"SELECT {', '.join(_FIELDS)} FROM {TABLE} FINAL WHERE startsWith(delivery_id, {{id:String}}) LIMIT 2"
    with translated():
        found = list(client.query(statement, {"id": beginning}, tz_mode="aware").named_results())
    if not found:
        msg = f"there is no delivery {beginning}: `pulse delivery log` lists them"
        raise UsageError(msg)
    if len(found) > 1:
        msg = f"several deliveries begin with {beginning}: write more of the id"
        raise UsageError(msg)
    return Delivery.model_validate(found[0])


def moments(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as they stand in JSON."""
    return [
        {
            name: value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
            for name, value in row.items()
        }
        for row in rows
    ]
