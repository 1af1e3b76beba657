"""What is due by now, and where a period will end: numbers a person checks by hand."""

import doctest
from datetime import date, datetime, time
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.progress import lights, pace, seasons
from agents.progress.calendar import CompanyTime
from agents.progress.groups import MICRO
from agents.progress.pace import (
    WorkingCalendar,
    counted_day,
    curve_of,
    interpolated,
    learned_width,
    mean_curve,
    numbers,
    width_of,
)
from schemas import lights as policy
from streams.simulator.calendar import calendar_rows

AMOUNTS = st.integers(-(10**15), 10**15)


def day(text: str) -> int:
    return date.fromisoformat(text).toordinal()


def micro(text: str) -> int:
    return int(Fraction(text) * MICRO)


CHINA = WorkingCalendar({row.day.toordinal(): row.is_working_day for row in calendar_rows([2024])})


@pytest.mark.parametrize("module", [pace, lights, seasons, policy])
def test_the_examples_in_the_text_hold(module: object) -> None:
    found = doctest.testmod(module)  # type: ignore[arg-type] # a module
    assert found.attempted
    assert not found.failed


@pytest.mark.parametrize(
    ("first", "last", "through", "passed", "all_days"),
    [
        ("2024-04-01", "2024-04-30", "2024-04-03", 3, 22),  # 清明节: 4 to 6 off, Sunday 7 and Sunday 28 worked
        ("2024-04-01", "2024-04-30", "2024-04-07", 4, 22),
        ("2024-04-01", "2024-04-30", "2024-04-06", 3, 22),
        ("2024-04-01", "2024-04-30", "2024-04-30", 22, 22),
        ("2024-04-01", "2024-04-30", "2024-03-31", 0, 22),
        ("2024-04-01", "2024-04-30", "2024-12-31", 22, 22),
        ("2024-10-01", "2024-12-31", "2024-10-12", 5, 62),  # 国庆节 off to the 7th, Saturday 12 worked
    ],
)
def test_the_share_of_working_days(first: str, last: str, through: str, passed: int, all_days: int) -> None:
    assert CHINA.share(day(first), day(last), day(through)) == round(Fraction(passed * MICRO, all_days))


def test_a_period_without_working_days_goes_by_the_calendar() -> None:
    closed = WorkingCalendar({day(f"2024-02-{number:02}"): False for number in range(1, 30)})
    assert closed.share(day("2024-02-01"), day("2024-02-29"), day("2024-02-15")) == round(Fraction(15 * MICRO, 29))


@pytest.mark.parametrize(
    ("moment", "counts_from", "counted"),
    [
        ("2024-03-05T09:59+00:00", time(18), "2024-03-04"),  # 17:59 in Shanghai
        ("2024-03-05T10:00+00:00", time(18), "2024-03-05"),
        ("2024-03-05T16:00+00:00", time(18), "2024-03-05"),  # midnight there
        ("2024-03-05T16:00+00:00", time(0), "2024-03-06"),
    ],
)
def test_a_day_counts_from_its_hour_in_company_time(moment: str, counts_from: time, counted: str) -> None:
    found = counted_day(datetime.fromisoformat(moment), counts_from, CompanyTime("Asia/Shanghai"))
    assert date.fromordinal(found) == date.fromisoformat(counted)


def test_the_example_of_the_field_half_elapsed_goal_twenty() -> None:
    seen = numbers(micro("11"), micro("20"), micro("0.5"), width_of(micro("0.2")), accumulates=True)
    assert (seen.expected, seen.pace, seen.attainment) == (micro("10"), micro("1.1"), micro("0.55"))
    assert (seen.forecast, seen.low, seen.high) == (micro("22"), micro("19.8"), micro("24.2"))


def test_a_ratio_is_held_against_the_target_itself() -> None:
    seen = numbers(micro("0.9"), micro("0.95"), micro("0.5"), width_of(micro("0.2")), accumulates=False)
    assert (seen.expected, seen.pace) == (micro("0.95"), 947_368)
    assert (seen.forecast, seen.low, seen.high) == (micro("0.9"), micro("0.81"), micro("0.99"))


def test_nothing_is_foretold_before_anything_has_elapsed_and_nothing_without_a_figure() -> None:
    early = numbers(micro("3"), micro("20"), 0, width_of(micro("0.2")), accumulates=True)
    assert (early.expected, early.pace, early.forecast, early.low, early.high) == (0, None, None, None, None)
    assert early.attainment == micro("0.15")
    empty = numbers(None, micro("20"), micro("0.5"), width_of(micro("0.2")), accumulates=True)
    assert empty == (None, micro("20"), None, micro("0.5"), micro("10"), None, None, None, None)


def test_at_the_end_the_forecast_is_the_figure() -> None:
    seen = numbers(micro("17"), micro("20"), MICRO, width_of(micro("0.2")), accumulates=True)
    assert (seen.forecast, seen.low, seen.high) == (micro("17"),) * 3


@given(AMOUNTS, st.integers(0, 10**15), st.integers(0, MICRO), st.integers(0, MICRO), st.booleans())
def test_numbers_agree_with_fractions(value: int, target: int, elapsed: int, half: int, accumulates: bool) -> None:
    seen = numbers(value, target, elapsed, width_of(half), accumulates=accumulates)
    share = Fraction(elapsed, MICRO)
    expected = round(target * share) if accumulates else target
    assert seen.expected == expected
    assert seen.pace == (round(Fraction(value * MICRO, expected)) if expected else None)
    assert seen.attainment == (round(Fraction(value * MICRO, target)) if target else None)
    if elapsed and accumulates:
        rest = round(value * (1 - share) / share)
        assert seen.forecast == value + rest
        ends = [value + round(rest * Fraction(MICRO + side * half, MICRO)) for side in (-1, 1)]
        assert [seen.low, seen.high] == sorted(ends)


@given(AMOUNTS, st.integers(0, 10**9), st.integers(1, MICRO), st.integers(0, MICRO), st.booleans())
def test_more_is_never_foretold_to_become_less(
    value: int, more: int, elapsed: int, half: int, accumulates: bool
) -> None:
    less_of, more_of = (
        numbers(amount, MICRO, elapsed, width_of(half), accumulates=accumulates) for amount in (value, value + more)
    )
    for name in ("pace", "forecast", "low", "high", "attainment"):
        assert getattr(less_of, name) <= getattr(more_of, name)


# --- the season ---------------------------------------------------------------------------------------------------

APRIL = (day("2018-04-01"), day("2018-04-30"))
PLAIN = WorkingCalendar({})


def test_a_month_whose_second_half_brings_three_quarters() -> None:
    days = PLAIN.days(*APRIL)  # 21 working days of April 2018
    daily = {at: (1 if at <= day("2018-04-15") else 3) * MICRO for at in days}
    curve = curve_of(daily, days, *APRIL)
    assert curve is not None
    whole = 10 + 11 * 3
    assert [curve[0], curve[100]] == [0, MICRO]
    half_way = PLAIN.share(*APRIL, day("2018-04-13"))  # 10 of 21 days have passed, 10 of 43 units are there
    assert interpolated(curve, half_way) == pytest.approx(Fraction(10 * MICRO, whole), rel=0.01)


def test_a_sunday_counts_with_the_friday_before_and_a_return_does_not_let_the_curve_fall() -> None:
    days = PLAIN.days(*APRIL)
    daily = {day("2018-04-08"): 10 * MICRO, day("2018-04-09"): -6 * MICRO, day("2018-04-30"): 6 * MICRO}
    curve = curve_of(daily, days, *APRIL)
    assert curve is not None
    assert interpolated(curve, PLAIN.share(*APRIL, day("2018-04-06"))) > 940_000  # 10 of 10 at the end of the Friday
    assert list(curve) == sorted(curve)


def test_a_month_without_a_positive_figure_tells_nothing() -> None:
    assert curve_of({day("2018-04-02"): -1}, PLAIN.days(*APRIL), *APRIL) is None
    assert curve_of({day("2018-05-02"): 5}, PLAIN.days(*APRIL), *APRIL) is None


def test_several_periods_are_averaged() -> None:
    assert mean_curve([(0, 200_000, MICRO), (0, 500_000, MICRO)]) == (0, 350_000, MICRO)


@given(st.lists(st.integers(0, 1000), min_size=21, max_size=21).filter(any))
def test_every_curve_rises_from_nothing_to_all(amounts: list[int]) -> None:
    days = PLAIN.days(*APRIL)
    curve = curve_of(dict(zip(days, amounts, strict=True)), days, *APRIL)
    assert curve is not None
    assert (curve[0], curve[-1], list(curve)) == (0, MICRO, sorted(curve))


@given(st.lists(st.integers(0, 5 * MICRO), min_size=5, max_size=200))
def test_the_learned_interval_holds_eighty_of_a_hundred_and_the_forecast_itself(errors: list[int]) -> None:
    low, high = learned_width(sorted(errors))
    inside = sum(low <= error <= high for error in errors)
    assert low <= MICRO <= high
    assert inside >= 0.8 * len(errors) - 2


def test_the_example_in_the_documents_is_right() -> None:
    text = (Path(__file__).parents[2] / "docs" / "lights.md").read_text("utf-8")
    elapsed = PLAIN.share(day("2018-04-01"), day("2018-06-30"), day("2018-05-15"))
    seen = numbers(8_900_000 * MICRO, 20_000_000 * MICRO, elapsed, width_of(micro("0.2")), accumulates=True)
    assert seen.forecast is not None
    rest = seen.forecast - 8_900_000 * MICRO
    shown = (elapsed, seen.expected, seen.pace, MICRO - elapsed, rest, seen.forecast, seen.low, seen.high)
    for amount in shown:
        assert f"{amount / MICRO:,.6f}".rstrip("0").rstrip(".") in text
