"""Where an import puts what it found: the real services, or nowhere (dry run)."""

from collections.abc import Callable, Sequence
from typing import Protocol

from clickhouse_connect.driver.client import Client

from schemas.events import Event
from schemas.outputs import DeadLetter
from schemas.reference import Reference
from streams import dead_letters, references
from streams.clickhouse import connect
from streams.errors import UsageError
from streams.importing import copies
from streams.importing.copies import ImportedFile
from streams.importing.guarding import LetterGuard
from streams.importing.pacing import ImportProducer, PacedProducer, RedisCheckpoints
from streams.settings import Settings
from streams.topics import HEADER_EVENT_ID

Message = tuple[Event, bytes]
#: Key of rows that name nobody for certain.
_IMPORT_KEY = "import"
Waiting = Callable[[str | None], None]


class Sink(Protocol):
    """Takes what an import produces."""

    def publish(self, rows: Sequence[Reference], author: str) -> int | None:
        """Publish reference rows; the newest version afterwards."""

    def send(self, topic: str, messages: Sequence[Message]) -> None:
        """Send events with their JSON."""

    def store(self, letters: Sequence[DeadLetter]) -> None:
        """Set bad rows aside."""

    def settle(self, letters: Sequence[str]) -> None:
        """Mark letters replayed: their rows came again."""

    def files_before(self, kind: str) -> Sequence[ImportedFile]:
        """Files of this kind imported before whose ids depend on the file."""

    def remember(self, file: ImportedFile) -> None:
        """Note such a file."""

    def finish(self) -> None:
        """Wait until everything has arrived."""

    def close(self) -> None:
        """Let go of the connections."""


class NoSink:
    """A dry run: everything is dropped."""

    def publish(self, rows: Sequence[Reference], author: str) -> int | None:
        """Drop the rows."""

    def send(self, topic: str, messages: Sequence[Message]) -> None:
        """Drop the events."""

    def store(self, letters: Sequence[DeadLetter]) -> None:
        """Drop the letters."""

    def settle(self, letters: Sequence[str]) -> None:
        """There are none."""

    def files_before(self, kind: str) -> Sequence[ImportedFile]:
        """None is known."""
        return ()

    def remember(self, file: ImportedFile) -> None:
        """Nothing was sent."""

    def finish(self) -> None:
        """There is nothing to wait for."""

    def close(self) -> None:
        """There is nothing to close."""


class ServiceSink:
    """Kafka for events, ClickHouse for reference data and dead letters; each is connected to when it is needed.

    Args:
        settings: where they are.
        waiting: told what the import waits for.
    """

    def __init__(self, settings: Settings, waiting: Waiting) -> None:
        self._settings = settings
        self._waiting = waiting
        self._client: Client | None = None
        self._producer: ImportProducer | None = None
        self._checkpoints: RedisCheckpoints | None = None
        self._guard = LetterGuard(settings.policies, self._clickhouse)

    def publish(self, rows: Sequence[Reference], author: str) -> int | None:
        """Publish reference rows and tell the workers.

        Raises:
            UnavailableError: ClickHouse or Redis does not answer.
        """
        version = references.publish(self._clickhouse(), rows, author)
        if self._settings.redis_url is not None:
            references.announce(self._settings.redis_url, self._settings.group, version)
        return version

    def send(self, topic: str, messages: Sequence[Message]) -> None:
        """Send events, keyed as their topic demands.

        Raises:
            UnavailableError: the broker does not answer.
        """
        producer = self._producer or self._connect(topic)
        for event, value in messages:
            producer.send(topic, event.owner, value, {HEADER_EVENT_ID: event.event_id})
        producer.check()

    def store(self, letters: Sequence[DeadLetter]) -> None:
        """Write bad rows to the dead letters; what R06 stops goes the way of an event, which ends in the quarantine.

        Raises:
            UnavailableError: ClickHouse or the broker does not answer.
        """
        kept, stopped = self._guard.divide(letters)
        for letter in stopped:
            producer = self._producer or self._connect(letter.topic)
            producer.send(letter.topic, _IMPORT_KEY, letter.raw, {})
        dead_letters.store(self._clickhouse(), kept)

    def settle(self, letters: Sequence[str]) -> None:
        """Mark letters replayed.

        Raises:
            UnavailableError: ClickHouse does not answer.
        """
        dead_letters.settle(self._clickhouse(), letters)

    def files_before(self, kind: str) -> Sequence[ImportedFile]:
        """Files in ClickHouse.

        Raises:
            UnavailableError: ClickHouse does not answer.
        """
        return () if self._settings.clickhouse_url is None else copies.read(self._clickhouse(), kind)

    def remember(self, file: ImportedFile) -> None:
        """Note a file in ClickHouse.

        Raises:
            UnavailableError: ClickHouse does not answer.
        """
        if self._settings.clickhouse_url is not None:
            copies.remember(self._clickhouse(), file)

    def finish(self) -> None:
        """Wait until the broker has all events.

        Raises:
            UnavailableError: some did not arrive.
        """
        if self._producer is not None:
            self._producer.flush()

    def close(self) -> None:
        """Let go of the connections."""
        if self._producer is not None:
            self._producer.close()
        if self._client is not None:
            self._client.close()
        if self._checkpoints is not None:
            self._checkpoints.close()

    def _clickhouse(self) -> Client:
        if self._client is None:
            self._client = connect(self._settings.clickhouse_url)
        return self._client

    def _connect(self, topic: str) -> ImportProducer:
        settings = self._settings
        if settings.kafka_url is None:
            msg = "no Kafka is set: start `pulse up`, or set PULSE_KAFKA_URL"
            raise UsageError(msg)
        if not settings.broker_partition_bytes:
            self._producer = ImportProducer(settings.kafka_url, "pulse-import")
            return self._producer
        if settings.redis_url is None:
            msg = "no Redis is set: start `pulse up`, or set PULSE_REDIS_URL"
            raise UsageError(msg)
        self._checkpoints = RedisCheckpoints(settings.redis_url.get_secret_value(), settings.group)
        limit = settings.broker_partition_bytes
        self._producer = PacedProducer(settings.kafka_url, topic, limit, self._checkpoints, waiting=self._waiting)
        return self._producer
