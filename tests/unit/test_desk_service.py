"""A round of the desk: what is read again, what is put down as done, and what is left to another desk."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from alert_rows import alert, alert_id

from agents.cases.deciding import Opening
from streams.desk import audit
from streams.desk.case_service import CaseService
from streams.desk.chains import Work
from streams.desk.keeping import Taken
from streams.desk.reading import Layout
from streams.errors import LostError, UnavailableError
from streams.settings import Settings
from streams.topics import ALERTS, shard_of

PARTITIONS = 4
SETTINGS = Settings(_env_file=None, session_timeout_s=5)


@dataclass
class Record:
    topic: str
    partition: int
    offset: int
    value: bytes
    key: bytes = b""


@dataclass
class Consuming:
    """A consumer with one batch."""

    batch: dict[int, list[Record]]
    changed: set[int] = field(default_factory=set)
    assigned: set[int] = field(default_factory=lambda: set(range(PARTITIONS)))
    left_out: list[set[int]] = field(default_factory=list)
    read_again: list[Record] = field(default_factory=list)
    committed: list[Record] = field(default_factory=list)

    def mine(self) -> set[int]:
        return self.assigned

    async def batches(self, leaving_out: Iterable[int]) -> dict[int, list[Record]]:
        self.left_out.append(set(leaving_out))
        return self.batch

    def again(self, records: Iterable[Record]) -> None:
        self.read_again += records

    async def done(self, records: Iterable[Record]) -> None:
        self.committed += records


class Keeper:
    """Chains that are lost, or services that are away, as a test wants it."""

    def __init__(self, lost: tuple[int, ...] = (), away: bool = False) -> None:
        self._lost, self._away = lost, away
        self.taken: list[dict[int, Work]] = []
        self.forgotten: set[int] = set()

    def forget(self, numbers: set[int]) -> None:
        self.forgotten |= numbers

    async def take(self, work: dict[int, Work], _now: Any) -> Taken:
        if self._away:
            msg = "ClickHouse is away"
            raise UnavailableError(msg)
        self.taken.append(work)
        return Taken([], {number: LostError("gone", "other") for number in self._lost if number in work})


class Alive:
    async def say(self) -> None:
        """Nobody listens."""


def one_each() -> dict[int, list[Record]]:
    """An alert in every partition."""
    batch: dict[int, list[Record]] = {}
    for number in range(200):
        place = shard_of(alert_id(number), PARTITIONS)
        if place not in batch:
            batch[place] = [Record(ALERTS, place, number, alert(number).model_dump_json().encode())]
    assert len(batch) == PARTITIONS
    return batch


@pytest.fixture
def unopened(monkeypatch: pytest.MonkeyPatch) -> list[Opening]:
    """What stands in the table without a case."""
    found: list[Opening] = []
    monkeypatch.setattr(audit, "unopened", lambda _client, _limit: found)
    return found


def service(consuming: Consuming, keeper: Keeper) -> Any:
    made: Any = CaseService(SETTINGS)
    made._consuming, made._keeper, made._alive, made._client = consuming, keeper, Alive(), None
    made._layout = Layout("cluster", PARTITIONS, 100_000)
    return made


@pytest.mark.usefixtures("unopened")
async def test_what_is_written_is_put_down_as_done() -> None:
    consuming, keeper = Consuming(one_each(), assigned={0, 1, 2}), Keeper()
    await service(consuming, keeper)._round()
    assert [set(work) for work in keeper.taken] == [{0, 1, 2}]  # the fourth was revoked while the fetch was under way
    assert {record.partition for record in consuming.committed} == {0, 1, 2}
    assert consuming.read_again == []


@pytest.mark.usefixtures("unopened")
async def test_all_is_read_again_while_a_service_is_away() -> None:
    consuming = Consuming(one_each())
    with pytest.raises(UnavailableError):
        await service(consuming, Keeper(away=True))._round()
    assert {record.partition for record in consuming.read_again} == {0, 1, 2, 3}
    assert consuming.committed == []


@pytest.mark.usefixtures("unopened")
async def test_a_lost_chain_is_left_alone_until_it_is_given_back() -> None:
    consuming, keeper = Consuming(one_each()), Keeper(lost=(2,))
    desk = service(consuming, keeper)
    await desk._round()
    assert {record.partition for record in consuming.read_again} == {2}
    assert {record.partition for record in consuming.committed} == {0, 1, 3}
    consuming.batch = {}
    await desk._round()
    assert consuming.left_out == [set(), {2}]
    consuming.changed = {2}  # a rebalance
    await desk._round()
    await desk._round()
    assert consuming.left_out[-1] == set()
    assert keeper.forgotten == {2}


async def test_stored_alerts_are_opened_in_the_chains_it_holds(unopened: list[Opening]) -> None:
    for number in range(40):
        one = alert(number)
        unopened.append(Opening(one.alert_id, one.rule_id, one.rep_id, one.raised_at))
    consuming, keeper = Consuming({}, assigned={1, 3}), Keeper(lost=(3,))
    desk = service(consuming, keeper)
    await desk._round()
    (work,) = keeper.taken
    assert {number: {item.case_id for item in items.openings} for number, items in work.items()} == {
        number: {item.case_id for item in unopened if shard_of(item.case_id, PARTITIONS) == number} for number in (1, 3)
    }
    assert desk._others() == {3}
    await desk._round()
    assert len(keeper.taken) == 1  # it looked a moment ago
