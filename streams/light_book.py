"""What lights are judged with, as the worker loads it: the policy, targets, working days, and the season."""

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog
from clickhouse_connect.driver.client import Client

from agents.progress.lights_book import LightBook, Seasons
from schemas.policy import KpiPolicy
from schemas.reference import Reference
from streams import policies
from streams.engine.checkpoint import OwnedShard
from streams.engine.opening import Company
from streams.errors import PulseError
from streams.lights_history import load_seasons

log = structlog.get_logger("lights")

_AT_START_S, _LOOK_S = 3.0, 2.0
#: After a failure, and at the earliest between two loads: publications may come by the second.
_AGAIN_S = 60.0


def load_book(client: Client, kpis: KpiPolicy, rows: Mapping[str, Sequence[Reference]]) -> LightBook:
    """What lights are judged with now, without a season.

    Args:
        client: ClickHouse.
        kpis: the KPIs in force.
        rows: reference rows by kind.

    Raises:
        UsageError: the published policy cannot be read by this version.
        UnavailableError: ClickHouse does not answer.
    """
    version, policy = policies.current_lights(client)
    targets: Any = rows.get("target", ())
    days: Any = rows.get("calendar_day", ())
    return LightBook(policy, version, kpis, targets, days)


class Judge(Protocol):
    """Who judges lights: the shards of a worker."""

    company: Company
    shards: dict[int, OwnedShard]
    standstill: asyncio.Lock


async def adopt(judge: Judge, book: LightBook) -> None:
    """Judge lights with another book from now on; no figure hangs on it, so nothing is computed anew."""
    async with judge.standstill:
        judge.company = replace(judge.company, lights=book)
        for owned in judge.shards.values():
            owned.lights.adopt(book)


class SeasonKeeper:
    """Keeps what past periods tell, and reads it anew every hour and when something was published.

    Args:
        client: a ClickHouse client of its own; the reading goes on in a thread.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._seasons = Seasons()
        self._read_for: tuple[int, ...] = ()
        self._reading: asyncio.Task[None] | None = None

    def with_known(self, company: Company) -> Company:
        """The company with the season as it is known."""
        return replace(company, lights=company.lights.with_seasons(self._seasons))

    async def applied(self, company: Company) -> Company:
        """The company with the season read for it, when that takes no more than a moment; else it follows."""
        self._reading = asyncio.create_task(self._read(company))
        await asyncio.wait({self._reading}, timeout=_AT_START_S)
        return self.with_known(company)

    async def follow(self, judge: Judge) -> None:
        """Read anew for as long as the worker runs."""
        while True:
            if self._reading is not None:
                await self._reading
            if judge.company.lights.seasons != self._seasons:
                await adopt(judge, judge.company.lights.with_seasons(self._seasons))
            await asyncio.sleep(_AGAIN_S)
            while _occasion(judge.company) == self._read_for:
                await asyncio.sleep(_LOOK_S)
            self._reading = asyncio.create_task(self._read(judge.company))

    async def _read(self, company: Company) -> None:
        occasion = _occasion(company)
        try:
            self._seasons = await _in_thread(lambda: self._load(company))
        except PulseError as error:
            log.warning("no season: lights go by what was known before", error=str(error))
        self._read_for = occasion

    def _load(self, company: Company) -> Seasons:
        began = datetime.now(UTC)
        seasons = load_seasons(self._client, company.lights, company.plan.policy, began, company.time)
        if seasons.curves:
            seconds = (datetime.now(UTC) - began).total_seconds()
            log.info("season read", kpis=sorted({kpi for kpi, _ in seasons.curves}), seconds=round(seconds, 2))
        return seasons


async def _in_thread(work: Callable[[], Seasons]) -> Seasons:
    """Work in a thread that nobody waits for when the worker ends, unlike those of asyncio."""
    future: Future[Seasons] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # whatever it is belongs to whoever waits
            future.set_exception(error)

    threading.Thread(target=run, name="season", daemon=True).start()
    return await asyncio.wrap_future(future)


def _occasion(company: Company) -> tuple[int, ...]:
    """What makes another reading worth it; every hour, too: history may have been imported."""
    hour = company.time.bucket("hours", datetime.now(UTC))
    return (hour, company.policy_version, company.lights.version, company.directory.version)
