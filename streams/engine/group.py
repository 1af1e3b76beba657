"""The worker's place in the consumer group: the aiokafka consumer and what it is asked for."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from streams.errors import UnavailableError
from streams.settings import Settings
from streams.topics import SHARD_TOPICS

log = structlog.get_logger("group")

_FETCH_BYTES = 4_000_000
#: A request for less than this waits for more, as long as `PULSE_FETCH_WAIT_MS`: one for every event would cost as much
#: as the events do.
_FETCH_LEAST_BYTES = 16_384
#: How long a broker may keep others than workers waiting for news, most of which come at once: people are told within
#: two seconds.
_WAIT_MS = 100
#: While shards are opened nothing is polled; Kafka must not take that for a dead worker.
_LONGEST_REBUILD_MS = 3_600_000
#: Offsets in Kafka are for watchers; a broker that hangs must not keep a checkpoint from ending.
_COMMIT_S = 2.0
_LEAVE_S = 1.5


def assignor(delay_s: float) -> type[Any]:
    """Kafka's range assignor; the leader waits `delay_s` before it answers."""

    class Assignor(RangePartitionAssignor):  # type: ignore[misc] # aiokafka has no types
        @classmethod
        def assign(cls, cluster: Any, members: Any) -> Any:
            time.sleep(delay_s)
            return super().assign(cluster, members)

    return Assignor if delay_s else RangePartitionAssignor


def membership(settings: Settings, name: str) -> dict[str, Any]:
    """What every consumer of ours says of itself: it commits on its own, and how long it may be silent.

    Args:
        settings: how to reach Kafka and how to behave.
        name: the group.
    """
    return {
        "bootstrap_servers": settings.kafka_url,
        "group_id": name,
        "client_id": name,
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "partition_assignment_strategy": [assignor(settings.assign_delay_s)],
        "session_timeout_ms": int(settings.session_timeout_s * 1000),
        "heartbeat_interval_ms": max(200, int(settings.session_timeout_s * 100)),
        "rebalance_timeout_ms": int(max(30.0, 3 * settings.session_timeout_s) * 1000),
        "fetch_max_wait_ms": _WAIT_MS,
    }


@dataclass(frozen=True)
class Positions:
    """What Kafka says of one shard's partitions, by topic."""

    lowest: dict[str, int]
    """Oldest offset still held."""
    ends: dict[str, int]
    """Offset the next message will get."""
    stamp: int = 0
    """Stamp of the last checkpoint Kafka was told of; 0 when it was told of none."""


class Group:
    """The consumer of the source topics, as one member of the group.

    Args:
        settings: how to reach Kafka and how to behave.
        listener: told of rebalances.
    """

    def __init__(self, settings: Settings, listener: Any) -> None:
        self.consumer = AIOKafkaConsumer(
            **membership(settings, settings.group) | {"fetch_max_wait_ms": settings.fetch_wait_ms},
            max_partition_fetch_bytes=_FETCH_BYTES,
            fetch_min_bytes=_FETCH_LEAST_BYTES,
            max_poll_interval_ms=_LONGEST_REBUILD_MS,
        )
        self._name = settings.group
        self._admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_url, client_id=settings.group)
        self.consumer.subscribe(topics=list(SHARD_TOPICS), listener=listener)

    async def start(self) -> None:
        """Join the group.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        try:
            await self._admin.start()
            await self.consumer.start()
        except (KafkaError, OSError) as error:
            msg = f"Kafka does not answer: {error}"
            raise UnavailableError(msg) from error

    async def stop(self) -> None:
        """Leave the group; a rebalance that is under way is not waited for, what matters is written by now."""
        leaving = [asyncio.create_task(self.consumer.stop()), asyncio.create_task(self._admin.close())]
        done, pending = await asyncio.wait(leaving, timeout=_LEAVE_S)
        if pending:
            log.info("left the group without a goodbye: it notices within the session timeout")
        for task in done:
            if error := task.exception():
                log.debug("left the group", error=str(error))

    def mine(self) -> set[int]:
        """Partitions this worker is to read."""
        return {place.partition for place in self.consumer.assignment()}

    async def positions(self, number: int) -> Positions:
        """What Kafka holds of the shard `number`.

        Raises:
            KafkaError: Kafka does not answer.
        """
        places = [TopicPartition(topic, number) for topic in SHARD_TOPICS]
        lowest, ends = await self.consumer.beginning_offsets(places), await self.consumer.end_offsets(places)
        told = await self._admin.list_consumer_group_offsets(self._name, partitions=places)
        return Positions(
            lowest={place.topic: offset for place, offset in lowest.items()},
            ends={place.topic: offset for place, offset in ends.items()},
            stamp=max((int(at.metadata) for at in told.values() if (at.metadata or "").isdecimal()), default=0),
        )

    async def lowest(self, place: TopicPartition) -> int:
        """Oldest offset Kafka still holds of a partition."""
        return int((await self.consumer.beginning_offsets([place]))[place])

    def seek(self, number: int, offsets: Mapping[str, int]) -> None:
        """Read the shard's topics from `offsets` on, as far as they are this worker's."""
        assigned = self.consumer.assignment()
        for topic, offset in offsets.items():
            if (place := TopicPartition(topic, number)) in assigned:
                self.consumer.seek(place, offset)

    def read_only(self, numbers: Iterable[int]) -> None:
        """Pause every partition but those of the shards `numbers`."""
        open_, paused = set(numbers), self.consumer.paused()
        for place in self.consumer.assignment():
            if place.partition not in open_ and place not in paused:
                self.consumer.pause(place)
            elif place.partition in open_ and place in paused:
                self.consumer.resume(place)

    def behind(self, place: TopicPartition, offset: int) -> int:
        """Messages of a partition that are not read yet when `offset` is next."""
        return max(0, (self.consumer.highwater(place) or 0) - offset)

    def lag(self, offsets: Mapping[int, Mapping[str, int]]) -> dict[str, int]:
        """Messages not read yet by topic, of the shards whose `offsets` are given."""
        lag: dict[str, int] = dict.fromkeys(SHARD_TOPICS, 0)
        for place in self.consumer.assignment():
            high = self.consumer.highwater(place)
            if high is not None and place.partition in offsets:
                lag[place.topic] += max(0, high - offsets[place.partition].get(place.topic, 0))
        return lag

    async def commit(self, checkpoints: Mapping[int, tuple[int, Mapping[str, int]]]) -> None:
        """Tell Kafka how far checkpoints reach, for whoever watches the lag, and their stamps, to know an old one by.

        Args:
            checkpoints: stamp and offsets by shard.
        """
        mine = self.consumer.assignment()
        places = {
            TopicPartition(topic, number): OffsetAndMetadata(offset, str(stamp))
            for number, (stamp, offsets) in checkpoints.items()
            for topic, offset in offsets.items()
        }
        try:
            if places := {place: offset for place, offset in places.items() if place in mine}:
                await asyncio.wait_for(self.consumer.commit(places), _COMMIT_S)
        except (KafkaError, TimeoutError) as error:
            log.debug("offsets not committed", error=str(error))
