"""The compact past of a shard: it gives what whole events in memory give, in whatever order they come."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from rule_world import SHANGHAI, event_of, world_of
from test_rules_places import rule_of

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
    """Values of numbers, texts and truths of the tree; what stands for a past event is left out with what is below."""
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


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(rules(), min_size=1, max_size=3), st.lists(activities(), min_size=1, max_size=14))
def test_it_says_what_whole_events_say(chosen: list[CompiledRule], fields: list[dict[str, Any]]) -> None:
    past, memory, references = Past(chosen), MemoryHistory(), world_of().references
    worlds = [World(references, history, SHANGHAI, {}) for history in (past, memory)]
    for given_fields in fields:
        one = event_of("activity", **given_fields)
        for rule in chosen:
            verdicts = []
            place = rule.place("activity")
            for person in (None,) if place == REP else subjects_of(one, place):
                for world in worlds:
                    frame = Frame(one, world)
                    frame.person = person
                    outcome, verdict = rule.judge(frame), rule.verdict(frame)
                    assert verdict.outcome == outcome
                    verdicts.append((outcome, verdict.missing, verdict.sentences.get("en", "").split(" ")[:2]))
                    event(outcome)
                    of_both(shown(verdict.explanation), shown(verdict.explanation))
                frames = [Frame(one, world) for world in worlds]
                for frame in frames:
                    frame.person = person
                of_both(*(shown(rule.verdict(frame).explanation) for frame in frames))
                assert verdicts[-1] == verdicts[-2]
        enter(past, memory, one)
