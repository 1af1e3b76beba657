"""Alerts: what a compliance rule found, as it goes to the topic `alerts` and into the table of that name."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Day, Id, Model, Moment
from schemas.compliance import Basis, Colour, EventKind, Severity
from schemas.policy import Title

#: Whose conduct or whose benefit a rule is about.
SubjectKind = Literal["rep", "hcp", "institution"]


class ExplainedValue(Model):
    """One value that took part in a verdict, and those it was made of."""

    text: str
    """The part of the rule's expression."""
    value: str | None = None
    """As a person reads it; empty where it was missing."""
    parts: tuple["ExplainedValue", ...] = ()


class Alert(Model):
    """One breach of one rule. The same breach found twice, on whatever worker, has the same identity."""

    alert_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    """Hash of rule, subject and evidence, or of rule, subject and period where a rule alerts once a period."""
    rule_id: Id
    rule_version: int
    """Version of the published rules; 0 where they were not published."""
    title: Title
    """Title of the rule."""
    severity: Severity
    colour: Colour
    message: Title
    """What happened, in both languages."""
    subject_kind: SubjectKind
    subject_id: Id
    rep_id: Id
    """Representative of the event."""
    institution_id: Id | None = None
    hcp_id: Id | None = None
    team_id: Id | None = None
    """Team of the representative on the day of the event."""
    region_id: Id | None = None
    """Region of the representative on the day of the event."""
    event_kind: EventKind | Literal["market"]
    event_id: Id
    """With `event_kind` and `rep_id` the evidence: the event that hit."""
    occurred_at: Moment
    """When the event happened."""
    period_start: Day | None = None
    """First day of the period a rule alerts once in; empty where every event counts."""
    raised_at: Moment
    """When the rule was judged."""
    owner: Id
    """Who answers for the rule."""
    basis: tuple[Basis, ...]
    explanation: ExplainedValue | None = None
    """Why: the tree of the expression with its values."""
