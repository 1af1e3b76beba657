"""The tests of a light, their combination, and the state that changes with deliberation."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.progress.groups import MICRO
from agents.progress.lights import (
    Light,
    Rules,
    Verdicts,
    combine,
    compiled,
    due_ms,
    judged,
    pending_state,
    step,
    unlit,
    verdicts,
)
from agents.progress.pace import numbers, width_of
from schemas.lights import LightRules
from schemas.policy import Kpi

MINUTE = 60_000
HOUR = 60 * MINUTE
START = 1_700_000_000_000


def rules(direction: str = "up", aggregate: str = "sum", **more: Any) -> Rules:
    text = {"id": "k", "title": {"zh": "某", "en": "Some"}, "source": "sale", "aggregate": aggregate, "value": "amount"}
    kpi = Kpi.model_validate(text | {"direction": direction, "unit": "currency"})
    return compiled(LightRules.model_validate(more), kpi)


def micro(text: str) -> int:
    return int(Fraction(text) * MICRO)


def said(value: str | None, target: str, elapsed: str, of: Rules, period: str = "quarter") -> tuple[str, str, str]:
    amount = None if value is None else micro(value)
    seen = numbers(amount, micro(target), micro(elapsed), width_of(of.half_width), accumulates=of.accumulates)
    return tuple(verdicts(seen, period, of))


# --- each test alone ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "pace"),
    [("7.999999", "red"), ("8", "green"), ("10", "green"), ("12", "green"), ("12.000001", "over"), ("0", "red")],
)
def test_half_elapsed_and_a_goal_of_twenty_give_a_band_of_eight_to_twelve(value: str, pace: str) -> None:
    assert said(value, "20", "0.5", rules())[0] == pace


@pytest.mark.parametrize(
    ("value", "elapsed", "period", "verdict"),
    [
        ("79.999999", "1", "quarter", "red"),  # the seed rule: below 80 % of the target at the end
        ("80", "1", "quarter", "green"),
        ("39.9", "0.5", "quarter", "red"),  # and below 80 % of what is due on the way
        ("40", "0.5", "quarter", "green"),
        ("39.9", "0.5", "month", "grey"),  # the rule holds for quarters
        ("1", "0.099999", "quarter", "grey"),  # too early
        ("1", "0.1", "quarter", "red"),
    ],
)
def test_the_period_rule(value: str, elapsed: str, period: str, verdict: str) -> None:
    assert said(value, "100", elapsed, rules(), period)[1] == verdict


@pytest.mark.parametrize(
    ("value", "forecast"),
    [
        ("45.4", "red"),  # 45.4 + 54.48 at best: even the upper end is short
        ("45.5", "amber"),  # 45.5 + 54.6 = 100.1
        ("55.5", "amber"),  # 55.5 + 44.4 = 99.9 at worst
        ("55.6", "green"),  # 55.6 + 44.48 = 100.08
    ],
)
def test_the_forecast_is_red_below_its_interval_and_amber_within(value: str, forecast: str) -> None:
    assert said(value, "100", "0.5", rules())[2] == forecast


def test_at_the_end_there_is_nothing_to_foretell() -> None:
    assert said("97", "100", "1", rules()) == ("green", "green", "grey")


def test_where_less_is_better_the_same_distances_count_the_other_way() -> None:
    down = rules("down")
    assert said("12.1", "20", "0.5", down)[0] == "red"  # as far above 10 as 7.9 is below
    assert said("12", "20", "0.5", down)[0] == "green"
    assert said("7.9", "20", "0.5", down)[0] == "over"
    assert said("121", "100", "1", down)[1] == "red"
    assert said("120", "100", "1", down)[1] == "green"
    assert [said(value, "100", "0.5", down)[2] for value in ("63", "55", "41")] == ["red", "amber", "green"]


def test_a_mean_is_held_against_the_target_itself() -> None:
    mean = rules(aggregate="mean")
    assert said("79", "100", "0.5", mean) == ("red", "red", "red")  # 79 × 1.1 = 86.9 at best
    assert said("92", "100", "0.5", mean) == ("green", "green", "amber")
    assert said("112", "100", "0.5", mean) == ("green", "green", "green")  # 112 × 0.9 = 100.8
    assert rules(aggregate="mean", accumulates=True).accumulates


def test_without_a_figure_or_before_the_first_day_every_test_is_silent() -> None:
    assert said(None, "100", "0.5", rules()) == ("grey", "grey", "grey")
    first_day = rules(pace={"from_elapsed": 0}, period={"from_elapsed": 0}, forecast={"from_elapsed": 0})
    assert said("5", "100", "0", first_day) == ("grey", "grey", "grey")


def test_a_target_of_nothing_is_reached() -> None:
    assert said("0", "0", "0.5", rules()) == ("green", "green", "green")
    assert said("1", "0", "0.5", rules("down")) == ("red", "red", "red")


# --- together -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "spoken", "together"),
    [
        ({}, ("over", "green", "amber"), ("amber", "forecast")),
        ({}, ("red", "red", "red"), ("red", "period")),  # of equal ones the first in the list is the cause
        ({}, ("green", "grey", "grey"), ("green", "pace")),
        ({}, ("grey", "grey", "grey"), None),
        ({"tests": ["pace"]}, ("green", "red", "red"), ("green", "pace")),
        ({"tests": ["pace", "period"], "combine": "first"}, ("green", "red", "red"), ("green", "pace")),
        ({"tests": ["pace", "period"], "combine": "first"}, ("grey", "red", "red"), ("red", "period")),
        ({"tests": ["pace"], "pace": {"over_is": "amber"}}, ("over", "grey", "grey"), ("amber", "pace")),
    ],
)
def test_combination(policy: dict[str, Any], spoken: tuple[str, str, str], together: tuple[str, str] | None) -> None:
    assert combine(Verdicts(*spoken), rules(**policy)) == together


# --- the state ----------------------------------------------------------------------------------------------------

#: Pace alone: red below 80 of 100 due, green again from 85 on; worse after an hour, better after four.
DELIBERATE = rules(
    tests=["pace"],
    recover_margin=0.05,
    pending="1 hour",
    keep_firing="4 hours",
    no_data_after="1 day",
    accumulates=False,
)


def look(value: float | None, of: Rules = DELIBERATE) -> Any:
    amount = None if value is None else round(value * MICRO)
    seen = numbers(amount, 100 * MICRO, MICRO // 2, width_of(of.half_width), accumulates=False)
    return judged(seen, "quarter", of)[1]


def run(values: list[tuple[int, float | None]], light: Light | None = None, of: Rules = DELIBERATE) -> Light:
    """The light after looks at (minutes since the start, figure)."""
    light = light or unlit(START)
    for minute, value in values:
        light = step(light, look(value, of), START + minute * MINUTE, of)
    return light


#: A light that has been green for a day.
GREEN = run([(0, 100), (1440, 100)])
RED = run([(0, 50), (1440, 50)])
DAY = 1440


@pytest.mark.parametrize(
    ("before", "values", "state", "changes", "since"),
    [
        (None, [(0, None)], "grey", 0, 0),
        (None, [(0, 100)], "green", 1, 0),
        (None, [(0, 50)], "red", 1, 0),
        (None, [(0, 50), (30, 100)], "green", 2, 30),  # a young light follows its figures
        (None, [(0, 50), (59, 100), (61, 50)], "green", 2, 59),  # after an hour it deliberates
        (GREEN, [(DAY, 70)], "green", 1, 0),
        (GREEN, [(DAY, 70), (DAY + 59, 70)], "green", 1, 0),
        (GREEN, [(DAY, 70), (DAY + 60, 70)], "red", 2, DAY + 60),
        (GREEN, [(DAY, 70), (DAY + 30, 90), (DAY + 60, 70)], "green", 1, 0),  # the hour begins anew
        (GREEN, [(DAY, 70), (DAY + 60, 70), (DAY + 90, 82)], "red", 2, DAY + 60),
        (RED, [(DAY, 90), (DAY + 239, 90)], "red", 1, 0),
        (RED, [(DAY, 90), (DAY + 240, 90)], "green", 2, DAY + 240),
        (RED, [(DAY, 82), (DAY + 1000, 82)], "red", 1, 0),  # above 80, but not by the margin
        (RED, [(DAY, 90), (DAY + 120, 82), (DAY + 300, 90)], "red", 1, 0),
        (GREEN, [(DAY, None), (DAY + 1439, None)], "green", 1, 0),
        (GREEN, [(DAY, None), (DAY + 1440, None)], "grey", 2, DAY + 1440),
        (GREEN, [(DAY, None), (DAY + 700, 100), (DAY + 1440, None)], "green", 1, 0),
        (GREEN, [(DAY, None), (DAY + 1440, None), (DAY + 1500, 50)], "red", 3, DAY + 1500),
    ],
)
def test_the_course_of_a_light(
    before: Light | None, values: list[tuple[int, float | None]], state: str, changes: int, since: int
) -> None:
    light = run(values, before)
    assert (light.state, light.changes, light.since) == (state, changes, START + since * MINUTE)


def test_a_light_that_falls_from_amber_to_red_turns_at_each_colours_own_time() -> None:
    of = rules(
        tests=["pace", "period"],
        combine="worst",
        accumulates=False,
        pending="1 hour",
        pace={"under": 0.1, "under_is": "amber"},
    )
    light = run([(0, 100), (DAY, 100), (DAY + 10, 85), (DAY + 50, 75)], None, of)
    assert (light.state, pending_state(light, look(75, of))) == ("green", "red")
    amber = run([(DAY + 70, 75)], light, of)  # an hour of at least amber, twenty minutes of red
    assert (amber.state, amber.cause) == ("amber", "period")
    assert run([(DAY + 110, 75)], amber, of).state == "red"


def test_what_waits_is_said_and_when_it_is_due() -> None:
    waiting = run([(DAY, 70)], GREEN)
    assert pending_state(waiting, look(70)) == "red"
    assert due_ms(waiting, DELIBERATE) == START + (DAY + 60) * MINUTE
    assert due_ms(run([(DAY, 90)], RED), DELIBERATE) == START + (DAY + 240) * MINUTE
    gone = run([(DAY, None)], GREEN)
    assert (pending_state(gone, None), due_ms(gone, DELIBERATE)) == ("grey", START + 2 * DAY * MINUTE)
    assert pending_state(GREEN, look(100)) == "green"
    assert due_ms(GREEN, DELIBERATE) is None
    assert due_ms(unlit(START), DELIBERATE) is None


@given(st.lists(st.tuples(st.integers(0, 600), st.floats(80.0, 84.999)), max_size=30), st.sampled_from([GREEN, RED]))
def test_nothing_flaps_inside_the_margin(steps: list[tuple[int, float]], before: Light) -> None:
    minute, light = DAY, before
    for pause, value in steps:
        minute += pause
        light = run([(minute, value)], light)
        assert (light.state, light.changes) == (before.state, before.changes)


FIGURES = st.one_of(st.none(), st.integers(0, 130))


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, 300), FIGURES, st.integers(0, 40)), min_size=1, max_size=25),
    st.sampled_from(["worst", "first"]),
    st.booleans(),
)
def test_worse_figures_never_give_a_better_light(
    steps: list[tuple[int, int | None, int]], way: str, is_reversed: bool
) -> None:
    of = rules("down" if is_reversed else "up", combine=way, recover_margin=0.05, accumulates=False)
    better = worse = unlit(START)
    minute = 0
    for pause, value, less in steps:
        minute += pause
        fallen = None if value is None else value + less if is_reversed else value - less
        better, worse = run([(minute, value)], better, of), run([(minute, fallen)], worse, of)
        ranks = ["green", "amber", "red", "grey"]
        assert ranks.index(better.state) <= ranks.index(worse.state)
        assert (better.state == "grey") == (worse.state == "grey")


@given(st.lists(st.tuples(st.integers(0, 300), FIGURES), max_size=25))
def test_every_change_is_counted_once_and_dated(steps: list[tuple[int, float | None]]) -> None:
    light, minute, states = unlit(START), 0, ["grey"]
    for pause, value in steps:
        minute += pause
        after = run([(minute, value)], light)
        changed = after.state != light.state
        assert after.changes == light.changes + changed
        assert after.since == (START + minute * MINUTE if changed else light.since)
        states.append(after.state)
        light = after


@given(st.lists(st.tuples(st.integers(0, 300), FIGURES), max_size=25))
def test_the_same_looks_give_the_same_light_and_a_repeated_look_changes_nothing(
    steps: list[tuple[int, float | None]],
) -> None:
    light, minute = unlit(START), 0
    for pause, value in steps:
        minute += pause
        light = run([(minute, value)], light)
        assert run([(minute, value)], light) == light
