"""Alerts for the tests of the cases: as messages of the topic, and as rows of the table."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from schemas.alerts import Alert
from schemas.compliance import COLOURS

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
_MOMENTS = {"occurred_at": "us", "raised_at": "ms"}


def alert_id(name: object) -> str:
    """A made-up identity."""
    return hashlib.blake2b(str(name).encode(), digest_size=16).hexdigest()


def alert(name: object, **more: Any) -> Alert:
    """An alert of rule R01 against R1, raised a second after a visit."""
    severity = more.get("severity", "prohibited")
    fields: dict[str, Any] = {
        "alert_id": alert_id(name),
        "rule_id": "R01",
        "rule_version": 3,
        "title": {"zh": "超范围推广", "en": "Off-label promotion"},
        "severity": severity,
        "colour": COLOURS[severity],
        "message": {"zh": f"代表越界 {name}", "en": f"Went too far: {name}"},
        "subject_kind": "rep",
        "subject_id": "R1",
        "rep_id": "R1",
        "institution_id": "I1",
        "team_id": "T1",
        "region_id": "N",
        "event_kind": "visit",
        "event_id": f"e-{name}",
        "occurred_at": NOW - timedelta(seconds=1),
        "raised_at": NOW,
        "owner": "compliance",
        "basis": [{"article": "第四条", "source": "反不正当竞争法"}],
        "explanation": {"text": "a > 1", "value": "true", "parts": [{"text": "a", "value": "2"}]},
    }
    return Alert.model_validate(fields | more)


def store(client: Client, alerts: Iterable[Alert], version: int = 1) -> None:
    """Write alerts as a worker's checkpoint does."""
    rows = [_row(one, version) for one in alerts]
    types = {name: pa.timestamp(unit, tz="UTC") for name, unit in _MOMENTS.items()}
    types |= {"period_start": pa.date32(), "rule_version": pa.uint64(), "version": pa.uint64()}
    schema = pa.schema([(name, types.get(name, pa.string())) for name in rows[0]])
    client.insert_arrow("alerts", pa.Table.from_pylist(rows, schema=schema))


def _row(one: Alert, version: int) -> dict[str, Any]:
    fields = one.model_dump(exclude={"title", "message", "basis", "explanation"})
    texts = {name: fields[name] or "" for name in ("institution_id", "hcp_id", "team_id", "region_id")}
    told = {
        f"{name}_{language}": getattr(getattr(one, name), language)
        for name in ("title", "message")
        for language in ("zh", "en")
    }
    whole = {
        "basis": orjson.dumps([item.model_dump() for item in one.basis]).decode(),
        "explanation": "" if one.explanation is None else one.explanation.model_dump_json(),
    }
    return {**fields, **texts, **told, **whole, "version": version}
