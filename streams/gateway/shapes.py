"""What the gateway takes and gives, as models: checked when it comes, described in the OpenAPI document."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from schemas.alerts import Alert, ExplainedValue
from schemas.base import Id, Moment, Text
from schemas.cases import Action, PersonRole, State, Verdict
from schemas.compliance import Basis, Colour
from streams.gateway.ingest import Status

#: Identity of an alert and of its case.
AlertId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
_BASIS = TypeAdapter(tuple[Basis, ...])


class Shape(BaseModel):
    """A value that refuses unknown fields; the lines under a field describe it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ItemResult(Shape):
    """What became of one event of a batch."""

    index: int
    """Place in the request, from 0."""
    status: Status
    """accepted, duplicate (of one before it in the request: sent once) or refused."""
    event_id: str | None = None
    """Empty where it could not be read, or must not be repeated."""
    step: str | None = None
    """Step of the stream that would refuse it."""
    message: str | None = None
    """What is wrong, in the words of the dead letters."""


class BatchAnswer(Shape):
    """What became of a batch; the broker has what was accepted."""

    accepted: int
    duplicates: int
    refused: int
    results: list[ItemResult]
    """One for every event, in order."""


class EventAnswer(Shape):
    """The broker has the event."""

    status: Status
    event_id: str | None
    """Empty where it must not be repeated."""


class CommandBody(Shape):
    """What a command needs beside its action; the action says which fields."""

    to: Id | None = None
    """Assignee, of `assign`."""
    verdict: Verdict | None = None
    """Of `close`."""
    other_case_id: AlertId | None = None
    """Of `link`."""
    remark: Text | None = None
    """Needed to close, reopen, ask for more and to note."""


class CommandAnswer(Shape):
    """The command is on its way; the timeline of the case says what became of it."""

    command_id: str
    case_id: str
    action: Action


class AlertShown(Shape):
    """One alert."""

    alert_id: str
    rule_id: str
    rule_version: int
    title_zh: str
    title_en: str
    severity: str
    colour: str
    message_zh: str
    message_en: str
    subject_kind: str
    subject_id: str
    rep_id: str
    institution_id: str
    hcp_id: str
    team_id: str
    region_id: str
    event_kind: str
    event_id: str
    occurred_at: datetime
    period_start: date | None
    raised_at: datetime
    owner: str
    basis: tuple[Basis, ...]
    """Articles and sources the rule rests on."""
    explanation: ExplainedValue | None
    """Why: the tree of the expression with its values. Of an alert about a professional or an institution it shows
    what other representatives did, so those who see their own or their tree alone do not get it, nor the live stream.
    """

    @property
    def without_others(self) -> "AlertShown":
        """The same without what other representatives did."""
        return self if self.subject_kind == "rep" else self.model_copy(update={"explanation": None})

    @classmethod
    def of(cls, alert: Alert) -> "AlertShown":
        """An alert of the topic as it is shown."""
        told = alert.model_dump(exclude={"title", "message", "basis", "explanation"})
        empty = {name: told[name] or "" for name in ("institution_id", "hcp_id", "team_id", "region_id")}
        words = {
            "title_zh": alert.title.zh,
            "title_en": alert.title.en,
            "message_zh": alert.message.zh,
            "message_en": alert.message.en,
        }
        return cls(**told | empty | words, basis=alert.basis, explanation=alert.explanation)

    @classmethod
    def of_row(cls, row: dict[str, object]) -> "AlertShown":
        """A row of `alert_log` as it is shown."""
        told = {name: row[name] for name in cls.model_fields if name not in {"basis", "explanation"}}
        return cls.model_validate(
            {**told, "basis": _BASIS.validate_json(str(row["basis"]) or "[]"), "explanation": _tree(row["explanation"])}
        )


def _tree(text: object) -> ExplainedValue | None:
    return ExplainedValue.model_validate_json(str(text)) if text and text != "null" else None


class CaseShown(Shape):
    """One case, as it stands."""

    case_id: str
    rule_id: str
    severity: str
    colour: str
    title_zh: str
    title_en: str
    message_zh: str
    message_en: str
    subject_kind: str
    subject_id: str
    rep_id: str
    institution_id: str
    hcp_id: str
    team_id: str
    region_id: str
    event_kind: str
    event_id: str
    occurred_at: datetime
    raised_at: datetime
    owner: str
    state: str
    verdict: str
    """valid, false_alarm or tolerated; empty while it is not closed."""
    assignee: str
    acknowledged_at: datetime | None
    acknowledged_by: str
    closed_at: datetime | None
    closed_by: str
    remark: str
    """The last one."""
    reopened: int
    """How often."""
    linked: list[str]
    changed_at: datetime


class TimelineEntry(Shape):
    """One thing that was done, or refused."""

    number: int
    action: str
    outcome: str
    """done or refused."""
    reason: str
    """Why a command was refused."""
    command_id: str
    """Command, as the answer to it said."""
    by_id: str
    by_role: str
    remark: str
    at: datetime
    recorded_at: datetime
    state: str
    verdict: str
    assignee: str


class CaseWithTimeline(CaseShown):
    """One case with everything that was done, the first thing first."""

    timeline: list[TimelineEntry]


class LightShown(Shape):
    """One alert light of a target."""

    kpi_id: str
    period: str
    period_start: date
    period_end: date
    owner_level: str
    owner_id: str
    owner_name: str
    owner_name_en: str
    team_id: str
    region_id: str
    product_level: str
    product_key: str
    product_name: str
    product_name_en: str
    state: str
    cause: str
    since: datetime
    value: Decimal | None
    target: Decimal
    attainment: Decimal | None
    expected: Decimal
    pace: Decimal | None
    forecast: Decimal | None
    forecast_low: Decimal | None
    forecast_high: Decimal | None
    judged_at: datetime


class RuleShown(Shape):
    """One rule; the figures are for compliance, operations and auditors."""

    rule_id: str
    title_zh: str
    title_en: str
    severity: str
    colour: str
    effective_from: date
    effective_to: date | None
    alerts: int | None = None
    open: int | None = None
    closed: int | None = None
    valid: int | None = None
    false_alarms: int | None = None
    tolerated: int | None = None
    precision: float | None = None
    """valid ÷ (valid + false_alarms); empty while nothing was judged."""


class AlertPage(Shape):
    """Alerts, the newest first."""

    items: list[AlertShown]
    next: str | None
    """Give it as `cursor` to go on; empty at the end."""


class CasePage(Shape):
    """Cases, the newest first."""

    items: list[CaseShown]
    next: str | None
    """Give it as `cursor` to go on; empty at the end."""


class LightPage(Shape):
    """Lights by KPI, period and owner."""

    items: list[LightShown]
    next: str | None
    """Give it as `cursor` to go on; empty at the end."""


class RuleList(Shape):
    """All rules."""

    items: list[RuleShown]


class Me(Shape):
    """Whom the gateway takes the caller for."""

    kind: Literal["person", "system"]
    id: str
    name: str | None = None
    role: PersonRole | None = None
    node: str | None = None
    rep_id: str | None = None
    event_kinds: list[str] = []
    source: str | None = None
    sees: dict[str, str] = {}
    """Alerts, cases, lights and rules: all, tree, own or none."""
    may: list[Action] = []
    """What may be done with a case."""


_Limit = Annotated[int, Field(ge=1, le=200)]
_Cursor = Annotated[str, Field(max_length=2_000)]


class PageAsked(Shape):
    """Which page."""

    limit: _Limit = 50
    """Most items of a page."""
    cursor: _Cursor | None = None
    """`next` of the page before."""


class AlertsAsked(PageAsked):
    """Which alerts."""

    colour: Colour | None = None
    rule: Id | None = None
    rep: Id | None = None
    region: Id | None = None
    since: Moment | None = None
    """Raised at this moment or later."""


class CasesAsked(AlertsAsked):
    """Which cases."""

    state: State | None = None
    assignee: Id | None = None


class LightsAsked(PageAsked):
    """Which lights."""

    colour: Literal["green", "amber", "red", "grey"] | None = None
    kpi: Id | None = None
    period: Literal["month", "quarter", "year"] | None = None
    level: Literal["rep", "team", "region", "company"] | None = None
    rep: Id | None = None
    region: Id | None = None
    since: Moment | None = None
    """In its colour from this moment on, or later."""
    over: bool = False
    """Lights of periods that are over too."""


class Health(Shape):
    """The process answers."""

    status: Literal["ok"]


class Readiness(Shape):
    """Whether what the gateway needs answers."""

    status: Literal["ok", "unavailable"]
    broker: bool
    clickhouse: bool
