"""Where a simulation that is sent goes: reference data to ClickHouse, events to Kafka."""

from collections.abc import Callable, Sequence
from contextlib import closing

from schemas.reference import Reference
from streams import references
from streams.clickhouse import connect
from streams.errors import UsageError
from streams.importing.pacing import ImportProducer, PacedProducer, RedisCheckpoints
from streams.settings import Settings
from streams.simulator.made import Made
from streams.topics import HEADER_EVENT_ID

AUTHOR = "simulator"
_CHECK_EVERY = 1_000


class Sender:
    """Publishes reference rows and sends events, no faster than a broker that keeps little can bear.

    Args:
        settings: where the services are.
        waiting: told what is waited for, None when it goes on; may raise to give up.

    Raises:
        UsageError: a service is not set.
    """

    def __init__(self, settings: Settings, waiting: Callable[[str | None], None]) -> None:
        if settings.kafka_url is None or settings.redis_url is None or settings.clickhouse_url is None:
            msg = (
                "no services are set to send to: start `pulse up` (and name its folder with --data), or set "
                "PULSE_KAFKA_URL, PULSE_REDIS_URL and PULSE_CLICKHOUSE_URL, or write files with --out"
            )
            raise UsageError(msg)
        self._settings = settings
        self._kafka_url = settings.kafka_url
        self._redis_url = settings.redis_url
        self._waiting = waiting
        self._checkpoints = RedisCheckpoints(self._redis_url.get_secret_value(), settings.group)
        self._producers: dict[str, ImportProducer] = {}
        self._sent = 0

    def publish(self, rows: Sequence[Reference]) -> int:
        """Publish reference rows and tell the workers; the version in force afterwards.

        Raises:
            UnavailableError: ClickHouse or Redis does not answer.
        """
        with closing(connect(self._settings.clickhouse_url)) as client:
            version = references.publish(client, rows, AUTHOR)
        references.announce(self._redis_url, self._settings.group, version)
        return version

    def send(self, made: Made) -> None:
        """Send one event; waits while the broker holds too much that no checkpoint contains.

        Raises:
            UnavailableError: the broker does not answer.
        """
        producer = self._producers.get(made.kind) or self._connect(made)
        producer.send(made.topic, made.key, made.value, {HEADER_EVENT_ID: made.event_id})
        self._sent += 1
        if self._sent % _CHECK_EVERY == 0:
            self.check()

    def check(self) -> None:
        """Hear what became of the events.

        Raises:
            UnavailableError: some did not arrive.
        """
        for producer in self._producers.values():
            producer.check()

    def flush(self) -> None:
        """Wait until the broker has everything.

        Raises:
            UnavailableError: some did not arrive.
        """
        for producer in self._producers.values():
            producer.flush()

    def close(self) -> None:
        """Let go of the connections."""
        for producer in self._producers.values():
            producer.close()
        self._checkpoints.close()

    def _connect(self, made: Made) -> ImportProducer:
        limit = self._settings.broker_partition_bytes
        if limit:
            producer: ImportProducer = PacedProducer(
                self._kafka_url, made.topic, limit, self._checkpoints, waiting=self._waiting
            )
        else:
            producer = next(iter(self._producers.values()), None) or ImportProducer(self._kafka_url, AUTHOR)
        self._producers[made.kind] = producer
        return producer
