"""What becomes of a command: done, refused with a reason, or known already."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from agents.cases.state import CaseState
from schemas.cases import Action, CaseCommand, PersonRole, State

_ALL: frozenset[Action] = frozenset({"acknowledge", "assign", "review", "need_more", "close", "reopen", "link", "note"})
#: What a role may do. docs/cases.md shows the same table, and a test compares.
MAY: Mapping[PersonRole, frozenset[Action]] = {
    "compliance": _ALL,
    "operations": frozenset({"acknowledge", "assign", "link", "note"}),
    "manager": frozenset({"acknowledge", "note"}),
    "rep": frozenset({"note"}),
    "finance": frozenset(),
    "auditor": frozenset(),
}
#: State a done command leads to; what is not here leaves it as it is.
_LEADS_TO: Mapping[Action, State] = {
    "review": "in_review",
    "need_more": "needs_more",
    "close": "closed",
    "reopen": "open",
}
_IN_WORDS = {"in_review": "in review", "needs_more": "waiting for more"}


@dataclass(frozen=True)
class Opening:
    """An alert that asks for its case.

    Attributes:
        case_id: identity of the alert.
        rule_id: its rule.
        rep_id: its representative.
        raised_at: when it was raised.
    """

    case_id: str
    rule_id: str
    rep_id: str
    raised_at: datetime


@dataclass(frozen=True)
class Circumstances:
    """What the verdict on a command depends on, beside the case.

    Attributes:
        now: the clock.
        ahead: how far ahead of the clock a command may be dated.
        is_known: whether a case exists, asked for `link`.
    """

    now: datetime
    ahead: timedelta
    is_known: Callable[[str], bool]


#: Fields of a row but its place in the chain.
Content = dict[str, Any]


def opened(case: CaseState, opening: Opening) -> Content | None:
    """The first row of a case; None when it is open already."""
    if case.state is not None:
        return None
    return {
        "case_id": opening.case_id,
        "command_id": f"open:{opening.case_id}",
        "action": "open",
        "state": "open",
        "rule_id": opening.rule_id,
        "rep_id": opening.rep_id,
        "at": opening.raised_at.astimezone(UTC),
    }


def decide(case: CaseState, command: CaseCommand, around: Circumstances) -> Content | None:
    """The row a command makes; None for one that has its answer already."""
    if command.command_id in case.commands:
        return None
    reason = refusal(case, command, around)
    content: Content = {
        "case_id": case.case_id,
        "command_id": command.command_id,
        "action": command.action,
        "by": command.by,
        "remark": command.remark,
        "other_case_id": command.other_case_id if command.action == "link" else None,
        "at": command.at.astimezone(UTC),
        "rule_id": case.rule_id,
        "rep_id": case.rep_id,
        "state_before": case.state,
    }
    if reason is not None:
        standing = {"state": case.state or "closed", "verdict": case.verdict, "assignee": case.assignee}
        return content | standing | {"outcome": "refused", "reason": reason}
    return content | {
        "state": _LEADS_TO.get(command.action, case.state),
        "verdict": command.verdict if command.action == "close" else None,
        "assignee": _assignee(case, command),
    }


def _assignee(case: CaseState, command: CaseCommand) -> str | None:
    """Who reviews a case that nobody has, has it."""
    if command.action == "assign":
        return command.to
    return case.assignee or (command.by.person_id if command.action == "review" else None)


def refusal(case: CaseState, command: CaseCommand, around: Circumstances) -> str | None:
    """Why a command cannot be done; None when it can."""
    if command.at > around.now + around.ahead:
        return f"the command is dated {command.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC: mend the sender's clock"
    if case.state is None:
        return "no such case: no alert has this id"
    return _not_allowed(case, command) or _out_of_turn(case, command) or _bad_link(case, command, around)


def _not_allowed(case: CaseState, command: CaseCommand) -> str | None:
    role, action = command.by.role, command.action
    if action not in MAY[role]:
        able = [name for name, actions in MAY.items() if action in actions]
        return f"a person with the role {role} may not {_spelt(action)} a case: ask {' or '.join(able)}"
    if role == "rep" and command.by.person_id != case.rep_id:
        return "a representative may note on their own alerts only"
    return None


def _out_of_turn(case: CaseState, command: CaseCommand) -> str | None:
    action, state = command.action, case.state
    if state == "closed" and action != "reopen":
        return f"the case is closed ({case.verdict}): reopen it first"
    if action == "reopen" and state != "closed":
        return f"the case is {_IN_WORDS.get(str(state), state)}: only a closed one can be reopened"
    if action in {"review", "need_more"} and state == _LEADS_TO[action]:
        return f"the case is {_IN_WORDS[str(state)]} already"
    if action == "acknowledge" and case.seen_by is not None:
        return f"the alert was acknowledged already, by {case.seen_by}"
    if action == "assign" and command.to == case.assignee:
        return f"the case is assigned to {case.assignee} already"
    return None


def _bad_link(case: CaseState, command: CaseCommand, around: Circumstances) -> str | None:
    other = command.other_case_id
    if command.action != "link" or other is None:
        return None
    if other == case.case_id:
        return "a case cannot be linked to itself"
    if other in case.linked:
        return f"the case is linked to {other} already"
    return None if around.is_known(other) else f"no such case: {other}, which it was to be linked to"


def _spelt(action: str) -> str:
    return {"need_more": "ask for more on", "note": "note on"}.get(action, action)
