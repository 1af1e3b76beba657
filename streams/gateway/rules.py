"""Titles of the rules, read from the policies once."""

import threading
from pathlib import Path
from typing import Any

from schemas.compliance import Rule, RuleFile
from schemas.intake_policy import IntakeRule
from streams import policies
from streams.compliance_policy import FOLDER, INTAKE_FILE, LIST_FILE, load_intake


class RuleTitles:
    """The rules of a folder, without judging by them.

    Args:
        folder: of the policies.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._rules: list[Rule | IntakeRule] | None = None

    def listed(self) -> list[dict[str, Any]]:
        """Every version of every rule, by id.

        Raises:
            UsageError: a file cannot be read.
        """
        with self._lock:
            if self._rules is None:
                self._rules = _read(self._folder)
            return [_shown(rule) for rule in self._rules]


def _read(folder: Path) -> list[Rule | IntakeRule]:
    found: list[Rule | IntakeRule] = []
    if (policy := load_intake(folder)) is not None:
        found += [policy.prescription_counting, policy.location]
    for path in sorted((folder / FOLDER).glob("*.yaml")):
        if path.name not in {LIST_FILE, INTAKE_FILE}:
            text = policies.read(path.parent, path.name)
            found += policies.parse_as(RuleFile, text, str(path), "it needs a list `rules`").rules
    return sorted(found, key=lambda rule: (rule.id, rule.effective_from))


def _shown(rule: Rule | IntakeRule) -> dict[str, Any]:
    return {
        "rule_id": rule.id,
        "title_zh": rule.title.zh,
        "title_en": rule.title.en,
        "severity": rule.severity,
        "colour": rule.colour,
        "effective_from": rule.effective_from,
        "effective_to": rule.effective_to if isinstance(rule, Rule) else None,
    }
