"""What a folder of rules would change against what is in force: rules field by field, lists by values."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from agents.compliance.folding import fold
from agents.progress.calendar import CompanyTime
from schemas.compliance import Rule
from streams import compliance_policy
from streams.policy_changes import Change, changes_of, flat
from streams.rule_books import Texts


class ListChange(NamedTuple):
    """How a named list would change.

    Attributes:
        name: of the list.
        added: values that come.
        removed: values that go.
        is_new: whether it is not in force at all yet.
        is_gone: whether it would be there no longer.
        edits: edits made with `pulse policy list` that would count no longer.
    """

    name: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    is_new: bool
    is_gone: bool
    edits: int


@dataclass(frozen=True)
class RuleChanges:
    """The way from the rules in force to others."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: Mapping[str, tuple[Change, ...]]
    lists: tuple[ListChange, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.lists)


def compare(now: Texts, texts: Mapping[str, str], place: str, time: CompanyTime) -> RuleChanges:
    """What the rules in texts would change.

    Raises:
        PolicyError: the texts, or those in force, cannot be read.
    """
    new = [entry.rule for entry in compliance_policy.parse(texts, time, place).entries]
    old = [entry.rule for entry in compliance_policy.parse(now.files, time, now.place, tests=False).entries]
    several = _several(old) | _several(new)
    before, after = _named(old, several), _named(new, several)
    pairs = {
        name: tuple(changes_of(_fields(before[name]), _fields(rule))) for name, rule in after.items() if name in before
    }
    intake = tuple(changes_of(_intake(now.files), _intake(texts)))
    if intake:
        pairs[compliance_policy.INTAKE_FILE] = intake
    return RuleChanges(
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        changed={name: changes for name, changes in pairs.items() if changes},
        lists=tuple(_lists(now, texts, place)),
    )


def _several(rules: Iterable[Rule]) -> set[str]:
    """Ids that several versions of a rule share."""
    return {rule_id for rule_id, count in Counter(rule.id for rule in rules).items() if count > 1}


def _named(rules: Iterable[Rule], several: set[str]) -> dict[str, Rule]:
    return {f"{rule.id} from {rule.effective_from}" if rule.id in several else rule.id: rule for rule in rules}


def _fields(rule: Rule) -> dict[str, Any]:
    content = rule.model_dump(mode="json", exclude_none=True, exclude_defaults=True, exclude={"id"})
    return dict(flat(content, ""))


def _intake(texts: Mapping[str, str]) -> dict[str, Any]:
    """What acts at the intake; its tests are no part of what it does."""
    if compliance_policy.INTAKE_FILE not in texts:
        return {}
    return dict(flat(compliance_policy.intake_of(texts).model_dump(mode="json", exclude_none=True), ""))


def _lists(now: Texts, texts: Mapping[str, str], place: str) -> Iterable[ListChange]:
    there = now.lists
    begun = {one.id: {fold(value) for value in one.values} for one in compliance_policy.listed(now.files, now.place)}
    new = {one.id: {fold(value): value for value in one.values} for one in compliance_policy.listed(texts, place)}
    for name in dict.fromkeys([*there, *new]):
        before, after = there.get(name, {}), new.get(name, {})
        if name in new and name in begun and set(after) == begun[name]:
            continue  # it says what it said when it was approved: edits made since go on counting
        added = tuple(value for key, value in after.items() if key not in before)
        removed = tuple(value for key, value in before.items() if key not in after)
        edits = len(now.state.edits.get(name, ()))
        yield ListChange(name, added, removed, name not in there, name not in new, edits)
