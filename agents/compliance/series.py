"""Lists worked through item by item: `v.amount for v in sales(this_month) if v.kind == "return"`."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from agents.compliance.kinds import list_of
from agents.compliance.nodes import Explanation, Frame, Node, Run, explain, node

#: Loops inside a loop.
MOST_LOOPS = 3
_SHOWN = 10
_SLOTS = ("item0", "item1", "item2")


def reader(depth: int) -> Run:
    """Reads the item of the loop at a depth."""
    return attrgetter(_SLOTS[depth])


def each(depth: int, source: Node, kept: Node | None, element: Node, *, is_item: bool) -> Node:
    """The list of `element` for every item of `source` for which `kept` holds.

    Args:
        depth: loops around this one.
        source: the list.
        kept: condition; None: every item.
        element: what is made of an item.
        is_item: whether that is the item itself.

    An item for which `kept` is missing is left out; where `element` is missing the list has a gap. Each costs a step.
    """
    slot, items, keeps, made = _SLOTS[depth], source.run, kept.run if kept else None, element.run

    def run(frame: Frame) -> list[Any] | None:
        listed = items(frame)
        if listed is None:
            return None
        frame.spend(len(listed))
        found: list[Any] = []
        for item in listed:
            setattr(frame, slot, item)
            if keeps is None or keeps(frame):
                found.append(item if is_item else made(frame))
        return found

    parts = [part for part in (source, kept, element) if part is not None]
    return node(list_of(element.kind), run, parts, _account(slot, source, kept, element))


def _account(slot: str, source: Node, kept: Node | None, element: Node) -> Callable[[Frame], list[Explanation]]:
    """Explains what was looked at, and the first items that count with the parts that made them count."""

    def account(frame: Frame) -> list[Explanation]:
        found = [Explanation(source.text, source.run(frame))]
        counted = []
        for item in found[0].value or ():
            setattr(frame, slot, item)
            if (kept is None or kept.run(frame)) and element.run(frame) is not False:
                counted.append(item)
        for item in counted[:_SHOWN]:
            setattr(frame, slot, item)
            parts = [explain(part, frame) for part in (kept, element) if part is not None and part.parts]
            found.append(Explanation("·", item, tuple(parts)))
        return found

    return account
