"""The chains of one desk: take alerts and commands, write their rows exactly once.

A batch is written in this order: rows and the new head of each chain to Redis, under the token of whoever holds the
chain; rows to ClickHouse; rows to the topic `cases`; then offsets to Kafka. Who takes a chain over writes the rows in
Redis again, so a desk that dies anywhere leaves no hole, and one that was passed over is refused before it writes
anything. What is read twice makes no row, because its case is open, or its command has an answer.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from clickhouse_connect.driver.client import Client

from agents.cases.deciding import Circumstances
from schemas.cases import CaseEvent
from streams.desk import audit
from streams.desk.chains import Chain, Work, bring_out
from streams.engine.store import Store
from streams.errors import LostError, UnavailableError
from streams.producer import BulkProducer


@dataclass
class Taken:
    """What became of a batch."""

    events: list[CaseEvent] = field(default_factory=list)
    """Rows that were written."""
    lost: dict[int, LostError] = field(default_factory=dict)
    """Chains that another desk holds; of their work nothing was done."""


class Keeper:
    """Chains, opened when they are needed.

    Args:
        store: Redis, for this desk's chains alone.
        client: a ClickHouse writer.
        producer: Kafka.
        ahead: how far ahead of the clock a command may be dated.
    """

    def __init__(self, store: Store, client: Client, producer: BulkProducer, ahead: timedelta) -> None:
        self._store = store
        self._client = client
        self._producer = producer
        self._ahead = ahead
        self._chains: dict[int, Chain] = {}

    def forget(self, numbers: set[int]) -> None:
        """Hold these chains no longer; they are opened anew when they are needed."""
        for number in numbers:
            self._chains.pop(number, None)

    async def take(self, work: Mapping[int, Work], now: datetime) -> Taken:
        """Open cases and answer commands, by chain.

        Raises:
            UnavailableError: a service does not answer; some rows may be written, hand all of it in again.
        """
        try:
            return await self._take(work, now)
        except BaseException:
            self.forget(set(work))  # whoever opens them next reads how far they came
            raise

    async def _take(self, work: Mapping[int, Work], now: datetime) -> Taken:
        await self._prepare(work)
        known = await self._known_targets(work)
        around = Circumstances(now, self._ahead, lambda case_id: case_id in known)
        decided = {number: self._chains[number].decided(items, around) for number, items in work.items()}
        lost = await self._note(decided)
        kept = {number: events for number, events in decided.items() if number not in lost}
        if rows := [event for events in kept.values() for event in events]:
            await asyncio.to_thread(bring_out, self._client, self._producer, rows)
        for number, events in kept.items():
            self._chains[number].stands(events)
        self.forget(set(lost))
        return Taken(rows, lost)

    async def _prepare(self, work: Mapping[int, Work]) -> None:
        """Have every chain open, and every case in memory; alerts that a command overtook come in beside."""
        for number in work:
            if number not in self._chains:
                self._chains[number] = await Chain.open(number, self._store, self._client, self._producer)
        unread = {number: self._chains[number].unread(items.case_ids) for number, items in work.items()}
        if wanted := sorted(set[str]().union(*unread.values())):
            trails = await asyncio.to_thread(audit.trails, self._client, wanted)
            for number, case_ids in unread.items():
                self._chains[number].learn(trails, case_ids)
        await self._overtaken(work)

    async def _overtaken(self, work: Mapping[int, Work]) -> None:
        """The two come on different topics: a command may be here before its alert."""
        unknown: dict[str, Work] = {}
        for number, items in work.items():
            coming = {item.case_id for item in items.openings}
            early = self._chains[number].unknown({item.case_id for item in items.commands} - coming)
            unknown |= dict.fromkeys(early, items)
        if unknown:
            for opening in await asyncio.to_thread(audit.openings, self._client, sorted(unknown)):
                unknown[opening.case_id].openings.append(opening)

    async def _known_targets(self, work: Mapping[int, Work]) -> set[str]:
        """Cases named by `link` that exist, in whichever chain."""
        named = {item.other_case_id for items in work.values() for item in items.commands if item.other_case_id}
        return await asyncio.to_thread(audit.known, self._client, sorted(named)) if named else set()

    async def _note(self, decided: Mapping[int, Sequence[CaseEvent]]) -> dict[int, LostError]:
        """Write rows to Redis; the chains that are lost to another desk.

        Raises:
            UnavailableError: Redis does not answer, or lost what it held.
        """
        numbers = list(decided)
        notes = (self._chains[number].note(decided[number]) for number in numbers)
        lost: dict[int, LostError] = {}
        for number, error in zip(numbers, await asyncio.gather(*notes, return_exceptions=True), strict=True):
            if isinstance(error, LostError) and error.holder not in {None, self._chains[number].token}:
                lost[number] = error
            elif isinstance(error, LostError):
                msg = f"Redis lost what it held: {error}"
                raise UnavailableError(msg) from error
            elif error is not None:
                raise error
        return lost
