"""The shards one worker holds: opening, renewing, losing and giving them up.

Kafka decides which shards those are; Redis decides where reading goes on. What takes long happens in the background
and counts only if no rebalance (another `epoch`) and no other company came in between.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import structlog
from aiokafka.errors import KafkaError

from streams.engine.checkpoint import OwnedShard
from streams.engine.group import Group
from streams.engine.opening import Company, Opener
from streams.engine.store import Store
from streams.errors import UnavailableError
from streams.metrics import Metrics

log = structlog.get_logger("shards")

_RETRY_S = 0.5

#: One round of checkpoints of the shards that a function names.
Round = Callable[[Callable[[], Iterable[OwnedShard]]], Awaitable[None]]


class Holding:
    """The shards of one worker.

    Args:
        group: the consumer.
        store: checkpoints.
        opener: makes shards.
        company: policy and reference data to begin with.
        metrics: counters.
        take_over_s: how long a taken shard may need to show as a rebalance.

    Attributes:
        company: what shards are computed with from now on.
        shards: the open ones, by number.
        standstill: held by whoever changes a shard.
        fatal: why the worker must end.
        checkpoint: writes a round of checkpoints; set before the first shard is renewed.
    """

    checkpoint: Round

    def __init__(
        self, *, group: Group, store: Store, opener: Opener, company: Company, metrics: Metrics, take_over_s: float
    ) -> None:
        self._group = group
        self._store = store
        self._opener = opener
        self._metrics = metrics
        self._take_over_s = take_over_s
        self.company = company
        self.shards: dict[int, OwnedShard] = {}
        self.standstill = asyncio.Lock()
        self.fatal: BaseException | None = None
        self._frozen: set[int] = set()
        """Shards that a thread reads: nothing may change them."""
        self._epoch = 0
        """Counts rebalances: what was begun before the last one is void."""
        self._moving = asyncio.Lock()
        self._adopting = asyncio.Lock()
        self._reopen: dict[int, float] = {}
        self._background: set[asyncio.Task[None]] = set()

    def live(self) -> list[OwnedShard]:
        """Open shards that may be changed."""
        return [owned for number, owned in self.shards.items() if number not in self._frozen]

    def get(self, number: int) -> OwnedShard | None:
        """The shard, if it is open and may be changed."""
        return None if number in self._frozen else self.shards.get(number)

    # ------------------------------------------------------- coming and going

    def open_all(self, numbers: Sequence[int]) -> None:
        """Open shards in the background."""
        task = asyncio.create_task(self._open_all(numbers, self._epoch))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def void(self) -> None:
        """Let nothing count that was begun before this moment."""
        self._epoch += 1

    async def give_up(self) -> None:
        """Hold nothing: who gets a shard next reads it from the store."""
        async with self._moving:
            self.shards.clear()
            self._reopen.clear()

    async def release(self) -> None:
        """Take the tokens of the open shards back, so that their next holder need not wait.

        Raises:
            UnavailableError: Redis does not answer.
        """
        for number, owned in list(self.shards.items()):
            await self._store.release(number, owned.token)

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
            try:
                await self._open(number, epoch, self.company)
            except (UnavailableError, KafkaError) as error:
                self._metrics.unavailable.inc()
                log.warning("waiting for a service to open a shard", shard=number, error=str(error))
                await asyncio.sleep(_RETRY_S)
                continue
            if number in self.shards:
                return

    async def _open(self, number: int, epoch: int, company: Company) -> None:
        """Take a shard over, unless a rebalance took it away meanwhile or news came in."""
        async with self._moving:
            if epoch != self._epoch:  # it may be somebody else's: the token would shut the new holder out
                return
            token, stored = await self._store.open(number)
        kafka = await self._group.positions(number)  # after the token: nobody moves the checkpoint any more
        owned = await asyncio.to_thread(self._opener.opened, number, token, stored, company, kafka)
        if owned.has_no_past:
            owned.resend = await self._store.resend_round(ask=True)
        async with self._moving:
            if epoch == self._epoch and company is self.company:
                self.shards[number] = owned
                owned.shard.offsets = kafka.lowest | owned.shard.offsets
                self._group.seek(number, owned.shard.offsets)

    def lose(self, owned: OwnedShard, holder: str | None) -> None:
        """Drop a shard that is not what the store says; it is opened again if it is still this worker's.

        Args:
            owned: the shard.
            holder: the token in force; None when nobody holds it (Redis was emptied), its own when Redis was set back
                or a checkpoint was given up.
        """
        number = owned.shard.number
        if self.shards.get(number) is not owned:
            return
        why = {None: "Redis was emptied", owned.token: "its last checkpoint does not stand"}
        log.warning("shard lost", shard=number, because=why.get(holder, "taken over"))
        del self.shards[number]
        # a new holder soon shows as a rebalance; if none comes, Redis was set back, and the shard is still ours
        wait_s = 0 if holder in why else self._take_over_s
        self._reopen[number] = asyncio.get_running_loop().time() + wait_s

    def reopen_lost(self) -> None:
        """Open again, in the background, what was lost and is still this worker's."""
        now = asyncio.get_running_loop().time()
        for number in [number for number, due in self._reopen.items() if due <= now]:
            del self._reopen[number]
            if number in self._group.mine() and number not in self.shards:
                self.open_all([number])

    # ------------------------------------------------------------------- news

    @property
    def behind(self) -> bool:
        """Whether a shard was computed with another company than the present one."""
        return not all(self._fits(owned) for owned in self.shards.values())

    async def adopt(self, company: Company) -> None:
        """Go on with another policy or other reference data; a shard whose past that changes is computed anew.

        Raises:
            UnavailableError: a service does not answer; shards still to come are `behind`, adopt again.
        """
        async with self._adopting:
            self.company = company
            async with self.standstill:
                for owned in self.shards.values():
                    owned.lights.adopt(company.lights)
                    if owned.shard.judging.version == company.rules.version:
                        owned.shard.judging.judge.adopt(company.surroundings)
            for owned in list(self.shards.values()):
                if self._fits(owned) or self.shards.get(owned.shard.number) is not owned:
                    continue
                if owned.shard.judging.version != company.rules.version:
                    await self._judge_anew(owned)
                if owned.labels == self._labels() or self.shards.get(owned.shard.number) is not owned:
                    continue
                before = owned.shard.progress
                same = before.plan.fingerprint == company.plan.fingerprint and await asyncio.to_thread(
                    owned.shard.places_alike, before.directory, company.directory
                )
                await (self._relabel(owned) if same else self._compute_anew(owned))

    async def judge_again(self, owned: OwnedShard, most: int) -> None:
        """Judge stored events again that came before an earlier one of the same subject.

        Args:
            owned: the shard.
            most: subjects at once.

        Raises:
            UnavailableError: ClickHouse does not answer.
        """
        late = owned.shard.judging.begin_again(most)
        found = await asyncio.to_thread(self._opener.to_judge_again, owned, late)
        async with self.standstill:
            if self.get(owned.shard.number) is owned:
                judging = owned.shard.judging
                await asyncio.to_thread(lambda: judging.judge_again(judging.taken(found), late, datetime.now(UTC)))
                owned.shard.moved = True

    def _fits(self, owned: OwnedShard) -> bool:
        return owned.labels == self._labels() and owned.shard.judging.version == self.company.rules.version

    def _labels(self) -> dict[str, str]:
        return self.company.labels(self._opener.partitions, self._opener.cluster)

    async def _relabel(self, owned: OwnedShard) -> None:
        async with self.standstill:
            await asyncio.to_thread(owned.shard.adopt, self.company.directory, datetime.now(UTC))
            owned.labels = self._labels()

    async def _judge_anew(self, owned: OwnedShard) -> None:
        """Go on with other rules, and with the past those look back on."""
        async with self._still(owned):
            if self.shards.get(owned.shard.number) is owned:
                judging = await asyncio.to_thread(self._opener.judged_anew, owned, self.company)
                owned.shard.judging = judging
                await asyncio.to_thread(self._opener.tell_past, owned)
                owned.shard.moved = True

    async def _compute_anew(self, owned: OwnedShard) -> None:
        number = owned.shard.number
        async with self._still(owned):
            if self.shards.get(number) is owned:
                fresh = await asyncio.to_thread(self._opener.rebuilt, number, owned.token, self.company, owned)
                if self.shards.get(number) is owned:
                    fresh.lights.adopt(self.company.lights)  # another season may have been read meanwhile
                    self.shards[number] = fresh

    @asynccontextmanager
    async def _still(self, owned: OwnedShard) -> AsyncIterator[None]:
        """Leave a shard alone, with all that it took in ClickHouse; afterwards it reads on from there."""
        number = owned.shard.number
        await self.checkpoint(self.live)
        self._frozen.add(number)
        try:
            await self.checkpoint(lambda: [owned])  # what it took since must be in ClickHouse before it is read back
            yield
        finally:
            self._frozen.discard(number)
            if (now := self.shards.get(number)) is not None:  # batches that came meanwhile were not taken
                self._group.seek(number, now.shard.offsets)
