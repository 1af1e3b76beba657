"""Sending no faster than the workers checkpoint: a broker that keeps little drops what is not read in time."""

from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from time import monotonic, sleep
from typing import NamedTuple, Protocol

import redis
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.errors import UnavailableError
from streams.producer import BulkProducer
from streams.topics import shard_of

_POLL_S = 0.03
_QUIET_S = 3.0
_KEYS = 200_000
_BROKER_TIMEOUT_S = 10.0
#: Bytes a message costs beside key and value: headers with an event id, and the broker's own.
_OVERHEAD = 128


class Span(NamedTuple):
    """Messages of a partition that lie below `end` and take `size` bytes."""

    end: int
    size: int


class Watermarks(NamedTuple):
    """First and next offset of a partition."""

    low: int
    high: int


class Broker(Protocol):
    """What pacing asks the broker when it begins."""

    def partitions(self, topic: str) -> int:
        """How many partitions the topic has."""

    def watermarks(self, topic: str, partition: int) -> Watermarks:
        """Where the partition begins and ends."""

    def close(self) -> None:
        """Close the connections."""


class Checkpoints(Protocol):
    """What pacing asks the checkpoints while it waits."""

    def read(self, topic: str, partitions: int) -> dict[int, int]:
        """Next offset of each partition that has one.

        Raises:
            UnavailableError: the store does not answer.
        """


class RedisCheckpoints:
    """Offsets as the workers' checkpoints leave them in Redis.

    Args:
        url: of Redis.
        group: prefix of the keys.
    """

    def __init__(self, url: str, group: str) -> None:
        self._client = redis.Redis.from_url(url, decode_responses=True, socket_timeout=5, socket_connect_timeout=5)
        self._group = group

    def read(self, topic: str, partitions: int) -> dict[int, int]:
        """Next offset of each partition that has one.

        Raises:
            UnavailableError: Redis does not answer.
        """
        try:
            with self._client.pipeline(transaction=False) as pipe:
                for partition in range(partitions):
                    pipe.hget(f"{self._group}:{partition}:meta", f"o:{topic}")
                answers = pipe.execute()
        except redis.RedisError as error:
            msg = f"Redis does not answer: {error}"
            raise UnavailableError(msg) from error
        return {partition: int(answer) for partition, answer in enumerate(answers) if answer is not None}

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


class KafkaBroker:
    """Partitions and watermarks of a Kafka cluster."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "pulse-import", "log_level": 2})

    def partitions(self, topic: str) -> int:
        """How many partitions the topic has.

        Raises:
            UnavailableError: the broker does not answer or has no such topic.
        """
        try:
            found = self._consumer.list_topics(topic, timeout=_BROKER_TIMEOUT_S).topics.get(topic)
        except KafkaException as error:
            raise self._away(error) from error
        if found is None or found.error is not None or not found.partitions:
            msg = f"the broker has no topic {topic!r}: start `pulse worker` first, it creates the topics"
            raise UnavailableError(msg)
        return len(found.partitions)

    def watermarks(self, topic: str, partition: int) -> Watermarks:
        """Where the partition begins and ends.

        Raises:
            UnavailableError: the broker does not answer.
        """
        try:
            low, high = self._consumer.get_watermark_offsets(
                TopicPartition(topic, partition), timeout=_BROKER_TIMEOUT_S
            )
        except KafkaException as error:
            raise self._away(error) from error
        return Watermarks(low, high)

    def close(self) -> None:
        """Close the connections."""
        self._consumer.close()

    def _away(self, error: KafkaException) -> UnavailableError:
        return UnavailableError(f"the broker {self._bootstrap} does not answer: {error.args[0].str()}")


class Ledger:
    """Bytes of one topic that no checkpoint contains yet, per partition.

    Args:
        limit: bytes a partition may have.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._flying: dict[int, int] = defaultdict(int)
        self._spans: dict[int, deque[Span]] = defaultdict(deque)
        self._open: dict[int, int] = defaultdict(int)
        self._next: dict[int, int] = {}

    def begin(self, partition: int, mark: Watermarks, checkpoint: int | None) -> None:
        """Start from what is there: messages without a checkpoint fill the partition until one contains them."""
        self._next[partition] = mark.high
        if checkpoint is not None and checkpoint > mark.high:
            checkpoint = None  # of a broker that is gone
        if (mark.low if checkpoint is None else checkpoint) < mark.high:
            self._add(partition, Span(mark.high, self.limit))

    def outstanding(self, partition: int) -> int:
        """Bytes sent or on their way without a checkpoint."""
        return self._open[partition] + self._flying[partition]

    def fits(self, partition: int, size: int) -> bool:
        """Whether a message may be sent; an empty partition takes one of any size."""
        outstanding = self.outstanding(partition)
        return not outstanding or outstanding + size <= self.limit

    def send(self, partition: int, size: int) -> None:
        """A message is on its way."""
        self._flying[partition] += size

    def delivered(self, partition: int, offset: int, size: int) -> None:
        """The broker took a message; offsets in between belong to other senders and count as much each."""
        self._flying[partition] -= size
        others = max(offset - self._next.get(partition, offset), 0)
        self._next[partition] = offset + 1
        self._add(partition, Span(offset + 1, size * (1 + others)))

    def lost(self, partition: int, size: int) -> None:
        """A message did not arrive."""
        self._flying[partition] -= size

    def release(self, partition: int, checkpoint: int) -> bool:
        """Forget what the checkpoint contains; True when that was something."""
        spans, released = self._spans[partition], False
        while spans and spans[0].end <= checkpoint:
            self._open[partition] -= spans.popleft().size
            released = True
        return released

    def _add(self, partition: int, span: Span) -> None:
        self._spans[partition].append(span)
        self._open[partition] += span.size


class ImportProducer(BulkProducer):
    """A bulk producer that can be asked in between whether messages were refused."""

    def check(self) -> None:
        """Stop early when messages did not arrive.

        Raises:
            UnavailableError: some did not arrive; import the file again, what arrived is recognised.
        """
        self._producer.poll(0)
        if self._failed:
            msg = (
                f"the broker did not take all messages: {self._failed}; import the file again, nothing is counted twice"
            )
            raise UnavailableError(msg)


class PacedProducer(ImportProducer):
    """A bulk producer that stays within `limit` bytes per partition beyond the checkpoints.

    Args:
        bootstrap: Kafka bootstrap servers.
        topic: the one topic it sends to.
        limit: bytes per partition that no checkpoint contains yet.
        checkpoints: where the workers leave their offsets.
        broker: answers questions about partitions; default the cluster behind `bootstrap`.
        waiting: told what the import waits for when nothing has moved for a while, None when it goes on.

    Raises:
        UnavailableError: the broker or the checkpoints' store does not answer.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        limit: int,
        checkpoints: Checkpoints,
        *,
        broker: Broker | None = None,
        waiting: Callable[[str | None], None] = lambda _note: None,
    ) -> None:
        super().__init__(bootstrap, "pulse-import")
        self._topic = topic
        self._checkpoints = checkpoints
        self._waiting = waiting
        self._shards: dict[str, tuple[int, int]] = {}
        self._ledger = Ledger(limit)
        broker = broker or KafkaBroker(bootstrap)
        try:
            self._partitions = self._begin(broker)
        finally:
            broker.close()

    def _begin(self, broker: Broker) -> int:
        partitions = broker.partitions(self._topic)
        known = self._checkpoints.read(self._topic, partitions)
        for partition in range(partitions):
            self._ledger.begin(partition, broker.watermarks(self._topic, partition), known.get(partition))
        return partitions

    def send(self, topic: str, key: str, value: bytes | None, headers: Mapping[str, str] | None = None) -> None:
        """Queue one message; waits while its partition holds too much that no checkpoint contains.

        Raises:
            InvalidError: the message is larger than the broker takes.
            UnavailableError: the broker is away for longer than the client waits.
        """
        place = self._shards.get(key)
        if place is None:
            if len(self._shards) >= _KEYS:
                self._shards.clear()
            place = self._shards[key] = shard_of(key, self._partitions), len(key.encode()) + _OVERHEAD
        partition, size = place[0], place[1] + len(value or b"")
        if not self._ledger.fits(partition, size):
            self._wait(partition, size)
        self._ledger.send(partition, size)
        super().send(topic, key, value, headers)

    def _wait(self, partition: int, size: int) -> None:
        moved, told, note = monotonic(), False, ""
        while not self._ledger.fits(partition, size):
            self._producer.poll(_POLL_S)
            if self._failed:
                return
            try:
                if self._release():
                    moved, note = monotonic(), ""
            except UnavailableError as error:
                note = f"waiting: {error}"
            if monotonic() - moved > _QUIET_S:
                self._waiting(note or "waiting for a worker to take events: is `pulse worker` running?")
                told = True
            sleep(_POLL_S)
        if told:
            self._waiting(None)

    def _release(self) -> bool:
        offsets = self._checkpoints.read(self._topic, self._partitions)
        released = [self._ledger.release(partition, offset) for partition, offset in offsets.items()]
        return any(released)

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        super()._delivered(error, message)
        key, partition = message.key() or b"", message.partition()
        size = len(message.value() or b"") + len(key) + _OVERHEAD
        if error is None:
            self._ledger.delivered(partition, message.offset(), size)
        else:
            self._ledger.lost(partition if partition >= 0 else shard_of(key.decode(), self._partitions), size)
