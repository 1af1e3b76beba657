"""The checkpoint: what makes the engine exact.

In this order, for all shards that changed: rows to ClickHouse, messages to Kafka, then per shard state and offsets to
Redis in one transaction, then the offsets to Kafka for whoever watches the lag. A crash at any point leaves a state
from which reading on repeats only absolute values. A service that is away is waited for with the very same block.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Any

import orjson
import structlog
from clickhouse_connect.driver.client import Client

from agents.intake.seen import pack
from agents.intake.shard import Held, Letter, Output, Record, Shard
from agents.progress.lights_board import LightBoard, no_lights
from agents.progress.lights_figures import row_of
from agents.progress.outputs import RollingWindows, changed_rows
from agents.progress.snapshot import changed_fields, dropped_fields, dumps
from schemas.outputs import DeadLetter
from streams.dead_letters import letter_id
from streams.engine.backlog import note_backlog
from streams.engine.sink import Block, write
from streams.engine.store import Commit, Store
from streams.errors import InvalidError, LostError, UnavailableError
from streams.lights import as_message, current
from streams.metrics import Metrics
from streams.producer import BulkProducer
from streams.topics import DEAD_LETTERS, LIGHTS, NODES

log = structlog.get_logger("checkpoint")

#: Beginning of the names of fields that hold one waiting event each.
HELD_PREFIX = '["h"'
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 5.0
#: Larger raw bytes and keys stay out of the topic; ClickHouse keeps them whole.
_RAW_IN_TOPIC, _KEY_IN_TOPIC = 400_000, 1_000


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


@dataclass
class Snapshot:
    """One shard's part of a checkpoint, of one moment."""

    owned: OwnedShard
    block: Block
    messages: list[tuple[str, bytes]]
    commit: Commit


def take_snapshots(shards: Iterable[OwnedShard], stamp: int, now: datetime) -> list[Snapshot]:
    """Snapshots of the shards that changed."""
    shards = list(shards)
    note_backlog(shards, now)
    return [take_snapshot(owned, stamp, now) for owned in shards if needs_checkpoint(owned, now)]


def take_snapshot(owned: OwnedShard, stamp: int, now: datetime) -> Snapshot:
    """What changed since the last checkpoint; the shard forgets it. Nothing else may touch the shard meanwhile."""
    shard = owned.shard
    rolling = owned.rolling.rows(now)
    origin = {"h": shard.number, "f": owned.fresh}
    greetings = shard.greetings() if owned.speaks_afresh and owned.replace else []
    said = chain(greetings, shard.progress.messages(stamp))
    messages = [(message["p"], dumps(message | origin)) for message in said]
    output, shard.output = shard.output, Output()
    new_held, gone = _held_fields(owned)
    cells = changed_rows(shard.progress) + rolling
    lights = owned.lights.snapshot(cells, partial(row_of, shard.progress), now, everything=owned.replace)
    letters = _letters(owned, output.letters, now)
    block = Block(dict(output.rows), cells, letters, lights.readings, lights.changes)
    block.calls = shard.progress.books.counted()
    commit = Commit(
        shard=shard.number,
        token=owned.token,
        meta=_meta(owned, stamp),
        follows=owned.stamp,
        fields=changed_fields(shard.progress) | new_held | lights.fields,
        dropped=[*dropped_fields(shard.progress), *gone],
        seen=pack(output.seen),
        replace=owned.replace,
        lights=current(lights.readings),
    )
    shard.progress.settle()
    shard.moved = False
    owned.stamp, owned.replace, owned.held_before = stamp, False, tuple(shard.held)
    return Snapshot(owned, block, messages, commit)


def _meta(owned: OwnedShard, stamp: int) -> dict[str, str | int]:
    shard = owned.shard
    return {
        **{f"o:{topic}": offset for topic, offset in shard.offsets.items()},
        **{f"c:{name}": count for name, count in shard.counts.items()},
        "held": len(shard.held),
        "unsaid": len(shard.progress.speaking_next) + owned.lights.untold,
        **{f"f:{sender}": fresh for sender, fresh in shard.fresh.items()},
        "stamp": stamp,
        "fresh": owned.fresh,
        "resend": owned.resend,
        **owned.labels,
    }


def _held_fields(owned: OwnedShard) -> tuple[dict[str, bytes], Iterable[str]]:
    """Fields of events that wait since the last checkpoint, and names of those that wait no more."""
    held, before = owned.shard.held, owned.held_before
    if (
        not owned.replace
        and len(held) == len(before)
        and all(one is other for one, other in zip(held, before, strict=True))
    ):
        return {}, ()
    now = {held_name(item): item for item in held}
    known = set() if owned.replace else {held_name(item) for item in before}
    return {name: _held_to_wire(item) for name, item in now.items() if name not in known}, known - now.keys()


def held_name(item: Held) -> str:
    """Field of a waiting event; a place in Kafka is its own."""
    return orjson.dumps(["h", item.topic, item.record.offset]).decode()


def _held_to_wire(item: Held) -> bytes:
    key, value, offset = item.record
    return orjson.dumps([item.topic, _b64(key), _b64(value), offset, item.until.isoformat()])


def held_from_wire(fields: Mapping[str, bytes]) -> list[Held]:
    """Events that waited for reference data at the last checkpoint, in the order of their topics."""
    return sorted(
        (
            Held(topic, Record(_unb64(key), _unb64(value), offset), datetime.fromisoformat(until))
            for name, text in fields.items()
            if name.startswith(HELD_PREFIX)
            for topic, key, value, offset, until in [orjson.loads(text)]
        ),
        key=lambda item: (item.topic, item.record.offset),
    )


def _b64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _unb64(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def _letters(owned: OwnedShard, letters: Iterable[Letter], now: datetime) -> list[DeadLetter]:
    number, cluster = owned.shard.number, owned.labels.get("cluster", "")  # another broker counts from 0 again
    return [
        DeadLetter(
            dead_letter_id=letter_id(
                "stream", cluster, letter.topic, number, letter.record.offset, letter.record.value
            ),
            at=now,
            origin="stream",
            topic=letter.topic,
            partition=number,
            offset=letter.record.offset,
            key=letter.record.key,
            raw=letter.record.value or b"",
            has_value=letter.record.value is not None,
            step=letter.step,
            error_class=letter.error_class,
            message=letter.message,
        )
        for letter in letters
    ]


def letter_message(letter: DeadLetter) -> bytes:
    """A dead letter as it goes to the topic."""
    body = letter.model_dump(mode="json", exclude={"raw", "key"})
    raw = letter.raw if len(letter.raw) <= _RAW_IN_TOPIC else b""
    key = letter.key if len(letter.key or b"") <= _KEY_IN_TOPIC else b""
    return orjson.dumps(body | {"key": _b64(key), "raw": _b64(raw), "raw_size": len(letter.raw)})


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
    ) -> None:
        self._store = store
        self._client = client
        self._producer = producer
        self._metrics = metrics
        self._lost = lost
        self._committed = committed
        self._standstill = standstill
        self._lock = asyncio.Lock()
        self._give_up_at: float | None = None

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
            async with self._standstill:
                snapshots = await self._taken(live, stamp, now)
            if snapshots:
                await self._write_or_drop(snapshots, stamp, deadline)
                self._metrics.checkpointed(now)
            self._metrics.looked()

    async def _taken(self, live: list[OwnedShard], stamp: int, now: datetime) -> list[Snapshot]:
        """The snapshots; in a thread, for after a rebuild that takes seconds, and Kafka wants its heartbeats."""
        try:
            return await asyncio.to_thread(take_snapshots, live, stamp, now)
        except BaseException:
            self._drop(live)  # some have forgotten what changed
            raise

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
        await self._committed(kept)

    def _produce(self, snapshots: list[Snapshot]) -> None:
        sent = 0
        for snapshot in snapshots:
            for key, value in snapshot.messages:
                self._producer.send(NODES, key, value)
                sent += 1
            for letter in snapshot.block.letters:
                sent += self._announce(letter)
            for change in snapshot.block.light_changes:
                self._producer.send(LIGHTS, change.reading.key.owner_id, as_message(change))
                sent += 1
        if sent:
            self._producer.flush()

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
    return bool(owned.shard.moved or owned.replace or changed or owned.rolling.moved_on(now) or owned.lights.due(now))


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
    return whole
