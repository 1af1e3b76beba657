"""Lists worked through item by item: `v.amount for v in sales(this_month) if v.kind == "return"`."""

from collections.abc import Callable, Iterable, Iterator
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
    parts = [part for part in (source, kept, element) if part is not None]
    account = _account(_SLOTS[depth], source, kept, element)
    made = None if is_item else element.run
    run = (_outer if depth == 0 else _inner(_SLOTS[depth]))(source.run, kept.run if kept else None, made)
    return node(list_of(element.kind), run, parts, account)


def _outer(items: Run, keeps: Run | None, made: Run | None) -> Run:
    """The usual loop: with a fixed slot it takes two thirds of the time."""

    def run(frame: Frame) -> list[Any] | None:
        listed = items(frame)
        if listed is None:
            return None
        frame.spend(len(listed))
        found: list[Any] = []
        around = frame.item0  # a named part may be worked out inside a loop of the expression that uses it
        for item in listed:
            frame.item0 = item
            if keeps is None or keeps(frame):
                found.append(item if made is None else made(frame))
        frame.item0 = around
        return found

    return run


def _inner(slot: str) -> Callable[[Run, Run | None, Run | None], Run]:
    """A loop inside a loop."""

    def loop(items: Run, keeps: Run | None, made: Run | None) -> Run:
        def run(frame: Frame) -> list[Any] | None:
            listed = items(frame)
            if listed is None:
                return None
            frame.spend(len(listed))
            around = getattr(frame, slot)
            found = [item if made is None else made(frame) for item in _each(frame, slot, listed, keeps)]
            setattr(frame, slot, around)
            return found

        return run

    return loop


def _each(frame: Frame, slot: str, listed: Iterable[Any], keeps: Run | None) -> Iterator[Any]:
    for item in listed:
        setattr(frame, slot, item)
        if keeps is None or keeps(frame):
            yield item


def _account(slot: str, source: Node, kept: Node | None, element: Node) -> Callable[[Frame], list[Explanation]]:
    """Explains what was looked at, and the first items that count with the parts that made them count."""

    def account(frame: Frame) -> list[Explanation]:
        found = [Explanation(source.text, source.run(frame))]
        around = getattr(frame, slot)
        keeps = None if kept is None else kept.run
        counted = [item for item in _each(frame, slot, found[0].value or (), keeps) if element.run(frame) is not False]
        for item in counted[:_SHOWN]:
            setattr(frame, slot, item)
            parts = [explain(part, frame) for part in (kept, element) if part is not None and part.parts]
            found.append(Explanation("·", item, tuple(parts)))
        setattr(frame, slot, around)
        return found

    return account
