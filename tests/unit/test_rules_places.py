"""Whose past a rule looks back on: one subject a rule, told with line and column where it is not so."""

import pytest
from rule_world import event_of, frame_of, rule_of, world_of

from agents.compliance.nodes import Frame
from agents.compliance.places import REP, Place, subjects_of
from agents.compliance.rules import FlawedRuleError


@pytest.mark.parametrize(
    ("when", "kind", "place"),
    [
        ("amount > 1", "activity", REP),
        ("count(activities(today)) > 0", "activity", REP),
        ("count(activities(today, hcp=payee_id)) > 0", "activity", Place("hcp", "payee_id")),
        ("count(visits(today, hcp=person)) > 0", "activity", Place("hcp", "person")),
        ("count(visits(today, hcp=hcp_id)) > 0", "visit", Place("hcp", "hcp_id")),
        ("count(sales(today, institution=institution_id)) > 0", "visit", Place("institution", "institution_id")),
    ],
)
def test_the_place_of_a_rule(when: str, kind: str, place: Place) -> None:
    assert rule_of(when, kind).place(kind) == place


@pytest.mark.parametrize(
    ("when", "let", "message", "flaw"),
    [
        (
            "count(visits(today)) > 0 and\ncount(visits(today, hcp=person)) > 0",
            {},
            "one",
            ("when", 2, 7, "this looks back on hcp=person, the rule on the representative before"),
        ),
        (
            "given > 0 and count(visits(today, hcp=payee_id)) > 0",
            {"given": "count(visits(today, hcp=person))"},
            "one",
            ("when", 1, 21, "make two rules of it"),
        ),
        (
            "any(count(visits(today, hcp=a.hcp_id)) > 0 for a in attendees)",
            {},
            "one",
            ("when", 1, 11, "hcp=a.hcp_id names nobody whose past is at hand: write hcp=hcp_id or hcp=payee_id or"),
        ),
        ('count(visits(today, hcp="H1")) > 0', {}, "one", ("when", 1, 7, 'hcp="H1" names nobody')),
        ('person == "H1"', {}, "one", ("when", 1, 1, "person is known where a rule looks back with hcp=person only")),
        ("amount > 1", {}, "{person}", ("message", 1, 1, "person is known where")),
        ("count(visits(today, hcp=payee_id)) > len", {"len": "1"}, "{person}", ("message", 1, 1, "person is known")),
    ],
)
def test_what_belongs_to_two_places_is_refused(
    when: str, let: dict[str, str], message: str, flaw: tuple[str, int, int, str]
) -> None:
    with pytest.raises(FlawedRuleError) as refused:
        rule_of(when, "activity", message, **let)
    found = refused.value.flaws[0]
    assert (found.path[0], found.error.line, found.error.column) == flaw[:3]
    assert flaw[3] in found.error.what


def test_a_sale_names_nobody() -> None:
    with pytest.raises(FlawedRuleError, match="there is no 'person' in events of kind sale"):
        rule_of('person == "H1"', "sale")


def test_whom_an_event_is_judged_for() -> None:
    event = event_of("activity", payee_kind="hcp", payee_id="H2")
    assert subjects_of(event, Place("hcp", "person")) == ("H1", "H2")
    assert subjects_of(event, Place("hcp", "payee_id")) == ("H2",)
    assert subjects_of(event_of("activity", payee_kind="vendor", payee_id="V1"), Place("hcp", "payee_id")) == ()
    assert subjects_of(event_of("visit", hcp_id=None), Place("hcp", "hcp_id")) == ()
    assert subjects_of(event, REP) == ("R1",)
    assert subjects_of(event, Place("institution", "institution_id")) == ("I1",)


def test_a_rule_about_persons_is_judged_for_each() -> None:
    compiled = rule_of("count(visits(today, hcp=person)) > 0", "activity", "{person}")
    past = [event_of("visit", hcp_id="H2", occurred_at="2026-03-04T09:00:00+08:00")]
    frame = frame_of("activity", past)
    assert compiled.judge(frame) == "hit"
    verdict = compiled.verdict(frame)
    assert (verdict.outcome, verdict.sentences["en"], frame.person) == ("hit", "H2", None)
    assert (compiled.judge(frame_of("activity")), compiled.verdict(frame_of("activity")).outcome) == ("miss", "miss")
    outcomes = []
    for person in ("H1", "H2"):
        frame = Frame(event_of("activity"), world_of(past))
        frame.person = person
        outcomes.append(compiled.judge(frame))
    assert outcomes == ["miss", "hit"]
