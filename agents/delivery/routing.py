"""Who is told of an alert: the deliveries that follow from the policy, with identities that are the same every time."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from agents.delivery.times import after_working, next_of
from schemas.alerts import Alert
from schemas.cases import CaseEvent
from schemas.delivery import Delivery, DeliveryPolicy, Escalation, Kind

#: What people do with a case that ends its escalation.
_SEEN = frozenset({"acknowledge", "review", "need_more", "close"})
_ID_LENGTH = 32


@dataclass(frozen=True)
class Desk:
    """What routing needs to know beside the alert.

    Attributes:
        policy: who is told.
        channels: the channels that are set up, by recipient; never empty.
        zone: of the company.
        works: whether the day with an ordinal is worked.
    """

    policy: DeliveryPolicy
    channels: Mapping[str, Sequence[str]]
    zone: ZoneInfo
    works: Callable[[int], bool]


def identity(alert_id: str, recipient: str, channel: str, kind: Kind, level: int) -> str:
    """Identity of a delivery: the same alert to the same person on the same way is one, however often it is planned."""
    return hashed("\x1f".join((alert_id, recipient, channel, kind, str(level))))


def hashed(text: str) -> str:
    """An identity made of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:_ID_LENGTH]


def plan(alert: Alert, desk: Desk, now: datetime) -> list[Delivery]:
    """Every delivery of an alert, those of its escalation included; none when it is too old or leads to nobody."""
    if now - alert.raised_at > desk.policy.not_older_than:
        return []
    return [*_first(alert, desk, now), *_escalations(alert, desk, now)]


def _first(alert: Alert, desk: Desk, now: datetime) -> Iterator[Delivery]:
    """At once where one route says so, else at the earliest time of the digests."""
    reached: dict[str, set[time]] = {}
    at_once: set[str] = set()
    for route in desk.policy.routes:
        for name in desk.policy.addressed(route) if route.when.takes(alert) else ():
            if desk.policy.recipients[name].may_hear(alert):
                reached.setdefault(name, set()).update(route.digest)
                at_once |= set() if route.digest else {name}
    for name, times in reached.items():
        if name in at_once:
            yield from _on_every_channel(alert, desk, name, "first", 0, now, now)
        else:
            yield from _on_every_channel(alert, desk, name, "digest", 0, next_of(sorted(times), now, desk.zone), now)


def _escalations(alert: Alert, desk: Desk, now: datetime) -> Iterator[Delivery]:
    escalation = desk.policy.escalation
    if escalation is None or alert.colour not in escalation.colours:
        return
    for number, level in enumerate(escalation.levels, 1):
        due_at = _after(alert.raised_at, level.after, escalation, desk)
        for name in desk.policy.addressed(level):
            if desk.policy.recipients[name].may_hear(alert):
                yield from _on_every_channel(alert, desk, name, "escalation", number, due_at, now)


def _after(start: datetime, length: timedelta, escalation: Escalation, desk: Desk) -> datetime:
    if escalation.working_hours is None:
        return start + length
    return after_working(start, length, escalation.working_hours, desk.works, desk.zone)


def _on_every_channel(
    alert: Alert, desk: Desk, recipient: str, kind: Kind, level: int, due_at: datetime, now: datetime
) -> Iterator[Delivery]:
    for channel in desk.channels[recipient]:
        delivery_id = identity(alert.alert_id, recipient, channel, kind, level)
        yield Delivery(
            delivery_id=delivery_id,
            alert_id=alert.alert_id,
            recipient=recipient,
            channel=channel,
            kind=kind,
            level=level,
            due_at=due_at,
            planned_at=now,
            colour=alert.colour,
            joins=kind == "digest",
        )


def unrouted(alert: Alert, now: datetime) -> Delivery:
    """The note that nobody is told of an alert."""
    return Delivery(
        delivery_id=identity(alert.alert_id, "", "", "first", 0),
        alert_id=alert.alert_id,
        recipient="",
        channel="",
        kind="first",
        status="unrouted",
        due_at=now,
        planned_at=now,
        colour=alert.colour,
    )


def ends_escalation(event: CaseEvent) -> bool:
    """Whether somebody took the alert up; a reopened case does not begin to escalate again."""
    return event.outcome == "done" and event.action in _SEEN
