"""The rules in force: what is published, beside the versions on trial, the named lists and what is snoozed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from agents.compliance.rules import CompiledRule
from schemas.intake_policy import IntakePolicy

#: Name of the rule set that raises alerts.
LIVE = "live"


@dataclass(frozen=True)
class Snooze:
    """A rule that says nothing about one subject for a while.

    Attributes:
        rule_id: the rule.
        subject_kind: rep, hcp or institution.
        subject_id: whom it concerns.
        until: last company day (of the event) it is silent.
        author: who decided it.
        reason: why.
    """

    rule_id: str
    subject_kind: str
    subject_id: str
    until: date
    author: str
    reason: str


@dataclass(frozen=True)
class RuleSet:
    """Rules that are judged together.

    Attributes:
        name: `live`, or the name of a version on trial.
        version: its published version; 0 for rules that were not published.
        rules: all versions of all rules; which of them holds is decided by the day of the event.
    """

    name: str
    version: int
    rules: tuple[CompiledRule, ...]


@dataclass(frozen=True)
class RuleBook:
    """All that is judged with.

    Attributes:
        version: rises with every publication of rules, lists, trials or snoozes.
        live: the rules that raise alerts.
        shadows: versions on trial: what they hit is written down, and nothing else.
        lists: named lists, folded.
        snoozes: what is silent.
        intake: what acts at the intake: R06 and R26.
    """

    version: int
    live: RuleSet
    shadows: tuple[RuleSet, ...] = ()
    lists: Mapping[str, frozenset[str]] = field(default_factory=dict)
    snoozes: tuple[Snooze, ...] = ()
    intake: IntakePolicy | None = None


def empty_rule_book() -> RuleBook:
    """No rules at all."""
    return RuleBook(0, RuleSet(LIVE, 0, ()))
