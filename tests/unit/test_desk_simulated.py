"""Chains of the desk under crashes, redelivery, take-overs and lost stores: every row once, whatever happens.

The chain, the store and the decisions are the real code on an in-process Redis; ClickHouse and Kafka are tables in
memory that may fail, and a desk may die or be passed over between any two steps of a batch.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import fakeredis
import pytest

from agents.cases.chain import Checker, Head, head_after
from agents.cases.deciding import Opening
from schemas.cases import CaseCommand, CaseEvent, Person
from streams.desk import audit
from streams.desk.chains import Work
from streams.desk.keeping import Keeper
from streams.engine.store import Store
from streams.errors import UnavailableError

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
AHEAD = timedelta(hours=1)
CHAIN = 3


class CrashError(Exception):
    """kill -9."""


class World:
    """What stands outside of a desk: ClickHouse, Redis, the topics."""

    def __init__(self, seed: int, trouble: float, *, loses_redis: bool = False) -> None:
        self.random = random.Random(seed)
        self.trouble = trouble
        self.loses_redis = loses_redis
        self.rows: dict[int, CaseEvent] = {}
        self.sent: list[CaseEvent] = []
        self.alerts: dict[str, Opening] = {}
        self.redis = fakeredis.FakeServer()
        self.troubles: defaultdict[str, int] = defaultdict(int)
        self.intruder: Any = None

    def at(self, step: str) -> None:
        """Perhaps the end of the desk, or of a service's patience."""
        if self.random.random() < self.trouble:
            self.troubles[step] += 1
            raise self.random.choice([CrashError, UnavailableError])(step)

    def write(self, events: Iterable[CaseEvent]) -> None:
        self.at("before write")
        for event in events:
            assert self.rows.setdefault(event.number, event) == event, "two rows with one number"
        self.at("after write")

    def send(self, _topic: str, key: str, value: bytes) -> None:
        event = CaseEvent.model_validate_json(value)
        assert key == event.case_id
        self.sent.append(event)

    def flush(self) -> None:
        self.at("after send")

    def trail(self, case_ids: Iterable[str]) -> dict[str, list[CaseEvent]]:
        wanted = set(case_ids)
        found: dict[str, list[CaseEvent]] = {}
        for _number, event in sorted(self.rows.items()):
            if event.case_id in wanted:
                found.setdefault(event.case_id, []).append(event)
        return found

    def head(self) -> Head:
        return head_after(self.rows[max(self.rows)]) if self.rows else Head()


class TroubledStore(Store):
    """The real store; desks die around its commit, and another may take the chain in the middle of one."""

    def __init__(self, world: World) -> None:
        super().__init__("redis://127.0.0.1:1/0", "sim-desk")
        self._redis = fakeredis.FakeAsyncRedis(server=world.redis)
        self._world = world

    async def commit(self, commit: Any) -> None:
        world = self._world
        world.at("before commit")
        await super().commit(commit)
        if world.intruder is not None and world.random.random() < 0.2:
            intruder, world.intruder = world.intruder, None
            world.troubles["passed over"] += 1
            await intruder()
        world.at("after commit")


class Producer:
    """Kafka's part for one desk."""

    def __init__(self, world: World) -> None:
        self.send, self.flush = world.send, world.flush


@pytest.fixture
def world_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes worlds; the audit trail of a client is that of its world."""
    monkeypatch.setattr(audit, "write", lambda client, events: client.write(events))
    monkeypatch.setattr(audit, "head", lambda client, _chain: client.head())
    monkeypatch.setattr(audit, "trails", lambda client, ids: client.trail(ids))
    monkeypatch.setattr(audit, "openings", lambda client, ids: [client.alerts[i] for i in ids if i in client.alerts])
    monkeypatch.setattr(audit, "known", lambda client, ids: {i for i in ids if i in client.alerts})
    return World


def season(seed: int) -> tuple[list[Opening], list[CaseCommand]]:
    """Alerts, and commands of which some are refused and some are sent twice."""
    choice = random.Random(seed)
    ids = [f"{number:032x}" for number in range(8)]
    openings = [Opening(case_id, "R01", "R1", NOW - timedelta(minutes=1)) for case_id in ids]
    commands = []
    for number in range(40):
        action = choice.choice(["acknowledge", "assign", "review", "need_more", "close", "reopen", "link", "note"])
        more: dict[str, Any] = {"to": choice.choice("ab"), "verdict": "valid", "other_case_id": choice.choice(ids)}
        role = choice.choice(["compliance", "compliance", "manager"])
        fields = {"command_id": f"c{number}", "case_id": choice.choice([*ids, "f" * 32]), "action": action}
        fields |= {"by": Person(person_id="p", role=role), "at": NOW, "remark": "r", **more}
        commands.append(CaseCommand.model_validate(fields))
    for _ in range(10):
        place = choice.randrange(len(commands))
        commands.insert(choice.randrange(place, len(commands)) + 1, commands[place])
    return openings, commands


def keeper(world: World, store: Store) -> Keeper:
    client: Any = world
    producer: Any = Producer(world)
    return Keeper(store, client, producer, AHEAD)


class Desk:
    """One process: reads both topics from what is committed, in batches."""

    def __init__(
        self, world: World, topics: tuple[Sequence[Opening], Sequence[CaseCommand]], offsets: list[int]
    ) -> None:
        self._world = world
        self._topics = topics
        self._offsets = offsets
        self._store = TroubledStore(world)
        self._keeper = keeper(world, self._store)

    async def step(self) -> None:
        """One batch; what fails is read again."""
        world = self._world
        starts = list(self._offsets)
        ends = [start + world.random.randint(0, 6) for start in starts]
        openings, commands = (topic[a:b] for topic, a, b in zip(self._topics, starts, ends, strict=True))
        taken = await self._keeper.take({CHAIN: Work(list(openings), list(commands))}, NOW)
        if taken.lost:
            return
        if world.random.random() < 0.8:  # else the commit got lost, and all of it is read again
            self._offsets[:] = [min(end, len(topic)) for end, topic in zip(ends, self._topics, strict=True)]

    def is_done(self) -> bool:
        return self._offsets == [len(topic) for topic in self._topics]

    async def close(self) -> None:
        await self._store.close()


async def live(world: World, seed: int) -> None:
    """Desks come and go until everything is read, and the last of them is left in peace."""
    topics = season(seed)
    world.alerts = {item.case_id: item for item in topics[0]}
    offsets = [0, 0]
    desks = [Desk(world, topics, offsets) for _ in range(2)]

    async def intrude() -> None:
        other = Desk(world, topics, offsets)
        trouble, world.trouble = world.trouble, 0.0
        await other.step()
        world.trouble = trouble
        await other.close()

    for round_ in range(500):
        if round_ == 60:
            world.trouble = 0.0
        if world.trouble and world.random.random() < 0.3:
            world.intruder = intrude
        number = world.random.randrange(2) if world.trouble else 0
        try:
            await desks[number].step()
        except CrashError:
            await desks[number].close()
            desks[number] = Desk(world, topics, offsets)
        except UnavailableError:
            pass
        world.intruder = None
        if world.loses_redis and world.trouble and world.random.random() < 0.1:
            await desks[0]._store._redis.flushall()
            world.troubles["redis lost"] += 1
        if not world.trouble and desks[0].is_done():
            break
    assert desks[0].is_done()
    for desk in desks:
        await desk.close()


def told(world: World) -> dict[str, list[tuple[Any, ...]]]:
    """What happened to each case."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for _number, event in sorted(world.rows.items()):
        row = (
            event.action,
            event.outcome,
            event.reason,
            event.state_before,
            event.state,
            event.verdict,
            event.assignee,
        )
        found.setdefault(event.case_id, []).append((event.command_id, *row))
    return found


@pytest.mark.parametrize("loses_redis", [False, True])
async def test_every_row_stands_once_whatever_happens(world_of: Any, loses_redis: bool) -> None:
    troubles: defaultdict[str, int] = defaultdict(int)
    for seed in range(15):
        calm = world_of(seed, 0.0)
        await live(calm, seed)
        world = world_of(seed, 0.12, loses_redis=loses_redis)
        await live(world, seed)
        _openings, commands = season(seed)

        assert told(world) == told(calm)
        assert {event.case_id for event in world.rows.values() if event.action == "open"} == set(world.alerts)
        answered = [(event.case_id, event.command_id) for event in world.rows.values() if event.action != "open"]
        assert sorted(answered) == sorted({(item.case_id, item.command_id) for item in commands})
        checker = Checker()
        for _number, event in sorted(world.rows.items()):
            checker.add(event)
        assert [(one.rows, one.broken_at) for one in checker.chains.values()] == [(len(world.rows), None)]
        sent = {event.number: event for event in world.sent}
        assert sent == {number: world.rows[number] for number in (sent if loses_redis else world.rows)}
        for step, count in world.troubles.items():
            troubles[step] += count
    wanted = {"before commit", "after commit", "before write", "after write", "after send", "passed over"}
    assert {step for step, count in troubles.items() if count >= 5} == wanted | (
        {"redis lost"} if loses_redis else set()
    )


async def test_rows_that_redis_remembers_and_clickhouse_lost_leave_a_gap(world_of: Any) -> None:
    world = world_of(0, 0.0)
    openings, _commands = season(0)
    store = TroubledStore(world)
    desk = keeper(world, store)
    for opening in openings[:3]:
        await desk.take({CHAIN: Work([opening])}, NOW)
    for number in (2, 3):  # somebody deletes them; the last batch comes back from Redis, the one before does not
        del world.rows[number]
    await keeper(world, store).take({CHAIN: Work([openings[4]])}, NOW)
    checker = Checker()
    for _number, event in sorted(world.rows.items()):
        checker.add(event)
    assert checker.chains[CHAIN].fault == "missing: row 2 is not there"
    await store.close()


async def test_a_desk_that_was_passed_over_writes_nothing(world_of: Any) -> None:
    world = world_of(0, 0.0)
    (first, second, third, *_), _commands = season(0)
    stores = [TroubledStore(world) for _ in range(2)]
    old, new = (keeper(world, store) for store in stores)
    await old.take({CHAIN: Work([first])}, NOW)
    await old.take({0: Work([third])}, NOW)
    await new.take({CHAIN: Work([second])}, NOW)
    taken = await old.take({CHAIN: Work([third]), 0: Work()}, NOW)
    assert (taken.events, list(taken.lost)) == ([], [CHAIN])
    again = await old.take({CHAIN: Work([first])}, NOW)  # it opens the chain anew: the other one is passed over now
    assert (again.events, again.lost) == ([], {})
    assert list((await new.take({CHAIN: Work([second])}, NOW)).lost) == [CHAIN]
    for store in stores:
        await store.close()
