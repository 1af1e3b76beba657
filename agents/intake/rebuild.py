"""What is kept and what is taken back when a shard is computed anew with another policy or organisation."""

from typing import Any

from agents.progress.cells import LEAVES, Entity, Slot, blank
from agents.progress.ledger import withdrawn
from agents.progress.plan import Plan
from agents.progress.state import ProgressState


def carry_over(old: ProgressState, new: ProgressState) -> None:
    """Keep what others said: node totals, ledger members, and what reps were credited with."""
    for (level, entity_id), entity in old.entities.items():
        if level not in LEAVES:
            new.entities[level, entity_id] = entity
            continue
        for slot in _slots(entity):
            if slot.children:
                kept = new.entity(level, entity_id).slot(slot.bucket, slot.path)
                kept.children = slot.children
                kept.cells = {key: cell for key, cell in slot.cells.items() if _is_credit(key)}
    new.members = old.members


def withdraw(old: ProgressState, new: ProgressState) -> None:
    """Say zero where the old state said something and the new one is silent, then say everything again."""
    for (level, entity_id), entity in old.entities.items():
        if level in LEAVES:
            for slot in _slots(entity):
                _withdraw_slot(slot, new, new.entity(level, entity_id))
    new.books.withdraw(old.books)
    for name, report in old.reports.items():
        fresh = new.reports.setdefault(name, {})
        spec = new.plan.by_kpi.get(name[1])
        if spec is not None:
            missing = {key: entry for key, entry in report.items() if key not in fresh}
            fresh |= {key: withdrawn(entry, first_ever=spec.first_ever) for key, entry in missing.items()}
    new.mark_all()


def _withdraw_slot(slot: Slot, new: ProgressState, entity: Entity) -> None:
    for key, cell in slot.cells.items():
        if not _is_credit(key) and key.partition("|")[0] in new.plan.widths:  # a KPI that is gone keeps its last word
            cells = entity.slot(slot.bucket, slot.path).cells
            if key not in cells:
                cells[key] = _zero(cell, new.plan, key)


def _zero(cell: list[Any], plan: Plan, key: str) -> list[Any]:
    return blank(len(cell), plan.lasts.get(key.partition("|")[0], ()))


def _is_credit(key: str) -> bool:
    return key.startswith("@")


def _slots(entity: Entity) -> list[Slot]:
    return [slot for paths in entity.slots.values() for slot in paths.values()]
