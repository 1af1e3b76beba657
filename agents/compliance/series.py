"""Lists worked through item by item: `v.amount for v in sales(this_month) if v.kind == "return"`."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

from agents.compliance.kinds import Kind, list_of
from agents.compliance.nodes import Explanation, Frame, Node, Run, explain, item_bit, node
from agents.compliance.selections import (
    SLOTS,
    Answer,
    Look,
    Loop,
    Query,
    asked,
    fields_read,
    figures_of,
    items_of,
    split,
)
from agents.compliance.straight import straight

#: Loops inside a loop.
MOST_LOOPS = 3
_SHOWN = 10


def reader(depth: int) -> Run:
    """Reads the item of the loop at a depth."""
    return attrgetter(SLOTS[depth])


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
    if source.look is not None:
        return _each_past(Loop(depth, source, kept, element, is_item), source.look)
    parts = [part for part in (source, kept, element) if part is not None]
    account = _account(SLOTS[depth], source, kept, element)
    made = None if is_item else straight(element)
    run = (_outer if depth == 0 else _inner(SLOTS[depth]))(source.run, straight(kept) if kept else None, made)
    return _closed(node(list_of(element.kind), run, parts, account, op="each"), depth)


def _closed(made: Node, depth: int) -> Node:
    """A loop as what stands around it sees it: its own item is nothing it hangs on."""
    return replace(made, reads=made.reads & ~item_bit(depth))


def _each_past(loop: Loop, look: Look, fields: tuple[str, ...] | None = None) -> Node:
    """A loop over the past: only what the condition cannot tell beforehand is asked item by item.

    Args:
        loop: the loop.
        look: the look at the past it begins with.
        fields: fields of the items that are needed behind the loop; None: the items themselves.
    """
    depth, source, kept, element, is_item = loop
    parts = split(kept, depth)
    read = fields_read([parts.rest, None if is_item else element], depth)
    whole = read is None or (is_item and fields is None)
    query = items_of(look, parts, depth, None if whole else tuple(sorted({*(read or ()), *(fields or ())})))
    found = asked(query, picked)
    rest = None if parts.rest is None else straight(parts.rest)
    run = (_outer if depth == 0 else _inner(SLOTS[depth]))(found, rest, None if is_item else straight(element))
    account = _account_of_past(SLOTS[depth], (source, found), (kept, parts.rest), element)
    made = node(list_of(element.kind), run, [part for part in (source, kept, element) if part is not None], account)
    inside = [part.selections for part in (parts.rest, element) if part is not None]
    return replace(_closed(made, depth), selections=frozenset({query.selection}).union(*inside), loop=loop)


def narrowed(argument: Node, *fields: str) -> Node:
    """The same list of past events, of which no more than these fields are needed behind it."""
    loop, look = argument.loop, argument.look
    if loop is not None and loop.is_item and loop.source.look is not None:
        made = _each_past(loop, loop.source.look, fields)
        return replace(argument, run=made.run, account=made.account, selections=made.selections)
    if look is not None:
        query = items_of(look, split(None, 0), 0, fields)
        return replace(argument, run=asked(query, picked), selections=frozenset({query.selection}))
    return argument


def figures_over(argument: Node, *, needs_value: bool) -> Query | None:
    """The query for a number over a list of past events; None where they must be looked at one by one.

    Args:
        argument: the list.
        needs_value: whether its values are added up, not only counted.
    """
    loop, look = argument.loop, argument.look
    if loop is not None and loop.source.look is not None:
        value = None if loop.is_item else loop.element
        return figures_of(loop.source.look, split(loop.kept, loop.depth), loop.depth, value, needs_value=needs_value)
    if look is not None:
        return figures_of(look, split(None, 0), look.depth, None, needs_value=needs_value)
    return None


def figure(kind: Kind, query: Query, answer: Answer, argument: Node) -> Node:
    """A number over past events, of which no event need be kept; it costs one step."""
    source = argument if argument.loop is None else argument.loop.source
    whose = query.look.key

    def account(frame: Frame) -> list[Explanation]:
        if frame.world.history.keeps_events:
            return [explain(argument, frame)]
        return [explain(part, frame) for part in source.parts] if whose(frame) is None else []

    made = node(kind, asked(query, answer), [argument], account)
    return replace(made, selections=frozenset({query.selection}))


def picked(history: Any, query: Query, frame: Frame, key: str, since_us: int, until_us: int) -> Sequence[Any]:
    """The events a query asks for; each costs a step."""
    found: Sequence[Any] = history.picked(query, frame, key, since_us, until_us)
    frame.spend(len(found))
    return found


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
    return _account_of_past(slot, (source, source.run), (kept, kept), element)


def _account_of_past(
    slot: str, source: tuple[Node, Run], conditions: tuple[Node | None, Node | None], element: Node
) -> Callable[[Frame], list[Explanation]]:
    """The same of past events: in full where they are at hand, else what is kept, which meets most of the condition.

    Args:
        slot: of the item.
        source: the list, and how the kept part of it is read.
        conditions: the whole condition, and what is left of it for what is kept.
        element: what is made of an item.
    """

    def account(frame: Frame) -> list[Explanation]:
        is_whole = frame.world.history.keeps_events
        found = [Explanation(source[0].text, source[0].run(frame) if is_whole else source[1](frame))]
        shown = conditions[0 if is_whole else 1]
        keeps = None if shown is None else shown.run
        around = getattr(frame, slot)
        listed = found[0].value or ()
        counted = [item for item in _each(frame, slot, listed, keeps) if element.run(frame) is not False]
        for item in counted[:_SHOWN]:
            setattr(frame, slot, item)
            parts = [explain(part, frame) for part in (shown, element) if part is not None and part.parts]
            found.append(Explanation("·", item, tuple(parts)))
        setattr(frame, slot, around)
        return found

    return account
