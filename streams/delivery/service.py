"""The service that tells people: it runs in the desk, beside the one that keeps the cases."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from mode import Service

from agents.delivery.routing import ends_escalation, plan, unrouted
from agents.delivery.wording import notice_of
from schemas.alerts import Alert
from schemas.delivery import Delivery
from streams.clickhouse import connect
from streams.delivery import table
from streams.delivery.consuming import Consuming, read
from streams.delivery.office import Keeper
from streams.delivery.queue import Queue
from streams.delivery.sender import Sender
from streams.errors import PulseError, UnavailableError, UsageError
from streams.settings import Settings
from streams.supervisor.kafka_topics import ensure_topics

log = structlog.get_logger("delivery")

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 5.0
_WRITE_EVERY_S = 0.5
#: Between two looks for alerts that are stored and were never told of: a broker may lose messages.
_RECONCILE_S = 5.0
_AT_ONCE = 1_000
#: A little longer than the longest escalation waits, and shorter than Redis remembers how deliveries ended.
_LONGEST_WAIT = timedelta(days=35)


class DeliveryService(Service):  # type: ignore[misc] # mode has no types
    """Reads alerts and changes of cases, and tells people, until the desk stops.

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
        self._tasks: list[asyncio.Task[None]] = []

    async def on_start(self) -> None:
        """Connect."""
        settings = self._settings
        url = settings.redis_url.get_secret_value() if settings.redis_url else ""
        self._queue = Queue(url, settings.group)
        self._client = await asyncio.to_thread(connect, settings.clickhouse_url)
        self._writer = await asyncio.to_thread(connect, settings.clickhouse_url)

    async def _begin(self) -> bool:
        """Join the group once there is a policy to go by; False when it is time to stop before."""
        if (keeper := await self._policy()) is None:
            return False
        settings, self._keeper = self._settings, keeper
        self._sender = Sender(self._queue, lambda: self._keeper.office)
        await self._fill(datetime.now(UTC) - self._keeper.office.desk.policy.not_older_than)
        await asyncio.to_thread(ensure_topics, settings)
        self._consuming = Consuming(settings)
        await self._consuming.start()
        log.info("delivery ready")
        return not self.should_stop

    async def _policy(self) -> Keeper | None:
        """The policy in force; a wrong one is waited for, for it must not keep the desk from keeping the cases."""
        told = ""
        while not self.should_stop:
            try:
                return Keeper(self._settings, await asyncio.to_thread(table.calendar, self._client))
            except UsageError as error:
                if str(error) != told:
                    told = str(error)
                    log.error("the policy of delivery is wrong; nobody is told until it is mended", error=told)
            await self.sleep(_RECONCILE_S)
        return None

    async def on_stop(self) -> None:
        """Leave the group, close; what is pending stays in Redis, and a message on its way is settled first."""
        async with contextlib.AsyncExitStack() as last:  # whatever fails, the rest is done
            last.callback(log.info, "delivery stopped")
            if hasattr(self, "_queue"):
                last.push_async_callback(self._queue.close)
            if hasattr(self, "_keeper"):
                last.push_async_callback(self._keeper.office.channels.close)
            if hasattr(self, "_consuming"):
                last.push_async_callback(self._consuming.stop)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            with contextlib.suppress(PulseError):
                await self._write()

    @Service.task  # type: ignore[untyped-decorator]
    async def _run(self) -> None:
        try:
            if await self._begin():
                await self._go_on()
        except Exception as error:
            self.failure = error
            self.failed.set()

    async def _go_on(self) -> None:
        loops: list[Coroutine[Any, Any, None]] = [
            self._sender.run(),
            self._again(self._read, 0),
            self._again(self._write, _WRITE_EVERY_S),
            self._again(self._reconcile, _RECONCILE_S),
        ]
        self._tasks = [asyncio.create_task(loop) for loop in loops]
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        if self.should_stop:
            return
        error = next((task.exception() for task in done if not task.cancelled() and task.exception()), None)
        self.failure = error or PulseError("delivery ended")
        self.failed.set()

    async def _again(self, step: Callable[[], Awaitable[None]], every_s: float) -> None:
        """A step again and again; while a service is away, with a pause that grows."""
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                await step()
                wait_s = _FIRST_WAIT_S
                await asyncio.sleep(every_s)
            except UnavailableError as error:
                log.warning("waiting for a service", error=str(error), again_in_s=wait_s)
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)

    async def _read(self) -> None:
        """Plan what new alerts ask for, call off what is acknowledged."""
        found = await self._consuming.batch()
        if not found:
            return
        alerts, events = read(found)
        try:
            await self._plan(alerts)
            for case_id in dict.fromkeys(event.case_id for event in events if ends_escalation(event)):
                await self._queue.call_off(case_id, datetime.now(UTC))
        except UnavailableError:
            self._consuming.again(found)
            raise
        await self._consuming.done(found)

    async def _plan(self, alerts: Sequence[Alert]) -> int:
        now, desk = datetime.now(UTC), self._keeper.office.desk
        planned: list[Delivery] = []
        for alert in alerts:
            young = now - alert.raised_at <= desk.policy.not_older_than
            planned += plan(alert, desk, now) or ([unrouted(alert, now)] if young else [])
        if not await self._queue.is_filled():
            msg = "Redis lost what it held: it is filled again first"
            raise UnavailableError(msg)
        new = await self._queue.add(planned, map(notice_of, alerts), now)
        if new:
            self._sender.woken.set()
        return new

    async def _write(self) -> None:
        """Hand rows to ClickHouse."""
        while rows := await self._queue.rows():
            await asyncio.to_thread(table.write, self._writer, rows.values())
            await self._queue.rows_taken(rows)

    async def _reconcile(self) -> None:
        """Bring in what a lost broker or Redis kept from here, and another text of the policy."""
        now, policy = datetime.now(UTC), self._keeper.office.desk.policy
        await self._keeper.look(await asyncio.to_thread(table.calendar, self._client))
        since = now - policy.not_older_than
        await self._fill(since)
        found = await asyncio.to_thread(table.untold, self._client, since, _AT_ONCE)
        if new := await self._plan(found):
            log.info("deliveries planned of stored alerts", deliveries=new, alerts=len(found))
        await self._restore(now)
        for alert_id in await asyncio.to_thread(table.acknowledged, self._client):
            await self._queue.call_off(alert_id, now)

    async def _fill(self, since: datetime) -> None:
        """Tell a Redis that is new or lost what it held how deliveries ended, lest they are sent again."""
        if not await self._queue.is_filled():
            over = await asyncio.to_thread(table.over, self._client, since)
            await self._queue.fill(over)
            log.info("Redis filled from ClickHouse", deliveries=len(over))

    async def _restore(self, now: datetime) -> None:
        """Take up again what was noted as waiting and Redis does not know any more."""
        waiting = await asyncio.to_thread(table.pending, self._client, now - _LONGEST_WAIT)
        lost = await self._queue.unknown(waiting)
        if not lost:
            return
        alerts = await asyncio.to_thread(table.alerts, self._client, [one.alert_id for one in lost])
        stored = {alert.alert_id for alert in alerts}  # the others are stored within a second
        new = await self._queue.add([one for one in lost if one.alert_id in stored], map(notice_of, alerts), now)
        log.warning("Redis had lost pending deliveries, they are taken up again", deliveries=new)
        self._sender.woken.set()
