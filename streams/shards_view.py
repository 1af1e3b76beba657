"""How far the workers are, read from outside: checkpoints in Redis against the broker's watermarks."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import redis
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from streams.errors import UnavailableError, UsageError
from streams.settings import Settings
from streams.topics import SHARD_TOPICS

_TIMEOUT_S = 10.0
_ACCEPTED = "c:accepted:"
_SUMMED = {"held", "unsaid"}

#: (topic, partition) -> offset.
Offsets = Mapping[tuple[str, int], int]


@dataclass(frozen=True)
class Progress:
    """What all shards together have done up to their last checkpoints."""

    lag: dict[str, int] = field(default_factory=dict)
    """Messages not yet in a checkpoint, by topic."""
    accepted: dict[str, int] = field(default_factory=dict)
    """Events taken, by kind; duplicates are not among them."""
    duplicates: int = 0
    conflicts: int = 0
    dead_letters: int = 0
    held: int = 0
    """Events that wait for reference data."""
    unsaid: int = 0
    """Totals that a shard has in its checkpoint and will tell with its next one."""
    reference_version: int = 0
    """Publication of reference data that every shard goes by, or a newer one."""

    @property
    def total_lag(self) -> int:
        """Messages of all topics not yet in a checkpoint."""
        return sum(self.lag.values())

    @property
    def total_accepted(self) -> int:
        """Events of all kinds taken."""
        return sum(self.accepted.values())

    def drained(self) -> bool:
        """Whether everything the broker holds is in a checkpoint, no event waits and nothing is left to tell."""
        return self.total_lag == 0 and self.held == 0 and self.unsaid == 0

    def since(self, start: "Progress") -> "Progress":
        """The same with the counters of `start` taken off: what happened in between."""
        accepted = {kind: count - start.accepted.get(kind, 0) for kind, count in self.accepted.items()}
        return Progress(
            lag=self.lag,
            accepted={kind: count for kind, count in accepted.items() if count},
            duplicates=self.duplicates - start.duplicates,
            conflicts=self.conflicts - start.conflicts,
            dead_letters=self.dead_letters - start.dead_letters,
            held=self.held,
            unsaid=self.unsaid,
            reference_version=self.reference_version,
        )


class ShardsView:
    """Reads the shards' checkpoints; changes nothing.

    Args:
        settings: Kafka, Redis and the group.

    Raises:
        UsageError: Kafka or Redis is not set.
    """

    def __init__(self, settings: Settings) -> None:
        if settings.kafka_url is None or settings.redis_url is None:
            msg = "Kafka or Redis is not set: start `pulse up`, or set PULSE_KAFKA_URL and PULSE_REDIS_URL"
            raise UsageError(msg)
        self._group = settings.group
        self._redis: Any = redis.Redis.from_url(
            settings.redis_url.get_secret_value(), decode_responses=True, socket_timeout=_TIMEOUT_S
        )
        self._admin = AdminClient({"bootstrap.servers": settings.kafka_url, "log_level": 2})
        self._partitions: tuple[TopicPartition, ...] = ()
        self._cluster = ""
        self._complete = False

    def read(self) -> Progress:
        """One reading; first the checkpoints, then the watermarks, so that a lag of 0 was true at some moment.

        Raises:
            UnavailableError: Kafka or Redis does not answer.
        """
        shards = range(self.partitions())
        metas = self._each(shards, "meta", lambda pipe, name: pipe.hgetall(name))
        (asked,) = self._each(["resend"], "", lambda pipe, name: pipe.get(name.rstrip(":")))
        low = self._watermarks(OffsetSpec.earliest())
        high = self._watermarks(OffsetSpec.latest())
        return progress_of([self._of_this_broker(meta) for meta in metas], low, high, int(asked or 0))

    def _of_this_broker(self, meta: Mapping[str, str]) -> Mapping[str, str]:
        """A shard's checkpoint, without the offsets when they are those of another broker."""
        if meta.get("cluster", self._cluster) == self._cluster:
            return meta
        return {name: value for name, value in meta.items() if not name.startswith("o:")}

    def partitions(self) -> int:
        """Number of shards: partitions of the widest topic.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        if not self._complete:  # topics that were just created may take a moment to be seen
            try:
                layout = self._admin.list_topics(timeout=_TIMEOUT_S)
            except KafkaException as error:
                raise _kafka_away(error) from error
            topics, self._cluster = layout.topics, str(layout.cluster_id)
            self._partitions = tuple(
                TopicPartition(topic, partition)
                for topic in SHARD_TOPICS
                if topic in topics
                for partition in topics[topic].partitions
            )
            self._complete = {item.topic for item in self._partitions} == set(SHARD_TOPICS)
        return max((item.partition + 1 for item in self._partitions), default=0)

    def owned(self) -> int:
        """Number of shards that a worker holds.

        Raises:
            UnavailableError: Kafka or Redis does not answer.
        """
        return sum(map(bool, self._each(range(self.partitions()), "owner", lambda pipe, name: pipe.exists(name))))

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _each(self, shards: Sequence[int | str], suffix: str, ask: Any) -> list[Any]:
        try:
            pipe = self._redis.pipeline(transaction=False)
            for shard in shards:
                ask(pipe, f"{self._group}:{shard}:{suffix}")
            answers: list[Any] = pipe.execute()
        except redis.RedisError as error:
            msg = f"Redis does not answer: {error}"
            raise UnavailableError(msg) from error
        return answers

    def _watermarks(self, spec: Any) -> Offsets:
        if not self._partitions:
            return {}
        try:
            return self._ask_watermarks(spec)
        except KafkaException:
            # after a restart of the broker the client holds on to old leader epochs until it reads the metadata anew
            try:
                self._admin.list_topics(timeout=_TIMEOUT_S)
                return self._ask_watermarks(spec)
            except KafkaException as error:
                raise _kafka_away(error) from error

    def _ask_watermarks(self, spec: Any) -> Offsets:
        futures = self._admin.list_offsets(dict.fromkeys(self._partitions, spec), request_timeout=_TIMEOUT_S)
        return {(item.topic, item.partition): future.result().offset for item, future in futures.items()}


def progress_of(metas: Sequence[Mapping[str, str]], low: Offsets, high: Offsets, resend: int = 0) -> Progress:
    """Add the shards up.

    Args:
        metas: the hash `{group}:{p}:meta` of shard p at position p; empty for a shard without a checkpoint.
        low: first offset the broker still has.
        high: offset the next message will get.
        resend: how often shards were asked to tell all their totals again.
    """
    lag: Counter[str] = Counter()
    for (topic, partition), end in high.items():
        meta = metas[partition] if partition < len(metas) else {}
        done = int(meta.get(f"o:{topic}", low.get((topic, partition), 0)))
        lag[topic] += max(0, end - done)
    counters: Counter[str] = Counter()
    for meta in metas:
        counters.update({name: int(value) for name, value in meta.items() if name in _SUMMED or name.startswith("c:")})
    accepted = {name.removeprefix(_ACCEPTED): n for name, n in counters.items() if name.startswith(_ACCEPTED)}
    return Progress(
        lag={topic: count for topic, count in lag.items() if count},
        accepted=dict(sorted(accepted.items())),
        duplicates=counters["c:duplicates"],
        conflicts=counters["c:conflicts"],
        dead_letters=counters["c:dead_letters"],
        held=counters["held"],
        unsaid=counters["unsaid"] + sum(int(meta.get("resend", resend)) < resend for meta in metas),
        reference_version=min((int(meta.get("reference_version", 0)) for meta in metas), default=0),
    )


def _kafka_away(error: KafkaException) -> UnavailableError:
    return UnavailableError(f"Kafka does not answer: {error.args[0].str()}")
