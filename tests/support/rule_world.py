"""A small world for the rule language: two representatives, two hospitals, a year's calendar, a past."""

from collections.abc import Mapping, Sequence
from typing import Any

from agents.compliance.language import compile_expression
from agents.compliance.nodes import Frame, Node
from agents.compliance.rules import CompiledRule, compile_rule
from agents.compliance.scope import Parameter, Scope
from agents.compliance.world import MemoryHistory, References, World
from agents.intake.directory import Directory
from agents.intake.locating import Locator
from agents.progress.calendar import CompanyTime
from schemas.compliance import Rule
from schemas.events import EVENT_MODELS
from schemas.reference import REFERENCE_MODELS

VISIT = {
    "event_id": "v0",
    "source": "crm",
    "rep_id": "R1",
    "institution_id": "I1",
    "hcp_id": "H1",
    "occurred_at": "2026-03-04T15:00:00+08:00",
    "check_in_at": "2026-03-04T15:00:00+08:00",
    "check_out_at": "2026-03-04T15:20:00+08:00",
    "check_in": {"latitude": 31.2, "longitude": 121.4, "accuracy_m": 12.5},
    "details": [{"product_id": "P1", "indication": "高血压"}, {"product_id": "P2"}],
    "feedback_score": 6.1,
    "feedback_text": "认可疗效数据",
}
ACTIVITY = {
    "event_id": "a0",
    "source": "crm",
    "rep_id": "R1",
    "institution_id": "I1",
    "occurred_at": "2026-03-04T12:00:00+08:00",
    "kind": "meal",
    "amount": "600.30",
    "headcount": 3,
    "attendees": [{"hcp_id": "H1"}, {"hcp_id": "H2"}, {"name": "somebody"}],
}
SALE = {
    "event_id": "s0",
    "source": "erp",
    "rep_id": "R1",
    "institution_id": "I1",
    "product_id": "P1",
    "occurred_at": "2026-03-04T12:00:00+08:00",
    "quantity": "3",
    "amount": "0.3",
}
EVENTS: dict[str, dict[str, Any]] = {"visit": VISIT, "activity": ACTIVITY, "sale": SALE}
_FILED = {"filed_from": "2025-01-01", "filed_to": "2026-03-04"}
_APPROVED = {"approved_on": "2026-01-01", "expires_on": "2026-03-04"}
REFERENCES: dict[str, list[dict[str, Any]]] = {
    "rep": [
        {"rep_id": "R1", "name": "Wang", "role": "filed_rep", "filings": [_FILED]},
        {"rep_id": "R1", "name": "Wang", "role": "sales", "effective_from": "2026-06-01"},
    ],
    "institution": [
        {"institution_id": "I1", "name": "First", "latitude": 31.2, "longitude": 121.4, "country": "中国",
         "reception_windows": [{"weekdays": [3, 4], "opens": "14:00", "closes": "17:00"}]},
        {"institution_id": "I2", "name": "Second"},
    ],
    "hcp": [{"hcp_id": "H1", "name": "Chen", "segment": "A"}, {"hcp_id": "H2", "name": "Zhou"}],
    "product": [
        {"product_id": "P1", "name": "One", "is_new_drug": True, "labels": [
            {"indication": "高血压", "valid_from": "2020-01-01", "valid_to": "2026-03-04"}]},
    ],
    "material": [{"material_id": "M1", "version": "1", "title": "T"} | _APPROVED],
    "registration": [{"rep_id": "R1", "institution_id": "I1", "effective_from": "2025-03-04"}],
    "calendar_day": [
        {"day": "2026-02-17", "is_working_day": False, "name": "春节"},
        {"day": "2026-02-28", "is_working_day": True},
    ],
}  # fmt: skip
SHANGHAI = CompanyTime("Asia/Shanghai")
LISTS = {"venues": frozenset({"温泉", "spa"})}


def event_of(kind: str, /, **fields: Any) -> Any:
    return EVENT_MODELS[kind].model_validate(EVENTS[kind] | fields)


def rows_of() -> dict[str, list[Any]]:
    return {kind: [REFERENCE_MODELS[kind].model_validate(row) for row in rows] for kind, rows in REFERENCES.items()}


def world_of(past: Sequence[Any] = ()) -> World:
    return World(References(rows_of()), MemoryHistory(past), SHANGHAI, LISTS)


def directory_of() -> Directory:
    return Directory(rows_of())


def frame_of(kind: str = "visit", past: Sequence[Any] = (), /, **fields: Any) -> Frame:
    event = event_of(kind, **fields)
    Locator(SHANGHAI).note(event, directory_of())
    return Frame(event, world_of(past))


def compiled(text: str, kind: str = "visit", parameters: Mapping[str, Parameter] | None = None, **named: Node) -> Node:
    """The node of an expression of any kind."""
    return compile_expression(text, Scope(kind, parameters or {}, named, frozenset(LISTS)), None)


def value_of(text: str, kind: str = "visit", past: Sequence[Any] = (), /, **fields: Any) -> Any:
    """The value of an expression for an event of the small world."""
    return compiled(text, kind).run(frame_of(kind, past, **fields))


_TRIED = [{"case": str(number), "expect": expect} for expect in ("hit", "miss") for number in (1, 2)]


def rule_of(when: str, kind: str = "activity", message: str = "one", /, **let: str) -> CompiledRule:
    """A rule of an expression and its named parts, with test events that nobody runs."""
    fields: dict[str, Any] = {
        "id": "X1",
        "title": {"zh": "一", "en": "one"},
        "severity": "monitor",
        "scope": {"events": [kind]},
        "let": let,
        "when": when,
        "message": {"zh": message, "en": message},
        "basis": [{"article": "1", "source": "test"}],
        "effective_from": "2020-01-01",
        "owner": "compliance",
        "tests": _TRIED,
    }
    return compile_rule(Rule.model_validate(fields), frozenset(LISTS))
