"""The season beside the stream: read in a thread, adopted when it differs, and never in the way."""

import asyncio
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from test_lights_board import SHANGHAI, book, target

from agents.intake.directory import Directory
from agents.progress.groups import MICRO
from agents.progress.lights_book import LightBook, Seasons
from agents.progress.plan import Plan
from agents.progress.seasons import Span, forecast_errors, season, tenths_of_days
from streams import light_book, policies
from streams.engine.opening import Company
from streams.errors import UnavailableError
from streams.light_book import SeasonKeeper

SPRING = Seasons({("sales", "quarter"): tuple(step * MICRO // 100 for step in range(101))})
PLAN = Plan(policies.load(Path(__file__).parents[2] / "policies"))


def company(lights: LightBook | None = None) -> Company:
    return Company(PLAN, 1, Directory({}, 1), SHANGHAI, lights or book())


class Judging:
    """A worker with one shard."""

    def __init__(self, one: Company) -> None:
        self.company = one
        self.standstill = asyncio.Lock()
        self.adopted = asyncio.Event()
        self.shards: Any = {0: SimpleNamespace(lights=self)}

    def adopt(self, _book: LightBook) -> None:
        self.adopted.set()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the next reads give, or raise."""
    answers: list[Any] = []

    def answer(*_arguments: object) -> Seasons:
        if isinstance(answers[0], Exception):
            raise answers.pop(0)
        return answers.pop(0)  # type: ignore[no-any-return] # seasons

    monkeypatch.setattr(light_book, "load_seasons", answer)
    monkeypatch.setattr(light_book, "_AGAIN_S", 0)
    monkeypatch.setattr(light_book, "_LOOK_S", 0)
    return answers


async def test_a_season_is_there_from_the_start_and_stays_through_publications(read: list[Any]) -> None:
    read.append(SPRING)
    keeper = SeasonKeeper(None)  # type: ignore[arg-type] # never asked
    assert (await keeper.applied(company())).lights.seasons == SPRING
    assert keeper.with_known(company(book(version=2))).lights.seasons == SPRING


async def test_without_a_database_lights_go_by_working_days(read: list[Any]) -> None:
    read.append(UnavailableError("ClickHouse does not answer"))
    keeper = SeasonKeeper(None)  # type: ignore[arg-type] # never asked
    assert (await keeper.applied(company())).lights.seasons == Seasons()


async def test_another_season_is_adopted_after_a_publication(read: list[Any]) -> None:
    read += [Seasons(), SPRING]
    keeper = SeasonKeeper(None)  # type: ignore[arg-type] # never asked
    judge = Judging(await keeper.applied(company()))
    following = asyncio.create_task(keeper.follow(judge))
    judge.company = company(book(version=2))
    await asyncio.wait_for(judge.adopted.wait(), 10)
    following.cancel()
    assert (judge.company.lights.seasons, judge.company.lights.version) == (SPRING, 2)


# --- the arithmetic -----------------------------------------------------------------------------------------------

QUARTERS = [
    Span(date(2018, 1, 1).toordinal(), date(2018, 3, 31).toordinal()),
    Span(date(2017, 10, 1).toordinal(), date(2017, 12, 31).toordinal()),
]


def test_an_even_quarter_keeps_its_promise_and_a_slack_one_does_not() -> None:
    calendar = book().calendar
    tenths = {("even", 0, tenth): 100 * MICRO for tenth in range(10)}
    tenths |= {("slack", 0, tenth): (100 if tenth < 5 else 50) * MICRO for tenth in range(10)}
    errors = forecast_errors(tenths, QUARTERS, calendar, None)
    days = calendar.days(*QUARTERS[0])
    share = len(days) // 2 / len(days)  # 32 of 65 days are the first five tenths
    of_half = [error / MICRO for tenth in (4, 5) for error in errors.get(tenth, ())]
    for rest in (500, 250):
        promised = 500 * (1 - share) / share
        assert min(abs(error - rest / promised) for error in of_half) < 0.00001
    assert all(len(found) <= 4 for found in errors.values())


def test_every_day_lies_in_the_tenth_of_the_working_days_before_it() -> None:
    found = tenths_of_days(QUARTERS, book().calendar)
    by_hand = {
        "2018-01-01": (0, 0),  # the first of 65 working days
        "2018-01-08": (0, 0),  # the sixth
        "2018-01-09": (0, 1),  # the seventh: 7 of 65 are more than a tenth
        "2018-01-14": (0, 1),  # a Sunday
        "2018-03-30": (0, 9),
        "2018-03-31": (0, 9),
        "2017-10-01": (1, 0),  # a Sunday before the first working day
    }
    assert {day: found[date.fromisoformat(day).toordinal()] for day in by_hand} == by_hand


def test_too_few_quarters_are_no_season() -> None:
    daily = {date(2018, 1, 15).toordinal(): MICRO}
    assert season(daily, QUARTERS, book().calendar, 2) is None
    assert season(daily, QUARTERS, book().calendar, 1) is not None


def test_only_kpis_with_running_targets_are_read() -> None:
    one = book(target(1), target(1, start=date(2018, 1, 1)), target(1, period="month", start=date(2018, 5, 1)))
    assert one.running(date(2018, 5, 17).toordinal()) == {("sales", "quarter"), ("sales", "month")}
    assert one.running(date(2018, 6, 1).toordinal()) == {("sales", "quarter")}
