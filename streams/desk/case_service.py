"""The service that keeps the cases: every alert opens one, every command gets an answer."""

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from clickhouse_connect.driver.client import Client
from mode import Service

from agents.cases.deciding import Opening
from schemas.cases import CaseCommand, CaseEvent
from schemas.outputs import DeadLetter
from streams import dead_letters
from streams.clickhouse import connect
from streams.desk import audit, reading
from streams.desk.alive import Alive
from streams.desk.chains import Chain
from streams.desk.consuming import Consuming, layout
from streams.engine.checkpoint import letter_message
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


class Keeper:
    """The chains of one desk, and what is done with a batch.

    Args:
        settings: how to behave.
        store: Redis, for this desk's chains alone.
        client: a ClickHouse writer.
        producer: Kafka.
        found: cluster and partition count.
    """

    def __init__(
        self, settings: Settings, store: Store, client: Client, producer: BulkProducer, found: reading.Layout
    ) -> None:
        self._store = store
        self._client = client
        self._producer = producer
        self._layout = found
        self._ahead = timedelta(seconds=settings.future_tolerance_s)
        self._chains: dict[int, Chain] = {}

    def forget(self, numbers: set[int]) -> None:
        """Hold these chains no longer; they are opened anew when they are needed."""
        for number in numbers:
            self._chains.pop(number, None)

    async def handle(self, number: int, records: Sequence[Any]) -> list[CaseEvent]:
        """Do what the messages of one chain say; the rows that were written.

        Raises:
            UnavailableError: a service does not answer; hand them in again.
            LostError: another desk holds the chain.
        """
        now = datetime.now(UTC)
        found = reading.read(records, self._layout, now)
        if found.letters:
            await asyncio.to_thread(self._set_aside, found.letters)
        return await self.take(number, found.openings, found.commands, now)

    async def unopened(self, mine: set[int]) -> dict[int, list[Opening]]:
        """Stored alerts without a case, by chain.

        Raises:
            UnavailableError: ClickHouse does not answer.
        """
        found: dict[int, list[Opening]] = {}
        for opening in await asyncio.to_thread(audit.unopened, self._client, _AT_ONCE):
            number = shard_of(opening.case_id, self._layout.partitions)
            if number in mine:
                found.setdefault(number, []).append(opening)
        return found

    async def take(
        self, number: int, openings: Sequence[Opening], commands: Sequence[CaseCommand], now: datetime
    ) -> list[CaseEvent]:
        """Open cases and answer commands of one chain; the rows that were written.

        Raises:
            UnavailableError: a service does not answer; hand them in again.
            LostError: another desk holds the chain.
        """
        if number not in self._chains:
            self._chains[number] = await Chain.open(number, self._store, self._client, self._producer)
        chain = self._chains[number]
        try:
            return await chain.take(openings, commands, now, self._ahead)
        except BaseException as error:
            self._chains.pop(number, None)  # whoever opens it next reads how far it came
            if isinstance(error, LostError) and error.holder in {None, chain.token}:
                msg = f"Redis lost what it held: {error}"
                raise UnavailableError(msg) from error
            raise

    def _set_aside(self, letters: Sequence[DeadLetter]) -> None:
        dead_letters.store(self._client, letters)
        for letter in letters:
            log.warning("message set aside", topic=letter.topic, offset=letter.offset, why=letter.message)
            with contextlib.suppress(InvalidError):  # too large a copy is no reason to stop
                self._producer.send(DEAD_LETTERS, letter.dead_letter_id, letter_message(letter))
        self._producer.flush()


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
        self._keeper = Keeper(settings, self._store, self._client, self._producer, await layout(settings))
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
        batches = await self._consuming.batches(self._others())
        changed, self._consuming.changed = self._consuming.changed, set()
        self._keeper.forget(changed)
        for number in changed:
            self._passed_over.pop(number, None)
        pending = list(batches.items())
        while pending:
            number, records = pending[0]
            if number in self._consuming.mine():
                try:
                    await self._handle(number, records)
                except UnavailableError:
                    self._consuming.again(record for _number, left in pending for record in left)
                    raise
            pending.pop(0)

    async def _handle(self, number: int, records: Sequence[Any]) -> None:
        try:
            events = await self._keeper.handle(number, records)
        except LostError as error:
            self._consuming.again(records)
            self._pass_over(number, error)
            return
        refused = sum(event.outcome == "refused" for event in events)
        if events:
            log.info("cases changed", chain=number, rows=len(events), refused=refused)
        await self._consuming.done(records)

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
        began_s, opened = loop.time(), 0
        for number, openings in (await self._keeper.unopened(mine)).items():
            try:
                opened += len(await self._keeper.take(number, openings, [], datetime.now(UTC)))
            except LostError as error:
                self._pass_over(number, error)
        if opened:
            log.info("cases opened of stored alerts", cases=opened)
            return  # there may be more
        self._reconcile_at_s = loop.time() + max(_RECONCILE_S, _SHARE * (loop.time() - began_s))
