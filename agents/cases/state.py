"""Where a case stands: the fold of its rows in the audit trail."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from schemas.cases import CaseEvent, State, Verdict

#: Actions that show that somebody has seen the alert.
SEEING = frozenset({"acknowledge", "review", "need_more", "close"})


@dataclass(frozen=True)
class CaseState:
    """A case at one moment.

    Attributes:
        case_id: identity, that of the alert.
        rule_id: rule of the alert; `-` while nothing is known of it.
        rep_id: representative of the alert.
        state: None for a case that was never opened.
        verdict: of the closed case.
        assignee: who works on it.
        seen_by: who saw the alert first.
        linked: cases it was linked to.
        commands: commands it has an answer to.
    """

    case_id: str
    rule_id: str = "-"
    rep_id: str | None = None
    state: State | None = None
    verdict: Verdict | None = None
    assignee: str | None = None
    seen_by: str | None = None
    linked: frozenset[str] = frozenset()
    commands: frozenset[str] = frozenset()


def applied(case: CaseState, event: CaseEvent) -> CaseState:
    """The case after one more row of its audit trail."""
    case = replace(case, commands=case.commands | {event.command_id})
    if event.outcome == "refused":
        return case
    if event.action == "open":
        return replace(case, state="open", rule_id=event.rule_id, rep_id=event.rep_id)
    sees = event.action in SEEING and event.by is not None and case.seen_by is None
    link = {event.other_case_id} if event.other_case_id else set()
    return replace(
        case,
        state=event.state,
        verdict=event.verdict,
        assignee=event.assignee,
        seen_by=event.by.person_id if sees and event.by else case.seen_by,
        linked=case.linked | link,
    )


def folded(case_id: str, events: Iterable[CaseEvent]) -> CaseState:
    """The case that a trail tells of, oldest row first."""
    case = CaseState(case_id)
    for event in events:
        case = applied(case, event)
    return case
