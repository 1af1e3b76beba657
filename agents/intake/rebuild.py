"""What is kept and what is taken back when a shard is computed anew with another policy or organisation."""

from collections.abc import Iterable
from typing import NamedTuple

from agents.progress.books import Books, CallCount
from agents.progress.cells import LEAVES, UNIT_OF_LETTER, Entity, Slot, blank
from agents.progress.groups import cell_key
from agents.progress.ledger import withdrawn
from agents.progress.plan import Plan
from agents.progress.state import ProgressState
from schemas.policy import CalendarPeriod


class ShownFigure(NamedTuple):
    """What names a figure of a calendar period that stands in a table."""

    kpi_id: str
    period: CalendarPeriod
    period_start: int
    """Ordinal of the first day."""
    level: str
    entity_id: str
    product_level: str
    product_key: str


def carry_over(old: ProgressState, new: ProgressState) -> None:
    """Keep what others said: node totals, ledger members, and what reps were credited with."""
    for (level, entity_id), entity in old.entities.items():
        if level not in LEAVES:
            new.entities[level, entity_id] = entity
            for slot in _slots(entity):
                slot.fill(new.plan.lasts)
            continue
        for slot in _slots(entity):
            if slot.children:
                kept = new.entity(level, entity_id).slot(slot.bucket, slot.path)
                kept.children = slot.children
                kept.cells = {key: cell for key, cell in slot.cells.items() if _is_credit(key)}
                kept.fill(new.plan.lasts)
    new.members = old.members


def withdraw(old: ProgressState, new: ProgressState) -> None:
    """Say zero where the old state said something and the new one is silent, then say everything again."""
    for (level, entity_id), entity in old.entities.items():
        if level in LEAVES:
            for slot in _slots(entity):
                _withdraw_slot(slot, new, new.entity(level, entity_id))
    for entity in new.entities.values():
        _drop_windows(entity, new.plan)
    new.books.withdraw(old.books)
    for name, report in old.reports.items():
        fresh = new.reports.setdefault(name, {})
        fresh |= {key: withdrawn(entry) for key, entry in report.items() if key not in fresh}
    new.mark_all()


def recall(state: ProgressState, figures: Iterable[ShownFigure], calls: Iterable[CallCount]) -> None:
    """Let everything that stands in the tables be written again, be it nothing by now.

    Args:
        state: computed anew, not told what was said before.
        figures: figures of the shard's representatives and nodes.
        calls: calls of its representatives on professionals.
    """
    for figure in figures:
        output = state.plan.by_id.get(figure.kpi_id)
        if output is None or figure.period not in output.periods or figure.product_level not in output.levels:
            continue
        entity = state.entity(figure.level, figure.entity_id)
        product_key = cell_key(figure.product_level, figure.product_key)
        state.recalled[entity, output, figure.period, figure.period_start, product_key] = None
    before = Books()
    for call in calls:
        before.open((call.rep_id, call.month)).calls[call.hcp_id] = call.calls
    state.books.withdraw(before)


def _withdraw_slot(slot: Slot, new: ProgressState, entity: Entity) -> None:
    there = entity.slot(slot.bucket, slot.path).cells
    for key, cell in slot.cells.items():
        if _is_credit(key):
            continue
        group, _, product_key = key.partition("|")
        if key not in there:
            there[key] = [None if value is None or isinstance(value, list) else 0 for value in cell]
        if group not in new.plan.widths:  # measured in another way now: nothing left is a figure, too
            for heir in new.plan.groups.get(group.partition(".")[0], ()):
                there.setdefault(f"{heir.id}|{product_key}", blank(new.plan.widths[heir.id], new.plan.lasts[heir.id]))


def _drop_windows(entity: Entity, plan: Plan) -> None:
    """Forget the buckets of a unit in which no rolling window is left."""
    for letter in [letter for letter in entity.rolling if UNIT_OF_LETTER[letter] not in plan.horizon]:
        for number in list(entity.rolling[letter]):
            entity.drop(letter, number)
        del entity.rolling[letter]


def _is_credit(key: str) -> bool:
    return key.startswith("@")


def _slots(entity: Entity) -> list[Slot]:
    return [slot for paths in entity.slots.values() for slot in paths.values()]
