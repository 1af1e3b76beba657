"""What `pulse policy test` shows of the rules that act at the intake: R06 and R26."""

from collections.abc import Iterator, Sequence
from typing import Any

from agents.intake.self_test import TriedPayload, try_counting, try_location
from agents.progress.calendar import CompanyTime
from schemas.intake_policy import CountingRule, LocationRule


def tried(rule: CountingRule | LocationRule, time: CompanyTime) -> Iterator[TriedPayload]:
    """The test payloads of a rule and what becomes of them."""
    return try_counting(rule) if isinstance(rule, CountingRule) else try_location(rule, time)


def lines(rule: CountingRule | LocationRule, payloads: Sequence[TriedPayload]) -> Iterator[str]:
    """A rule with its test payloads, a line each."""
    held = f"from {rule.effective_from}, at the intake"
    yield f"{rule.id} {rule.title.zh} · {rule.title.en} ({rule.severity}, {rule.colour}; {held})"
    for one in payloads:
        differs = "" if one.is_right else f", but {one.test.expect} was expected"
        yield f"  {'✓' if one.is_right else '✗'} {one.test.case}: {_outcome(one)}{differs}"
    if any(one.is_hit for one in payloads):
        yield f"      zh: {rule.message.zh}"
        yield f"      en: {rule.message.en}"
    yield ""


def as_json(rule: CountingRule | LocationRule, payloads: Sequence[TriedPayload]) -> dict[str, Any]:
    """The same for scripts."""
    return {
        "rule": rule.id,
        "severity": rule.severity,
        "colour": rule.colour,
        "effective_from": rule.effective_from.isoformat(),
        "looks_back": [],
        "tests": [{"case": one.test.case, "outcome": _outcome(one), "expected": one.test.expect} for one in payloads],
    }


def _outcome(one: TriedPayload) -> str:
    return "hit" if one.is_hit else "miss"
