"""What a policy text changes: KPIs added, removed and changed, field by field."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from agents.progress.plan import Plan
from schemas.lights import LightPolicy, LightRules
from schemas.policy import Kpi, KpiPolicy, Rolling

#: Name under which changes outside the KPIs stand.
SETTINGS = "(settings)"


@dataclass(frozen=True)
class Change:
    """One field of one KPI; None where it is not set."""

    field: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Changes:
    """The way from one policy to another, in the order of the texts."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: Mapping[str, tuple[Change, ...]]
    computed_anew: bool
    """Whether the cells that workers hold no longer fit, so that every shard is rebuilt from ClickHouse."""


def compare(old: KpiPolicy | None, new: KpiPolicy) -> Changes:
    """What publishing `new` changes where `old` is in force; None: nothing is published yet."""
    before = {kpi.id: kpi for kpi in old.kpis} if old is not None else {}
    after = {kpi.id: kpi for kpi in new.kpis}
    pairs = {
        name: tuple(changes_of(_fields(before[name]), _fields(kpi))) for name, kpi in after.items() if name in before
    }
    if old is not None:
        pairs = {SETTINGS: tuple(changes_of(_settings(old), _settings(new)))} | pairs
    return Changes(
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        changed={name: changes for name, changes in pairs.items() if changes},
        computed_anew=old is None or Plan(old).fingerprint != Plan(new).fingerprint,
    )


def compare_lights(old: LightPolicy | None, new: LightPolicy) -> Changes:
    """The same for two policies of lights: `defaults`, then every KPI with rules of its own."""
    before, after = _written(old) if old is not None else {}, _written(new)
    pairs = {name: tuple(changes_of(before[name], fields)) for name, fields in after.items() if name in before}
    return Changes(
        added=tuple(name for name in after if name not in before),
        removed=tuple(name for name in before if name not in after),
        changed={name: changes for name, changes in pairs.items() if changes},
        computed_anew=False,
    )


def _written(policy: LightPolicy) -> dict[str, dict[str, Any]]:
    """What stands in the text: only the fields that are written, nested ones with a dotted name."""
    rules: dict[str, LightRules] = {"defaults": policy.defaults, **policy.kpis}
    return {name: dict(flat(own.model_dump(mode="json", exclude_unset=True), "")) for name, own in rules.items()}


def changes_of(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    """Fields that say something else."""
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield Change(name, before.get(name), after.get(name))


def _fields(kpi: Kpi) -> dict[str, Any]:
    """Every field that is set, nested ones with a dotted name, values as they stand in the text."""
    content = _named(kpi.model_dump(mode="json", by_alias=True, exclude_none=True))
    content["periods"] = [
        f"rolling {period.length} {period.unit}" if isinstance(period, Rolling) else period for period in kpi.periods
    ]
    return dict(flat(content, ""))


def _settings(policy: KpiPolicy) -> dict[str, Any]:
    """What the policy says besides its KPIs."""
    content = _named(policy.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"kpis"}))
    if policy.calls is not None:
        content["calls"] = policy.calls.name
    return dict(flat(content, ""))


def _named(content: Any) -> Any:
    """The content with the name of a filter where its whole text stands; the text stands under `filters`."""
    if isinstance(content, list):
        return [_named(item) for item in content]
    if not isinstance(content, dict):
        return content
    named = {name: _named(value) for name, value in content.items()}
    return named | {"only": named["only"]["name"]} if "only" in named else named


def flat(content: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Every field that says something, nested ones with a dotted name."""
    for name, value in content.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{name}.")
        elif value not in ({}, []):
            yield f"{prefix}{name}", value
