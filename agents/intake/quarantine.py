"""Alerts of the rules at the intake: what may be told of content that is set aside (R06), and of positions (R26)."""

from datetime import date, datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from agents.intake.directory import Directory
from agents.intake.guard import Quarantined, plain_id
from schemas.alerts import Alert, ExplainedValue
from schemas.events import MODEL_OF_TOPIC, Event
from schemas.intake_policy import CountingRule, IntakeRule, LocationRule, Withheld
from schemas.policy import Title

_UNKNOWN = "unknown"


class Stopped(NamedTuple):
    """A message that was not let in.

    Attributes:
        topic: where it arrived.
        partition: its partition.
        offset: its offset.
        key: its key.
        raw: its content; it goes into a sealed box and nowhere else.
        found: what may be told of it.
        at: when it was stopped.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    raw: bytes
    found: Quarantined
    at: datetime

    @property
    def quarantine_id(self) -> str:
        """The same wherever and however often the message is read."""
        return _digest(self.topic, str(self.partition), str(self.offset), self.found.hash)

    @property
    def owner(self) -> str:
        """Whose message it is: its key, or the representative it names, as far as these are plain identifiers."""
        return plain_id((self.key or b"").decode("utf-8", "replace")) or self.found.rep_id or _UNKNOWN


def alert_of(stopped: Stopped, rule: CountingRule, directory: Directory, day: date) -> Alert:
    """The alert of a message that was not let in; it says where the content lies and nothing of what it says.

    Args:
        stopped: the message.
        rule: R06.
        directory: where the representative belongs.
        day: company day on which it was stopped: what the message says of its time is not trusted.
    """
    found, rep_id = stopped.found, stopped.owner
    kind = MODEL_OF_TOPIC[stopped.topic].kind_name
    evidence = {
        "quarantine": stopped.quarantine_id,
        "sha256": found.hash,
        "topic": stopped.topic,
        "partition": str(stopped.partition),
        "offset": str(stopped.offset),
        "source": found.source,
        "found in": found.how,
    }
    return _alert(
        rule,
        identity=alert_id(rule, rep_id, kind, found.event_id, found.hash),
        message=rule.message,
        rep_id=rep_id,
        directory=directory,
        day=day,
        kind=kind,
        event_id=found.event_id or f"sha256:{found.hash[:32]}",
        occurred_at=stopped.at,
        raised_at=stopped.at,
        explanation=ExplainedValue(
            text=rule.id,
            value="yes",
            parts=tuple(ExplainedValue(text=name, value=one) for name, one in evidence.items()),
        ),
    )


def alert_id(rule: CountingRule, owner: str, kind: str, event_id: str | None, digest: str) -> str:
    """Identity of the alert of a message: the same wherever and however often it is read."""
    return _digest(rule.id, owner, kind, event_id or "", digest)


def alert_of_position(
    event: Event, why: Withheld, rule: LocationRule, directory: Directory, day: date, now: datetime
) -> Alert:
    """The alert of a position that should not have been sent: one for a representative and day.

    Args:
        event: the visit.
        why: hours or consent.
        rule: R26.
        directory: where the representative belongs.
        day: company day of the visit.
        now: moment of the judgement.
    """
    rep_id = event.owner
    line = directory.reps.get(rep_id)
    row = line.on(day) if line is not None else None
    name, name_en = (row.name, row.name_en or row.name) if row is not None else (rep_id, rep_id)
    message = Title(zh=rule.message.zh.replace("{rep}", name), en=rule.message.en.replace("{rep}", name_en))
    return _alert(
        rule,
        identity=_digest(rule.id, "rep", rep_id, day.isoformat()),
        message=message,
        rep_id=rep_id,
        directory=directory,
        day=day,
        kind=event.kind_name,
        event_id=event.event_id,
        occurred_at=event.occurred_at,
        raised_at=now,
        explanation=ExplainedValue(text=rule.id, value="yes", parts=(ExplainedValue(text="withheld", value=why),)),
        period_start=day,
    )


def _alert(  # noqa: PLR0913 - the fields of an alert
    rule: IntakeRule,
    *,
    identity: str,
    message: Title,
    rep_id: str,
    directory: Directory,
    day: date,
    kind: Any,
    event_id: str,
    occurred_at: datetime,
    raised_at: datetime,
    explanation: ExplainedValue,
    period_start: date | None = None,
) -> Alert:
    path = {node.level: node.node_id for node in directory.path(rep_id, day.toordinal())}
    return Alert(
        alert_id=identity,
        rule_id=rule.id,
        rule_version=0,
        title=rule.title,
        severity=rule.severity,
        colour=rule.colour,
        message=message,
        subject_kind="rep",
        subject_id=rep_id,
        rep_id=rep_id,
        team_id=path.get("team"),
        region_id=path.get("region"),
        event_kind=kind,
        event_id=event_id,
        occurred_at=occurred_at,
        period_start=period_start,
        raised_at=raised_at,
        owner=rule.owner,
        basis=rule.basis,
        explanation=explanation,
    )


def _digest(*parts: str) -> str:
    return blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()
