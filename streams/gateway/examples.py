"""Examples of the OpenAPI document, checked against the models by a test."""

from typing import Any

_ENVELOPE: dict[str, Any] = {"occurred_at": "2026-03-02T09:30:00+08:00", "source": "crm", "rep_id": "R-017"}
ALERT_ID = "5f1d0f5b0c0e4a55a1e9c8f2d4b7a630"
OTHER_ID = "0a9c2d4e6f8b4c1d9e7f5a3b1c0d2e4f"

#: One valid event of each kind.
EVENTS: dict[str, dict[str, Any]] = {
    "visit": {
        **_ENVELOPE,
        "event_id": "V-2026-000123",
        "institution_id": "H-0042",
        "hcp_id": "D-0815",
        "check_in_at": "2026-03-02T09:30:00+08:00",
        "check_out_at": "2026-03-02T09:42:00+08:00",
        "details": [{"product_id": "P-1", "indication": "高血压"}],
        "feedback_score": 7,
    },
    "sale": {
        **_ENVELOPE,
        "event_id": "S-2026-004711",
        "source": "erp",
        "institution_id": "H-0042",
        "product_id": "P-1",
        "quantity": "120",
        "amount": "35880.00",
        "invoice_id": "INV-9",
        "due_on": "2026-05-31",
    },
    "payment": {
        **_ENVELOPE,
        "event_id": "P-2026-000900",
        "source": "erp",
        "institution_id": "H-0042",
        "invoice_id": "INV-9",
        "amount": "35880.00",
        "due_on": "2026-05-31",
    },
    "activity": {
        **_ENVELOPE,
        "event_id": "A-2026-000031",
        "kind": "meal",
        "amount": "960.00",
        "institution_id": "H-0042",
        "payee_kind": "vendor",
        "payee_id": "VEN-3",
        "attendees": [{"hcp_id": "D-0815"}],
        "headcount": 8,
    },
    "survey": {
        **_ENVELOPE,
        "event_id": "Q-2026-000007",
        "kind": "satisfaction",
        "score": 88,
        "hcp_id": "D-0815",
    },
    "market": {
        "event_id": "M-2026-000001",
        "occurred_at": "2026-03-02T09:30:00+08:00",
        "source": "panel",
        "territory_id": "REGION-EAST",
        "kind": "volume",
        "product_id": "P-1",
        "period_from": "2026-02-01",
        "period_to": "2026-02-28",
        "own_volume": "1200",
        "market_volume": "9800",
    },
}

#: The body of each command.
COMMANDS: dict[str, dict[str, Any]] = {
    "acknowledge": {},
    "assign": {"to": "ann"},
    "review": {},
    "need_more": {"remark": "请补充会议签到表"},
    "close": {"verdict": "valid", "remark": "经核实，当日无接待记录"},
    "reopen": {"remark": "收到新的证据"},
    "link": {"other_case_id": OTHER_ID},
    "note": {"remark": "已电话联系地区经理"},
}

ALERT: dict[str, Any] = {
    "alert_id": ALERT_ID,
    "rule_id": "R11",
    "rule_version": 3,
    "title_zh": "餐费超标",
    "title_en": "Meal above the limit",
    "severity": "avoid",
    "colour": "amber",
    "message_zh": "人均餐费 480.00 元，高于 300 元",
    "message_en": "480.00 yuan a person, above 300",
    "subject_kind": "rep",
    "subject_id": "R-017",
    "rep_id": "R-017",
    "institution_id": "H-0042",
    "hcp_id": "",
    "team_id": "TEAM-3",
    "region_id": "REGION-EAST",
    "event_kind": "activity",
    "event_id": "A-2026-000031",
    "occurred_at": "2026-03-02T01:30:00Z",
    "period_start": None,
    "raised_at": "2026-03-02T01:30:00.412000Z",
    "owner": "compliance",
    "basis": [{"article": "第四条", "source": "Code of conduct", "note": None}],
    "explanation": {
        "text": "amount / headcount > limit",
        "value": "yes",
        "parts": [{"text": "amount / headcount", "value": "480", "parts": []}],
    },
}
_KEPT = ("alert_id", "rule_version", "period_start", "basis", "explanation")
CASE: dict[str, Any] = {
    "case_id": ALERT_ID,
    **{name: value for name, value in ALERT.items() if name not in _KEPT},
    "state": "closed",
    "verdict": "valid",
    "assignee": "ann",
    "acknowledged_at": "2026-03-02T01:34:10Z",
    "acknowledged_by": "ann",
    "closed_at": "2026-03-03T06:00:00Z",
    "closed_by": "ann",
    "remark": "经核实，超标属实",
    "reopened": 0,
    "linked": [OTHER_ID],
    "changed_at": "2026-03-03T06:00:00Z",
}
TIMELINE: dict[str, Any] = {
    "number": 2,
    "action": "acknowledge",
    "outcome": "done",
    "reason": "",
    "command_id": "8d6f0a52-7a0c-4f0e-9c1d-2b8a4a6f1e33",
    "by_id": "ann",
    "by_role": "compliance",
    "remark": "",
    "at": "2026-03-02T01:34:10Z",
    "recorded_at": "2026-03-02T01:34:10.120000Z",
    "state": "open",
    "verdict": "",
    "assignee": "",
}
LIGHT: dict[str, Any] = {
    "kpi_id": "sales_amount",
    "period": "quarter",
    "period_start": "2026-01-01",
    "period_end": "2026-03-31",
    "owner_level": "team",
    "owner_id": "TEAM-3",
    "owner_name": "华东三组",
    "owner_name_en": "East 3",
    "team_id": "TEAM-3",
    "region_id": "REGION-EAST",
    "product_level": "all",
    "product_key": "",
    "product_name": "",
    "product_name_en": "",
    "state": "amber",
    "cause": "pace",
    "since": "2026-02-20T08:00:00Z",
    "value": "5100000.000000",
    "target": "12000000.000000",
    "attainment": "0.425000",
    "expected": "7200000.000000",
    "pace": "0.708333",
    "forecast": "8500000.000000",
    "forecast_low": "7900000.000000",
    "forecast_high": "9100000.000000",
    "judged_at": "2026-03-02T01:30:00Z",
}
RULE: dict[str, Any] = {
    "rule_id": "R11",
    "title_zh": "餐费超标",
    "title_en": "Meal above the limit",
    "severity": "avoid",
    "colour": "amber",
    "effective_from": "2025-01-01",
    "effective_to": None,
    "alerts": 40,
    "open": 6,
    "closed": 34,
    "valid": 24,
    "false_alarms": 8,
    "tolerated": 2,
    "precision": 0.75,
}
ME: dict[str, Any] = {
    "kind": "person",
    "id": "ann",
    "name": None,
    "role": "manager",
    "node": "REGION-EAST",
    "rep_id": None,
    "event_kinds": [],
    "source": None,
    "sees": {"alerts": "tree", "cases": "tree", "lights": "tree", "rules": "all"},
    "may": ["acknowledge", "note"],
}


def answered(example: Any) -> dict[int | str, dict[str, Any]]:
    """An example of an operation's answer, as the framework takes it."""
    return {200: {"content": {"application/json": {"example": example}}}}


def page(item: dict[str, Any]) -> dict[int | str, dict[str, Any]]:
    """The same for a page of one item."""
    return answered({"items": [item], "next": None})
