"""One chain of the audit trail, held by one desk: takes alerts and commands, writes their rows exactly once.

A batch is written in this order: rows and the new head to Redis, under the token of whoever holds the chain; rows to
ClickHouse; rows to the topic `cases`; then Kafka's offsets. Whoever takes a chain over writes the rows in Redis again,
so a desk that dies anywhere leaves no hole, and one that was passed over is refused before it writes anything. What is
read twice makes no row, because its case is open, or its command has an answer.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson
import structlog
from clickhouse_connect.driver.client import Client

from agents.cases.chain import Head, head_after, sealed
from agents.cases.deciding import Circumstances, Content, Opening, decide, opened
from agents.cases.state import CaseState, applied, folded
from schemas.cases import CaseCommand, CaseEvent
from streams.desk import audit
from streams.engine.store import Commit, Store, Stored
from streams.errors import LostError
from streams.producer import BulkProducer
from streams.topics import CASES

log = structlog.get_logger("desk")

#: Cases kept in memory, per chain; others are read when they are asked for.
_KEPT = 5_000
_PENDING = "pending"


class Chain:
    """A chain that this desk holds.

    Args:
        number: of the partition.
        token: under which it holds it.
        head: last row.
        store: Redis.
        client: a ClickHouse writer.
        producer: Kafka.
    """

    def __init__(
        self, number: int, token: str, head: Head, store: Store, client: Client, producer: BulkProducer
    ) -> None:
        self.number = number
        self.head = head
        self.token = token
        self._store = store
        self._client = client
        self._producer = producer
        self._is_first = True
        self._cases: OrderedDict[str, CaseState] = OrderedDict()

    @classmethod
    async def open(cls, number: int, store: Store, client: Client, producer: BulkProducer) -> "Chain":
        """Take a chain over; rows that its last holder may not have brought out are brought out now.

        Raises:
            UnavailableError: a service does not answer.
        """
        token, stored = await store.open(number)
        pending = _pending(stored)
        if pending:
            await asyncio.to_thread(_bring_out, client, producer, pending)
        written = await asyncio.to_thread(audit.head, client, number)
        head = _newer(written, _head_of(stored, pending), number)
        log.info("chain open", chain=number, rows=head.number)
        return cls(number, token, head, store, client, producer)

    async def take(
        self, openings: Sequence[Opening], commands: Sequence[CaseCommand], now: datetime, ahead: timedelta
    ) -> list[CaseEvent]:
        """Open cases and answer commands; the rows that were written.

        Raises:
            UnavailableError: a service does not answer. Some rows may be written: open the chain anew.
            LostError: another desk holds the chain.
        """
        await self._load({item.case_id for item in openings} | {item.case_id for item in commands})
        openings = [*openings, *await self._overtaken(openings, commands)]
        known = await self._known_targets(commands)
        around = Circumstances(now, ahead, lambda case_id: case_id in known)
        head, cases, events = self.head, dict[str, CaseState](), list[CaseEvent]()
        items: list[Opening | CaseCommand] = [*openings, *commands]
        for item in items:
            case = cases.get(item.case_id) or self._cases[item.case_id]
            content = _decided(case, item, around)
            if content is not None:
                event = sealed(content, self.number, head, now)
                head, cases[item.case_id] = head_after(event), applied(case, event)
                events.append(event)
        if events:
            await self._write(events, head)
            self._cases.update(cases)
        else:
            await self._still_ours()
        self._forget()
        return events

    async def _load(self, case_ids: Iterable[str]) -> None:
        wanted = [case_id for case_id in case_ids if case_id not in self._cases]
        if wanted:
            trails = await asyncio.to_thread(audit.trails, self._client, wanted)
            self._cases.update({case_id: folded(case_id, trails.get(case_id, ())) for case_id in wanted})

    async def _overtaken(self, openings: Sequence[Opening], commands: Sequence[CaseCommand]) -> list[Opening]:
        """Alerts whose command came first: the two come on different topics."""
        coming = {item.case_id for item in openings}
        unknown = {item.case_id for item in commands if self._cases[item.case_id].state is None} - coming
        return await asyncio.to_thread(audit.openings, self._client, sorted(unknown)) if unknown else []

    async def _known_targets(self, commands: Sequence[CaseCommand]) -> set[str]:
        """Cases named by `link` that exist, in whichever chain."""
        named = {item.other_case_id for item in commands if item.other_case_id}
        return {name for name in named if await asyncio.to_thread(audit.is_known, self._client, name)}

    async def _write(self, events: Sequence[CaseEvent], head: Head) -> None:
        pending = orjson.dumps([event.model_dump(mode="json") for event in events])
        commit = Commit(
            self.number,
            self.token,
            {"stamp": head.number, "hash": head.hash},
            self.head.number,
            {_PENDING: pending},
            replace=self._is_first,
        )
        await self._store.commit(commit)
        self._is_first = False
        await asyncio.to_thread(_bring_out, self._client, self._producer, events)
        self.head = head

    async def _still_ours(self) -> None:
        """A batch that makes no row may be put down as done by the holder alone: rows may wait to be brought out."""
        holder = await self._store.holder(self.number)
        if holder != self.token:
            msg = f"chain {self.number} belongs to another desk now"
            raise LostError(msg, holder)

    def _forget(self) -> None:
        while len(self._cases) > _KEPT:
            self._cases.popitem(last=False)


def _decided(case: CaseState, item: Opening | CaseCommand, around: Circumstances) -> Content | None:
    return opened(case, item) if isinstance(item, Opening) else decide(case, item, around)


def _bring_out(client: Client, producer: BulkProducer, events: Sequence[CaseEvent]) -> None:
    audit.write(client, events)
    for event in events:
        producer.send(CASES, event.case_id, audit.message(event))
    producer.flush()


def _pending(stored: Stored) -> list[CaseEvent]:
    rows: list[Any] = orjson.loads(stored.fields.get(_PENDING, b"[]"))
    return [CaseEvent.model_validate(row) for row in rows]


def _head_of(stored: Stored, pending: Sequence[CaseEvent]) -> Head:
    if pending:
        return head_after(pending[-1])
    return Head(int(stored.meta.get("stamp", 0)), stored.meta.get("hash", Head().hash))


def _newer(written: Head, noted: Head, chain: int) -> Head:
    """The head of ClickHouse, unless Redis remembers more than it holds: then rows were taken away there."""
    if noted.number > written.number or (noted.number == written.number and noted.hash != written.hash):
        log.error("the audit trail was changed behind our back", chain=chain, rows=written.number, noted=noted.number)
        return noted
    return written
