"""Sends what requests bring, and answers when the broker has it.

One thread owns the producer. It takes all requests that wait, sends their messages, waits once for the broker, and
answers them together: under load many small requests cost one wait.
"""

import asyncio
import queue
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from streams.errors import InvalidError, UnavailableError

#: Requests that may wait.
_WAITING = 1_000
#: Messages that are sent before the broker is waited for.
_TOGETHER = 50_000
_FLUSH_S = 10.0


@dataclass(frozen=True)
class Message:
    """One message for the broker."""

    topic: str
    key: str
    value: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class Producer(Protocol):
    """What is needed of `streams.producer.BulkProducer`."""

    def send(self, topic: str, key: str, value: bytes | None, headers: Mapping[str, str] | None = None) -> None:
        """Queue a message."""

    def flush(self, timeout_s: float = 30.0) -> None:
        """Wait until the broker has all."""

    def close(self) -> None:
        """Let go."""


@dataclass(frozen=True)
class _Parcel:
    messages: Sequence[Message]
    done: "Future[list[str | None]]"


class Sender:
    """The thread and its producer.

    Args:
        producer: used by the thread alone.
        flush_s: how long the broker is waited for.
    """

    def __init__(self, producer: Producer, flush_s: float = _FLUSH_S) -> None:
        self._producer = producer
        self._flush_s = flush_s
        self._queue: queue.Queue[_Parcel | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._run, name="gateway-sender", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    async def send(self, messages: Sequence[Message]) -> list[str | None]:
        """Send messages and wait for the broker; for each None, or why the broker will never take it.

        Raises:
            UnavailableError: the broker did not take all; send them again.
        """
        if not messages:
            return []
        done: Future[list[str | None]] = Future()
        try:
            self._queue.put_nowait(_Parcel(messages, done))
        except queue.Full:
            msg = f"{_WAITING} requests wait for the broker already"
            raise UnavailableError(msg) from None
        return await asyncio.wrap_future(done)

    def stop(self) -> None:
        """Send what waits, then end."""
        self._queue.put(None)
        self._thread.join(self._flush_s + 5)
        self._producer.close()

    def _run(self) -> None:
        going = True
        while going:
            parcels, going = self._waiting()
            live = [parcel for parcel in parcels if parcel.done.set_running_or_notify_cancel()]
            if live:
                self._send(live)

    def _waiting(self) -> tuple[list[_Parcel], bool]:
        """Every parcel there is, at least one; whether to go on after them."""
        parcels: list[_Parcel] = []
        taken = self._queue.get()
        while taken is not None:
            parcels.append(taken)
            if sum(len(parcel.messages) for parcel in parcels) >= _TOGETHER:
                return parcels, True
            try:
                taken = self._queue.get_nowait()
            except queue.Empty:
                return parcels, True
        return parcels, False

    def _send(self, parcels: Sequence[_Parcel]) -> None:
        try:
            answers = [[self._queued(message) for message in parcel.messages] for parcel in parcels]
            self._producer.flush(self._flush_s)
        except Exception as error:  # whoever waits must hear of it, and the thread must live on
            for parcel in parcels:
                parcel.done.set_exception(error)
            return
        for parcel, answer in zip(parcels, answers, strict=True):
            parcel.done.set_result(answer)

    def _queued(self, message: Message) -> str | None:
        try:
            self._producer.send(message.topic, message.key, message.value, message.headers)
        except InvalidError as error:
            return str(error)
        return None
