"""Cases: what people do with alerts. Commands come in on the topic `commands`, every change goes out on `cases`.

A case has the identity of its alert. It is open from the moment the alert is raised; a command moves it on, and every
move is a row that is never changed.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.base import Id, Model, Moment, Text

State = Literal["open", "in_review", "needs_more", "closed"]
Verdict = Literal["valid", "false_alarm", "tolerated"]
Action = Literal["acknowledge", "assign", "review", "need_more", "close", "reopen", "link", "note"]
#: Roles of people.
PersonRole = Literal["rep", "manager", "compliance", "operations", "finance", "auditor"]


class Person(Model):
    """Who does something."""

    person_id: Id
    role: PersonRole
    name: Text | None = None


class CaseCommand(Model):
    """A wish to change a case. Sent twice with one `command_id` it changes nothing more."""

    command_id: Id
    case_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    """The alert's identity; the message key."""
    action: Action
    by: Person
    at: Moment
    """When the person gave it."""
    to: Id | None = None
    """Assignee, of `assign`."""
    verdict: Verdict | None = None
    """Of `close`."""
    other_case_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None
    """Of `link`."""
    remark: Text | None = None
    """Needed to close, reopen, ask for more and to note."""

    @model_validator(mode="after")
    def _has_what_its_action_needs(self) -> Self:
        needs: dict[str, tuple[str, ...]] = {
            "assign": ("to",),
            "close": ("verdict", "remark"),
            "reopen": ("remark",),
            "need_more": ("remark",),
            "note": ("remark",),
            "link": ("other_case_id",),
        }
        if missing := [name for name in needs.get(self.action, ()) if not (getattr(self, name) or "").strip()]:
            msg = f"the action {self.action!r} needs {', '.join(missing)}"
            raise ValueError(msg)
        return self


class CaseEvent(Model):
    """One row of the audit trail, as it goes to the topic `cases` and into the table `case_audit`."""

    chain: int
    """Chain it belongs to: the partition of the case."""
    number: int
    """Place in the chain, from 1 without gaps."""
    previous_hash: str
    """Hash of the row before; of the first one 64 zeros."""
    hash: str
    """SHA-256 of this row's content and `previous_hash`."""
    case_id: Id
    command_id: Id
    """Identity of the command; `open:` and the alert for the first row of a case."""
    action: Literal["open", "acknowledge", "assign", "review", "need_more", "close", "reopen", "link", "note"]
    outcome: Literal["done", "refused"] = "done"
    reason: Text | None = None
    """Why a command was refused."""
    state_before: State | None = None
    state: State
    """State after it; `closed` where a command named a case that does not exist."""
    verdict: Verdict | None = None
    assignee: Id | None = None
    by: Person | None = None
    """Empty where the system did it."""
    other_case_id: Id | None = None
    remark: Text | None = None
    at: Moment
    """When the person gave the command; for the first row when the alert was raised."""
    recorded_at: Moment
    """When it was written down."""
    rule_id: Id
    """Rule of the alert; `-` where a command named a case that does not exist."""
    rep_id: Id | None = None
    """Representative of the alert; empty where no alert is known."""
