"""One chain of the audit trail, held by one desk."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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


@dataclass
class Work:
    """What a chain is to do: cases to open, then commands to answer."""

    openings: list[Opening] = field(default_factory=list)
    commands: list[CaseCommand] = field(default_factory=list)

    @property
    def case_ids(self) -> set[str]:
        """Cases it concerns."""
        return {item.case_id for item in self.openings} | {item.case_id for item in self.commands}


class Chain:
    """A chain that this desk holds.

    Args:
        number: of the partition.
        token: under which it holds it.
        head: last row.
        store: Redis.
    """

    def __init__(self, number: int, token: str, head: Head, store: Store) -> None:
        self.number = number
        self.token = token
        self.head = head
        self._store = store
        self._is_first = True  # what Redis holds is replaced by the first rows
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
            await asyncio.to_thread(bring_out, client, producer, pending)
        written = await asyncio.to_thread(audit.head, client, number)
        head = _newer(written, _head_of(stored, pending), number)
        log.info("chain open", chain=number, rows=head.number)
        return cls(number, token, head, store)

    def unread(self, case_ids: Iterable[str]) -> set[str]:
        """Cases it does not have in memory."""
        return {case_id for case_id in case_ids if case_id not in self._cases}

    def learn(self, trails: Mapping[str, Sequence[CaseEvent]], case_ids: Iterable[str]) -> None:
        """Keep what the trail says of cases."""
        self._cases.update({case_id: folded(case_id, trails.get(case_id, ())) for case_id in case_ids})

    def unknown(self, case_ids: Iterable[str]) -> set[str]:
        """Cases that were never opened."""
        return {case_id for case_id in case_ids if self._cases[case_id].state is None}

    def decided(self, work: Work, around: Circumstances) -> list[CaseEvent]:
        """The rows that follow from it; nothing is changed."""
        head, cases, events = self.head, dict[str, CaseState](), list[CaseEvent]()
        items: list[Opening | CaseCommand] = [*work.openings, *work.commands]
        for item in items:
            case = cases.get(item.case_id) or self._cases[item.case_id]
            if (content := _content(case, item, around)) is not None:
                event = sealed(content, self.number, head, around.now)
                head, cases[item.case_id] = head_after(event), applied(case, event)
                events.append(event)
        return events

    async def note(self, events: Sequence[CaseEvent]) -> None:
        """Write rows and head to Redis: from here on they stand, whoever brings them out.

        Raises:
            LostError: another desk holds the chain, or Redis lost what it held; nothing was written.
            UnavailableError: Redis does not answer.
        """
        if not events:
            await self._still_ours()
            return
        last = events[-1]
        commit = Commit(
            self.number,
            self.token,
            {"stamp": last.number, "hash": last.hash},
            self.head.number,
            {_PENDING: orjson.dumps([event.model_dump(mode="json") for event in events])},
            replace=self._is_first,
        )
        await self._store.commit(commit)

    def stands(self, events: Sequence[CaseEvent]) -> None:
        """Go on from rows that were brought out."""
        for event in events:
            self._cases[event.case_id] = applied(self._cases[event.case_id], event)
            self.head, self._is_first = head_after(event), False
        while len(self._cases) > _KEPT:
            self._cases.popitem(last=False)

    async def _still_ours(self) -> None:
        """A batch that makes no row may be put down as done by the holder alone: rows may wait to be brought out."""
        holder = await self._store.holder(self.number)
        if holder != self.token:
            msg = f"chain {self.number} belongs to another desk now"
            raise LostError(msg, holder)


def bring_out(client: Client, producer: BulkProducer, events: Sequence[CaseEvent]) -> None:
    """Write rows to ClickHouse and send them on the topic `cases`.

    Raises:
        UnavailableError: a service does not answer; do it again.
    """
    audit.write(client, events)
    for event in events:
        producer.send(CASES, event.case_id, audit.message(event))
    producer.flush()


def _content(case: CaseState, item: Opening | CaseCommand, around: Circumstances) -> Content | None:
    return opened(case, item) if isinstance(item, Opening) else decide(case, item, around)


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
