"""The desk's place in its consumer group: topics `alerts` and `commands`, both keyed by the case."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import IllegalStateError, KafkaError

from streams.desk.reading import Layout
from streams.engine.group import membership
from streams.errors import UnavailableError, UsageError
from streams.settings import Settings
from streams.topics import ALERTS, COMMANDS

log = structlog.get_logger("desk")

TOPICS = (ALERTS, COMMANDS)
_POLL_MS = 200
_BATCH = 500
#: Writing a batch takes 40 ms whether it is one row or hundreds, and the local broker hands out what one producer sent
#: at once and no more: so further messages are waited for a moment, while they keep coming.
_GATHER_S, _MORE_MS = 0.1, 8
_LEAVE_S = 1.5
_LONGEST_WAIT_MS = 600_000


class Consuming(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """The consumer, and which chains it was given since somebody looked.

    Args:
        settings: how to reach Kafka and how to behave.

    Attributes:
        changed: chains given or taken by the last rebalances; whoever looks empties it.
    """

    def __init__(self, settings: Settings) -> None:
        self.changed: set[int] = set()
        self._consumer = AIOKafkaConsumer(
            **membership(settings, f"{settings.group}-desk"),
            max_poll_interval_ms=_LONGEST_WAIT_MS,
        )
        self._consumer.subscribe(topics=list(TOPICS), listener=self)

    async def start(self) -> None:
        """Join the group.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        try:
            await self._consumer.start()
        except (KafkaError, OSError) as error:
            raise _away(error) from error

    async def stop(self) -> None:
        """Leave the group; a rebalance that is under way is not waited for."""
        _done, pending = await asyncio.wait([asyncio.create_task(self._consumer.stop())], timeout=_LEAVE_S)
        if pending:
            log.info("left the group without a goodbye: it notices within the session timeout")

    def mine(self) -> set[int]:
        """Chains this desk is to keep."""
        return {place.partition for place in self._consumer.assignment()}

    async def batches(self, leaving_out: Iterable[int]) -> dict[int, list[Any]]:
        """New messages by chain.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        self._pause(frozenset(leaving_out))
        batches: dict[int, list[Any]] = {}
        loop, wait_ms = asyncio.get_running_loop(), _POLL_MS
        enough_s, left = loop.time() + _GATHER_S, _BATCH
        while left > 0 and (found := await self._found(wait_ms, left)):
            for records in found.values():
                batches.setdefault(records[0].partition, []).extend(records)
                left -= len(records)
            wait_ms = _MORE_MS
            if loop.time() > enough_s:
                break
        return batches

    async def _found(self, wait_ms: int, limit: int) -> dict[Any, list[Any]]:
        try:
            found: dict[Any, list[Any]] = await self._consumer.getmany(timeout_ms=wait_ms, max_records=limit)
        except (KafkaError, OSError) as error:
            raise _away(error) from error
        return found

    def again(self, records: Iterable[Any]) -> None:
        """Read these messages once more, if they are still this desk's."""
        first: dict[TopicPartition, int] = {}
        for record in records:
            place = TopicPartition(record.topic, record.partition)
            first[place] = min(first.get(place, record.offset), record.offset)
        for place, offset in first.items():
            if place in self._consumer.assignment():
                self._consumer.seek(place, offset)

    async def done(self, records: Iterable[Any]) -> None:
        """Note that these messages need not be read again; when that fails they are, and change nothing."""
        last = {TopicPartition(record.topic, record.partition): record.offset + 1 for record in records}
        mine: Mapping[TopicPartition, int] = {
            place: offset for place, offset in last.items() if place in self._consumer.assignment()
        }
        try:
            if mine:
                await self._consumer.commit(mine)
        except (KafkaError, IllegalStateError) as error:
            log.debug("offsets not committed", error=str(error))

    def _pause(self, numbers: frozenset[int]) -> None:
        paused = self._consumer.paused()
        for place in self._consumer.assignment():
            if place.partition in numbers and place not in paused:
                self._consumer.pause(place)
            elif place.partition not in numbers and place in paused:
                self._consumer.resume(place)

    def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        """Note it; a batch under way is ended by its token."""
        self.changed |= {place.partition for place in revoked}

    def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Note it; chains are opened outside of this call, for Kafka hears no heartbeat during it."""
        self.changed |= {place.partition for place in assigned}


async def layout(settings: Settings) -> Layout:
    """What the broker is, and how many chains there are.

    Raises:
        UsageError: the topics differ in their partition count.
        UnavailableError: Kafka does not answer.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_url)
    try:
        await admin.start()
        described = await admin.describe_topics(list(TOPICS))
        cluster = await admin.describe_cluster()
    except (KafkaError, OSError) as error:
        raise _away(error) from error
    finally:
        await admin.close()
    counts = {topic["topic"]: len(topic["partitions"]) for topic in described}
    if len(set(counts.values())) != 1 or 0 in counts.values():
        shown = ", ".join(f"{topic} {count}" for topic, count in sorted(counts.items()))
        msg = f"the topics of the cases need one partition count, and have: {shown}; create them alike"
        raise UsageError(msg)
    return Layout(str(cluster.get("cluster_id")), next(iter(counts.values())), settings.max_event_bytes)


def _away(error: Exception) -> UnavailableError:
    return UnavailableError(f"Kafka does not answer: {error}")
