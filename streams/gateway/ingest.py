"""What becomes of each event of a request: checked with the code of the stream, so the sender learns at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import orjson

from agents.intake.decode import RefusedError, check_time, decode
from agents.intake.guard import plain_id
from schemas.events import EVENT_MODELS, Event
from streams.gateway.rights import System
from streams.gateway.sender import Message
from streams.gateway.suspicion import Suspicion, nothing
from streams.topics import HEADER_EVENT_ID

Status = Literal["accepted", "duplicate", "refused"]
_WITHHELD = "the event cannot be used; what it holds is not repeated here: check it against docs/schemas"


@dataclass(frozen=True)
class Rules:
    """What an event must keep to, beside its schema.

    Attributes:
        max_event_bytes: longest event.
        future_tolerance: how far ahead of the clock it may be dated.
        suspicious: whether its content must not be repeated; the stream sets such events aside.
    """

    max_event_bytes: int
    future_tolerance: timedelta
    suspicious: Suspicion = nothing


@dataclass(frozen=True)
class Result:
    """What became of one event.

    Attributes:
        status: accepted, duplicate (of one before it in the request) or refused.
        event_id: as far as it could be read.
        step: of the stream that would refuse it.
        message: what is wrong, in the words of the dead letters.
    """

    status: Status
    event_id: str | None = None
    step: str | None = None
    message: str | None = None

    def as_json(self, index: int) -> dict[str, Any]:
        """The result as it is answered."""
        found: dict[str, Any] = {"index": index, "status": self.status, "event_id": self.event_id}
        if self.message is not None:
            found |= {"step": self.step, "message": self.message}
        return found


@dataclass(frozen=True)
class Checked:
    """What became of a request before the broker was asked.

    Attributes:
        results: one an event.
        messages: what is to be sent.
        places: the event of each message.
    """

    results: tuple[Result, ...]
    messages: tuple[Message, ...]
    places: tuple[int, ...]

    def with_refusals(self, refusals: Sequence[str | None]) -> "Checked":
        """The same, with what the broker would not take (one entry a message, None: taken) refused."""
        results = list(self.results)
        for place, why in zip(self.places, refusals, strict=True):
            if why is not None:
                results[place] = replace(results[place], status="refused", step="size", message=why)
        return replace(self, results=tuple(results))


class _Checking:
    """Checks event after event of one request."""

    def __init__(self, kind: str, items: Sequence[bytes], sender: System, rules: Rules, now: datetime) -> None:
        self._kind = kind
        self._items = items
        self._sender = sender
        self._rules = rules
        self._now = now
        self._known: dict[tuple[str, str], int] = {}
        self.results: list[Result] = []
        self.messages: list[Message] = []
        self.places: list[int] = []

    def add(self, raw: bytes) -> None:
        """Check the next event."""
        try:
            event = self._read(raw)
        except RefusedError as error:
            self._refuse(raw, error)
            return
        told = plain_id(event.event_id) or (None if self._rules.suspicious(raw) else event.event_id)
        identity = (event.owner, event.event_id)
        if identity in self._known:
            self.results.append(self._again(event, told, self._known[identity]))
            return
        self._known[identity] = len(self.results)
        self._send(Message(event.topic, event.owner, raw, {HEADER_EVENT_ID: event.event_id}))
        self.results.append(Result("accepted", told))

    def _read(self, raw: bytes) -> Event:
        event = decode(self._kind, raw, self._rules.max_event_bytes)
        check_time(event, self._now, self._rules.future_tolerance)
        if self._sender.source and event.source != self._sender.source:
            message = f"source: this key sends for {self._sender.source!r} alone (got {event.source!r})"
            raise RefusedError(step="source", message=message)
        return event

    def _refuse(self, raw: bytes, error: RefusedError) -> None:
        """Refuse an event; the stream gets what is suspicious all the same, to set it aside and open a case."""
        message = str(error)
        if error.step != "size" and self._rules.suspicious(raw):
            message = _WITHHELD
            self._send(Message(EVENT_MODELS[self._kind].topic, _owner_in(raw) or self._sender.key_id, raw))
        self.results.append(Result("refused", None, error.step, message))

    def _again(self, event: Event, told: str | None, index: int) -> Result:
        """The same identity a second time: a copy, or a conflict that the stream would set aside."""
        # read anew: events that were kept for the rare copy would cost every batch twice its time
        first = decode(self._kind, self._items[index], self._rules.max_event_bytes)
        unsaid = {"recorded_at": None}
        if event.model_copy(update=unsaid) == first.model_copy(update=unsaid):
            return Result("duplicate", told, "dedupe", f"the same event as item {index}: sent once")
        message = f"the same event_id has other content in item {index}, which counts: give it an id of its own"
        return Result("refused", told, "dedupe", message)

    def _send(self, message: Message) -> None:
        self.messages.append(message)
        self.places.append(len(self.results))


def _owner_in(raw: bytes) -> str | None:
    """Representative that an event names which cannot be used; its case is about them, not about the key."""
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return plain_id(content.get("rep_id")) if isinstance(content, dict) else None


def check(kind: str, items: Sequence[bytes], sender: System, rules: Rules, now: datetime | None = None) -> Checked:
    """Check every event of a request.

    Args:
        kind: of the events.
        items: raw bytes of each.
        sender: whose key sends them.
        rules: what they must keep to.
        now: the clock.
    """
    checking = _Checking(kind, items, sender, rules, now or datetime.now(UTC))
    for raw in items:
        checking.add(raw)
    return Checked(tuple(checking.results), tuple(checking.messages), tuple(checking.places))
