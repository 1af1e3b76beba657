"""Batches that do not begin where the last one ended.

A fetch can outlive a rebalance and come back after the seek, so every batch is held against the shard's own offsets:
what lies below is dropped, and a gap is read again. A gap that stays is real: a compacted or transactional topic, or
retention that overtook the worker; only the last one loses anything, and it must not pass in silence.
"""

from collections.abc import Sequence
from typing import Any

import structlog
from aiokafka.errors import KafkaError

from streams.engine.group import Group
from streams.metrics import Metrics

log = structlog.get_logger("gaps")


class Gaps:
    """Decides what of a batch comes next.

    Args:
        group: the consumer.
        metrics: counters.
    """

    def __init__(self, group: Group, metrics: Metrics) -> None:
        self._group = group
        self._metrics = metrics
        self._seen: dict[Any, int] = {}
        self._accepted: list[tuple[Any, int, int]] = []

    def fitting(self, place: Any, records: Sequence[Any], due: int) -> Sequence[Any]:
        """The records from `due` on; none when the batch leaves a gap that is to be read again."""
        first = records[0].offset
        if first > due:
            if self._seen.get(place) != first:
                self._seen[place] = first
                self._group.seek(place.partition, {place.topic: due})
                return ()
            self._accepted.append((place, due, first))
        self._seen.pop(place, None)
        return records if first >= due else [record for record in records if record.offset >= due]

    def forget(self) -> None:
        """Start anew, after a rebalance."""
        self._seen.clear()
        self._accepted.clear()

    async def explain(self) -> None:
        """Say which of the gaps accepted since the last call cost messages."""
        accepted, self._accepted = self._accepted, []
        for place, due, first in accepted:
            try:
                lowest = await self._group.lowest(place)
            except KafkaError as error:
                log.warning("a gap cannot be explained: Kafka does not answer", topic=place.topic, error=str(error))
                lowest = first
            if lost := max(0, min(lowest, first) - due):
                self._metrics.overtaken.labels(place.topic).inc(lost)
                log.error(
                    "Kafka deleted messages before they were read: raise the retention, then send them again",
                    topic=place.topic,
                    shard=place.partition,
                    first_lost=due,
                    up_to=due + lost,
                )
