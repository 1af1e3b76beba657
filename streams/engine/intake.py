"""The consumer of the source topics: an aiokafka consumer of our own inside a service of the Faust app.

Kafka decides which shards this worker holds; Redis decides where reading goes on. A fetch can outlive a rebalance and
come back after the seek, so every batch is held against the shard's own offsets: what lies below is dropped, a hole is
read again.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from agents.intake.shard import Record
from streams.engine.checkpoint import Checkpointer, OwnedShard, Snapshot
from streams.engine.limits import DeadLetterLimit
from streams.engine.opening import Company, Opener
from streams.engine.store import Store
from streams.errors import PulseError, UnavailableError
from streams.metrics import Metrics
from streams.settings import Settings
from streams.topics import NODES, SHARD_TOPICS

log = structlog.get_logger("intake")

_BATCH = 2_000
_POLL_MS = 200
_FETCH_BYTES = 4_000_000
_RETRY_S = 0.5
#: While shards are opened nothing is polled; Kafka must not take that for a dead worker.
_LONGEST_REBUILD_MS = 3_600_000
#: With this many rows waiting in a shard the next checkpoint does not wait for its time.
_BUSY_ROWS = 2_000


def assignor(delay_s: float) -> type[Any]:
    """Kafka's range assignor; the leader waits `delay_s` before it answers."""

    class Assignor(RangePartitionAssignor):  # type: ignore[misc] # aiokafka has no types
        @classmethod
        def assign(cls, cluster: Any, members: Any) -> Any:
            time.sleep(delay_s)
            return super().assign(cluster, members)

    return Assignor if delay_s else RangePartitionAssignor


class Intake(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """Holds the shards of one worker and feeds them.

    Args:
        settings: how to reach Kafka and how to behave.
        store: checkpoints.
        opener: makes shards.
        company: policy and reference data to begin with.
        metrics: counters.
    """

    def __init__(self, settings: Settings, store: Store, opener: Opener, company: Company, metrics: Metrics) -> None:
        self._settings = settings
        self._store = store
        self._opener = opener
        self.company = company
        self._metrics = metrics
        self.shards: dict[int, OwnedShard] = {}
        self.fatal: BaseException | None = None
        self.checkpointer: Checkpointer | None = None
        self.standstill = asyncio.Lock()
        self._holes: dict[TopicPartition, int] = {}
        self._stopping = False
        self._moving = asyncio.Lock()
        self._epoch = 0
        """Counts rebalances: what was begun before the last one is void."""
        self._opening: asyncio.Task[None] | None = None
        self._adopting = asyncio.Lock()
        self._reopen: dict[int, float] = {}
        self._frozen: set[int] = set()
        self._busy = asyncio.Event()
        self._limiter = DeadLetterLimit(settings.dead_letter_limit)
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka_url,
            group_id=settings.group,
            client_id=settings.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            partition_assignment_strategy=[assignor(settings.assign_delay_s)],
            session_timeout_ms=int(settings.session_timeout_s * 1000),
            heartbeat_interval_ms=max(200, int(settings.session_timeout_s * 100)),
            rebalance_timeout_ms=int(max(30.0, 3 * settings.session_timeout_s) * 1000),
            fetch_max_wait_ms=settings.fetch_wait_ms,
            max_partition_fetch_bytes=_FETCH_BYTES,
            max_poll_interval_ms=_LONGEST_REBUILD_MS,
        )
        self._consumer.subscribe(topics=list(SHARD_TOPICS), listener=self)

    # ------------------------------------------------------------ life

    async def start(self) -> None:
        """Join the group; shards arrive with the first assignment.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        try:
            await self._consumer.start()
        except (KafkaError, OSError) as error:
            msg = f"Kafka does not answer: {error}"
            raise UnavailableError(msg) from error

    async def stop(self, deadline: float) -> None:
        """Take no more, checkpoint, leave the group."""
        self._stopping = True
        self._epoch += 1
        if self.checkpointer is not None:
            self.checkpointer.give_up_at(deadline)
        try:
            await self._checkpoint(deadline)
            for number, owned in self.shards.items():
                await self._store.release(number, owned.token)
        finally:
            self.shards.clear()
            await self._consumer.stop()

    async def feed(self) -> None:
        """Read and take batches until stopped."""
        while not self._stopping and self.fatal is None:
            self._apply_pressure()
            try:
                batches = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=_BATCH)
            except KafkaError as error:
                self._metrics.unavailable.inc()
                log.warning("Kafka does not answer", error=str(error))
                await asyncio.sleep(_RETRY_S)
                continue
            for place, records in batches.items():
                async with self.standstill:
                    self._take(place, records)
                await asyncio.sleep(0)

    # ------------------------------------------------------- a batch

    def _take(self, place: Any, records: Sequence[Any]) -> None:
        owned = self.shards.get(place.partition)
        if owned is None or self._stopping or place.partition in self._frozen:
            return  # revoked while the fetch was under way; whoever holds it next reads it again
        records = self._fitting(owned, place, records)
        if not records:
            return
        self._metrics.events.labels(place.topic).inc(len(records))
        now = datetime.now(UTC)
        taken = [Record(record.key, record.value, record.offset) for record in records]
        if place.topic == NODES:
            owned.shard.take_messages(place.topic, taken, now)
        else:
            owned.shard.take(place.topic, taken, now)
            if owned.shard.output.size >= _BUSY_ROWS:
                self._busy.set()
            self.fatal = self.fatal or self._limiter.check(owned.shard, len(taken), now)

    def _fitting(self, owned: OwnedShard, place: Any, records: Sequence[Any]) -> Sequence[Any]:
        """The records that come next; an answer to an older position is read again."""
        due = owned.shard.offsets.get(place.topic, 0)
        first = records[0].offset
        if first > due and self._holes.get(place) != first:
            self._holes[place] = first  # the second time the same hole is real: compaction or a transaction marker
            self._seek(place, due)
            return ()
        self._holes.pop(place, None)
        return records if first >= due else [record for record in records if record.offset >= due]

    def _seek(self, place: Any, offset: int) -> None:
        if place in self._consumer.assignment():
            self._consumer.seek(place, offset)

    def _apply_pressure(self) -> None:
        """Pause shards that are not open yet, or wait for a checkpoint with all they may hold."""
        limit = self._settings.checkpoint_events
        open_ = {n for n, o in self.shards.items() if max(o.shard.output.size, len(o.shard.held)) < limit}
        paused = self._consumer.paused()
        for place in self._consumer.assignment():
            if place.partition not in open_ and place not in paused:
                self._consumer.pause(place)
            elif place.partition in open_ and place in paused:
                self._consumer.resume(place)

    # ---------------------------------------------------- checkpoints

    async def checkpoint_forever(self) -> None:
        """Checkpoint every interval until stopped."""
        while not self._stopping and self.fatal is None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._busy.wait(), self._settings.checkpoint_interval_s)
            self._busy.clear()
            if self._stopping:
                return
            try:
                await self._upkeep()
                await self._checkpoint(None)
            except UnavailableError as error:
                log.warning("waiting for a service", error=str(error))
            except PulseError as error:
                self.fatal = error

    async def _upkeep(self) -> None:
        now = datetime.now(UTC)
        await self._reopen_lost()
        asked = await self._store.resend_round()
        async with self.standstill:
            for owned in self._live():  # a frozen one is being read by a thread
                if owned.shard.held:
                    owned.shard.release(now)
                if owned.resend < asked:
                    owned.shard.progress.mark_all()
                    owned.resend, owned.shard.moved = asked, True
        self._show()

    async def _checkpoint(self, deadline: float | None) -> None:
        if self.checkpointer is not None:
            await self.checkpointer.round(self._live, deadline=deadline)

    def _live(self) -> list[OwnedShard]:
        return [owned for number, owned in self.shards.items() if number not in self._frozen]

    async def adopt(self, company: Company) -> None:
        """Go on with another policy or other reference data; a shard whose past that changes is computed anew.

        Raises:
            UnavailableError: a service does not answer; nothing was adopted for the shards still to come.
        """
        async with self._adopting:
            old, self.company = self.company, company
            same = old.plan.fingerprint == company.plan.fingerprint
            same = same and old.directory.places_alike(company.directory, company.plan.reads)
            for number, owned in list(self.shards.items()):
                if same:
                    async with self.standstill:
                        await asyncio.to_thread(owned.shard.adopt, company.directory, datetime.now(UTC))
                        owned.labels = company.labels(self._opener.partitions, self._opener.cluster)
                        owned.shard.moved = True
                else:
                    await self._compute_anew(number)

    async def _compute_anew(self, number: int) -> None:
        await self._checkpoint(None)
        self._frozen.add(number)
        try:
            if (owned := self.shards.get(number)) is not None:
                await self._checkpoint_one(owned)
                fresh = await asyncio.to_thread(self._opener.rebuilt, number, owned.token, self.company, owned)
                if self.shards.get(number) is owned:
                    self.shards[number] = fresh
                    for topic, offset in fresh.shard.offsets.items():
                        self._seek(TopicPartition(topic, number), offset)
        finally:
            self._frozen.discard(number)

    async def _checkpoint_one(self, owned: OwnedShard) -> None:
        """What a frozen shard took since the last round must be in ClickHouse before it is read back."""
        if self.checkpointer is not None:
            await self.checkpointer.round(lambda: [owned])

    def lose(self, owned: OwnedShard, holder: str | None) -> None:
        """Drop a shard whose token is no longer in force.

        Args:
            owned: the shard.
            holder: the token in force; None when Redis was emptied, so that nobody holds the shard.
        """
        number = owned.shard.number
        if self.shards.get(number) is owned:
            log.warning("shard lost", shard=number, because="Redis was emptied" if holder is None else "taken over")
            del self.shards[number]
            # a new holder soon shows as a rebalance; if none comes, Redis was set back, and the shard is still ours
            wait_s = 0 if holder is None else 2 * self._settings.session_timeout_s
            self._reopen[number] = asyncio.get_running_loop().time() + wait_s

    async def _reopen_lost(self) -> None:
        now, epoch = asyncio.get_running_loop().time(), self._epoch
        for number in [number for number, due in self._reopen.items() if due <= now]:
            mine = {place.partition for place in self._consumer.assignment()}
            if number in mine and number not in self.shards:
                await self._open_patiently(number, epoch)
            self._reopen.pop(number, None)

    async def commit_offsets(self, snapshots: Iterable[Snapshot]) -> None:
        """Tell Kafka the offsets, for whoever watches the lag; the truth is in Redis."""
        mine = self._consumer.assignment()
        places = {
            TopicPartition(topic, snapshot.commit.shard): offset
            for snapshot in snapshots
            for topic, offset in ((n[2:], int(v)) for n, v in snapshot.commit.meta.items() if n.startswith("o:"))
        }
        try:
            if offsets := {place: OffsetAndMetadata(offset, "") for place, offset in places.items() if place in mine}:
                await self._consumer.commit(offsets)
        except KafkaError as error:
            log.debug("offsets not committed", error=str(error))

    def _show(self) -> None:
        self._metrics.shards.set(len(self.shards))
        self._metrics.held.set(sum(len(owned.shard.held) for owned in self.shards.values()))
        self._metrics.waiting_rows.set(sum(owned.shard.output.size for owned in self.shards.values()))
        lag: dict[str, int] = dict.fromkeys(SHARD_TOPICS, 0)
        for place in self._consumer.assignment():
            high = self._consumer.highwater(place)
            owned = self.shards.get(place.partition)
            if high is not None and owned is not None:
                lag[place.topic] += max(0, high - owned.shard.offsets.get(place.topic, 0))
        for topic, count in lag.items():
            self._metrics.lag.labels(topic).set(count)

    # ------------------------------------------------------ rebalances

    async def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        """Checkpoint, then hold nothing: who gets a shard next reads it from the store."""
        self._epoch += 1
        if self.shards and not self._stopping:
            deadline = asyncio.get_running_loop().time() + self._settings.session_timeout_s
            try:
                await self._checkpoint(deadline)
            except UnavailableError as error:
                log.warning("shards given up without a last checkpoint", error=str(error))
            except PulseError as error:
                self.fatal = error
        async with self._moving:
            self.shards.clear()
            self._reopen.clear()
        if numbers := sorted({place.partition for place in revoked}):
            log.info("shards released", shards=numbers)

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Open every shard, in the background: Kafka hears no heartbeat before this call is over."""
        places = list(assigned)
        numbers = sorted({place.partition for place in places})
        if len(places) != len(numbers) * len(SHARD_TOPICS):
            self.fatal = PulseError("the topics of a shard went to different workers: give them one partition count")
            return
        self._consumer.pause(*places)
        self._opening = asyncio.create_task(self._open_all(numbers, self._epoch))

    async def _open_all(self, numbers: Sequence[int], epoch: int) -> None:
        try:
            for number in numbers:
                await self._open_patiently(number, epoch)
        except Exception as error:  # a task nobody awaits: the worker must end by it
            self.fatal = error
        if epoch == self._epoch:
            log.info("shards taken", shards=sorted(self.shards))

    async def _open_patiently(self, number: int, epoch: int) -> None:
        """Open a shard; wait for a service that is away."""
        while epoch == self._epoch:
            company = self.company
            try:
                await self._open(number, epoch, company)
            except (UnavailableError, KafkaError) as error:
                self._metrics.unavailable.inc()
                log.warning("waiting for a service to open a shard", shard=number, error=str(error))
                await asyncio.sleep(_RETRY_S)
                continue
            if number in self.shards:
                return

    async def _open(self, number: int, epoch: int, company: Company) -> None:
        """Take a shard over, unless a rebalance took it away meanwhile (another `epoch`) or news came in."""
        places = [TopicPartition(topic, number) for topic in SHARD_TOPICS]
        lowest, ends = await self._consumer.beginning_offsets(places), await self._consumer.end_offsets(places)
        async with (
            self._moving
        ):  # not a moment after it may be somebody else's: the token would shut the new holder out
            if epoch != self._epoch:
                return
            token, stored = await self._store.open(number)
        owned = await asyncio.to_thread(self._opener.from_checkpoint, number, token, stored, company)
        if any(owned.shard.offsets.get(place.topic, low) < low for place, low in lowest.items()):
            log.error("Kafka no longer holds what follows the checkpoint; rebuilding from ClickHouse", shard=number)
            owned = await asyncio.to_thread(self._opener.rebuilt, number, token, company)
        if beyond := [place.topic for place, end in ends.items() if owned.shard.offsets.get(place.topic, 0) > end]:
            log.error("Kafka ends before the checkpoint: read from the start", shard=number, topics=beyond)
            owned.shard.offsets = {t: offset for t, offset in owned.shard.offsets.items() if t not in beyond}
        if owned.has_no_past:
            owned.resend = await self._store.resend_round(ask=owned.shard.seen.size > 0)
        async with self._moving:
            if epoch == self._epoch and company is self.company:
                self._begin(owned, lowest)

    def _begin(self, owned: OwnedShard, lowest: Mapping[Any, int]) -> None:
        """Hold an opened shard and read on where it stands."""
        self.shards[owned.shard.number] = owned
        for place, low in lowest.items():
            self._seek(place, owned.shard.offsets.setdefault(place.topic, low))
