"""Touches: events on their way to the shards of the professionals and institutions they concern.

Rules that look back on a professional or a hospital need all its events, whoever the representative was. So an event
travels to the shard of each of them, is kept there, and is judged with the complete past of that one.
"""

from datetime import datetime
from typing import Any, NamedTuple

import orjson
from pydantic import TypeAdapter

from agents.compliance.judge import CONCERNED
from agents.intake.decode import in_utc
from agents.intake.seen import identity_hash
from schemas.alerts import SubjectKind
from schemas.events import EVENT_MODELS, Event, Findings, Located

_ADAPTERS: dict[str, TypeAdapter[Any]] = {kind: TypeAdapter(model) for kind, model in EVENT_MODELS.items()}
#: Positions stay with the representative.
_LEFT_OUT = {"check_in", "check_out"}


class Touch(NamedTuple):
    """An event at one of those it concerns.

    Attributes:
        subject: hcp or institution.
        key: its id; the message key.
        event: the event, with what the intake found.
        text: the event as it is kept.
        is_past: whether it is told for the past alone and not judged any more.
    """

    subject: SubjectKind
    key: str
    event: Event
    text: bytes
    is_past: bool = False

    @property
    def identity(self) -> int:
        """Hash of what it is."""
        event = self.event
        return touch_identity(self.subject, self.key, event.kind_name, event.owner, event.event_id)


class TouchRow(NamedTuple):
    """A touch as ClickHouse keeps it."""

    touch: Touch
    offset: int
    at: datetime


def touch_identity(subject: str, key: str, kind: str, rep_id: str, event_id: str) -> int:
    """Hash of what a touch is: whose, and the identity of the event."""
    return identity_hash(f"touch:{subject}:{kind}", f"{key}\x1f{rep_id}", event_id)


def as_text(event: Event) -> bytes:
    """An event as a line of what the intake found and a line of JSON, without positions."""
    breaches, located = event.findings
    found = orjson.dumps([breaches, list(located) if any(found is not None for found in located) else None])
    return b"%b\n%b" % (found, event.model_dump_json(exclude=_LEFT_OUT, exclude_defaults=True).encode())


def from_text(kind: str, text: bytes) -> Event:
    """The event of `as_text`.

    Raises:
        ValueError: it is none.
        KeyError: there is no such kind of event.
        TypeError: what was found is not what it must be.
    """
    found, _, content = text.partition(b"\n")
    event: Event = in_utc(_ADAPTERS[kind].validate_json(content))
    breaches, located = orjson.loads(found)
    if breaches or located:
        event.found(Findings(tuple(breaches), Located(*located) if located else Located()))
    return event


def message(touch: Touch) -> bytes:
    """A touch as it goes to the topic: a line of what it is, and the event."""
    return b"%b\n%b" % (orjson.dumps([touch.subject, touch.event.kind_name, touch.is_past]), touch.text)


def from_message(key: bytes | None, value: bytes | None) -> Touch:
    """The touch of a message.

    Raises:
        ValueError: it is none.
        KeyError: there is no such kind of event.
        TypeError: a part of it is not what it must be.
    """
    head, _, text = (value or b"").partition(b"\n")
    subject, kind, is_past = orjson.loads(head)
    if subject not in CONCERNED or key is None:
        msg = f"a touch concerns {' or '.join(CONCERNED)}, and its key is whom"
        raise ValueError(msg)
    return Touch(subject, key.decode(), from_text(kind, text), text, bool(is_past))
