"""Rows of the compliance tables: alerts, hits of rules, touches, and how often rules hit."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson
import pyarrow as pa

from agents.compliance.judge import Hit
from agents.intake.touches import TouchRow
from schemas.alerts import Alert
from schemas.base import AMOUNT_PLACES

_MOMENT = pa.timestamp("ms", tz="UTC")
_INSTANT = pa.timestamp("us", tz="UTC")
_AMOUNT = pa.decimal128(38, AMOUNT_PLACES)


_ALIKE = (
    *("alert_id", "rule_id", "rule_version", "severity", "colour", "subject_kind", "subject_id", "rep_id"),
    *("event_kind", "event_id", "occurred_at", "raised_at", "owner"),
)
_MAY_BE_EMPTY = ("institution_id", "hcp_id", "team_id", "region_id", "period_start")


class ShardTouch(NamedTuple):
    """A touch and the shard that took it."""

    shard: int
    row: TouchRow


class RuleCount(NamedTuple):
    """How often a rule hit in one shard, and could not be applied."""

    rule_set: str
    rule_id: str
    shard: int
    hits: int
    not_applicable: int


def alert_table(alerts: Sequence[Alert], stamp: int) -> Any:
    """Rows of the table `alerts`."""
    texts: dict[str, Any] = {
        "alert_id": [alert.alert_id for alert in alerts],
        "rule_id": [alert.rule_id for alert in alerts],
        "title_zh": [alert.title.zh for alert in alerts],
        "title_en": [alert.title.en for alert in alerts],
        "severity": [alert.severity for alert in alerts],
        "colour": [alert.colour for alert in alerts],
        "message_zh": [alert.message.zh for alert in alerts],
        "message_en": [alert.message.en for alert in alerts],
        "subject_kind": [alert.subject_kind for alert in alerts],
        "subject_id": [alert.subject_id for alert in alerts],
        "rep_id": [alert.rep_id for alert in alerts],
        "institution_id": [alert.institution_id or "" for alert in alerts],
        "hcp_id": [alert.hcp_id or "" for alert in alerts],
        "team_id": [alert.team_id or "" for alert in alerts],
        "region_id": [alert.region_id or "" for alert in alerts],
        "event_kind": [alert.event_kind for alert in alerts],
        "event_id": [alert.event_id for alert in alerts],
        "owner": [alert.owner for alert in alerts],
        "basis": [_json([basis.model_dump(mode="json") for basis in alert.basis]) for alert in alerts],
        "explanation": [_json(alert.explanation and alert.explanation.model_dump(mode="json")) for alert in alerts],
    }
    return pa.table(
        {name: pa.array(values, pa.string()) for name, values in texts.items()}
        | {
            "rule_version": pa.array([alert.rule_version for alert in alerts], pa.uint64()),
            "occurred_at": pa.array([alert.occurred_at for alert in alerts], _INSTANT),
            "period_start": pa.array([alert.period_start for alert in alerts], pa.date32()),
            "raised_at": pa.array([alert.raised_at for alert in alerts], _MOMENT),
            "version": _stamps(alerts, stamp),
        }
    )


def alert_of(row: Mapping[str, Any]) -> Alert:
    """The alert of a row of the table `alerts`, its id as text."""
    content = {name: row[name] for name in _ALIKE}
    content |= {name: row[name] or None for name in _MAY_BE_EMPTY}
    content |= {name: {"zh": row[f"{name}_zh"], "en": row[f"{name}_en"]} for name in ("title", "message")}
    content |= {name: orjson.loads(row[name]) for name in ("basis", "explanation")}
    return Alert.model_validate(content)


def hit_table(hits: Sequence[Hit], stamp: int) -> Any:
    """Rows of the table `rule_hits`."""
    texts: dict[str, Any] = {
        "rule_set": [hit.rule_set for hit in hits],
        "rule_id": [hit.rule.rule.id for hit in hits],
        "subject_kind": [hit.subject_kind for hit in hits],
        "subject_id": [hit.subject_id for hit in hits],
        "rep_id": [hit.event.rep_id for hit in hits],
        "team_id": [hit.team_id or "" for hit in hits],
        "region_id": [hit.region_id or "" for hit in hits],
        "event_kind": [hit.event.kind_name for hit in hits],
        "event_id": [hit.event.event_id for hit in hits],
        "status": [hit.status for hit in hits],
        "alert_id": [hit.alert_id for hit in hits],
    }
    return pa.table(
        {name: pa.array(values, pa.string()) for name, values in texts.items()}
        | {
            "rule_version": pa.array([hit.rule_version for hit in hits], pa.uint64()),
            "occurred_at": pa.array([hit.event.occurred_at for hit in hits], _INSTANT),
            "judged_at": pa.array([hit.judged_at for hit in hits], _MOMENT),
            "version": _stamps(hits, stamp),
        }
    )


def touch_table(touches: Sequence[ShardTouch]) -> Any:
    """Rows of the table `touches`."""
    taken = [item.row.touch for item in touches]
    events: list[Any] = [touch.event for touch in taken]
    texts: dict[str, Any] = {
        "subject_kind": [touch.subject for touch in taken],
        "subject_id": [touch.key for touch in taken],
        "event_kind": [event.kind_name for event in events],
        "rep_id": [event.rep_id for event in events],
        "event_id": [event.event_id for event in events],
        "activity_kind": [event.kind if event.kind_name == "activity" else "" for event in events],
        "currency": [getattr(event, "currency", "") for event in events],
        "event": [touch.text.decode() for touch in taken],
    }
    return pa.table(
        {name: pa.array(values, pa.string()) for name, values in texts.items()}
        | {
            "occurred_at": pa.array([event.occurred_at for event in events], _INSTANT),
            "amount": pa.array([getattr(event, "amount", None) for event in events], _AMOUNT),
            "stream_partition": pa.array([item.shard for item in touches], pa.uint16()),
            "stream_offset": pa.array([item.row.offset for item in touches], pa.uint64()),
        }
    )


def count_table(counts: Sequence[RuleCount], stamp: int) -> Any:
    """Rows of the table `rule_counts`."""
    return pa.table(
        {
            "rule_set": pa.array([count.rule_set for count in counts], pa.string()),
            "rule_id": pa.array([count.rule_id for count in counts], pa.string()),
            "shard": pa.array([count.shard for count in counts], pa.uint32()),
            "hits": pa.array([count.hits for count in counts], pa.uint64()),
            "not_applicable": pa.array([count.not_applicable for count in counts], pa.uint64()),
            "version": _stamps(counts, stamp),
        }
    )


def _stamps(rows: Sequence[Any], stamp: int) -> Any:
    return pa.array([stamp] * len(rows), pa.uint64())


def _json(content: Any) -> str:
    return orjson.dumps(content).decode()
