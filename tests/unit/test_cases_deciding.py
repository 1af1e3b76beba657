"""What a command does to a case, and who may give it: every state, action and role."""

import re
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from agents.cases.chain import Head, head_after, sealed
from agents.cases.deciding import MAY, Circumstances, Opening, decide, opened
from agents.cases.state import CaseState, applied, folded
from schemas.cases import Action, CaseCommand, CaseEvent, Person, PersonRole

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
CASE, OTHER, UNKNOWN = "a" * 32, "b" * 32, "c" * 32
AROUND = Circumstances(NOW, timedelta(hours=1), lambda case_id: case_id == OTHER)
DOCUMENT = Path(__file__).parents[2] / "docs" / "cases.md"

#: State after the action, in the order of ACTIONS; - is refused. By hand, from the issue's
#: open → in review → needs more → closed.
ACTIONS = ("acknowledge", "assign", "review", "need_more", "close", "reopen", "link", "note")
TABLE = {
    "open": ("open", "open", "in_review", "needs_more", "closed", "-", "open", "open"),
    "in_review": ("in_review", "in_review", "-", "needs_more", "closed", "-", "in_review", "in_review"),
    "needs_more": ("needs_more", "needs_more", "in_review", "-", "closed", "-", "needs_more", "needs_more"),
    "closed": ("-", "-", "-", "-", "-", "open", "-", "-"),
}
ROLES: dict[str, set[str]] = {
    "compliance": set(ACTIONS),
    "operations": {"acknowledge", "assign", "link", "note"},
    "manager": {"acknowledge", "note"},
    "rep": {"note"},
    "finance": set(),
    "auditor": set(),
}


def command(action: str, role: str = "compliance", person: str = "R1", **more: Any) -> CaseCommand:
    fields: dict[str, Any] = {"remark": "because"}
    fields |= {"assign": {"to": "ann"}, "close": {"verdict": "valid"}, "link": {"other_case_id": OTHER}}.get(action, {})
    fields |= {"command_id": f"{action}-1", "case_id": CASE, "action": action, "at": NOW, **more}
    return CaseCommand.model_validate({**fields, "by": Person(person_id=person, role=role)})


def case(state: str | None = "open", **more: Any) -> CaseState:
    verdict = "valid" if state == "closed" else None
    fields: dict[str, Any] = {"rule_id": "R01", "rep_id": "R1", "state": state, "verdict": verdict}
    return CaseState(CASE, **{**fields, **more})


def reason(standing: CaseState, asked: CaseCommand) -> str:
    content = decide(standing, asked, AROUND)
    assert content is not None
    assert content["outcome"] == "refused"
    assert (content["state"], content["assignee"]) == (standing.state or "closed", standing.assignee)
    return str(content["reason"])


def test_the_tables_hold_every_state_action_and_role() -> None:
    assert set(ACTIONS) == set(get_args(Action))
    assert set(ROLES) == set(get_args(PersonRole))


@pytest.mark.parametrize(("state", "action", "role"), list(product(TABLE, ACTIONS, ROLES)))
def test_every_state_action_and_role(state: str, action: str, role: str) -> None:
    content = decide(case(state), command(action, role), AROUND)

    assert content is not None
    leads_to = TABLE[state][ACTIONS.index(action)]
    if action not in ROLES[role]:
        assert content["reason"].startswith(f"a person with the role {role} may not ")
        assert "ask compliance" in content["reason"]
    if action not in ROLES[role] or leads_to == "-":
        assert (content["outcome"], content["state"]) == ("refused", state)
        assert content["verdict"] == ("valid" if state == "closed" else None)
        return
    assert "outcome" not in content
    assert (content["state_before"], content["state"]) == (state, leads_to)
    assert content["verdict"] == ("valid" if action == "close" else None)
    assert content["assignee"] == {"assign": "ann", "review": "R1"}.get(action)
    CaseEvent.model_validate({**content, "chain": 0, "number": 1, "previous_hash": "", "hash": "", "recorded_at": NOW})


def test_who_reviews_does_not_take_it_from_the_assignee() -> None:
    content = decide(case(assignee="eve"), command("review"), AROUND)
    assert content is not None
    assert content["assignee"] == "eve"


@pytest.mark.parametrize(
    ("standing", "asked", "why"),
    [
        (case("closed"), command("note"), "the case is closed (valid): reopen it first"),
        (case(None), command("note"), "no such case: no alert has this id"),
        (case("in_review"), command("review"), "the case is in review already"),
        (case("needs_more"), command("need_more"), "the case is waiting for more already"),
        (case("needs_more"), command("reopen"), "the case is waiting for more: only a closed one can be reopened"),
        (case("open"), command("reopen"), "the case is open: only a closed one can be reopened"),
        (case(seen_by="eve"), command("acknowledge"), "the alert was acknowledged already, by eve"),
        (case(assignee="ann"), command("assign"), "the case is assigned to ann already"),
        (case(), command("note", "rep", "R2"), "a representative may note on their own alerts only"),
        (case(rep_id=None), command("note", "rep", "R2"), "a representative may note on their own alerts only"),
        (case(), command("close", "manager"), "a person with the role manager may not close a case: ask compliance"),
        (
            case(),
            command("assign", "auditor"),
            "a person with the role auditor may not assign a case: ask compliance or operations",
        ),
        (
            case(),
            command("need_more", "rep"),
            "a person with the role rep may not ask for more on a case: ask compliance",
        ),
        (case(), command("link", other_case_id=CASE), "a case cannot be linked to itself"),
        (case(linked=frozenset({OTHER})), command("link"), f"the case is linked to {OTHER} already"),
        (
            case(),
            command("link", other_case_id=UNKNOWN),
            f"no such case: {UNKNOWN}, which it was to be linked to",
        ),
        (
            case(),
            command("note", at=NOW + timedelta(hours=1, seconds=1)),
            "the command is dated 2026-03-02 10:00 UTC: mend the sender's clock",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_refusal_says_why(standing: CaseState, asked: CaseCommand, why: str) -> None:
    assert reason(standing, asked) == why


def test_a_little_ahead_is_no_reason() -> None:
    content = decide(case(), command("note", at=NOW + timedelta(hours=1)), AROUND)
    assert content is not None
    assert "outcome" not in content


def test_a_command_sent_twice_makes_one_row() -> None:
    first = decide(case(), command("note"), AROUND)
    assert first is not None
    event = sealed(first, 0, Head(), NOW)
    assert decide(applied(case(), event), command("note"), AROUND) is None
    refused = sealed({**first, "outcome": "refused", "reason": "x"}, 0, Head(), NOW)
    assert decide(applied(case(), refused), command("note"), AROUND) is None


@pytest.mark.parametrize(
    ("action", "field"),
    [
        ("assign", "to"),
        ("close", "verdict"),
        ("close", "remark"),
        ("reopen", "remark"),
        ("need_more", "remark"),
        ("note", "remark"),
        ("link", "other_case_id"),
    ],
)
def test_the_model_refuses_what_an_action_cannot_do_without(action: str, field: str) -> None:
    with pytest.raises(ValidationError, match=f"the action '{action}' needs {field}"):
        command(action, **{field: None})


def test_blanks_are_no_remark() -> None:
    with pytest.raises(ValidationError, match="the action 'close' needs remark"):
        command("close", remark=" \n\u3000")


def test_a_life_of_a_case() -> None:
    opening = Opening(CASE, "R01", "R1", NOW)
    first = opened(CaseState(CASE), opening)
    assert first is not None
    events = [sealed(first, 4, Head(), NOW)]
    standing = applied(CaseState(CASE), events[0])
    assert opened(standing, opening) is None
    steps = [
        command("acknowledge", "manager", "boss"),
        command("assign"),
        command("review", person="ann"),
        command("need_more"),
        command("close", verdict="false_alarm"),
        command("reopen"),
        command("link"),
        command("close", command_id="close-2", verdict="tolerated"),
    ]
    states = []
    for step in steps:
        content = decide(standing, step, AROUND)
        assert content is not None
        events.append(sealed(content, 4, head_after(events[-1]), NOW))
        standing = applied(standing, events[-1])
        states.append((standing.state, standing.verdict))
    assert states == [
        *[("open", None)] * 2,
        *[("in_review", None), ("needs_more", None), ("closed", "false_alarm"), ("open", None), ("open", None)],
        ("closed", "tolerated"),
    ]
    assert (standing.assignee, standing.seen_by, standing.linked) == ("ann", "boss", {OTHER})
    assert (standing.rule_id, standing.rep_id) == ("R01", "R1")
    assert folded(CASE, events) == standing


def test_a_case_opens_although_a_command_came_before_its_alert() -> None:
    refused = decide(CaseState(CASE), command("note"), AROUND)
    assert refused is not None
    assert (refused["rule_id"], refused["state_before"], refused["state"]) == ("-", None, "closed")
    standing = applied(CaseState(CASE), sealed(refused, 0, Head(), NOW))
    assert standing.state is None
    assert opened(standing, Opening(CASE, "R01", "R1", NOW)) is not None


def test_the_document_shows_the_roles_as_they_are() -> None:
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE)
    documented = {role: [cell.strip() for cell in cells.split("|")] for role, cells in rows if role in ROLES}
    assert set(documented) == set(ROLES)
    for role, cells in documented.items():
        assert [bool(cell) for cell in cells] == [action in MAY[role] for action in ACTIONS]  # type: ignore[index]
