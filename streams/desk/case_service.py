"""The service that keeps the cases: every alert opens one, every command gets an answer."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from mode import Service

from schemas.outputs import DeadLetter
from streams import dead_letters
from streams.clickhouse import connect
from streams.desk import audit, reading
from streams.desk.alive import Alive
from streams.desk.chains import Work
from streams.desk.consuming import Consuming, layout
from streams.desk.keeping import Keeper
from streams.engine.letters import letter_message
from streams.engine.store import Store
from streams.errors import InvalidError, LostError, PulseError, UnavailableError
from streams.producer import BulkProducer
from streams.settings import Settings
from streams.supervisor.kafka_topics import ensure_topics
from streams.topics import DEAD_LETTERS, shard_of

log = structlog.get_logger("desk")

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 5.0
#: Between two looks for alerts that are stored and have no case: a broker may lose messages, and the local one keeps
#: 5 MB of a partition. Never more than a twentieth of the time goes into looking.
_RECONCILE_S, _SHARE = 3.0, 20
_AT_ONCE = 2_000


class CaseService(Service):  # type: ignore[misc] # mode has no types
    """Reads alerts and commands until the desk stops.

    Args:
        settings: where the services are.

    Attributes:
        failed: set when the service cannot go on.
        failure: why.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self.failed = asyncio.Event()
        self.failure: BaseException | None = None
        self._wait_s = _FIRST_WAIT_S
        self._passed_over: dict[int, float] = {}
        self._reconcile_at_s = float("-inf")

    async def on_start(self) -> None:
        """Connect and join the group."""
        settings = self._settings
        url = settings.redis_url.get_secret_value() if settings.redis_url else ""
        self._store = Store(url, f"{settings.group}-desk")
        self._alive = Alive(url, settings.group)
        self._client = await asyncio.to_thread(connect, settings.clickhouse_url)
        self._producer = BulkProducer(settings.kafka_url or "", "pulse-desk")
        await asyncio.to_thread(ensure_topics, settings)
        ahead = timedelta(seconds=settings.future_tolerance_s)
        self._keeper = Keeper(self._store, self._client, self._producer, ahead)
        self._layout = await layout(settings)
        self._consuming = Consuming(settings)
        await self._consuming.start()
        log.info("desk ready")

    async def on_stop(self) -> None:
        """Leave the group, close; a batch under way is read again."""
        async with contextlib.AsyncExitStack() as last:  # whatever fails, the rest is done
            last.callback(log.info, "desk stopped")
            for name in ("_store", "_alive"):
                if hasattr(self, name):
                    last.push_async_callback(getattr(self, name).close)
            if hasattr(self, "_producer"):
                last.push_async_callback(asyncio.to_thread, self._producer.close)
            if hasattr(self, "_consuming"):
                last.push_async_callback(self._consuming.stop)

    @Service.task  # type: ignore[untyped-decorator]
    async def _run(self) -> None:
        try:
            while not self.should_stop:
                await self._patiently()
        except PulseError as error:
            self.failure = error
        except Exception as error:
            log.exception("the desk cannot go on")
            self.failure = error
        if self.failure is not None:
            self.failed.set()

    async def _patiently(self) -> None:
        """One round; while a service is away, a pause that grows."""
        try:
            await self._round()
            self._wait_s = _FIRST_WAIT_S
        except UnavailableError as error:
            log.warning("waiting for a service", error=str(error), again_in_s=self._wait_s)
            await asyncio.sleep(self._wait_s)
            self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)

    async def _round(self) -> None:
        await self._alive.say()
        await self._reconcile()
        found = await self._consuming.batches(self._others())
        changed, self._consuming.changed = self._consuming.changed, set()
        self._keeper.forget(changed)
        for number in changed:
            self._passed_over.pop(number, None)
        mine = self._consuming.mine()
        if batches := {number: records for number, records in found.items() if number in mine}:
            try:
                await self._handle(batches)
            except UnavailableError:
                self._consuming.again(record for records in batches.values() for record in records)
                raise

    async def _handle(self, batches: dict[int, list[Any]]) -> None:
        now = datetime.now(UTC)
        read = {number: reading.read(records, self._layout, now) for number, records in batches.items()}
        if letters := [letter for one in read.values() for letter in one.letters]:
            await asyncio.to_thread(self._set_aside, letters)
        work = {number: Work(one.openings, one.commands) for number, one in read.items()}
        taken = await self._keeper.take(work, now)
        for number, error in taken.lost.items():
            self._consuming.again(batches[number])
            self._pass_over(number, error)
        if taken.events:
            refused = sum(event.outcome == "refused" for event in taken.events)
            log.debug("cases changed", rows=len(taken.events), refused=refused)
        await self._consuming.done(
            record for number, records in batches.items() if number not in taken.lost for record in records
        )

    def _set_aside(self, letters: Sequence[DeadLetter]) -> None:
        dead_letters.store(self._client, letters)
        for letter in letters:
            log.warning("message set aside", topic=letter.topic, offset=letter.offset, why=letter.message)
            with contextlib.suppress(InvalidError):  # too large a copy is no reason to stop
                self._producer.send(DEAD_LETTERS, letter.dead_letter_id, letter_message(letter))
        self._producer.flush()

    def _pass_over(self, number: int, error: LostError) -> None:
        """Leave a chain to whoever took it, until Kafka says who is to have it, or the other one is surely gone."""
        log.warning("chain given up", chain=number, error=str(error))
        self._passed_over[number] = asyncio.get_running_loop().time() + 2 * self._settings.session_timeout_s

    def _others(self) -> set[int]:
        now = asyncio.get_running_loop().time()
        self._passed_over = {number: until for number, until in self._passed_over.items() if until > now}
        return set(self._passed_over)

    async def _reconcile(self) -> None:
        """Open the cases of stored alerts that have none: a broker may lose messages, or be lost itself."""
        loop = asyncio.get_running_loop()
        mine = self._consuming.mine() - self._others()
        if not mine or loop.time() < self._reconcile_at_s:
            return
        began_s, work = loop.time(), dict[int, Work]()
        for opening in await asyncio.to_thread(audit.unopened, self._client, _AT_ONCE):
            number = shard_of(opening.case_id, self._layout.partitions)
            if number in mine:
                work.setdefault(number, Work()).openings.append(opening)
        if work:
            taken = await self._keeper.take(work, datetime.now(UTC))
            for number, error in taken.lost.items():
                self._pass_over(number, error)
            log.info("cases opened of stored alerts", cases=len(taken.events))
            if taken.events:
                return  # there may be more
        self._reconcile_at_s = loop.time() + max(_RECONCILE_S, _SHARE * (loop.time() - began_s))
