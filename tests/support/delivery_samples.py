"""Alerts and policies for the tests of delivery."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from schemas.alerts import Alert
from schemas.cases import CaseEvent
from schemas.delivery import DeliveryPolicy

#: A Monday, 10:00 in Shanghai.
MONDAY = datetime(2026, 3, 2, 2, tzinfo=UTC)


def alert(number: int = 1, **fields: Any) -> Alert:
    """An alert with everything in it, different for every number."""
    content: dict[str, Any] = {
        "alert_id": hashlib.md5(str(number).encode()).hexdigest(),
        "rule_id": "R08",
        "rule_version": 3,
        "title": {"zh": "拜访时间过短", "en": "Visit too short"},
        "severity": "prohibited",
        "colour": "red",
        "message": {"zh": f"第 {number} 次拜访只有 2 分钟", "en": f"Visit {number} lasted 2 minutes"},
        "subject_kind": "rep",
        "subject_id": "rep-7",
        "rep_id": "rep-7",
        "institution_id": "inst-3",
        "hcp_id": "hcp-9",
        "team_id": "team-a",
        "region_id": "east",
        "event_kind": "visit",
        "event_id": f"v-{number}",
        "occurred_at": MONDAY.isoformat(),
        "raised_at": MONDAY.isoformat(),
        "owner": "compliance",
        "basis": [{"article": "第四条", "source": "医药代表管理办法"}],
        "explanation": {
            "text": "duration_min < 5 and latitude > 30",
            "value": "true",
            "parts": [
                {"text": "duration_min", "value": "2"},
                {"text": "5", "value": "5"},
                {"text": "check_in.latitude", "value": "31.2304"},
                {"text": "feedback_text", "value": "doctor asked for money"},
            ],
        },
    }
    return Alert.model_validate(content | fields)


def policy(**fields: Any) -> DeliveryPolicy:
    """One recipient, told of everything on the outbox."""
    content: dict[str, Any] = {
        "recipients": {"desk": {"title": {"zh": "值班", "en": "Desk"}, "language": "en", "channels": ["outbox"]}},
        "routes": [{"to": ["desk"]}],
    }
    return DeliveryPolicy.model_validate(content | fields)


def acted(one: Alert, action: str = "acknowledge", outcome: str = "done") -> CaseEvent:
    """What somebody did with the case of an alert."""
    return CaseEvent.model_validate(
        {
            **{"chain": 0, "number": 2, "previous_hash": "0" * 64, "hash": "1" * 64, "case_id": one.alert_id},
            **{"command_id": "c-1", "action": action, "outcome": outcome, "state_before": "open", "state": "open"},
            **{"by": {"person_id": "p-1", "role": "compliance"}, "rule_id": one.rule_id},
            **{"at": MONDAY.isoformat(), "recorded_at": MONDAY.isoformat()},
        }
    )
