"""Delivery: who is told of an alert, how and how often (`policies/delivery.yaml`), and what became of each message."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from schemas.alerts import Alert, SubjectKind
from schemas.base import Id, Model, Moment, of_the_company
from schemas.cases import PersonRole
from schemas.compliance import Basis, Colour, Severity
from schemas.lights import Clock, Duration
from schemas.policy import Title

Language = Literal["zh", "en"]
Kind = Literal["first", "digest", "escalation"]
#: waiting: for its hour or its next attempt; bundled: waits to go out in one message with others; called_off: the alert
#: was acknowledged before; unrouted: no route leads to anybody.
Status = Literal["sent", "failed", "waiting", "bundled", "called_off", "unrouted"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: The file on this machine that takes what no other channel is set up for; there without being named.
OUTBOX = "outbox"
_ENV = r"^PULSE_CHANNEL_[A-Z0-9_]+$"

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]


def _each_once(values: tuple[str, ...]) -> tuple[str, ...]:
    if twice := next((value for number, value in enumerate(values) if value in values[:number]), None):
        msg = f"{twice} stands twice: remove one"
        raise ValueError(msg)
    return values


TimeOfDay = Annotated[Clock, AfterValidator(of_the_company)]
Names = Annotated[tuple[Name, ...], AfterValidator(_each_once)]


class Channel(Model):
    """One way to reach people. Addresses and secrets stand in the environment, never in the text."""

    kind: Literal["apprise", "webhook", "outbox"]
    """apprise: an address such as wecombot://… or mailto://…; webhook: signed JSON; outbox: a file on this machine."""
    url_env: Annotated[str, Field(pattern=_ENV)] | None = None
    """Variable that holds the address; while it is empty the channel is not set up, and the outbox takes over."""
    secret_env: Annotated[str, Field(pattern=_ENV)] | None = None
    """Variable that holds the key a webhook is signed with."""
    limit: Annotated[Duration, Field(ge=timedelta(seconds=1), le=timedelta(seconds=60))] = timedelta(seconds=10)
    """How long one attempt may take."""

    @model_validator(mode="after")
    def _has_what_its_kind_needs(self) -> Self:
        needed = {"apprise": {"url_env"}, "webhook": {"url_env", "secret_env"}, "outbox": set[str]()}[self.kind]
        for name in ("url_env", "secret_env"):
            is_there = getattr(self, name) is not None
            if name in needed and not is_there:
                msg = f"kind {self.kind} needs `{name}`: name the variable, for example PULSE_CHANNEL_WECOM"
                raise ValueError(msg)
            if name not in needed and is_there:
                msg = f"kind {self.kind} takes no `{name}`: leave it out"
                raise ValueError(msg)
        return self


class Quiet(Model):
    """Hours, in company time, in which a recipient is left in peace. What comes then waits for their end."""

    begin: TimeOfDay
    end: TimeOfDay
    """An end before the beginning is on the next day."""
    days: Annotated[tuple[Weekday, ...], Field(min_length=1), AfterValidator(_each_once)] = WEEKDAYS
    """Days on which the hours begin."""
    passes: Annotated[tuple[Colour, ...], AfterValidator(_each_once)] = ("red",)
    """Colours that are told at once all the same."""

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.begin == self.end:
            msg = "quiet hours that end when they begin: write another `end`"
            raise ValueError(msg)
        return self


class Limit(Model):
    """The most messages within a time, on each channel of the recipient. What exceeds it goes into one message."""

    messages: Annotated[int, Field(ge=1, le=10_000)]
    per: Literal["minute", "hour"]

    @property
    def length(self) -> timedelta:
        """Time the messages are counted in."""
        return timedelta(minutes=1) if self.per == "minute" else timedelta(hours=1)


class Recipient(Model):
    """A person or a group."""

    title: Title
    language: Language = "zh"
    roles: Annotated[tuple[PersonRole, ...], AfterValidator(_each_once)] = ()
    """Roles by which routes find it."""
    channels: Annotated[Names, Field(min_length=1)]
    """Every message goes out on each of them."""
    regions: tuple[Id, ...] = ()
    """With `teams` the part of the company it may hear of; empty: all of it."""
    teams: tuple[Id, ...] = ()
    quiet: Quiet | None = None
    limit: Limit = Limit(messages=20, per="minute")

    def may_hear(self, alert: Alert) -> bool:
        """Whether the alert is of its part of the company."""
        if not self.regions and not self.teams:
            return True
        return alert.region_id in self.regions or alert.team_id in self.teams


class When(Model):
    """Which alerts a route takes: those for which every list that is written holds."""

    colours: Annotated[tuple[Colour, ...], AfterValidator(_each_once)] = ()
    severities: Annotated[tuple[Severity, ...], AfterValidator(_each_once)] = ()
    rules: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] = ()
    """Ids of rules; * stands for any letters, ? for one: R1*."""
    regions: tuple[Id, ...] = ()
    teams: tuple[Id, ...] = ()
    subjects: Annotated[tuple[SubjectKind, ...], AfterValidator(_each_once)] = ()

    def takes(self, alert: Alert) -> bool:
        """Whether an alert is one of them."""
        pairs: tuple[tuple[tuple[str, ...], str | None], ...] = (
            (self.colours, alert.colour),
            (self.severities, alert.severity),
            (self.regions, alert.region_id),
            (self.teams, alert.team_id),
            (self.subjects, alert.subject_kind),
        )
        rules = not self.rules or any(fnmatchcase(alert.rule_id, pattern) for pattern in self.rules)
        return rules and all(not listed or value in listed for listed, value in pairs)


class Addressed(Model):
    """Somebody who is to be told."""

    to: Names = ()
    """Recipients by name."""
    to_roles: Annotated[tuple[PersonRole, ...], AfterValidator(_each_once)] = ()
    """All recipients with one of these roles."""

    @model_validator(mode="after")
    def _names_somebody(self) -> Self:
        if not self.to and not self.to_roles:
            msg = "leads to nobody: name recipients in `to`, or roles in `to_roles`"
            raise ValueError(msg)
        return self


class Route(Addressed):
    """Alerts and who is told of them."""

    when: When = When()
    digest: Annotated[tuple[TimeOfDay, ...], Field(max_length=24)] = ()
    """Times of day, in company time, at which they are told in one message; empty: at once, each by itself."""


class Level(Addressed):
    """Who is told when nobody did anything."""

    after: Annotated[Duration, Field(ge=timedelta(minutes=1), le=timedelta(days=30))]
    """Time since the alert was raised."""


class WorkingHours(Model):
    """Hours in which people work, in company time; on which days the company's calendar says."""

    begin: TimeOfDay
    end: TimeOfDay

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.begin >= self.end:
            msg = "working hours end after they begin, on the same day"
            raise ValueError(msg)
        return self


class Escalation(Model):
    """What happens while an alert is not acknowledged, reviewed, sent back for more or closed."""

    colours: Annotated[tuple[Colour, ...], Field(min_length=1)] = ("red",)
    counts: Literal["clock", "working_time"] = "clock"
    """What `after` counts: every minute, or those within `working_hours` on working days."""
    working_hours: WorkingHours | None = None
    levels: Annotated[tuple[Level, ...], Field(min_length=1, max_length=9)]

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if (self.counts == "working_time") != (self.working_hours is not None):
            msg = "`working_hours` goes with `counts: working_time`, and the other way round"
            raise ValueError(msg)
        times = [level.after for level in self.levels]
        if any(later <= earlier for earlier, later in pairwise(times)):
            msg = "each level comes later than the one before: mend `after`"
            raise ValueError(msg)
        return self


class DeliveryPolicy(Model):
    """The text of `policies/delivery.yaml`."""

    channels: dict[Name, Channel] = Field(default_factory=dict)
    recipients: Annotated[dict[Name, Recipient], Field(min_length=1)]
    routes: Annotated[tuple[Route, ...], Field(min_length=1)]
    """All that take an alert count; a recipient two routes lead to is told once, and at once if one says so."""
    escalation: Escalation | None = None
    attempts: Annotated[int, Field(ge=1, le=50)] = 8
    """Attempts after which a message that cannot be handed over is given up; see `pulse delivery retry`."""
    not_older_than: Annotated[Duration, Field(ge=timedelta(hours=1), le=timedelta(days=30))] = timedelta(days=7)
    """Alerts raised longer ago are not told any more, for example after a long standstill."""

    @field_validator("channels")
    @classmethod
    def _keeps_the_outbox(cls, value: dict[str, Channel]) -> dict[str, Channel]:
        if OUTBOX in value and value[OUTBOX].kind != "outbox":
            msg = "the channel `outbox` is the file on this machine: give this one another name"
            raise ValueError(msg)
        return value

    def channel(self, name: str) -> Channel:
        """A channel by its name; the outbox needs no entry."""
        return self.channels.get(name) or Channel(kind="outbox")

    def addressed(self, one: Addressed) -> Iterator[str]:
        """Names of the recipients a route or level leads to, each once."""
        for name, recipient in self.recipients.items():
            if name in one.to or any(role in recipient.roles for role in one.to_roles):
                yield name

    def flaws(self) -> Iterator[tuple[tuple[int | str, ...], str]]:
        """What does not fit together: the place in the text and what is wrong there."""
        for name, recipient in self.recipients.items():
            known = (*self.channels, OUTBOX)
            for number, channel in enumerate(recipient.channels):
                if channel not in known:
                    yield (
                        ("recipients", name, "channels", number),
                        f"there is no channel {channel}: there is {_listed(known)}",
                    )
        for number, route in enumerate(self.routes):
            yield from self._unknown(route, ("routes", number))
        for number, level in enumerate(self.escalation.levels if self.escalation else ()):
            yield from self._unknown(level, ("escalation", "levels", number))

    def _unknown(self, one: Addressed, place: tuple[int | str, ...]) -> Iterator[tuple[tuple[int | str, ...], str]]:
        for number, name in enumerate(one.to):
            if name not in self.recipients:
                yield (*place, "to", number), f"there is no recipient {name}: there is {_listed(self.recipients)}"
        held = {role for recipient in self.recipients.values() for role in recipient.roles}
        for number, role in enumerate(one.to_roles):
            if role not in held:
                yield (*place, "to_roles", number), f"no recipient has the role {role}: it leads to nobody"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names)))


class Delivery(Model):
    """What is to go, or went, to one recipient on one channel. Its identity is made of what it is about."""

    delivery_id: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    """Hash of alert, recipient, channel, kind and level."""
    alert_id: str
    recipient: str
    channel: str
    kind: Kind
    level: int = 0
    """Level of an escalation, from 1; 0 otherwise."""
    status: Status = "waiting"
    attempts: int = 0
    last_error: str = ""
    due_at: Moment
    """When it is to go out."""
    planned_at: Moment
    """When it was decided on."""
    sent_at: Moment | None = None
    message_id: str = ""
    """Message it went out in: its own identity, or that of the message that several share."""
    colour: Colour = "red"
    """Colour of the alert."""
    joins: bool = False
    """Whether it goes out in one message with others that wait for the same recipient and channel."""


class Notice(Model):
    """What a message says of an alert: who, where, when and why, without coordinates or texts of the event."""

    alert_id: str
    rule_id: Id
    title: Title
    message: Title
    severity: Severity
    colour: Colour
    subject_kind: SubjectKind
    subject_id: Id
    rep_id: Id
    institution_id: Id | None = None
    hcp_id: Id | None = None
    team_id: Id | None = None
    region_id: Id | None = None
    occurred_at: Moment
    raised_at: Moment
    basis: tuple[Basis, ...] = ()
    reasons: tuple[str, ...] = ()
    """The explanation in short: figures and days that decided."""


class Message(Model):
    """One message to one recipient, in their language."""

    message_id: str
    """Identity; the same in every attempt."""
    kind: Literal["first", "digest", "escalation", "bundle", "trial"]
    recipient: Name
    language: Language
    title: str
    text: str
    alerts: tuple[Notice, ...] = ()
