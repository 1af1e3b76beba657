"""Cells: running totals of one entity (a rep or an organisation node) by bucket and by place in the tree.

An entity's slot holds the cells of one bucket (a month, or a day, hour or minute of a rolling window) for one path of
nodes above it. The path is part of the slot, so a rep that changes team in the middle of a month leaves what it sold
before with the old team. Upward an entity sends its slots' absolute values; the parent keeps them child by child and
replaces, never adds: a message that comes twice changes nothing.
"""

from collections.abc import Iterable, Sequence
from operator import add, sub
from typing import Any

from agents.intake.directory import Node, Path
from agents.progress.groups import Vector
from schemas.policy import Unit

#: Level of a representative; nodes carry theirs.
REP = "rep"
#: Level of a territory that market reports are about; it stands below the node of the same id and has no figures shown.
TERRITORY = "territory"
#: Levels whose cells come from events; those of all others come from their children.
LEAVES = frozenset({REP, TERRITORY})
#: First letter of a bucket: calendar periods, then the units of rolling windows.
MONTH, QUARTER, YEAR = "m", "q", "y"
ROLLING_LETTERS: dict[Unit, str] = {"days": "D", "hours": "H", "minutes": "N"}
UNIT_OF_LETTER = {letter: unit for unit, letter in ROLLING_LETTERS.items()}

#: What a child last said of one cell: its stamp, then the vector.
Entry = list[Any]


def add_vector(into: Vector, other: Sequence[Any], lasts: Sequence[int]) -> None:
    """Add `other` to `into`, position by position; `last` positions keep the newest."""
    for index, value in enumerate(other):
        if index not in lasts:
            into[index] += value
        elif value is not None and (into[index] is None or value > into[index]):
            into[index] = value


class Slot:
    """Cells of one entity, bucket and path."""

    __slots__ = ("bucket", "cells", "changed", "children", "entity", "path")

    def __init__(self, entity: "Entity", bucket: str, path: Path) -> None:
        self.entity = entity
        self.bucket = bucket
        self.path = path
        self.cells: dict[str, Vector] = {}
        self.children: dict[str, dict[str, Entry]] = {}
        self.changed: set[str] = set()
        """Cell keys that changed since the last checkpoint."""

    def take_child(self, child: str, stamp: int, cells: dict[str, Vector], lasts: dict[str, tuple[int, ...]]) -> bool:
        """Replace what `child` said of these cells, unless it said something newer; whether anything changed."""
        said = self.children.setdefault(child, {})
        moved = False
        for key, vector in cells.items():
            old = said.get(key)
            if old is not None and (old[0] > stamp or old[1:] == vector):
                continue
            said[key] = [stamp, *vector]
            moved = True
            group = key.partition("|")[0]
            if group in lasts:
                self._replace(key, old[1:] if old is not None else None, vector, lasts[group])
                self.changed.add(key)
            else:  # of a policy not heard of yet, or no more: kept, and added up once it is in force
                self.cells.pop(key, None)
                self.changed.discard(key)
        return moved

    def fill(self, lasts: dict[str, tuple[int, ...]]) -> None:
        """Add up the cells of groups that were not known when the children spoke of them."""
        for said in self.children.values():
            for key in said:
                if key not in self.cells and (group := key.partition("|")[0]) in lasts:
                    self._add_up(key, len(said[key]) - 1, lasts[group])

    def _add_up(self, key: str, width: int, lasts: tuple[int, ...]) -> None:
        cell = self.cells[key] = blank(width, lasts)
        for entries in self.children.values():
            if (entry := entries.get(key)) is not None:
                add_vector(cell, entry[1:], lasts)

    def _replace(self, key: str, old: Vector | None, new: Vector, lasts: tuple[int, ...]) -> None:
        cell = self.cells.get(key)
        if cell is None:
            cell = self.cells[key] = blank(len(new), lasts)
        if lasts:  # the newest of all children cannot be had by difference
            self._add_up(key, len(new), lasts)
        elif old is None:
            cell[:] = map(add, cell, new)
        else:
            cell[:] = map(add, cell, map(sub, new, old))


def blank(width: int, lasts: Sequence[int]) -> Vector:
    """A vector of nothing."""
    return [None if index in lasts else 0 for index in range(width)]


class Entity:
    """A rep or an organisation node with its slots."""

    __slots__ = ("id", "level", "rolling", "shown", "slots")

    def __init__(self, level: str, entity_id: str) -> None:
        self.level = level
        self.id = entity_id
        self.slots: dict[str, dict[Path, Slot]] = {}
        self.rolling: dict[str, dict[int, dict[Path, Slot]]] = {}
        """The slots of rolling buckets once more, by letter and number."""
        self.shown: dict[tuple[str, str, str], tuple[Any, ...]] = {}
        """Figures of rolling windows last written and their newest bucket, by KPI, window and product key."""

    def slot(self, bucket: str, path: Path) -> Slot:
        """The slot of `bucket` and `path`, made when missing."""
        paths = self.slots.get(bucket)
        if paths is None:
            paths = self.slots[bucket] = {}
            if bucket[0] in UNIT_OF_LETTER:
                self.rolling.setdefault(bucket[0], {})[int(bucket[1:])] = paths
        slot = paths.get(path)
        if slot is None:
            slot = paths[path] = Slot(self, bucket, path)
        return slot

    def drop(self, letter: str, number: int) -> list[Slot]:
        """Forget a rolling bucket; returns the slots that were in it."""
        paths = self.rolling[letter].pop(number)
        del self.slots[f"{letter}{number}"]
        return list(paths.values())

    def total(self, buckets: Iterable[str], key: str, width: int, lasts: Sequence[int]) -> Vector:
        """The cell `key` added up over buckets and paths; not to be changed by the caller."""
        found = []
        slots = self.slots
        for bucket in buckets:
            if (paths := slots.get(bucket)) is not None:
                for slot in paths.values():
                    if (cell := slot.cells.get(key)) is not None:
                        found.append(cell)
        if len(found) == 1:
            return found[0]
        if not lasts and found:
            return [sum(column) for column in zip(*found, strict=True)]
        result = blank(width, lasts)
        for cell in found:
            add_vector(result, cell, lasts)
        return result


def path_of(wire: Iterable[Sequence[str]]) -> Path:
    """A path from its JSON form, a list of [level, node id]."""
    return tuple(Node(level, node_id) for level, node_id in wire)
