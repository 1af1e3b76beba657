"""The functions of the rule language, each checked by hand."""

import statistics
from dataclasses import replace
from datetime import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rule_world import SHANGHAI, compiled, event_of, frame_of, value_of

from agents.compliance.errors import ExhaustedError
from agents.compliance.functions import FUNCTIONS
from agents.compliance.functions.aggregates import quantile, stddev
from agents.compliance.functions.texts import likeness, pairs
from agents.compliance.language import compile_expression
from agents.compliance.nodes import STEPS, Need
from agents.compliance.scope import Scope
from agents.compliance.world import MemoryHistory
from schemas.events import EVENT_MODELS

PAST = [
    event_of("visit", event_id="p1", occurred_at="2026-03-04T00:00:00+08:00", feedback_score=2.5, hcp_id="H2"),
    event_of("visit", event_id="p2", occurred_at="2026-03-03T23:59:59+08:00", feedback_score=7.5),
    event_of("visit", event_id="p3", occurred_at="2026-02-28T12:00:00+08:00", feedback_score=None, rep_id="R2"),
    event_of("visit", event_id="p4", occurred_at="2025-12-31T12:00:00+08:00", feedback_score=9),
    event_of("visit", event_id="p5", occurred_at="2026-03-04T15:00:01+08:00", feedback_score=9),  # after the event
    event_of("visit", event_id="v0", occurred_at="2026-03-04T15:00:00+08:00"),  # the event itself, delivered before
    event_of("activity", event_id="p6", occurred_at="2026-03-01T12:00:00+08:00", amount="0.1"),
    event_of("activity", event_id="p7", occurred_at="2026-03-01T12:00:00+08:00", amount="0.2", rep_id="R2"),
    event_of("activity", event_id="p8", occurred_at="2026-03-01T12:00:00+08:00", payee_kind="hcp", payee_id="H9"),
]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("count(visits(today))", 1),
        ("count(visits(this_week))", 2),  # Monday is 2 March
        ("count(visits(this_month))", 2),
        ("count(visits(this_quarter))", 2),
        ("count(visits(this_year))", 2),
        ("count(visits(last(365 * days)))", 3),
        ("count(visits(last(15 * hours)))", 1),  # from midnight, which is included
        ("count(visits(last(899 * minutes)))", 0),
        ("count(visits(this_year, hcp=hcp_id))", 2),
        ("count(visits(this_year, institution=institution_id))", 3),
        ('count(activities(this_month, hcp="H1"))', 3),
        ('count(activities(this_month, hcp="H9"))', 1),
        ("count(sales(this_year))", 0),
        ("sum(a.amount for a in activities(this_month, hcp=hcp_id)) == 600.6", True),
        ("sum(a.amount for a in sales(this_month))", 0),
        (
            "mean(v.feedback_score for v in visits(last(365 * days)))",
            Decimal("6.333333333333333333333333333333333333333333333333333333333333333"),
        ),
        ("max(v.feedback_score for v in visits(last(365 * days)))", 9),
        ("min(v.feedback_score for v in visits(last(365 * days)))", Decimal("2.5")),
        ("quantile([v.feedback_score for v in visits(last(365 * days))], 0.5)", Decimal("7.5")),
        ("stddev(v.feedback_score for v in visits(this_year))", Decimal("3.535533905933")),
        ("stddev(v.feedback_score for v in visits(today))", None),
        ("max(s.amount for s in sales(today))", None),
        ("quantile([s.amount for s in sales(today)], 0.5)", None),
        ("count_distinct(v.hcp_id for v in visits(last(365 * days)))", 2),
        ("per_day(v for v in visits(last(365 * days)))", [1, 1, 1]),
        ("max(v.check_in_at for v in visits(today)) == check_in_at", True),
    ],
)
def test_aggregates_of_the_past(text: str, value: Any) -> None:
    assert value_of(text, "visit", PAST) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("present(feedback_text)", True),
        ("present(zone)", False),
        ("present(samples)", False),
        ("present(details)", True),
        ('otherwise(zone, "nowhere")', "nowhere"),
        ("otherwise(feedback_score, 0)", Decimal("6.1")),
        ("outside_fence()", False),
        ("farther_than(100)", False),
        ("distance_band()", "0-100 m"),
        ("accuracy_m()", Decimal("12.5")),
        ("journey_kmh()", None),
        ("working_day(day)", True),
        ('working_day(date("2026-02-17"))', False),  # a holiday on a Tuesday
        ('working_day(date("2026-02-28"))', True),  # a Saturday that is worked
        ('working_day(date("2026-03-01"))', False),
        ('working_day(date("2031-03-03"))', None),
        ("weekday(day)", 3),
        ("day_of(check_in_at) == day", True),
        ("time_of(check_in_at)", time(15)),
        ('time_of(check_in_at) < clock("15:01")', True),
        ("within(institution.reception_windows, check_in_at)", True),
        ('days_in(day - date("2026-01-31"))', 32),
        ("filed(rep, day)", True),
        ("filed(rep, day + 1 * days)", False),
        ("registered(rep_id, institution_id, 365 * days)", True),
        ("registered(rep_id, institution_id, 364 * days)", False),
        ('registered(rep_id, "I2", 365 * days)', False),
        ('label_valid("P1", " 高血压", day)', True),
        ('label_valid("P1", "高血压", day + 1 * days)', False),
        ('label_valid("P1", "失眠", day)', False),
        ('label_valid("P9", "失眠", day)', None),
        ('material_approved("M1", "1", day, "hcp")', True),
        ('material_approved("M1", "1", day + 1 * days, "hcp")', False),
        ('material_approved("M1", "1", date("2025-12-31"), "hcp")', False),
        ('material_approved("M1", "2", day, "hcp")', False),
        ('material_approved("M1", "1", day, "patient")', False),
        ('hcp_of("H1").segment', "A"),
        ('hcp_of("H9").segment', None),
        ('institution_of("I2").name', "Second"),
        ('product_of("P1").is_new_drug', True),
        ('in_list("venues", "ＳＰＡ")', True),
        ('in_list("venues", "spa x")', False),
        ('in_list("venues", zone)', None),
        ('contains_any("云山温泉", named_list("venues"))', True),
        ('contains_any("Spa", named_list("venues"))', True),
        ('contains_any(feedback_text, ["疗效"])', True),
        ('contains_any(feedback_text, ["副作用"])', False),
        ('contains_any(zone, ["x"])', None),
        ('matches(feedback_text, "疗效.据$")', True),
        ('matches(feedback_text, "^疗效")', False),
        ('length(" ab ")', 2),
        ('similar("night", ["nacht", "nights"])', Decimal("0.8889")),  # ni ig gh ht of 4 and 5 pairs: 8/9
        ('similar("night", [v.feedback_text for v in visits(today)])', 0),
    ],
)
def test_what_functions_say(text: str, value: Any) -> None:
    assert value_of(text) == value


def test_every_function_is_tried_and_its_example_can_be_written() -> None:
    """An example of the documentation compiles for one kind of event, inside a loop where it speaks of an item."""
    loops = {"d.": "details", "m.": "materials", "a.": "attendees", "s.": "samples"}
    for function in FUNCTIONS.values():
        text = function.example.replace("banned_vendors", "venues").replace("leisure_venues", "venues")
        loop = next((where for start, where in loops.items() if f"({start}" in text and " for " not in text), None)
        if loop is not None:
            text = f"[{text} for {next(s for s, where in loops.items() if where == loop)[0]} in {loop}]"
        fine = []
        for kind in EVENT_MODELS:
            try:
                compile_expression(text, Scope(kind, {}, {}, frozenset({"venues"})), None)
            except ValueError:
                continue
            fine.append(kind)
        assert fine, function.example


def test_the_reps_role_is_that_of_the_day() -> None:
    assert value_of("rep.role") == "filed_rep"
    assert value_of("rep.role", occurred_at="2026-06-01T00:00:00+08:00") == "sales"
    assert value_of("rep.role", occurred_at="2026-05-31T15:59:59Z") == "filed_rep"


@pytest.mark.parametrize("zone", ["SPA", "spa", "ＳＰＡ"])
def test_a_text_is_in_a_named_list_in_any_case_and_width(zone: str) -> None:
    """Named lists are kept without both."""
    assert value_of('in_list("venues", zone)', zone=zone) is True
    assert value_of('zone in named_list("venues")', zone=zone) is True
    assert value_of('zone not in named_list("venues")', zone=zone) is False
    listed = compiled('named_list("venues")')
    assert compiled("zone in listed", listed=listed).run(frame_of(zone=zone)) is True


def test_the_company_day_begins_at_midnight_in_shanghai() -> None:
    assert value_of('day == date("2026-03-05")', occurred_at="2026-03-04T16:00:00Z") is True


@pytest.mark.parametrize(
    ("fields", "subject", "count"),
    [
        ({"institution_id": "I7"}, 'institution="I7"', 1),
        ({"payee_kind": "institution", "payee_id": "I7"}, 'institution="I7"', 0),
        ({"payee_kind": "vendor", "payee_id": "I7"}, 'institution="I7"', 0),
        ({"payee_kind": "vendor", "payee_id": "H7"}, 'hcp="H7"', 0),
        ({"payee_kind": "hcp", "payee_id": "H7"}, 'hcp="H7"', 1),
        ({"attendees": [{"hcp_id": "H7", "institution_id": "I7"}] * 2}, 'hcp="H7"', 1),
        ({"attendees": [{"hcp_id": "H7", "institution_id": "I7"}] * 2}, 'institution="I7"', 0),
        ({"rep_id": "R7"}, 'institution="I1"', 1),
    ],
)
def test_whose_past_an_activity_belongs_to(fields: dict[str, Any], subject: str, count: int) -> None:
    past = [event_of("activity", event_id="p", **fields)]
    assert value_of(f"count(activities(today, {subject}))", "activity", past) == count


def test_an_event_of_the_same_id_of_another_representative_is_another_event() -> None:
    past = [event_of("visit", rep_id="R2"), event_of("visit")]
    assert value_of("count(visits(today, hcp=hcp_id))", "visit", past) == 1


def test_a_list_that_was_taken_away_is_missing() -> None:
    frame = frame_of()
    frame.world = replace(frame.world, lists={})
    assert compiled('in_list("venues", hcp_id)').run(frame) is None
    assert compiled('contains_any(feedback_text, named_list("venues"))').run(frame) is None


def test_what_a_rule_looks_back_on_is_known() -> None:
    found = compiled("count(visits(today)) > 0 and count(activities(last(30 * days), hcp=hcp_id)) > 0")
    assert found.needs == {Need("visit", "rep", "today"), Need("activity", "hcp", "last(30 * days)")}


def test_long_texts_and_lists_cost_steps() -> None:
    words = ", ".join(f'"{number:05}"' for number in range(300))
    with pytest.raises(ExhaustedError):
        compiled(f"all(contains_any(v.feedback_text, [{words}]) for v in visits(this_year))").run(
            frame_of("visit", [event_of("visit", event_id=f"p{n}", feedback_text="x" * 20_000) for n in range(10)])
        )


def test_hostile_texts_cost_what_they_take_at_worst_whatever_is_remembered() -> None:
    node = compiled('matches(feedback_text, "a.{0,70}b.{0,70}c")')
    frame = frame_of(feedback_text="ab" * 10_000)
    for _ in range(2):
        frame.left = STEPS
        assert node.run(frame) is False
        assert frame.left == STEPS - 1 - 20_000 * 284 // 100
    with pytest.raises(ExhaustedError):
        node.run(frame)


def test_the_past_may_come_in_any_order() -> None:
    history = MemoryHistory(PAST[::-1])
    first, last = (SHANGHAI.microseconds(PAST[index].occurred_at) for index in (3, 0))
    assert [event.event_id for event in history.events("visit", "rep", "R1", first, last)] == ["p4", "p2", "p1"]
    assert [event.event_id for event in history.events("visit", "rep", "R1", first + 1, last - 1)] == ["p2"]


numbers = st.lists(st.integers(-1000, 1000), min_size=2, max_size=40)


@given(numbers)
def test_the_spread_is_that_of_the_textbook(values: list[int]) -> None:
    found = stddev(values)
    assert found is not None
    assert float(found) == pytest.approx(statistics.stdev(values), rel=1e-9, abs=1e-9)


@given(numbers)
def test_quantiles_are_those_of_the_library(values: list[int]) -> None:
    found = [quantile(values, Decimal(share) / 4) for share in (1, 2, 3)]
    assert [float(one) for one in found if one is not None] == pytest.approx(
        statistics.quantiles(values, n=4, method="inclusive")
    )


words = st.text(alphabet="ab温泉 1", max_size=12)


@settings(max_examples=50)
@given(words, words)
def test_likeness_is_between_0_and_1_and_mutual(one: str, other: str) -> None:
    found = likeness(pairs(one), pairs(other))
    assert 0 <= found <= 1
    assert found == likeness(pairs(other), pairs(one))
    assert likeness(pairs(one), pairs(one)) in {0, 1}
