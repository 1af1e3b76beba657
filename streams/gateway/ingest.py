"""What becomes of each event of a request: checked with the code of the stream, so the sender learns at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from agents.intake.decode import RefusedError, check_time, decode
from schemas.events import Event
from streams.gateway.rights import System
from streams.gateway.sender import Message
from streams.topics import HEADER_EVENT_ID

Status = Literal["accepted", "duplicate", "refused"]
#: Whether an event may hold what must not be repeated to anybody (kind, raw bytes).
Suspicion = Callable[[str, bytes], bool]
_WITHHELD = "the event does not fit its schema; what it holds is not repeated here: check it against docs/schemas"


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
    suspicious: Suspicion = lambda _kind, _raw: False


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
    """The results of a request, and what is to be sent: one message for each accepted result, in order."""

    results: tuple[Result, ...]
    messages: tuple[Message, ...]

    def with_refusals(self, refusals: Sequence[str | None]) -> "Checked":
        """The same, with what the broker would not take (one entry a message, None: taken) refused."""
        answers = iter(refusals)
        results = [
            replace(result, status="refused", step="size", message=why)
            if result.status == "accepted" and (why := next(answers))
            else result
            for result in self.results
        ]
        return Checked(tuple(results), self.messages)


def check(kind: str, items: Sequence[bytes], sender: System, rules: Rules, now: datetime | None = None) -> Checked:
    """Check every event of a request.

    Args:
        kind: of the events.
        items: raw bytes of each.
        sender: whose key sends them.
        rules: what they must keep to.
        now: the clock.
    """
    moment = now or datetime.now(UTC)
    known: dict[tuple[str, str], tuple[int, Event]] = {}
    results, messages = [], []
    for index, raw in enumerate(items):
        try:
            event = _checked(kind, raw, sender, rules, moment)
        except RefusedError as error:
            results.append(Result("refused", None, error.step, str(error)))
            continue
        identity = (event.owner, event.event_id)
        if identity in known:
            results.append(_again(event, *known[identity]))
            continue
        known[identity] = (index, event)
        results.append(Result("accepted", event.event_id))
        messages.append(Message(event.topic, event.owner, raw, {HEADER_EVENT_ID: event.event_id}))
    return Checked(tuple(results), tuple(messages))


def _checked(kind: str, raw: bytes, sender: System, rules: Rules, now: datetime) -> Event:
    try:
        event = decode(kind, raw, rules.max_event_bytes)
        check_time(event, now, rules.future_tolerance)
    except RefusedError as error:
        if error.step == "decode" and rules.suspicious(kind, raw):
            raise RefusedError(step="decode", message=_WITHHELD) from None
        raise
    if sender.source and event.source != sender.source:
        message = f"source: this key sends for {sender.source!r} alone (got {event.source!r})"
        raise RefusedError(step="source", message=message)
    return event


def _again(event: Event, index: int, first: Event) -> Result:
    """The same identity a second time: a copy, or a conflict that the stream would set aside."""
    told = {"recorded_at": None}
    if event.model_copy(update=told) == first.model_copy(update=told):
        return Result("duplicate", event.event_id, "dedupe", f"the same event as item {index}: sent once")
    message = (
        f"the event_id {event.event_id!r} has other content in item {index}, which counts: give it an id of its own"
    )
    return Result("refused", event.event_id, "dedupe", message)
