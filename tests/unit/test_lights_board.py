"""The lights of a shard: which are looked at when, what is worth a row, and what a checkpoint keeps."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from agents.progress.calendar import CompanyTime
from agents.progress.groups import MICRO
from agents.progress.lights_board import LightBoard, LightOutput
from agents.progress.lights_book import LightBook, LightKey, Seasons
from agents.progress.outputs import CellRow
from schemas.lights import LightPolicy
from schemas.lights_output import LightChange, LightReading
from schemas.policy import KpiPolicy
from schemas.reference import Target
from schemas.rows import EVENT_TABLES
from streams.engine.backlog import note_backlog
from streams.lights import as_message, current, current_field

SHANGHAI = CompanyTime("Asia/Shanghai")
KPIS = KpiPolicy.model_validate(
    {
        "kpis": [
            {"id": "sales", "title": {"zh": "额", "en": "Sales"}, "source": "sale", "aggregate": "sum"}
            | {"value": "amount", "unit": "currency"}
        ]
    }
)
NOON = datetime(2018, 5, 16, 4, tzinfo=UTC)
"""A Wednesday; 32 of 65 weekdays of the quarter are over by Tuesday."""
APRIL = date(2018, 4, 1)
NOTHING = LightOutput([], [], {})


def target(value: int, owner: str = "R1", start: date = APRIL, **more: Any) -> Target:
    fields = {"kpi_id": "sales", "period": "quarter", "period_start": start, "owner_level": "rep", "owner_id": owner}
    return Target.model_validate(fields | {"value": value} | more)


def key(owner: str = "R1", start: date = APRIL) -> LightKey:
    return LightKey("sales", "quarter", start.toordinal(), "rep", owner, "all", "")


def row(value: int | None, events: int = 1, owner: str = "R1", start: date = APRIL) -> CellRow:
    amount = None if value is None else value * MICRO
    return CellRow(*key(owner, start), amount, amount or 0, None, events, None)


def book(*targets: Target, version: int = 1, seasons: Seasons | None = None, **rules: Any) -> LightBook:
    policy = LightPolicy.model_validate({"defaults": {"tests": ["pace"], "pending": "1 hour", **rules}})
    return LightBook(policy, version, KPIS, targets or (target(650),), (), seasons)


def board(one: LightBook | None = None) -> LightBoard:
    return LightBoard(one or book(), SHANGHAI, lambda owner: owner != "R9")


def look(
    on: LightBoard, *rows: CellRow, now: datetime = NOON, kept: CellRow | None = None, everything: bool = False
) -> LightOutput:
    return on.snapshot(rows, lambda _key: kept, now, everything=everything)


def states(output: LightOutput) -> list[str]:
    return [reading.light.state for reading in output.readings]


def test_the_numbers_of_a_light() -> None:
    (reading,) = look(board(), row(310)).readings
    assert (reading.key, date.fromordinal(reading.period_end), reading.is_over) == (key(), date(2018, 6, 30), False)
    assert reading.numbers.elapsed == round(32 / 65 * MICRO)
    assert reading.numbers.expected == 650 * round(32 / 65 * MICRO)
    assert (reading.verdicts.pace, reading.light.state, reading.policy_version) == ("green", "green", 1)


def test_an_owner_without_any_figure_is_grey_and_others_shards_owners_are_left_alone() -> None:
    on = board(book(target(1), target(1, "R2"), target(1, "R9")))
    output = look(on, row(5))
    assert [(item.key.owner_id, item.light.state, item.light.cause) for item in output.readings] == [
        ("R1", "green", "pace"),
        ("R2", "grey", "no_data"),
    ]
    assert output.changes == []


def test_a_withdrawn_figure_is_no_figure() -> None:
    (reading,) = look(board(), row(0, events=0)).readings
    assert (reading.light.state, reading.numbers.value) == ("grey", None)


def test_the_figure_is_read_where_no_row_changed() -> None:
    assert states(look(board(), kept=row(310))) == ["green"]


def test_the_same_figure_is_not_written_again_and_a_change_is_told_once() -> None:
    on = board()
    first = look(on, row(310))
    assert (len(first.readings), first.changes, len(first.fields)) == (1, [], 1)
    second = look(on, row(310))
    assert second.readings == []
    assert [(item.previous_state, item.reading.light.state) for item in second.changes] == [("grey", "green")]
    assert look(on, row(310)) == NOTHING
    assert len(look(on, row(311)).readings) == 1


def test_what_a_checkpoint_kept_is_gone_on_from() -> None:
    on, after = board(), board()
    fields = look(on, row(310)).fields | look(on, row(310)).fields | {'["s","rep"]': b"{}"}
    after.restore(fields)
    assert list(fields) == ['["s","rep"]']
    assert after.lights == on.lights
    again = look(after, kept=row(310), now=NOON + timedelta(minutes=1))
    assert (states(again), again.changes, again.fields) == (["green"], [], {})


def test_everything_is_kept_after_a_rebuild() -> None:
    on, after = board(book(target(650), target(1, "R2"))), board()
    look(on, row(310))
    look(on, row(310))
    after.take_over(on)
    output = look(after, row(310), everything=True)
    assert len(output.fields) == 2
    assert after.lights[key()].state == "green"


@pytest.mark.parametrize(
    ("moment", "due"),
    [
        (NOON, False),
        (NOON + timedelta(hours=5, minutes=59), False),  # 17:59: Wednesday does not count yet
        (NOON + timedelta(hours=6), True),
        (NOON + timedelta(hours=12), True),
    ],
)
def test_a_look_is_due_when_a_day_counts(moment: datetime, due: bool) -> None:
    on = board()
    look(on, row(310))
    look(on, row(310))
    assert on.due(moment) is due


def test_a_day_that_counts_moves_what_is_due() -> None:
    on = board()
    look(on, row(310))
    evening = look(on, now=NOON + timedelta(hours=6), kept=row(310))
    assert [reading.numbers.elapsed for reading in evening.readings] == [round(33 / 65 * MICRO)]


def test_a_worse_light_waits_and_turns_when_its_time_is_over() -> None:
    on = board()
    look(on, row(310))
    worse = look(on, row(100), now=NOON + timedelta(hours=2))
    assert [(item.light.state, item.pending_state) for item in worse.readings] == [("green", "red")]
    assert not on.due(NOON + timedelta(hours=2, minutes=59))
    assert on.due(NOON + timedelta(hours=3))
    turned = look(on, now=NOON + timedelta(hours=3), kept=row(100))
    assert states(turned) == ["red"]
    (told,) = look(on, now=NOON + timedelta(hours=3, seconds=1)).changes
    assert (told.previous_state, told.reading.light.state) == ("green", "red")
    assert told.reading.light.since == (NOON + timedelta(hours=3)).timestamp() * 1000


def test_no_light_is_lit_while_the_past_is_read() -> None:
    on = board()
    on.note_company(NOON, is_behind=True)
    assert states(look(on, row(10))) == ["grey"]
    assert (on.due(NOON), on.untold) == (False, 1)
    on.note_company(NOON + timedelta(seconds=2), is_behind=False)  # what was found has to climb yet
    assert not on.due(NOON + timedelta(seconds=2))
    on.note_company(NOON + timedelta(seconds=3), is_behind=False)
    assert on.due(NOON)
    assert states(look(on, kept=row(310))) == ["green"]


def test_a_lit_light_goes_on_while_the_past_is_read() -> None:
    on = board()
    look(on, row(310))
    on.note_company(NOON, is_behind=True)
    assert states(look(on, row(100), now=NOON + timedelta(minutes=1))) == ["red"]


def test_how_much_is_unread_is_known_by_topic() -> None:
    on = board()
    on.note_lag("sales", 5_000)
    on.note_lag("visits", 3)
    assert on.is_behind
    on.note_lag("sales", 100)
    assert not on.is_behind


def test_another_book_judges_everything_anew() -> None:
    on = board()
    look(on, row(310))
    look(on, row(310))
    on.adopt(book(target(650), target(900, effective_from=date(2018, 5, 1)), target(7, "R2"), version=2))
    assert on.due(NOON)
    output = look(on, now=NOON, kept=row(310))
    assert [(item.key.owner_id, item.numbers.target // MICRO, item.policy_version) for item in output.readings] == [
        ("R1", 900, 2),
        ("R2", 7, 2),
    ]


@pytest.mark.parametrize(
    "other",
    [book(target(650), target(2000, effective_from=date(2018, 5, 1))), book(version=2, pace={"under": 0})],
    ids=["target", "policy"],
)
def test_another_target_or_policy_turns_the_light_at_once_another_figure_does_not(other: LightBook) -> None:
    on = board()
    look(on, row(310))
    later = NOON + timedelta(hours=2)
    assert states(look(on, row(200), now=later)) == ["green"]
    look(on, row(310), now=later)
    on.adopt(other)
    assert states(look(on, now=later, kept=row(310))) == ["red"]
    assert states(look(on, row(5000), now=later + timedelta(minutes=59))) == ["green"]
    assert states(look(on, row(10), now=later + timedelta(minutes=60))) == ["green"]


@pytest.mark.parametrize(
    ("day", "value"), [(date(2018, 3, 31), None), (APRIL, 650), (date(2018, 5, 14), 650), (date(2018, 5, 15), 900)]
)
def test_the_target_in_force_on_the_day_counts(day: date, value: int | None) -> None:
    one = book(target(650), target(900, effective_from=date(2018, 5, 15)))
    found = one.goal(key(), day.toordinal())
    assert found == (None if value is None else value * MICRO)


def test_a_period_that_has_not_begun_has_no_light() -> None:
    assert look(board(book(target(1, start=date(2018, 7, 1)))), kept=row(1)) == NOTHING


def test_a_period_that_is_over_is_said_once_more_and_then_left_alone() -> None:
    on = board()
    end = datetime(2018, 6, 30, 12, tzinfo=UTC)
    look(on, row(650), now=end)
    look(on, row(650), now=end)
    over = look(on, now=end + timedelta(days=1), kept=row(650))
    assert [item.is_over for item in over.readings] == [True]
    assert look(on, now=end + timedelta(days=2), kept=row(650)) == NOTHING
    late = look(on, row(700), now=end + timedelta(days=3))  # an event that comes late still counts
    assert [item.numbers.attainment for item in late.readings] == [round(700 / 650 * MICRO)]


def test_a_season_moves_the_elapsed_share_and_the_interval() -> None:
    curve = tuple(step * step * MICRO // 10_000 for step in range(101))  # a quarter that ends strong
    errors = {("sales", "quarter", "rep", 2): tuple(MICRO // 2 + number * MICRO // 40 for number in range(41))}
    on = board(book(seasons=Seasons({("sales", "quarter"): curve}, errors)))
    (reading,) = look(on, row(310)).readings
    elapsed = reading.numbers.elapsed
    assert elapsed == pytest.approx((32 / 65) ** 2 * MICRO, rel=0.001)
    rest = round(310 * MICRO * (MICRO - elapsed) / elapsed)
    assert reading.numbers.forecast == 310 * MICRO + rest
    assert reading.numbers.low == pytest.approx(310 * MICRO + 0.6 * rest, abs=2)
    assert reading.numbers.high == pytest.approx(310 * MICRO + 1.4 * rest, abs=2)


def test_what_is_told_has_the_published_shape() -> None:
    on = board()
    (reading,) = look(on, row(310)).readings
    (change,) = look(on, row(310)).changes
    told = LightChange.model_validate_json(as_message(change))
    assert (told.previous_state, told.state, told.changed_at, told.changes) == ("grey", "green", NOON, 1)
    assert (told.value, told.expected, told.forecast_low) == (
        310,
        Decimal(650) * Decimal("0.492308"),
        Decimal(reading.numbers.low or 0).scaleb(-6),
    )
    ((name, held),) = current([reading]).items()
    assert name == current_field(key())
    assert held is not None
    assert LightReading.model_validate_json(held).model_dump() == told.model_dump(
        exclude={"light_id", "previous_state", "changed_at"}
    )
    assert current([reading._replace(is_over=True)]) == {name: None}


class Owned:
    """A shard with what it took since the last checkpoint: sales of some days."""

    def __init__(self, *days: date, held: bool = False) -> None:
        self.lights = board()
        table = EVENT_TABLES["sale"]
        names = (*table.names, *(column.name for column in table.technical))
        rows = [tuple(day.toordinal() if name == "day" else None for name in names) for day in days]
        progress = SimpleNamespace(time=SHANGHAI)
        self.shard: Any = SimpleNamespace(
            output=SimpleNamespace(rows={"sale": rows}), held=[1] * (300 * held), progress=progress
        )


YESTERDAY, LONG_AGO = date(2018, 5, 15), date(2018, 5, 14)


@pytest.mark.parametrize(
    ("shards", "behind"),
    [
        ([Owned(), Owned()], False),
        ([Owned(YESTERDAY, LONG_AGO), Owned()], False),
        ([Owned(LONG_AGO), Owned(YESTERDAY)], True),
        ([Owned(), Owned(held=True)], True),
    ],
)
def test_one_shard_that_is_sent_the_past_keeps_all_from_being_lit(shards: list[Owned], behind: bool) -> None:
    note_backlog(shards, NOON)
    assert [owned.lights.is_company_behind for owned in shards] == [behind, behind]


def test_one_shard_with_much_to_read_keeps_all_from_being_lit() -> None:
    shards = [Owned(), Owned()]
    shards[1].lights.note_lag("sales", 1_000)
    note_backlog(shards, NOON)
    assert shards[0].lights.is_company_behind
