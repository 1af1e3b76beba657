"""The compact past of a shard: it gives what whole events in memory give, in whatever order they come."""

import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from rule_world import SHANGHAI, event_of, rule_of, world_of

from agents.compliance.nodes import Explanation, Frame
from agents.compliance.past import Past
from agents.compliance.places import REP, subjects_of
from agents.compliance.rules import CompiledRule
from agents.compliance.world import MemoryHistory, World, subjects

ROOT = Path(__file__).parents[2]
START = datetime(2026, 3, 4, 7, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# ------------------------------------------------------------- random rules

WINDOWS = ["today", "this_week", "this_month", "this_year", "last(1 * days)", "last(36 * hours)", "last(3 * days)"]
windows = st.sampled_from(WINDOWS)
whose = st.sampled_from(["", ", hcp=person", ", hcp=payee_id", ", institution=institution_id"])
pure = st.sampled_from(
    [
        'x.kind in ["meal", "gift"]',
        'x.kind == "meal"',
        "x.amount > 10",
        "x.payee_id == payee_id",
        "x.venue == topic_text",
        "x.currency == currency",
        "day_of(x.occurred_at) < day",
        "x.amount < amount",
        "present(x.payee_id)",
        'any(a.hcp_id == "H1" for a in x.attendees)',
        "x.headcount > 2 or x.kind == kind",
        'not (x.payee_kind == "hcp")',
        "x.occurred_at < occurred_at",
    ]
)
conditions = st.lists(pure, max_size=3).map(lambda parts: f" if {' and '.join(parts)}" if parts else "")
aggregates = st.sampled_from(
    [
        "count(x for x in {})",
        "sum(x.amount for x in {})",
        "mean(x.amount for x in {})",
        "max(x.amount for x in {})",
        "sum(x.headcount for x in {})",
        "count(x.payee_id for x in {})",
        "count_distinct(x.payee_id for x in {})",
        "count(per_day(x for x in {}))",
        "sum(per_day(x for x in {}))",
        "quantile([x.amount for x in {}], 0.5)",
        "sum(count(x.attendees) for x in {})",
        "similar(topic_text, [x.topic_text for x in {}])",
        "count([x.amount * 2 for x in {}])",
        "sum(x.amount / 3 for x in {})",
        "max(per_day(x for x in {}))",
    ]
)


def _number(aggregate: str, window: str, subject: str, condition: str) -> str:
    return aggregate.format(f"activities({window}{subject}){condition}")


@st.composite
def rules(draw: st.DrawFn) -> CompiledRule:
    """A rule that compares numbers over one subject's past; some are named, some looked at inside a loop."""
    subject = draw(whose)
    numbers = [_number(draw(aggregates), draw(windows), subject, draw(conditions)) for _ in range(2)]
    let = {"one": numbers[0], "two": numbers[1], "those": f"[x for x in activities({draw(windows)}{subject})]"}
    extra = draw(
        st.sampled_from(
            [
                "",
                " or any(count(activities(today{})) > 1 for a in attendees)",
                " or any(sum(y.amount for y in activities(last(3 * days){}) if y.payee_id == a.hcp_id) > 9"
                " for a in attendees)",
                " or count(activities(this_week{})) > 3",
            ]
        )
    ).format(subject)
    extra += draw(st.sampled_from(["", " or count(those) > 2", " or any(z.amount == amount for z in those)"]))
    return rule_of(f"one > {draw(st.integers(0, 30))} or two < 4{extra}", "activity", "{one} {two} {those}", **let)


# ------------------------------------------------------------- random events


@st.composite
def activities(draw: st.DrawFn) -> dict[str, Any]:
    hours = draw(st.sampled_from([0, 0, 1, 5, 12, 24, 36, 71, 72, 24 * 20, 24 * 62]))
    moment = START + timedelta(hours=hours, microseconds=draw(st.integers(-1, 1)))
    ids = st.sampled_from([None, "H1", "H2"])
    return {
        "event_id": f"e{draw(st.integers(0, 7))}",
        "rep_id": draw(st.sampled_from(["R1", "R1", "R2"])),
        "institution_id": draw(st.sampled_from(["I1", None, "I2"])),
        "occurred_at": moment.isoformat(),
        "kind": draw(st.sampled_from(["meal", "gift", "meeting"])),
        "amount": draw(st.sampled_from(["0", "0.1", "10", "10.000001", "99999999999999.999999"])),
        "currency": draw(st.sampled_from(["CNY", "JPY"])),
        "payee_kind": draw(st.sampled_from(["hcp", "hcp", "vendor"])),
        "payee_id": draw(ids),
        "headcount": draw(st.sampled_from([None, 1, 4])),
        "attendees": [{"hcp_id": one} for one in draw(st.lists(ids, max_size=2))],
        "topic_text": draw(st.sampled_from([None, "血压", "血压管理", "血脂"])),
        "venue": draw(st.sampled_from([None, "血压"])),
    }


def shown(explanation: Explanation | None) -> Any:
    """Values of numbers, texts and truths of the tree; past events and what is below them are left out."""
    if explanation is None:
        return None
    values = explanation.value if isinstance(explanation.value, int | Decimal | str | None) else "…"
    below = [shown(part) for part in explanation.parts if part.text != "·"]
    return explanation.text, values, below


def of_both(one: Any, other: Any) -> Any:
    """What stands in both trees: a past that keeps no events explains numbers by their value alone."""
    if one is None or other is None:
        assert one is other
        return None
    assert one[:2] == other[:2]
    for left, right in zip(one[2], other[2], strict=False):
        of_both(left, right)
    return one[:2]


def enter(past: Past, memory: MemoryHistory, one: Any) -> None:
    memory.add(one)
    for subject, key in subjects(one):
        past.add(one, subject, key)


def frames_of(one: Any, worlds: list[World], person: str | None) -> list[Frame]:
    frames = [Frame(one, world) for world in worlds]
    for frame in frames:
        frame.person = person
    return frames


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(rules(), min_size=1, max_size=3), st.lists(activities(), min_size=1, max_size=14))
def test_it_says_what_whole_events_say(chosen: list[CompiledRule], fields: list[dict[str, Any]]) -> None:
    past, memory, references = Past(chosen), MemoryHistory(), world_of().references
    worlds = [World(references, history, SHANGHAI, {}) for history in (past, memory)]
    for given_fields in fields:
        one = event_of("activity", **given_fields)
        for rule in chosen:
            place = rule.place("activity")
            for person in (None,) if place == REP else subjects_of(one, place):
                frames = frames_of(one, worlds, person)
                outcomes = [rule.judge(frame) for frame in frames]
                event(outcomes[0])
                verdicts = [rule.verdict(frame) for frame in frames]
                assert outcomes == [verdict.outcome for verdict in verdicts]
                assert outcomes[0] == outcomes[1], rule.rule
                assert verdicts[0].missing == verdicts[1].missing
                of_both(*(shown(verdict.explanation) for verdict in verdicts))
                told = [verdict.sentences.get("en", "").split(" ")[:2] for verdict in verdicts]
                assert told[0] == told[1]  # the two numbers; the third is a list of events
        enter(past, memory, one)


def moment_us(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // _MICROSECOND


def test_what_rules_want_and_how_far_back() -> None:
    rules = [
        rule_of("count(activities(this_month)) > 3"),
        rule_of("sum(a.amount for a in activities(last(90 * days))) > 3"),
        rule_of("count(visits(this_year, hcp=person)) > 3"),
        rule_of("amount > 3", "activity", "{seen}", seen="count(sales(this_quarter))"),
    ]
    past = Past(rules)
    assert {
        (kind, subject): past.horizon(kind, subject)
        for kind in ("activity", "visit", "sale", "survey")
        for subject in ("rep", "hcp", "institution")
        if past.wants(kind, subject)
    } == {
        ("activity", "rep"): timedelta(days=90),
        ("visit", "hcp"): timedelta(days=366, hours=1),
        ("sale", "rep"): timedelta(days=92, hours=1),  # only a sentence asks for it
    }
    assert past.horizon("visit", "rep") is None


def test_what_no_window_reaches_is_forgotten_and_what_one_reaches_is_not() -> None:
    text = "count(activities(last(2 * days))) + sum(a.amount for a in activities(last(2 * days))) > 1000"
    rule = rule_of(
        f"{text} or max(a.amount for a in activities(last(2 * days))) > 1000", "activity", "{n}", n=text[:-7]
    )
    past = Past([rule])
    world = World(world_of().references, past, SHANGHAI, {})
    for day, amount in ((1, "5"), (2, "7"), (3, "11"), (4, "13")):
        past.add(
            event_of("activity", event_id=f"e{day}", amount=amount, occurred_at=f"2026-03-0{day}T12:00:00+08:00"),
            "rep",
            "R1",
        )
    frame = Frame(event_of("activity", occurred_at="2026-03-04T12:00:00+08:00"), world)
    judged = [rule.verdict(frame).explanation]
    past.evict(moment_us("2026-03-04T12:00:00+08:00"))
    judged.append(rule.verdict(frame).explanation)
    values = [{part.text: part.value for part in _all(one)}[text[:-7]] for one in judged if one is not None]
    assert values == [3 + 7 + 11 + 13] * 2
    assert [len(line.moments) for line in _lines(past)] == [3, 3, 3]
    past.evict(moment_us("2026-03-06T12:00:00.000001+08:00"))
    assert list(_lines(past)) == []


def _all(explanation: Explanation) -> list[Explanation]:
    return [explanation, *(one for part in explanation.parts for one in _all(part))]


def _lines(past: Past) -> list[Any]:
    return [line for store in past.stores.values() for line in store.lines.values()]


def test_sums_beyond_64_bits_are_exact() -> None:
    rule = rule_of("sum(a.amount for a in activities(this_year)) > 1", "activity")
    past, memory = Past([rule]), MemoryHistory()
    for number, amount in enumerate(("9223372036854.775807", "0.000001", "99999999999999999999999999.999999")):
        hour = 9 - number  # each one earlier than those before
        enter(
            past,
            memory,
            event_of("activity", event_id=f"e{number}", amount=amount, occurred_at=f"2026-03-04T0{hour}:00:00+08:00"),
        )
    found = []
    for history in (past, memory):
        explanation = rule.verdict(
            Frame(event_of("activity"), World(world_of().references, history, SHANGHAI, {}))
        ).explanation
        assert explanation is not None
        found.append(explanation.parts[0].value)
    assert found == [Decimal("100000000000009223372036854.775807")] * 2


def test_no_event_is_kept_where_rules_ask_for_numbers() -> None:
    """A visit in a count takes sixteen bytes beside what its line takes."""
    past = Past([rule_of("count(visits(this_year)) > 3", "visit")])
    one = event_of("visit")
    for number in range(10_000):
        past.add(one.model_copy(update={"event_id": f"v{number}"}), "rep", "R1")
    (line,) = _lines(past)
    assert len(line.moments) == 10_000
    assert line.moments.buffer_info()[1] * 8 + line.owners.buffer_info()[1] * 8 == 160_000
    assert sys.getsizeof(line.moments) + sys.getsizeof(line.owners) < 190_000
    assert not any(isinstance(getattr(line, name, None), list) for name in ("items", "totals"))


def test_an_event_that_came_before_is_not_its_own_past() -> None:
    rule = rule_of("count(visits(today)) > 0", "visit")
    past = Past([rule])
    world = World(world_of().references, past, SHANGHAI, {})
    for number in range(20):
        past.add(event_of("visit", event_id="v0" if number else "v1"), "rep", "R1")
    counted = [rule.verdict(Frame(event_of("visit", event_id=name), world)) for name in ("v0", "v1", "v2")]
    assert [one.explanation.parts[0].value for one in counted if one.explanation is not None] == [1, 19, 20]
    past.add(event_of("activity", event_id="v9"), "rep", "R1")  # nobody asks for activities
    assert len(_lines(past)) == 1


def test_a_loop_over_the_past_holds_against_a_named_part_with_a_loop_of_its_own() -> None:
    """Fields of sales are none of the visits they are held against."""
    let = {"most": "max(s.amount for s in sales(today))"}
    rule = rule_of("count(v for v in visits(today) if v.feedback_score > most) > 0", "visit", "{day}", **let)
    past, memory = Past([rule]), MemoryHistory()
    for one in (event_of("sale", amount=5), event_of("visit", event_id="v1", feedback_score=6)):
        enter(past, memory, one)
    for history in (past, memory):
        assert rule.judge(Frame(event_of("visit"), World(world_of().references, history, SHANGHAI, {}))) == "hit"
