"""Live alerts as server-sent events: first what was missed, then what comes."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from streams.gateway.feed import Listener
from streams.gateway.problems import ProblemError
from streams.gateway.reading import milliseconds
from streams.gateway.shapes import AlertShown

HEARTBEAT_S = 15.0
#: A client that takes nothing for this long is let go.
_PATIENCE_S = 30.0
_EVENT_ID = re.compile(r"([0-9]{1,14})-([0-9a-f]{32})")


def event_id_of(alert: AlertShown) -> str:
    """Place of an alert in the stream."""
    return f"{milliseconds(alert.raised_at)}-{alert.alert_id}"


def place_of(last_event_id: str) -> tuple[int, str]:
    """Moment in milliseconds and alert of an event id.

    Raises:
        ProblemError: 422, it is none of ours.
    """
    match = _EVENT_ID.fullmatch(last_event_id)
    if match is None:
        raise ProblemError(422, "Last-Event-ID is none that was given out: leave it out to begin with new alerts")
    return int(match[1]), match[2]


def encoded(alert: AlertShown) -> bytes:
    """One alert as an event of the stream."""
    return f"id: {event_id_of(alert)}\nevent: alert\ndata: {alert.model_dump_json()}\n\n".encode()


async def lines(
    listener: Listener, missed: Sequence[AlertShown], *, until_s: float, heartbeat_s: float = HEARTBEAT_S
) -> AsyncIterator[bytes]:
    """What is sent, piece by piece.

    Args:
        listener: brings what comes.
        missed: alerts to begin with.
        until_s: the token ends then, in seconds since 1970.
        heartbeat_s: longest silence.
    """
    yield b"retry: 3000\n: connected\n\n"
    sent = {alert.alert_id for alert in missed}
    for alert in missed:
        yield encoded(alert)
    while (left_s := until_s - time.time()) > 0:
        try:
            async with asyncio.timeout(min(heartbeat_s, left_s)):
                alert_or_end = await listener.queue.get()
        except TimeoutError:
            yield b": heartbeat\n\n"
            continue
        if alert_or_end is None:
            why = "you were too slow and missed alerts" if listener.dropped else "the gateway ends"
            yield f": {why}; come back with Last-Event-ID\n\n".encode()
            return
        if alert_or_end.alert_id not in sent:
            yield encoded(alert_or_end)
    yield b": the token has expired; come back with a new one and Last-Event-ID\n\n"


class EventStream(StreamingResponse):
    """A stream of events that lets go of clients that take nothing.

    Args:
        content: pieces to send.
        ended: called once when it is over, however it ends.
        patience_s: longest time one piece may take.
    """

    media_type = "text/event-stream"

    def __init__(
        self, content: AsyncIterator[bytes], ended: Callable[[], Any], patience_s: float = _PATIENCE_S
    ) -> None:
        super().__init__(content, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._ended = ended
        self._patience_s = patience_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until one of the two ends it."""

        async def patient(message: Message) -> None:
            async with asyncio.timeout(self._patience_s):
                await send(message)

        try:
            with suppress(TimeoutError):
                await super().__call__(scope, receive, patient)
        finally:
            self._ended()
