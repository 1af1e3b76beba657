"""The checkpoint's order, its patience, and what happens to a shard that is no longer ours."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import guarded_shard
import orjson
import pytest
from prometheus_client import generate_latest
from test_intake_shard import NOW, sale, shard, take

from agents.intake.shard import Record, Shard
from agents.progress.outputs import RollingWindows
from streams.engine import checkpoint
from streams.engine.checkpoint import Checkpointer, OwnedShard, Snapshot, take_snapshot
from streams.engine.limits import DeadLetterLimit
from streams.engine.sink import Block
from streams.engine.store import Commit
from streams.engine.telling import node_messages
from streams.engine.waiting import held_from_wire
from streams.errors import LostError, UnavailableError
from streams.metrics import STALE_S, Metrics
from streams.topics import NODES


class Fakes:
    """Services that write down what is asked of them, and may be away."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.blocks: list[Block] = []
        self.commits: list[Commit] = []
        self.lost: list[str | None] = []
        self.holder_is: str | None = "token"
        self.away = {"rows": 0, "flush": 0, "commit": 0}
        self.commit_refused = False

    def _call(self, name: str) -> None:
        if self.away.get(name, 0) > 0:
            self.away[name] -= 1
            msg = f"{name} is away"
            raise UnavailableError(msg)
        self.calls.append(name)

    def write(self, _client: Any, block: Block, _stamp: int) -> None:
        self.blocks.append(block)
        self._call("rows")

    def send(self, topic: str, _key: str, _value: bytes) -> None:
        self.calls.append(f"send {topic}")

    def flush(self) -> None:
        self._call("flush")

    async def holder(self, _shard: int) -> str | None:
        return self.holder_is

    async def commit(self, commit: Commit) -> None:
        if self.commit_refused:
            raise LostError(holder="somebody else")
        self._call("commit")
        self.commits.append(commit)

    def lose(self, _owned: OwnedShard, holder: str | None) -> None:
        self.lost.append(holder)

    async def committed(self, snapshots: list[Snapshot]) -> None:
        self.calls.append(f"offsets of {len(snapshots)}")


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> Fakes:
    found = Fakes()
    monkeypatch.setattr(checkpoint, "write", found.write)
    monkeypatch.setattr(checkpoint, "_FIRST_WAIT_S", 0.001)
    return found


def checkpointer(fakes: Fakes, metrics: Metrics | None = None) -> Checkpointer:
    wiring: Any = {"store": fakes, "client": None, "producer": fakes, "lost": fakes.lose, "committed": fakes.committed}
    return Checkpointer(metrics=metrics or Metrics(), standstill=asyncio.Lock(), **wiring)


def owned(target: Shard | None = None) -> OwnedShard:
    one = target or shard()
    if target is None:
        take(one, sale())
    return OwnedShard(one, "token", RollingWindows(one.progress))


def once(order: list[str]) -> list[str]:
    return list(dict.fromkeys(order))


async def test_rows_then_messages_then_state_then_offsets(fakes: Fakes) -> None:
    one = owned()
    await checkpointer(fakes).round(lambda: [one])
    assert once(fakes.calls) == ["rows", "send nodes", "flush", "commit", "offsets of 1"]
    assert fakes.commits[0].meta["o:sales"] == 1
    assert fakes.commits[0].meta["c:accepted:sale"] == 1
    fakes.calls.clear()
    one.shard.progress.stale_windows = {}
    await checkpointer(fakes).round(lambda: [one])
    assert fakes.calls in ([], ["rows", "commit", "offsets of 1"])  # a minute may have ended in between


@pytest.mark.parametrize("service", ["rows", "flush", "commit"])
async def test_a_service_that_is_away_is_waited_for_with_the_same_block(service: str, fakes: Fakes) -> None:
    fakes.away[service] = 3
    one = owned()
    await checkpointer(fakes).round(lambda: [one])
    assert len(fakes.commits) == 1
    assert all(block is fakes.blocks[0] for block in fakes.blocks)


async def test_past_the_deadline_the_round_gives_up(fakes: Fakes) -> None:
    fakes.away["rows"] = 1000
    one = owned()
    with pytest.raises(UnavailableError):
        await checkpointer(fakes).round(lambda: [one], deadline=asyncio.get_running_loop().time() + 0.01)
    assert fakes.commits == []


@pytest.mark.parametrize("holder", [None, "somebody else"])
async def test_a_shard_that_is_not_ours_writes_nothing(holder: str | None, fakes: Fakes) -> None:
    fakes.holder_is = holder
    one = owned()
    await checkpointer(fakes).round(lambda: [one])
    assert (fakes.calls, fakes.lost) == ([], [holder])


async def test_a_shard_taken_over_during_the_round_is_dropped(fakes: Fakes) -> None:
    fakes.commit_refused = True
    one = owned()
    await checkpointer(fakes).round(lambda: [one])
    assert fakes.lost == ["somebody else"]
    assert fakes.calls[-1] == "offsets of 0"


def test_the_stamp_of_a_checkpoint_travels_with_its_messages() -> None:
    one = owned()
    one.fresh = 5
    snapshot = take_snapshot(one, 77, NOW)
    assert {key for _, key, _ in snapshot.messages} == {"T", "@new_accounts|H1"}
    assert all(b'"s":77' in value and b'"f":5' in value for _, _, value in snapshot.messages)


def test_what_children_say_to_one_parent_travels_in_messages_of_a_size() -> None:
    said = [{"l": "team", "p": parent, "c": f"rep|R{n}", "x": {"a": "x" * 90_000}} for n in range(5) for parent in "TU"]
    found = list(node_messages(said, {"h": 1, "f": 2}))
    assert [(topic, key, len(orjson.loads(value))) for topic, key, value in found] == [
        (NODES, parent, length) for parent in "TU" for length in (2, 2, 1)
    ]
    told = [word for _, _, value in found for word in orjson.loads(value)]
    assert told == [word | {"h": 1, "f": 2} for parent in "TU" for word in said if word["p"] == parent]


def test_held_events_survive_the_store() -> None:
    one = shard()
    take(one, sale(rep_id="R9"), key=b"R9")
    snapshot = take_snapshot(owned(one), 1, NOW)
    assert held_from_wire(snapshot.commit.fields) == one.held
    assert snapshot.commit.meta["held"] == 1


def test_the_limit_trips_when_most_of_a_minute_is_unusable() -> None:
    limit = DeadLetterLimit(10)
    assert limit.check(0, 11, 11, NOW) is not None  # already the first batch
    limit = DeadLetterLimit(10)
    assert limit.check(0, 1, 0, NOW) is None
    assert limit.check(0, 30, 11, NOW) is None  # the smaller half
    assert "sent 30 of 41 events to the dead letters" in str(limit.check(0, 10, 19, NOW))
    assert limit.check(1, 10, 10, NOW) is None  # another shard
    assert limit.check(0, 1, 1, NOW + timedelta(minutes=2)) is None  # another minute


def test_health_turns_bad_when_rounds_do_not_end() -> None:
    metrics = Metrics()
    assert metrics.health(metrics.started + 1)["status"] == "ok"
    metrics.looked()
    now_s = datetime.now(UTC).timestamp()
    assert metrics.health(now_s)["status"] == "ok"
    assert "look at ClickHouse" in metrics.health(now_s + STALE_S + 1)["status"]


async def test_what_is_not_let_in_is_counted_by_topic_and_by_what_gave_it_away(fakes: Fakes) -> None:
    one, metrics = guarded_shard.shard(), Metrics()
    told = [guarded_shard.visit(f"S{number}", feedback_text=guarded_shard.SECRET) for number in range(3)]
    counted = guarded_shard.visit("S3", rx_count=120)
    harmless = guarded_shard.visit("E1")
    one.take("visits", [Record(b"R1", raw, place) for place, raw in enumerate([*told, counted, harmless])], NOW)
    owned_one = OwnedShard(one, "token", RollingWindows(one.progress))
    await checkpointer(fakes, metrics).round(lambda: [owned_one])

    shown = generate_latest(metrics.registry).decode()
    assert {line for line in shown.splitlines() if line.startswith("pulse_quarantined_total")} == {
        'pulse_quarantined_total{found_in="text",topic="visits"} 3.0',
        'pulse_quarantined_total{found_in="fields",topic="visits"} 1.0',
    }
