"""Interim."""

from pathlib import Path
from typing import Any

from agents.compliance.rule_book import LIVE, RuleBook, RuleSet
from agents.progress.calendar import CompanyTime
from streams import compliance_policy


def newest_version(client: Any) -> int:
    """Interim."""
    return 1


def load(client: Any, time: CompanyTime) -> RuleBook:
    """Interim."""
    pack = compliance_policy.load(Path("policies"), time)
    live = RuleSet(LIVE, 1, tuple(entry.compiled for entry in pack.entries))
    return RuleBook(1, live, (), pack.lists, intake=pack.intake)
