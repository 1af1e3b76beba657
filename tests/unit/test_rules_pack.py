"""The law pack that ships: right, complete, and so tested that no comparison or threshold can change unnoticed."""

import ast
import copy
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from rule_world import SHANGHAI

from agents.compliance.nodes import STEPS, Frame
from agents.compliance.rules import FlawedRuleError, compile_rule
from agents.compliance.self_test import frame_of, try_rule
from agents.compliance.windows import WINDOWS
from schemas.compliance import Rule
from schemas.policy import Title
from streams import compliance_policy
from streams.compliance_policy import Entry, Pack

ROOT = Path(__file__).parents[2]
#: Rules the pack cannot have: they act on payloads before they are events, or on the system itself.
ELSEWHERE = {"R06", "R26"}
FLIPPED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.GtE, ast.LtE),
    ast.LtE: (ast.Gt, ast.Lt),
    ast.Gt: (ast.LtE, ast.GtE),
    ast.GtE: (ast.Lt, ast.Gt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}


@lru_cache
def pack() -> Pack:
    return compliance_policy.load(ROOT / "policies", SHANGHAI)


def entries() -> list[Entry]:
    return list(pack().entries)


def name(entry: Entry) -> str:
    return f"{entry.rule.id}@{entry.rule.effective_from}"


def frames(entry: Entry) -> list[Frame]:
    return [frame_of(entry.rule, test, entry.examples, pack().lists, SHANGHAI) for test in entry.rule.tests]


def test_the_catalogue_is_covered() -> None:
    assert {entry.rule.id[:3] for entry in entries()} == {f"R{number:02}" for number in range(1, 29)} - ELSEWHERE


@pytest.mark.parametrize("entry", entries(), ids=name)
def test_every_rule_says_what_its_tests_expect(entry: Entry) -> None:
    tried = list(try_rule(entry.compiled, entry.examples, pack().lists, SHANGHAI))
    assert [(one.test.case, one.verdict.outcome) for one in tried] == [
        (one.case, one.expect) for one in entry.rule.tests
    ]


@pytest.mark.parametrize("entry", entries(), ids=name)
def test_every_hit_is_told_in_both_languages_and_explained(entry: Entry) -> None:
    for one in try_rule(entry.compiled, entry.examples, pack().lists, SHANGHAI):
        sentences = one.verdict.sentences
        assert set(sentences) == ({"zh", "en"} if one.verdict.outcome == "hit" else set())
        assert not any("{" in sentence or "None" in sentence for sentence in sentences.values())
        explanation = one.verdict.explanation
        assert explanation is not None
        if one.verdict.outcome == "hit":
            assert (explanation.value, sentences["zh"] != sentences["en"]) == (True, True)


@pytest.mark.parametrize("entry", entries(), ids=name)
def test_nothing_can_change_unnoticed(entry: Entry) -> None:
    """Comparisons, thresholds, parts of an `and` or `or`, conditions of loops, windows: a test event must tell."""
    seen = frames(entry)
    expected = [test.expect for test in entry.rule.tests]
    unnoticed = []
    for what, mutant in mutants(entry.rule):
        try:
            compiled = compile_rule(mutant, frozenset(pack().lists))
        except FlawedRuleError:
            continue
        if [compiled.judge(frame) for frame in seen] == expected:
            unnoticed.append(what)
    assert unnoticed == []


def mutants(rule: Rule) -> Iterator[tuple[str, Rule]]:
    for part in ("when", *used(rule)):
        text = rule.when if part == "when" else rule.let[part]
        for what, changed in changes(text):
            update = {"when": changed} if part == "when" else {"let": {**rule.let, part: changed}}
            yield f"{part}: {what}", rule.model_copy(update=update)
    for key, value in rule.parameters.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            for other in moved(value):
                yield f"{key}: {other}", rule.model_copy(update={"parameters": {**rule.parameters, key: other}})
    for role in rule.scope.roles:
        others = tuple(one for one in rule.scope.roles if one != role)
        yield f"without {role}", rule.model_copy(update={"scope": rule.scope.model_copy(update={"roles": others})})


def used(rule: Rule) -> list[str]:
    """Named parts that decide; those that only a sentence uses do not."""
    names = {part.id for part in ast.walk(ast.parse(f"({rule.when})")) if isinstance(part, ast.Name)}
    for key, text in reversed(rule.let.items()):
        if key in names:
            names |= {part.id for part in ast.walk(ast.parse(f"({text})")) if isinstance(part, ast.Name)}
    return [key for key in rule.let if key in names]


def changes(text: str) -> Iterator[tuple[str, str]]:
    """The text with one thing changed: what it looks like then, and the whole of it."""
    tree = ast.parse(f"(\n{text}\n)", mode="eval")
    for index, part in enumerate(ast.walk(tree)):
        for change in changes_of(part):
            whole = copy.deepcopy(tree)
            same = list(ast.walk(whole))[index]
            change(same)
            shown = same.iter if isinstance(same, ast.comprehension) else same
            yield ast.unparse(shown), ast.unparse(whole)


def changes_of(part: ast.AST) -> Iterator[Callable[[Any], None]]:
    """Ways to change a part: comparisons, what holds together, loops, whose past, and how far back."""
    if isinstance(part, ast.Compare):
        for place, operator in enumerate(part.ops):
            for other in FLIPPED[type(operator)]:
                yield lambda same, place=place, other=other: same.ops.__setitem__(place, other())
    elif isinstance(part, ast.BoolOp):
        opposite = ast.Or if isinstance(part.op, ast.And) else ast.And
        yield lambda same: setattr(same, "op", opposite())
        for place in range(len(part.values)):
            yield lambda same, place=place: same.values.__delitem__(place)
    elif isinstance(part, ast.comprehension) and part.ifs:
        yield lambda same: same.ifs.clear()
    elif isinstance(part, ast.Call) and part.keywords:
        yield lambda same: same.keywords.clear()
    elif isinstance(part, ast.Name) and part.id in WINDOWS:
        for other in WINDOWS.keys() - {part.id}:
            yield lambda same, other=other: setattr(same, "id", other)


def moved(value: int | float) -> tuple[int | float, int | float]:
    """A whole number by one, another by a tenth; up and down."""
    if isinstance(value, int):
        return value + 1, value - 1
    return float(Decimal(str(value)) * Decimal("1.1")), float(Decimal(str(value)) * Decimal("0.9"))


def test_mutants_are_made() -> None:
    """The search for what nobody notices would be worth nothing without mutants."""
    rule = pack().of("R12")[0].rule
    found = dict(mutants(rule))
    assert {
        "when: kind != 'meal'",
        "when: currency != 'CNY'",
        "when: per_head <= most_per_head",
        "when: per_head >= most_per_head",
        "most_per_head: 301",
        "most_per_head: 299",
    } < set(found)
    assert sum(len(list(mutants(entry.rule))) for entry in entries()) > 450


@pytest.mark.parametrize(("day", "expected"), [("2025-05-31", {"R17-serious"}), ("2025-06-01", {"R17-gravest"})])
def test_the_revision_moves_a_case_of_one_and_a_half_million_from_its_first_day_on(
    day: str, expected: set[str]
) -> None:
    of_grades = [entry for entry in entries() if entry.rule.id.startswith("R17")]
    test = (
        of_grades[0]
        .rule.tests[0]
        .model_copy(update={"past": (), "event": {"amount": 1_500_000, "occurred_at": f"{day}T12:00:00+08:00"}})
    )
    hits = set()
    for entry in of_grades:
        frame = frame_of(entry.rule, test, entry.examples, pack().lists, SHANGHAI)
        assert frame.day == date.fromisoformat(day)
        if entry.compiled.judge(frame) == "hit":
            hits.add(entry.rule.id)
    assert hits == expected


def test_a_rule_that_runs_out_of_steps_does_so_as_often_as_it_is_asked() -> None:
    entry = pack().of("R12")[0]
    costly = "count(v for v in activities(this_year) if any(count(activities(this_year)) > 0 for w in v.attendees))"
    half = {"one": costly, "two": costly.replace("this_year", "this_month")}
    rule = entry.rule.model_copy(update={"let": half, "parameters": {}, "when": "one + two > 0"})
    compiled = compile_rule(rule.model_copy(update={"message": Title(zh="一", en="one")}))
    past = ({"times": 250, "attendees": [{"hcp_id": "H1"}]},)
    test = rule.tests[0].model_copy(update={"past": past})
    frame = frame_of(rule, test, entry.examples, pack().lists, SHANGHAI)
    assert [compiled.judge(frame) for _ in range(3)] == ["not_applicable"] * 3
    verdict = compiled.verdict(frame)
    assert (verdict.outcome, verdict.sentences) == ("not_applicable", {})
    assert frame_of(rule, test, entry.examples, pack().lists, SHANGHAI).left == STEPS


def test_severities_are_those_of_the_regulator() -> None:
    colours = {entry.rule.id: entry.rule.colour for entry in entries()}
    assert (colours["R01"], colours["R19"], colours["R19-far"], colours["R20"]) == ("red", "amber", "red", "yellow")
