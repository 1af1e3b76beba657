"""The checkpoint: what makes the engine exact.

In this order, for all shards that changed: rows to ClickHouse, messages to Kafka, then per shard state and offsets to
Redis in one transaction, then the offsets to Kafka for whoever watches the lag. A crash at any point leaves a state
from which reading on repeats only absolute values. A service that is away is waited for with the very same block.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Any

import structlog
from clickhouse_connect.driver.client import Client

from agents.intake.judging import Whose
from agents.intake.quarantine import Stopped
from agents.intake.seen import pack
from agents.intake.shard import Held, Output, Shard
from agents.progress.lights_board import LightBoard, no_lights
from agents.progress.lights_figures import row_of
from agents.progress.outputs import RollingWindows, changed_rows
from agents.progress.snapshot import changed_fields, dropped_fields
from schemas.outputs import DeadLetter
from streams.alert_rows import ShardTouch
from streams.engine.backlog import note_backlog
from streams.engine.letters import dead_letters, letter_message
from streams.engine.rules import check_in_fields, counted_by_rule, counts_to_wire, late_fields, rule_counts
from streams.engine.setting_aside import sealed_message, set_aside, stopped
from streams.engine.sink import Block, write
from streams.engine.store import Commit, Store
from streams.engine.telling import Message, messages_of, node_messages
from streams.engine.waiting import held_fields
from streams.errors import InvalidError, LostError, UnavailableError
from streams.lights import as_message, current
from streams.metrics import Metrics
from streams.producer import BulkProducer
from streams.quarantine import Sealer
from streams.topics import DEAD_LETTERS, LIGHTS, NODES

log = structlog.get_logger("checkpoint")

#: Between two snapshots.
_LONGEST_PAUSE_S = 0.05
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 5.0


@dataclass
class OwnedShard:
    """A shard this worker holds, with what ties it to the store."""

    shard: Shard
    token: str
    rolling: RollingWindows
    stamp: int = 0
    """Stamp of the last checkpoint, milliseconds; never falls."""
    fresh: int = 0
    """Stamp from which this shard speaks without a past: when it was last rebuilt with nothing kept."""
    resend: int = 0
    """Round of saying all totals again that this shard has honoured."""
    replace: bool = False
    """Whether the next checkpoint replaces everything stored."""
    has_no_past: bool = False
    """Whether it was rebuilt with nothing kept, so that the others must tell it their totals again."""
    speaks_afresh: bool = False
    """Whether the others must forget what it said before: nobody knows what a checkpoint that never stood has told."""
    labels: dict[str, str] = field(default_factory=dict)
    """What the state was made with: policy, reference data, broker, partitions."""
    held_before: tuple[Held, ...] = ()
    """Events that waited at the last checkpoint."""
    lights: LightBoard = field(default_factory=no_lights)
    told: list[Message] = field(default_factory=list)
    """Messages that went out since the last checkpoint."""
    untold: list[Message] = field(default_factory=list)
    """Messages there was no room for."""
    told_of: str = ""
    """Kinds of events that travel to those they concern, as far as the stored ones travelled, too."""
    waited: dict[Whose, int] = field(default_factory=dict)
    """Subjects whose events were to be judged again at the last checkpoint."""
    counted: dict[str, tuple[int, int]] = field(default_factory=dict)
    """What the rules had counted at the last checkpoint."""


@dataclass
class Snapshot:
    """One shard's part of a checkpoint, of one moment."""

    owned: OwnedShard
    block: Block
    messages: list[Message]
    commit: Commit
    told: list[Message] = field(default_factory=list)
    """Messages that went out before; they are sent again only where one did not arrive."""
    halted: list[Stopped] = field(default_factory=list)
    """Messages that were not let in."""


def take_snapshot(owned: OwnedShard, stamp: int, now: datetime) -> Snapshot:
    """What changed since the last checkpoint; the shard forgets it. Nothing else may touch the shard meanwhile."""
    shard = owned.shard
    rolling = owned.rolling.rows(now)
    origin = {"h": shard.number, "f": owned.fresh}
    greetings = shard.greetings() if owned.speaks_afresh and owned.replace else []
    said = chain(greetings, shard.progress.messages(stamp))
    messages = [*node_messages(said, origin)]
    output, shard.output = shard.output, Output()
    finding, marks = shard.judging.settle()
    halted = stopped(shard, now)
    own = [*finding.own, *set_aside(shard, halted)]
    messages += messages_of(shard.judging.told(), [*finding.alerts, *own])
    new_held, gone = held_fields(owned.shard.held, owned.held_before, everything=owned.replace)
    check_ins, old_check_ins = check_in_fields(shard.judging.journeys, now, everything=owned.replace)
    late = late_fields(shard.judging, None if owned.replace else owned.waited)
    owned.waited = dict(shard.judging.waiting)
    cells = changed_rows(shard.progress) + rolling
    lights = owned.lights.snapshot(cells, partial(row_of, shard.progress), now, everything=owned.replace)
    letters = dead_letters(output.letters, shard.number, owned.labels.get("cluster", ""), now)
    block = Block(dict(output.rows), cells, letters, lights.readings, lights.changes)
    block.calls = shard.progress.books.counted()
    block.hits, block.alerts = finding.hits, own
    block.touches = [ShardTouch(shard.number, row) for row in finding.touches]
    block.rule_counts = rule_counts(shard.judging.judge, shard.number, owned.counted)
    owned.counted = counted_by_rule(shard.judging.judge)
    commit = Commit(
        shard=shard.number,
        token=owned.token,
        meta=_meta(owned, stamp),
        follows=owned.stamp,
        fields=changed_fields(shard.progress) | new_held | lights.fields | check_ins | late,
        dropped=[*dropped_fields(shard.progress), *gone, *old_check_ins],
        seen=pack([*output.seen, *marks]),
        replace=owned.replace,
        lights=current(lights.readings),
    )
    shard.progress.settle()
    shard.moved = False
    owned.stamp, owned.replace, owned.held_before = stamp, False, tuple(shard.held)
    told, owned.told = owned.told, []
    untold, owned.untold = owned.untold, []
    return Snapshot(owned, block, [*untold, *messages], commit, told, halted)


def _meta(owned: OwnedShard, stamp: int) -> dict[str, str | int]:
    shard = owned.shard
    return {
        **{f"o:{topic}": offset for topic, offset in shard.offsets.items()},
        **{f"c:{name}": count for name, count in shard.counts.items()},
        "held": len(shard.held),
        "unsaid": len(shard.progress.speaking_next) + owned.lights.untold + len(shard.judging.waiting),
        **{f"f:{sender}": fresh for sender, fresh in shard.fresh.items()},
        "stamp": stamp,
        "fresh": owned.fresh,
        "resend": owned.resend,
        "told_of": owned.told_of,
        **counts_to_wire(shard.judging.judge),
        **owned.labels,
    }


class Checkpointer:
    """Writes checkpoints, one round at a time.

    Args:
        store: Redis.
        client: a ClickHouse writer, used by this object alone.
        producer: Kafka.
        metrics: counters of the worker.
        lost: called with a shard that is no longer ours, and the token now in force.
        committed: called with the offsets of a round, for Kafka's own commit.
        standstill: held while snapshots are taken; who changes a shard takes it first.
        sealer: seals what is not let in; its content is dropped when left out.
    """

    def __init__(
        self,
        *,
        store: Store,
        client: Client,
        producer: BulkProducer,
        metrics: Metrics,
        lost: Callable[[OwnedShard, str | None], None],
        committed: Callable[[list[Snapshot]], Awaitable[None]],
        standstill: asyncio.Lock,
        sealer: Sealer | None = None,
    ) -> None:
        self._sealer = sealer or Sealer(None)
        self._store = store
        self._client = client
        self._producer = producer
        self._metrics = metrics
        self._lost = lost
        self._committed = committed
        self._standstill = standstill
        self._lock = asyncio.Lock()
        self._give_up_at: float | None = None
        self._again = 0
        """Rounds for which told messages are told again."""

    def give_up_at(self, deadline: float | None) -> None:
        """Let no round, not even the running one, wait beyond `deadline` (event loop time); None takes that back."""
        self._give_up_at = deadline

    async def round(self, shards: Callable[[], Iterable[OwnedShard]], *, deadline: float | None = None) -> None:
        """Checkpoint every shard that changed.

        Args:
            shards: the shards held, asked once the previous round is over.
            deadline: event loop time after which waiting for a service is given up.

        Raises:
            UnavailableError: the deadline passed; the shards of the round are dropped, and whoever opens them next
                reads them again.
            InvalidError: ClickHouse refuses the rows.
        """
        async with self._lock:
            now = datetime.now(UTC)
            live = [owned for owned in shards() if await self._owns(owned, deadline)]
            stamp = max([int(now.timestamp() * 1000), *(owned.stamp + 1 for owned in live)])
            snapshots = await self._taken(live, stamp, now, unhurried=deadline is None)
            if snapshots:
                await self._write_or_drop(snapshots, stamp, deadline)
                self._metrics.checkpointed(now)
            self._metrics.looked()

    async def _taken(
        self, live: list[OwnedShard], stamp: int, now: datetime, *, unhurried: bool = True
    ) -> list[Snapshot]:
        """Snapshots of the shards that changed, one after the other, with as much time for events in between.

        In a thread, for after a rebuild one takes seconds, and Kafka wants its heartbeats.
        """
        snapshots, clock = [], asyncio.get_running_loop().time
        async with self._standstill:
            note_backlog(live, now)
        try:
            for owned in live:
                began = clock()
                async with self._standstill:
                    if needs_checkpoint(owned, now):
                        snapshots.append(await asyncio.to_thread(take_snapshot, owned, stamp, now))
                if unhurried:
                    await asyncio.sleep(min(clock() - began, _LONGEST_PAUSE_S))
        except BaseException:
            self._drop(live)  # some have forgotten what changed
            raise
        return snapshots

    def _drop(self, shards: Iterable[OwnedShard]) -> None:
        for owned in shards:
            self._lost(owned, owned.token)

    async def _write_or_drop(self, snapshots: list[Snapshot], stamp: int, deadline: float | None) -> None:
        """Write a checkpoint; when that is given up, drop its shards: their memory no longer holds what it held."""
        try:
            with self._metrics.checkpoint_seconds.time():
                await self._write(snapshots, stamp, deadline)
        except BaseException:
            self._drop(snapshot.owned for snapshot in snapshots)
            raise

    async def _owns(self, owned: OwnedShard, deadline: float | None) -> bool:
        holder = await self._patiently(lambda: self._store.holder(owned.shard.number), deadline)
        if holder == owned.token:
            return True
        self._lost(owned, holder)
        return False

    async def _write(self, snapshots: list[Snapshot], stamp: int, deadline: float | None) -> None:
        block = _joined(snapshots)
        if block.size:
            await self._patiently(lambda: asyncio.to_thread(write, self._client, block, stamp), deadline)
        await self._patiently(lambda: asyncio.to_thread(self._produce, snapshots), deadline)
        kept = [snapshot for snapshot in snapshots if await self._commit(snapshot, deadline)]
        self._metrics.rows_written.inc(block.size)
        for letter in block.letters:
            self._metrics.dead_letters.labels(letter.step).inc()
        for held in chain.from_iterable(snapshot.halted for snapshot in snapshots):
            self._metrics.quarantined.labels(held.topic, held.found.how).inc()
        await self._committed(kept)

    def _produce(self, snapshots: list[Snapshot]) -> None:
        sent = 0
        for snapshot in snapshots:
            for message in (*(snapshot.told if self._again else ()), *snapshot.messages):
                self._say(message)
            for one in snapshot.halted:
                self._say(sealed_message(one, self._sealer))
            sent += len(snapshot.told) + len(snapshot.messages) + len(snapshot.halted)
            for letter in snapshot.block.letters:
                sent += self._announce(letter)
            for change in snapshot.block.light_changes:
                self._producer.send(LIGHTS, change.reading.key.owner_id, as_message(change))
                sent += 1
        if sent:
            self._flush()

    def tell(self, messages: Sequence[Message]) -> int:
        """Send messages ahead of the checkpoint, as long as there is room; says how many went out."""
        for index, message in enumerate(messages):
            if not self._producer.offer(*message):
                return index
        return len(messages)

    def _flush(self) -> None:
        """Wait for all messages; where one did not arrive, those told before are told again, in the next round, too."""
        try:
            self._producer.flush()
        except UnavailableError:
            self._again = 2
            raise
        self._again = max(0, self._again - 1)

    def _say(self, message: Message) -> None:
        try:
            self._producer.send(*message)
        except InvalidError as error:
            if message.topic == NODES:
                raise
            log.error("a message stays out of its topic", topic=message.topic, key=message.key, error=str(error))

    def _announce(self, letter: DeadLetter) -> bool:
        """A copy for whoever follows the topic; one the broker does not take is no reason to stop."""
        try:
            self._producer.send(DEAD_LETTERS, letter.dead_letter_id, letter_message(letter))
        except InvalidError as error:
            log.warning("a dead letter stays out of its topic", dead_letter=letter.dead_letter_id, error=str(error))
            return False
        return True

    async def _commit(self, snapshot: Snapshot, deadline: float | None) -> bool:
        try:
            await self._patiently(lambda: self._store.commit(snapshot.commit), deadline)
        except LostError as error:
            log.warning("checkpoint refused", shard=snapshot.commit.shard, error=str(error))
            self._lost(snapshot.owned, error.holder)
            return False
        return True

    async def _patiently(self, attempt: Callable[[], Awaitable[Any]], deadline: float | None) -> Any:
        """Repeat `attempt` while a service is away, with growing pauses."""
        wait_s = _FIRST_WAIT_S
        loop = asyncio.get_running_loop()
        while True:
            try:
                result = await attempt()
            except UnavailableError as error:
                ends = [end for end in (deadline, self._give_up_at) if end is not None]
                if ends and loop.time() + wait_s > min(ends):
                    raise
                self._metrics.unavailable.inc()
                log.warning("waiting for a service", error=str(error), again_in_s=wait_s)
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
            else:
                return result


def needs_checkpoint(owned: OwnedShard, now: datetime) -> bool:
    """Whether a shard changed, or time alone changes its rolling windows."""
    progress = owned.shard.progress
    changed = progress.changed_slots or progress.changed_members or progress.changed_reports or progress.stale_windows
    timed = owned.rolling.moved_on(now) or owned.lights.due(now) or owned.shard.judging.journeys.is_due(now)
    return bool(owned.shard.moved or owned.replace or changed or timed)


def _joined(snapshots: Iterable[Snapshot]) -> Block:
    whole = Block()
    for snapshot in snapshots:
        for kind, rows in snapshot.block.events.items():
            whole.events.setdefault(kind, []).extend(rows)
        whole.cells += snapshot.block.cells
        whole.letters += snapshot.block.letters
        whole.lights += snapshot.block.lights
        whole.light_changes += snapshot.block.light_changes
        whole.calls += snapshot.block.calls
        whole.hits += snapshot.block.hits
        whole.alerts += snapshot.block.alerts
        whole.touches += snapshot.block.touches
        whole.rule_counts += snapshot.block.rule_counts
    return whole
