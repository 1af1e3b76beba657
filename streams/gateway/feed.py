"""Live alerts: one consumer for the whole process, handed on to everybody who listens."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from schemas.alerts import Alert
from streams.gateway.problems import ProblemError
from streams.gateway.shapes import AlertShown
from streams.topics import ALERTS

#: Alerts kept for those who come back before ClickHouse has them, and commands that follow at once.
_KEPT = 2_000
#: Alerts one listener may be behind.
_BEHIND = 500
_RETRY_S = 2.0

_log = structlog.get_logger("gateway")

Wants = Callable[[AlertShown], bool]


@dataclass(eq=False)
class Listener:
    """One who listens: alerts come into the queue; None ends it.

    Attributes:
        subject: who it is.
        wants: which alerts are for it.
        queue: what waits to be sent.
        dropped: it was too slow, and the queue ran over.
    """

    subject: str
    wants: Wants
    queue: asyncio.Queue[AlertShown | None] = field(default_factory=lambda: asyncio.Queue(_BEHIND + 1))
    dropped: bool = False

    def offer(self, alert: AlertShown) -> None:
        """Put an alert into the queue, or end the listener whose queue is full."""
        if self.dropped or not self.wants(alert):
            return
        if self.queue.qsize() >= _BEHIND:
            self.dropped = True
            self.end()
        else:
            self.queue.put_nowait(alert)

    def end(self) -> None:
        """No more alerts come."""
        if not self.queue.full():
            self.queue.put_nowait(None)


class Hub:
    """Everybody who listens, and the newest alerts.

    Args:
        most: listeners at one time.
        most_each: listeners of one person.
    """

    def __init__(self, most: int, most_each: int) -> None:
        self._most = most
        self._most_each = most_each
        self._listeners: set[Listener] = set()
        self._is_closed = False
        self.recent: OrderedDict[str, AlertShown] = OrderedDict()

    def listen(self, subject: str, wants: Wants) -> Listener:
        """Begin to listen.

        Raises:
            ProblemError: 429, too many listen already; 503, the gateway is about to end.
        """
        if self._is_closed:
            raise ProblemError(503, "the gateway is about to end: come back in a moment", headers={"Retry-After": "5"})
        own = sum(listener.subject == subject for listener in self._listeners)
        if own >= self._most_each or len(self._listeners) >= self._most:
            whose = f"you have {own} streams" if own >= self._most_each else f"{self._most} streams are"
            raise ProblemError(429, f"{whose} open already: close one first", headers={"Retry-After": "5"})
        listener = Listener(subject, wants)
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Listen no more."""
        self._listeners.discard(listener)

    @property
    def listening(self) -> int:
        """How many listen."""
        return len(self._listeners)

    def publish(self, alert: AlertShown) -> None:
        """Hand an alert on; one that came before is let go."""
        if alert.alert_id in self.recent:
            return
        self.recent[alert.alert_id] = alert
        if len(self.recent) > _KEPT:
            self.recent.popitem(last=False)
        for listener in list(self._listeners):
            listener.offer(alert)

    def close(self) -> None:
        """End everybody's stream."""
        self._is_closed = True
        for listener in list(self._listeners):
            listener.end()


class AlertFeed(Protocol):
    """Brings alerts to the hub."""

    async def run(self) -> None:
        """Bring them until cancelled."""


class KafkaFeed:
    """Reads the topic `alerts` from now on, without a group, and comes back when the broker was away.

    Args:
        bootstrap: Kafka bootstrap servers.
        hub: takes the alerts.
    """

    def __init__(self, bootstrap: str, hub: Hub) -> None:
        self._bootstrap = bootstrap
        self._hub = hub
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Read until cancelled."""
        warned_s = -_RETRY_S
        while True:
            try:
                await self._read()
            except KafkaError as error:
                if time.monotonic() - warned_s > 10 * _RETRY_S:
                    warned_s = time.monotonic()
                    _log.warning("live alerts wait for the broker", why=type(error).__name__)
            await asyncio.sleep(_RETRY_S)

    async def _read(self) -> None:
        consumer = AIOKafkaConsumer(ALERTS, bootstrap_servers=self._bootstrap, auto_offset_reset="latest")
        try:
            await consumer.start()
            await consumer.seek_to_end()
            for partition in consumer.assignment():
                await consumer.position(partition)
            self.ready.set()
            async for message in consumer:
                self._take(message.value)
        finally:
            await consumer.stop()

    def _take(self, value: bytes | None) -> None:
        try:
            self._hub.publish(AlertShown.of(Alert.model_validate_json(value or b"")).without_others)
        except ValidationError as error:
            _log.warning("a message on the topic alerts is no alert", mistakes=error.error_count())
