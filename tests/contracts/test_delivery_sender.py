"""What is pending lives in Redis: sent once, whoever sends, with a clock the test moves."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from delivery_samples import MONDAY, alert, policy

from agents.delivery.pacing import Outcome
from agents.delivery.routing import Desk, plan
from agents.delivery.wording import Style, notice_of
from schemas.alerts import Alert
from schemas.delivery import DeliveryPolicy, Message
from streams.delivery.queue import Queue
from streams.delivery.sender import Office, Sender
from streams.local import LocalServices

SHANGHAI = ZoneInfo("Asia/Shanghai")
LANE = "desk\x1foutbox"


@dataclass
class Fake:
    """A channel that notes what it gets.

    Attributes:
        outcomes: of the next attempts; it goes well when there are none left.
        gate: attempts wait for it.
    """

    got: list[Message] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def send(self, message: Message) -> Outcome:
        self.got.append(message)
        if self.gate is not None:
            await self.gate.wait()
        return self.outcomes.pop(0) if self.outcomes else Outcome()

    async def close(self) -> None: ...


class Channels:
    """As `streams.delivery.channels.Channels`, of fakes."""

    missing: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, **fakes: Fake) -> None:
        self.fakes = fakes

    def get(self, name: str) -> Fake | None:
        return self.fakes.get(name)


@dataclass
class Bench:
    """A queue of its own and as many senders as a test wants."""

    url: str
    group: str = field(default_factory=lambda: f"t-{uuid4().hex[:8]}")
    now: datetime = MONDAY
    policy: DeliveryPolicy = field(default_factory=policy)
    channels: dict[str, Fake] = field(default_factory=lambda: {"outbox": Fake()})
    queues: list[Queue] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue = self.another()

    def another(self) -> Queue:
        self.queues.append(Queue(self.url, self.group))
        return self.queues[-1]

    @property
    def desk(self) -> Desk:
        names = {name: tuple(self.channels) for name in self.policy.recipients}
        return Desk(self.policy, names, SHANGHAI, lambda _day: True)

    def sender(self, queue: Queue | None = None) -> Sender:
        office: Any = Office(self.desk, Channels(**self.channels), Style(SHANGHAI))  # type: ignore[arg-type]
        return Sender(queue or self.queue, lambda: office, lambda: self.now)

    async def plan(self, *alerts: Alert) -> int:
        planned = [one for each in alerts for one in plan(each, self.desk, self.now)]
        return await self.queue.add(planned, map(notice_of, alerts), self.now)

    async def serve(self, sender: Sender | None = None) -> None:
        """One round over all lanes."""
        one = sender or self.sender()
        await asyncio.gather(*map(one.serve, await self.queue.lanes()))

    async def states(self) -> list[tuple[str, str]]:
        """Status and error of every row that waits for ClickHouse."""
        rows = [json.loads(row) for row in (await self.queue.rows()).values()]
        newest = {row["delivery_id"]: row for row in sorted(rows, key=lambda row: row["version"])}
        return sorted((row["status"], row["last_error"]) for row in newest.values())


@pytest.fixture
async def bench(services: LocalServices) -> AsyncIterator[Bench]:
    made = Bench(services.urls["redis_url"])
    yield made
    for queue in made.queues:
        await queue.close()


def titles(fake: Fake) -> list[str]:
    return [message.title for message in fake.got]


async def test_an_alert_is_told_once_however_often_it_comes(bench: Bench) -> None:
    assert await bench.plan(alert(), alert(2)) == 2
    assert await bench.plan(alert()) == 0
    await bench.serve()
    assert await bench.plan(alert()) == 0
    await bench.serve()

    assert len(bench.channels["outbox"].got) == 2
    assert await bench.states() == [("sent", ""), ("sent", "")]


async def test_two_desks_send_it_once(bench: Bench) -> None:
    await bench.plan(*map(alert, range(5)))
    bench.channels["outbox"].gate = asyncio.Event()
    first, second = bench.sender(), bench.sender(bench.another())
    serving = asyncio.create_task(bench.serve(first))
    while not bench.channels["outbox"].got:
        await asyncio.sleep(0)
    await bench.serve(second)  # the lane is held
    bench.channels["outbox"].gate.set()
    await serving

    assert len({message.message_id for message in bench.channels["outbox"].got}) == 5
    assert len(bench.channels["outbox"].got) == 5


async def test_a_desk_that_comes_back_from_a_standstill_sends_nothing_that_is_claimed_or_done(bench: Bench) -> None:
    await bench.plan(alert())
    due = await bench.queue.due(LANE, bench.now)
    other = bench.another()

    assert await other.claim(due, 60, bench.now) == due
    assert await bench.queue.claim(due, 60, bench.now) == []
    await other.finish([due[0].model_copy(update={"status": "sent", "message_id": "m"})], bench.now)
    noted = await bench.queue.rows()
    assert await bench.queue.claim(due, 60, bench.now) == []
    assert await bench.queue.rows() == noted


async def test_what_is_over_leaves_the_queue_whoever_put_it_back(bench: Bench) -> None:
    """A desk that planned at the same time, or whose attempt failed while somebody acted, puts back what is over."""
    late = bench.another()
    await bench.plan(alert())
    (one,) = await bench.queue.due(LANE, bench.now)
    await bench.serve()
    bench.now += timedelta(seconds=1)
    await late.put_off([one], bench.now)
    bench.now += timedelta(seconds=1)
    await bench.serve()

    assert len(bench.channels["outbox"].got) == 1
    assert await bench.queue.due(LANE, bench.now) == []
    assert await bench.states() == [("sent", "")]


async def test_an_attempt_to_escalate_that_fails_while_somebody_acts_is_called_off(bench: Bench) -> None:
    outbox = bench.channels["outbox"]
    bench.policy = policy(escalation={"levels": [{"after": "30 minutes", "to": ["desk"]}]})
    await bench.plan(alert())
    await bench.serve()
    bench.now += timedelta(minutes=31)
    outbox.gate, outbox.outcomes = asyncio.Event(), [Outcome("no answer")]
    serving = asyncio.create_task(bench.serve())
    while len(outbox.got) < 2:
        await asyncio.sleep(0)
    await bench.queue.call_off(alert().alert_id, bench.now)
    bench.now += timedelta(seconds=1)
    outbox.gate.set()
    await serving
    bench.now += timedelta(minutes=1)
    await bench.serve()

    assert len(outbox.got) == 2
    assert await bench.queue.due(LANE, bench.now) == []
    assert [status for status, _ in await bench.states()] == ["called_off", "sent"]


async def test_a_claim_runs_out_so_that_what_a_killed_desk_claimed_is_sent(bench: Bench) -> None:
    await bench.plan(alert())
    due = await bench.queue.due(LANE, bench.now)
    await bench.another().claim(due, 0.2, bench.now)
    await bench.serve()
    assert bench.channels["outbox"].got == []

    async with asyncio.timeout(5):
        while not bench.channels["outbox"].got:
            await bench.serve()
    assert len(bench.channels["outbox"].got) == 1


async def test_a_channel_that_hangs_holds_up_no_other(bench: Bench) -> None:
    hanging, well = Fake(gate=asyncio.Event()), Fake()
    bench.channels = {"bad": hanging, "outbox": well}
    await bench.plan(*map(alert, range(3)))
    running = asyncio.create_task(bench.sender().run())
    async with asyncio.timeout(5):
        while len(well.got) < 3 or not hanging.got:
            await asyncio.sleep(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)

    assert len(hanging.got) == 1


async def test_a_failed_attempt_is_repeated_later_and_given_up_in_the_end(bench: Bench) -> None:
    outbox = bench.channels["outbox"]
    bench.policy = policy(attempts=3)
    outbox.outcomes = [Outcome("answered 500")] * 3
    await bench.plan(alert())
    await bench.serve()
    await bench.serve()  # not due yet
    assert (len(outbox.got), await bench.states()) == (1, [("waiting", "answered 500")])
    for attempts in (2, 3):
        bench.now += timedelta(minutes=5)
        await bench.serve()
        assert len(outbox.got) == attempts
    bench.now += timedelta(days=1)
    await bench.serve()

    assert (len(outbox.got), await bench.states()) == (3, [("failed", "answered 500")])
    assert len({message.message_id for message in outbox.got}) == 1


async def test_what_was_given_up_is_taken_up_again(bench: Bench) -> None:
    outbox = bench.channels["outbox"]
    outbox.outcomes = [Outcome("answered 404", is_final=True)]
    await bench.plan(alert())
    due = await bench.queue.due(LANE, bench.now)
    await bench.serve()
    assert await bench.states() == [("failed", "answered 404")]

    bench.now += timedelta(seconds=1)
    await bench.queue.revive(due[0], notice_of(alert()), bench.now)
    await bench.serve()
    assert (len(outbox.got), await bench.states()) == (2, [("sent", "")])


async def test_what_exceeds_the_limit_comes_in_one_message_and_nothing_is_lost(bench: Bench) -> None:
    outbox = bench.channels["outbox"]
    recipient = {"title": {"zh": "值", "en": "Desk"}, "language": "en", "channels": ["outbox"]}
    bench.policy = policy(recipients={"desk": recipient | {"limit": {"messages": 2, "per": "minute"}}})
    await bench.plan(*map(alert, range(30)))
    await bench.serve()
    assert titles(outbox) == ["[red] R08 Visit too short"] * 2
    bench.now += timedelta(seconds=59)
    await bench.serve()
    assert len(outbox.got) == 2
    bench.now += timedelta(seconds=2)
    await bench.serve()

    assert titles(outbox)[2:] == ["28 compliance alerts (28 red)"]
    told = [notice.alert_id for message in outbox.got for notice in message.alerts]
    assert sorted(told) == sorted(alert(number).alert_id for number in range(30))
    assert await bench.states() == [("sent", "")] * 30


async def test_a_digest_is_one_message_at_its_time(bench: Bench) -> None:
    outbox = bench.channels["outbox"]
    bench.policy = policy(routes=[{"to": ["desk"], "digest": ["17:00"]}])
    await bench.plan(*(alert(number, colour="yellow") for number in range(4)))
    bench.now += timedelta(hours=6, minutes=59)
    await bench.serve()
    assert outbox.got == []
    bench.now += timedelta(minutes=1)
    await bench.serve()

    assert titles(outbox) == ["4 compliance alerts (0 red)"]
    assert outbox.got[0].kind == "digest"


@pytest.mark.parametrize(
    ("acted_min", "levels"), [(None, [1, 2]), (-1, []), (10, []), (45, [1]), (130, [1, 2])], ids=str
)
async def test_an_escalation_ends_when_somebody_acts(bench: Bench, acted_min: int | None, levels: list[int]) -> None:
    steps = [{"after": "30 minutes", "to": ["desk"]}, {"after": "2 hours", "to": ["desk"]}]
    bench.policy = policy(escalation={"levels": steps})
    for minute in (-1, 0, 10, 31, 45, 121, 130):
        bench.now = MONDAY + timedelta(minutes=minute)
        if minute == acted_min:
            await bench.queue.call_off(alert().alert_id, bench.now)
        if minute == 0:
            await bench.plan(alert())
        await bench.serve()

    told = [title.split(",")[1] for title in titles(bench.channels["outbox"]) if title.startswith("Escalation")]
    assert told == [f" level {level}" for level in levels]
    statuses = [status for status, _ in await bench.states()]
    assert statuses.count("sent") == 1 + len(levels)
    assert statuses.count("called_off") == (2 - len(levels) if acted_min != -1 else 0)


async def test_a_desk_that_stops_settles_what_is_on_its_way_and_begins_nothing_new(bench: Bench) -> None:
    outbox = bench.channels["outbox"]
    outbox.gate = asyncio.Event()
    await bench.plan(alert(), alert(2))
    running = asyncio.create_task(bench.sender().run())
    while not outbox.got:
        await asyncio.sleep(0)
    running.cancel()
    for _ in range(10):  # as many turns of the loop as hearing of it takes
        await asyncio.sleep(0)
    outbox.gate.set()
    await asyncio.gather(running, return_exceptions=True)
    assert len(outbox.got) == 1
    assert await bench.states() == [("sent", ""), ("waiting", "")]
    await bench.serve()

    told = [notice.alert_id for message in outbox.got for notice in message.alerts]
    assert sorted(told) == sorted((alert().alert_id, alert(2).alert_id))


async def test_what_is_left_when_the_policy_changes_goes_out_by_the_new_one(bench: Bench) -> None:
    before, after = Fake(gate=asyncio.Event()), Fake()
    offices: list[Any] = [
        Office(bench.desk, Channels(outbox=fake), Style(SHANGHAI))  # type: ignore[arg-type]
        for fake in (before, after)
    ]
    sender = Sender(bench.queue, lambda: offices[0], lambda: bench.now)
    await bench.plan(*map(alert, range(3)))
    serving = asyncio.create_task(bench.serve(sender))
    while not before.got:
        await asyncio.sleep(0)
    del offices[0]
    assert before.gate is not None
    before.gate.set()
    await serving
    await bench.serve(sender)

    assert (len(before.got), len(after.got)) == (1, 2)
    assert await bench.states() == [("sent", "")] * 3


async def test_a_channel_that_is_not_set_up_any_more_is_a_failure_that_says_so(bench: Bench) -> None:
    bench.channels["gone"] = Fake()
    await bench.plan(alert())
    del bench.channels["gone"]
    await bench.serve()

    why = "channel gone is not set up: the policy does not name it"
    assert await bench.states() == [("failed", why), ("sent", "")]
