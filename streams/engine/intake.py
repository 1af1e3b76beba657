"""The intake of one worker: reads batches, gives them to their shards, and checkpoints, through every rebalance.

The consumer of the source topics is an aiokafka consumer of our own inside a service of the Faust app
(docs/decisions/0001).
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener
from aiokafka.errors import KafkaError

from agents.intake.shard import Record
from streams.engine.checkpoint import Checkpointer, OwnedShard, Snapshot
from streams.engine.gaps import Gaps
from streams.engine.group import Group
from streams.engine.holding import Holding
from streams.engine.limits import DeadLetterLimit
from streams.engine.opening import Company, Opener
from streams.engine.store import Store
from streams.engine.telling import messages_of
from streams.errors import PulseError, UnavailableError
from streams.metrics import Metrics
from streams.settings import Settings
from streams.topics import NODES, SHARD_TOPICS, TOUCHES

log = structlog.get_logger("intake")

_BATCH = 2_000
_POLL_MS = 200
_RETRY_S = 0.5
#: After other shards' totals came in the next checkpoint is this near, unless the shard has much to do.
_HOP_S, _FEW_ROWS = 0.2, 200
#: Between two rounds of judging by what came late, seconds, and subjects of a shard in one of them.
_AGAIN_S, _AGAIN_BUSY_S, _SUBJECTS_AGAIN = 2.0, 60.0, 500
#: Node messages are taken for at least so long in each round, and all of them beyond so many.
_WORDS_S, _MOST_WORDS = 0.01, 1_000
#: With this many rows waiting in a shard the next checkpoint does not wait for its time.
_BUSY_ROWS = 2_000


class Intake(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka has no types
    """Feeds the shards of one worker.

    Args:
        settings: how to reach Kafka and how to behave.
        store: checkpoints.
        opener: makes shards.
        company: policy and reference data to begin with.
        metrics: counters.

    Attributes:
        holding: the shards.
        fatal: why the worker must end.
    """

    def __init__(self, settings: Settings, store: Store, opener: Opener, company: Company, metrics: Metrics) -> None:
        self._settings = settings
        self._store = store
        self._metrics = metrics
        self.fatal: BaseException | None = None
        self._checkpointer: Checkpointer | None = None
        self._stopping = False
        self._busy = asyncio.Event()
        self._judged_again_s = 0.0
        self._words: deque[tuple[OwnedShard, Any, Any]] = deque()
        """Node messages that were read and not taken yet."""
        self._limiter = DeadLetterLimit(settings.dead_letter_limit)
        self._group = Group(settings, self)
        self._gaps = Gaps(self._group, metrics)
        self.holding = Holding(
            group=self._group,
            store=store,
            opener=opener,
            company=company,
            metrics=metrics,
            take_over_s=2 * settings.session_timeout_s,
        )

    def checkpoint_with(self, checkpointer: Checkpointer) -> None:
        """Write checkpoints with this from now on."""
        self._checkpointer = checkpointer
        self.holding.checkpoint = self._checkpoint

    # ------------------------------------------------------------ life

    async def start(self) -> None:
        """Join the group; shards arrive with the first assignment.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        await self._group.start()

    async def stop(self, deadline: float) -> None:
        """Take no more, checkpoint, leave the group.

        Raises:
            UnavailableError: a service did not answer; what follows the last checkpoint is read again.
        """
        self._stopping = True
        self.holding.void()
        if self._checkpointer is not None:
            self._checkpointer.give_up_at(deadline)
        try:
            await self._checkpoint(self.holding.live, deadline)
            await self.holding.release()
        finally:
            self.holding.shards.clear()
            await self._group.stop()

    async def feed(self) -> None:
        """Read and take batches until stopped."""
        while self._goes_on():
            self._group.read_only(self._hungry())
            wait_ms = 0 if self._words else _POLL_MS
            try:
                batches = await self._group.consumer.getmany(timeout_ms=wait_ms, max_records=_BATCH)
            except KafkaError as error:
                self._metrics.unavailable.inc()
                log.warning("Kafka does not answer", error=str(error))
                await asyncio.sleep(_RETRY_S)
                continue
            began = time.monotonic()
            for place, records in batches.items():
                if place.topic == NODES:
                    self._note_words(place, records)
                    continue
                async with self.holding.standstill:
                    self._take(place, records)
                await asyncio.sleep(0)
            await self._take_words(time.monotonic() - began)
            await self._gaps.explain()

    def _goes_on(self) -> bool:
        self.fatal = self.fatal or self.holding.fatal
        return not self._stopping and self.fatal is None

    def _hungry(self) -> list[int]:
        """Open shards; not those that wait for a checkpoint with all they may hold."""
        limit = self._settings.checkpoint_events
        return [
            owned.shard.number
            for owned in self.holding.live()
            if max(owned.shard.output.size, len(owned.shard.held)) < limit
        ]

    # ------------------------------------------------------- node messages

    def _note_words(self, place: Any, records: Sequence[Any]) -> None:
        """Keep node messages for when the events that came with them are taken: totals may wait, alerts may not."""
        owned = self.holding.get(place.partition)
        if owned is not None:
            self._words += [(owned, place, record) for record in records]

    async def _take_words(self, events_s: float) -> None:
        """Take node messages as long as the events took, so that neither keeps the other waiting for ever."""
        until = time.monotonic() + max(_WORDS_S, events_s)
        while self._words and (time.monotonic() < until or len(self._words) > _MOST_WORDS):
            owned, place, record = self._words.popleft()
            async with self.holding.standstill:
                if self.holding.get(place.partition) is owned:  # a shard opened since reads from its checkpoint on
                    self._take(place, [record])
            await asyncio.sleep(0)

    # ------------------------------------------------------- a batch

    def _take(self, place: Any, records: Sequence[Any]) -> None:
        owned = self.holding.get(place.partition)
        if owned is None or self._stopping:
            return  # revoked while the fetch was under way: whoever holds it next reads it again
        records = self._gaps.fitting(place, records, owned.shard.offsets.get(place.topic, 0))
        if not records:
            return
        self._metrics.events.labels(place.topic).inc(len(records))
        owned.lights.note_lag(place.topic, self._group.behind(place, records[-1].offset + 1))
        now = datetime.now(UTC)
        taken = [Record(record.key, record.value, record.offset) for record in records]
        if place.topic == NODES:
            owned.shard.take_messages(place.topic, taken, now)
            if owned.shard.output.size < _FEW_ROWS:  # a total climbs one level with each checkpoint
                asyncio.get_running_loop().call_later(_HOP_S, self._busy.set)
            return
        if place.topic == TOUCHES:
            owned.shard.take_touches(place.topic, taken, now)
            self._tell(owned)
            return
        letters = len(owned.shard.output.letters)
        owned.shard.take(place.topic, taken, now)
        self._tell(owned)
        letters = len(owned.shard.output.letters) - letters
        if owned.shard.output.size >= _BUSY_ROWS:
            self._busy.set()
        self.fatal = self.fatal or self._limiter.check(place.partition, len(taken), letters, now)

    def _tell(self, owned: OwnedShard) -> None:
        """Tell alerts and touches at once; what finds no room now goes out with the checkpoint."""
        if not owned.shard.judging.telling or self._checkpointer is None:
            return
        messages = messages_of(owned.shard.judging.told())
        sent = self._checkpointer.tell(messages)
        owned.told += messages[:sent]
        owned.untold += messages[sent:]

    # ---------------------------------------------------- checkpoints

    async def checkpoint_forever(self) -> None:
        """Checkpoint every interval until stopped."""
        while self._goes_on():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._busy.wait(), self._settings.checkpoint_interval_s)
            self._busy.clear()
            if self._stopping:
                return
            try:
                await self._upkeep()
                await self._checkpoint(self.holding.live)
            except UnavailableError as error:
                log.warning("waiting for a service", error=str(error))
            except PulseError as error:
                self.fatal = error

    async def _upkeep(self) -> None:
        self.holding.reopen_lost()
        asked = await self._store.resend_round()
        async with self.holding.standstill:
            live = self.holding.live()  # a frozen one is being read by a thread
            now = datetime.now(UTC)
            if any(owned.shard.must_release(now) or owned.resend < asked for owned in live):
                await asyncio.to_thread(_catch_up, live, asked, now)  # may take seconds
        await self._judge_again()
        self._show()

    async def _judge_again(self) -> None:
        """Judge by what came late, now and then; less often while much is still to come."""
        now_s = asyncio.get_running_loop().time()
        behind = sum(self._group.lag({n: owned.shard.offsets for n, owned in self.holding.shards.items()}).values())
        if now_s < self._judged_again_s + (_AGAIN_S if behind < _FEW_ROWS else _AGAIN_BUSY_S):
            return
        for owned in [owned for owned in self.holding.live() if owned.shard.judging.waiting]:
            self._judged_again_s = now_s
            await self.holding.judge_again(owned, _SUBJECTS_AGAIN)
            self._tell(owned)

    async def _checkpoint(self, shards: Callable[[], Iterable[OwnedShard]], deadline: float | None = None) -> None:
        if self._checkpointer is not None:
            await self._checkpointer.round(shards, deadline=deadline)

    async def commit_offsets(self, snapshots: Iterable[Snapshot]) -> None:
        """Tell Kafka how far the checkpoints reach."""
        found = {
            snapshot.commit.shard: (
                int(snapshot.commit.meta["stamp"]),
                {name[2:]: int(value) for name, value in snapshot.commit.meta.items() if name.startswith("o:")},
            )
            for snapshot in snapshots
        }
        if found:
            await self._group.commit(found)

    def _show(self) -> None:
        shards = self.holding.shards
        self._metrics.shards.set(len(shards))
        self._metrics.held.set(sum(len(owned.shard.held) for owned in shards.values()))
        self._metrics.waiting_rows.set(sum(owned.shard.output.size for owned in shards.values()))
        for topic, count in self._group.lag({n: owned.shard.offsets for n, owned in shards.items()}).items():
            self._metrics.lag.labels(topic).set(count)

    # ------------------------------------------------------ rebalances

    async def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        """Checkpoint, then hold nothing: who gets a shard next reads it from the store."""
        self.holding.void()
        try:
            if self.holding.shards and not self._stopping:
                await self._last_checkpoint()
        finally:
            await self.holding.give_up()
            self._gaps.forget()
        if numbers := sorted({place.partition for place in revoked}):
            log.info("shards released", shards=numbers)

    async def _last_checkpoint(self) -> None:
        deadline = asyncio.get_running_loop().time() + self._settings.session_timeout_s
        if self._checkpointer is not None:
            self._checkpointer.give_up_at(deadline)  # the running round, too: the group waits for us
        try:
            await self._checkpoint(self.holding.live, deadline)
        except UnavailableError as error:
            log.warning("shards given up without a last checkpoint", error=str(error))
        except PulseError as error:
            self.fatal = error
        finally:
            if self._checkpointer is not None and not self._stopping:
                self._checkpointer.give_up_at(None)

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Open every shard, in the background: Kafka hears no heartbeat before this call is over."""
        places = list(assigned)
        numbers = sorted({place.partition for place in places})
        if len(places) != len(numbers) * len(SHARD_TOPICS):
            self.fatal = PulseError("the topics of a shard went to different workers: give them one partition count")
            return
        self._group.consumer.pause(*places)
        self.holding.open_all(numbers)


def _catch_up(shards: Iterable[OwnedShard], asked: int, now: datetime) -> None:
    """Try held events again, and say everything again where it was asked for."""
    for owned in shards:
        owned.shard.release(now)
        if owned.resend < asked:
            owned.shard.progress.mark_all()
            owned.resend, owned.shard.moved = asked, True
