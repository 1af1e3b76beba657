"""The shards of a worker: news that cannot be adopted at once, shards that are lost, gaps in what Kafka gives."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from aiokafka import TopicPartition
from small_company import SHIPPED, engine, policy, sale, with_rows

from agents.compliance.rule_book import LIVE, RuleBook, RuleSet
from agents.intake.judging import Judging
from agents.progress.plan import Plan
from schemas.reference import Rep
from streams.engine.checkpoint import OwnedShard
from streams.engine.gaps import Gaps
from streams.engine.group import Positions
from streams.engine.holding import Holding
from streams.engine.opening import Company
from streams.errors import UnavailableError
from streams.metrics import Metrics
from streams.producer import BulkProducer

SUM = "{id: s, source: sale, aggregate: sum, value: amount, unit: currency}"
NUMBERS = [0, 1, 2]


class Services:
    """Kafka, Redis and ClickHouse as far as a holding asks them."""

    def __init__(self) -> None:
        self.simulated = engine(SHIPPED, [sale("E1", "02-03")])
        self.sought: list[tuple[int, dict[str, int]]] = []
        self.mine_are = set(NUMBERS)
        self.lowest_is = 0
        self.away = 0
        self.on_rebuild: Callable[[], None] = lambda: None
        self.partitions, self.cluster = 3, "simulated"

    # the consumer group
    def seek(self, number: int, offsets: Mapping[str, int]) -> None:
        self.sought.append((number, dict(offsets)))

    def mine(self) -> set[int]:
        return self.mine_are

    async def positions(self, _number: int) -> Positions:
        return Positions({"sales": 0}, {"sales": 1})

    async def lowest(self, _place: TopicPartition) -> int:
        return self.lowest_is

    # the store
    async def open(self, number: int) -> tuple[str, Any]:
        return f"token {number}", self.simulated.store.read(number)

    async def resend_round(self, *, ask: bool = False) -> int:
        return int(ask)

    # the opener
    def opened(self, number: int, token: str, stored: Any, company: Company, kafka: Positions) -> OwnedShard:
        return self.simulated.opener.opened(number, token, stored, company, kafka)

    def rebuilt(self, number: int, token: str, company: Company, old: OwnedShard) -> OwnedShard:
        if self.away:
            self.away -= 1
            msg = "ClickHouse does not answer"
            raise UnavailableError(msg)
        self.on_rebuild()
        return self.simulated.opener.rebuilt(number, token, company, old)

    def judged_anew(self, owned: OwnedShard, company: Company) -> Judging:
        if self.away:
            self.away -= 1
            msg = "ClickHouse does not answer"
            raise UnavailableError(msg)
        return self.simulated.opener.judged_anew(owned, company)

    def tell_past(self, owned: OwnedShard) -> None:
        self.simulated.opener.tell_past(owned)


async def nothing(_shards: Callable[[], Iterable[OwnedShard]]) -> None:
    """A round of checkpoints that finds nothing to write."""


async def holding(services: Services) -> Holding:
    given: Any = services
    made = Holding(
        group=given,
        store=given,
        opener=given,
        company=services.simulated.company,
        metrics=Metrics(),
        take_over_s=60,
    )
    made.checkpoint = nothing
    made.open_all(NUMBERS)
    await until(lambda: len(made.shards) == len(NUMBERS))
    return made


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


def other_policy(services: Services) -> Company:
    now = services.simulated.company
    return Company(Plan(policy(SUM)), 2, now.directory, now.time)


async def test_news_that_could_not_be_adopted_by_all_shards_are_adopted_again() -> None:
    services = Services()
    held = await holding(services)
    fresh = other_policy(services)
    services.away = 1
    with pytest.raises(UnavailableError):
        await held.adopt(fresh)
    assert held.behind
    assert all(owned.labels["plan"] != fresh.plan.fingerprint for owned in held.shards.values())
    await held.adopt(fresh)
    assert not held.behind
    assert all(owned.shard.progress.plan is fresh.plan for owned in held.shards.values())


async def test_other_rules_are_taken_up_by_every_shard_once_their_past_can_be_read() -> None:
    services = Services()
    held = await holding(services)
    fresh = replace(held.company, rules=RuleBook(9, RuleSet(LIVE, 9, ())))
    services.away = 1
    with pytest.raises(UnavailableError):
        await held.adopt(fresh)
    assert held.behind
    progress = {number: owned.shard.progress for number, owned in held.shards.items()}
    await held.adopt(fresh)
    assert not held.behind
    assert [owned.shard.judging.version for owned in held.shards.values()] == [9, 9, 9]
    assert {number: owned.shard.progress for number, owned in held.shards.items()} == progress  # figures stay
    assert held.live() == list(held.shards.values())
    assert [number for number, _ in services.sought[-4:]] == [0, 0, 1, 2]  # what came meanwhile is read again


async def test_reference_data_that_leaves_the_past_alone_computes_nothing_anew() -> None:
    services = Services()
    held = await holding(services)
    before = dict(held.shards)
    for owned in before.values():
        owned.shard.moved = False
    known = services.simulated._company(with_rows(Rep(rep_id="R99", name="new", team_id="T1")), 2)
    await held.adopt(known)
    assert held.shards == before
    assert not held.behind
    assert all(owned.shard.moved and owned.labels["reference_version"] == "2" for owned in before.values())
    assert all(owned.shard.progress.directory is known.directory for owned in held.shards.values())


@pytest.mark.parametrize("fails", [0, 1])
async def test_batches_that_came_while_a_shard_was_computed_anew_are_read_again(fails: int) -> None:
    services = Services()
    held = await holding(services)
    services.away = fails
    services.on_rebuild = services.sought.clear
    try:
        await held.adopt(other_policy(services))
    except UnavailableError:
        assert fails
    number, offsets = services.sought[-1]
    assert offsets == held.shards[number].shard.offsets
    assert len(held.live()) == len(NUMBERS)


async def test_a_shard_that_is_being_computed_anew_takes_nothing() -> None:
    services = Services()
    held = await holding(services)
    seen: list[int] = []
    services.on_rebuild = lambda: seen.append(len(held.live()))
    await held.adopt(other_policy(services))
    assert seen == [2, 2, 2]


@pytest.mark.parametrize(("holder", "at_once"), [(None, True), ("token 1", True), ("somebody else", False)])
async def test_a_lost_shard_is_opened_again_once_it_is_clear_whose_it_is(holder: str | None, at_once: bool) -> None:
    services = Services()
    held = await holding(services)
    lost = held.shards[1]
    held.lose(lost, holder)
    assert 1 not in held.shards
    held.reopen_lost()
    for _ in range(200):
        await asyncio.sleep(0)
    if at_once:
        await until(lambda: 1 in held.shards)
        assert held.shards[1] is not lost
    else:
        assert 1 not in held.shards
    await held.give_up()


async def test_a_lost_shard_that_is_no_longer_ours_stays_closed() -> None:
    services = Services()
    held = await holding(services)
    services.mine_are = {0, 2}
    held.lose(held.shards[1], None)
    held.reopen_lost()
    for _ in range(200):
        await asyncio.sleep(0)
    assert sorted(held.shards) == [0, 2]


def records(*offsets: int) -> list[Any]:
    return [SimpleNamespace(offset=offset) for offset in offsets]


@pytest.mark.parametrize(("lowest", "lost"), [(7, 4), (3, 0), (100, 4)])
async def test_a_gap_is_read_again_and_what_retention_took_is_said(lowest: int, lost: int) -> None:
    services, metrics = Services(), Metrics()
    gaps, place = Gaps(services, metrics), TopicPartition("sales", 1)  # type: ignore[arg-type] # as far as it asks
    services.lowest_is = lowest
    assert [record.offset for record in gaps.fitting(place, records(1, 2, 3), 2)] == [2, 3]
    assert gaps.fitting(place, records(7, 8), 3) == ()
    assert services.sought == [(1, {"sales": 3})]
    assert len(gaps.fitting(place, records(7, 8), 3)) == 2
    with structlog.testing.capture_logs() as said:
        await gaps.explain()
        await gaps.explain()
    assert metrics.overtaken.labels("sales")._value.get() == lost
    errors = [(line["first_lost"], line["up_to"]) for line in said if line["log_level"] == "error"]
    assert errors == ([(3, 7)] if lost else [])


class FullQueue:
    """A librdkafka producer whose broker never takes anything."""

    def __init__(self, _settings: Mapping[str, Any]) -> None:
        self.purged = 0

    def produce(self, *_: Any, **__: Any) -> None:
        raise BufferError

    def poll(self, _timeout_s: float) -> None:
        return

    def flush(self, _timeout_s: float) -> int:
        return 3

    def purge(self, *, in_queue: bool, in_flight: bool) -> None:
        assert in_queue
        assert not in_flight  # what is under way may have arrived, and must not be reordered
        self.purged += 1


def test_a_producer_waits_for_room_only_so_long_and_keeps_no_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.producer.Producer", FullQueue)
    monkeypatch.setattr("streams.producer._FULL_S", 0.01)
    producer = BulkProducer("nowhere")
    with pytest.raises(UnavailableError, match="the queue is full"):
        producer.send("sales", "R1", b"{}")
    with pytest.raises(UnavailableError, match="3 still wait"):
        producer.flush(0.01)
    assert producer._producer.purged == 2
