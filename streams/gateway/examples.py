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
