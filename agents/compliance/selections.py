"""What a rule needs of a past: which events, what of them, and how that is asked for.

A condition that reads nothing but the past event can be decided when that event comes, and `item.f == expression` can
be looked up. Both are taken out of a loop over the past here, so that a history need keep only what is left: moments
and sums where the answer is a number (`figures`), the fields that are read where it is not (`items`).
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from agents.compliance.errors import ExhaustedError
from agents.compliance.logic import all_of
from agents.compliance.nodes import Frame, Node, Run, item_bit
from agents.compliance.places import Place, walk
from agents.compliance.straight import straight
from agents.compliance.windows import WINDOWS, Window
from agents.progress.calendar import CompanyTime
from schemas.events import EVENT_MODELS

SLOTS = ("item0", "item1", "item2")
#: Reads an item from its slot, in a frame or `Slots`.
Read = Callable[[Any], Any]
_TODAY = WINDOWS["today"]


class Look(NamedTuple):
    """A look at the past.

    Attributes:
        kind: kind of event.
        place: whose past.
        window: how far back.
        key: id of whose past.
        depth: loops around it.
    """

    kind: str
    place: Place
    window: Window
    key: Run
    depth: int = 0


class Loop(NamedTuple):
    """A list worked through.

    Attributes:
        depth: loops around it.
        source: the list.
        kept: condition; None: every item.
        element: what is made of an item.
        is_item: whether that is the item itself.
    """

    depth: int
    source: Node
    kept: Node | None
    element: Node
    is_item: bool


class Selection(NamedTuple):
    """Events of one kind in the pasts of one kind of subject, and what is kept of each.

    Two are the same if they have the same name and window.
    """

    name: str
    """What it picks and keeps, spelled out: the same from whatever rule it comes."""
    kind: str
    subject: str
    window: Window
    slot: str
    """Slot of the item its conditions read."""
    tests: tuple[Read, ...]
    """Conditions an event must meet; they read the event only."""
    groups: tuple[Read, ...]
    """What an event is looked up by."""
    value: Read | None = None
    """What is added up; None: nothing."""
    fields: tuple[str, ...] | None = ()
    """Fields that are kept of an event; None: the event itself."""
    is_items: bool = False
    """Whether events are kept, or figures only."""

    def __eq__(self, other: object) -> bool:
        """By name and window: closures of the same text are different objects."""
        return isinstance(other, Selection) and (self.name, self.window) == (other.name, other.window)

    def __hash__(self) -> int:
        """By name and window."""
        return hash((self.name, self.window))

    def picks(self, holder: Any) -> bool:
        """Whether the event in the slot of the holder belongs to it."""
        return all(test(holder) for test in self.tests)


class Slots:
    """Holds an event where conditions on items read it."""

    __slots__ = SLOTS

    def __init__(self) -> None:
        self.item0: Any = None
        self.item1: Any = None
        self.item2: Any = None


class Query:
    """A selection as one rule asks for it.

    Args:
        selection: what is asked for.
        look: whose past, and how far back.
        groups: values it is looked up by.
        before_today: whether events of the day itself are left out.
    """

    __slots__ = ("_day", "_length_us", "_since", "_time", "before_today", "groups", "kind", "look", "name", "selection")

    def __init__(self, selection: Selection, look: Look, groups: tuple[Run, ...], *, before_today: bool) -> None:
        self.selection, self.look, self.groups, self.before_today = selection, look, groups, before_today
        self.kind, self.name = selection.kind, selection.name
        length = look.window.length
        self._length_us = None if length is None else (length.days * 86_400 + length.seconds) * 1_000_000
        self._day: date | None = None
        self._time: CompanyTime | None = None
        self._since = 0

    def since_us(self, frame: Frame) -> int:
        """First moment of the window of an event."""
        if self._length_us is not None:
            return frame.moment_us - self._length_us
        if frame.day != self._day or frame.world.time is not self._time:  # most events come from the same day
            self._since = self.look.window.since_us(frame.moment_us, frame.day, frame.world.time)
            self._day, self._time = frame.day, frame.world.time
        return self._since

    def until_us(self, frame: Frame) -> int:
        """Last moment that counts."""
        if not self.before_today:
            return frame.moment_us
        return _TODAY.since_us(frame.moment_us, frame.day, frame.world.time) - 1


class Split(NamedTuple):
    """A condition taken apart."""

    tests: tuple[Node, ...]
    groups: tuple[tuple[Node, Node], ...]
    """Values of the item, and what they must be equal to."""
    before_today: bool
    rest: Node | None
    """What must be asked item by item."""


def split(kept: Node | None, depth: int) -> Split:
    """Take the condition of a loop over the past apart."""
    bit = item_bit(depth)
    tests, groups, rest, before_today = list[Node](), list[tuple[Node, Node]](), list[Node](), False
    for part in _conjuncts(kept):
        if part.reads == bit:
            tests.append(part)
        elif (pair := _equal(part, bit)) is not None:
            groups.append(pair)
        elif _is_before_today(part, bit):
            before_today = True
        else:
            rest.append(part)
    left = None if not rest else rest[0] if len(rest) == 1 else all_of(rest)
    return Split(tuple(tests), tuple(groups), before_today, left)


def _conjuncts(kept: Node | None) -> Iterator[Node]:
    if kept is not None and kept.op == "and":
        for part in kept.parts:
            yield from _conjuncts(part)
    elif kept is not None:
        yield kept


def _equal(part: Node, bit: int) -> tuple[Node, Node] | None:
    """`item.f == expression` as value of the item and the expression, where that is cheap."""
    if part.op != "==":
        return None
    for item, other in (part.parts, part.parts[::-1]):
        if (
            item.reads == bit
            and not other.reads & bit
            and not other.needs
            and all(not one.parts for one in other.parts)
        ):
            return item, other
    return None


def _is_before_today(part: Node, bit: int) -> bool:
    """`day_of(item.occurred_at) < day`."""
    if part.op != "<" or part.parts[0].op != "day_of" or part.parts[1].op != "day":
        return False
    moment = part.parts[0].parts[0]
    return moment.op == ".occurred_at" and moment.reads == bit and moment.parts[0].op == "item"


def fields_read(parts: Sequence[Node | None], depth: int) -> tuple[str, ...] | None:
    """Fields of the item of a loop that its parts read; None: the item itself."""
    bit, found, waiting = item_bit(depth), set[str](), [part for part in parts if part is not None]
    while waiting:
        part = waiting.pop()
        if not part.reads & bit:
            continue
        if part.op == "item":
            return None
        if part.op.startswith(".") and part.parts and part.parts[0].op == "item" and part.parts[0].reads == bit:
            found.add(part.op[1:])
        else:
            waiting += part.parts
    return tuple(sorted(found))


def items_of(look: Look, parts: Split, depth: int, fields: tuple[str, ...] | None) -> Query:
    """A query for events, of which the fields are kept."""
    return _query(look, parts, depth, fields=fields, is_items=True)


def figures_of(look: Look, parts: Split, depth: int, value: Node | None, *, needs_value: bool) -> Query | None:
    """A query for a number; None where what is left of the condition or the value itself must be looked at.

    Args:
        look: the look at the past.
        parts: the condition.
        depth: loops around it.
        value: what is made of an item; None: the item itself.
        needs_value: whether it is added up, not only counted.
    """
    if depth or parts.rest is not None or (value is not None and value.reads != item_bit(depth)):
        return None
    if needs_value and (value is None or not _is_exact(value, look.kind)):
        return None
    return _query(look, parts, depth, value=value, needs_value=needs_value)


def _is_exact(value: Node, kind: str) -> bool:
    """Whether a value is a whole number or an amount as the event has it: such are added without loss in any order."""
    if not value.op.startswith(".") or not value.parts or value.parts[0].op != "item":
        return False
    field = EVENT_MODELS[kind].model_fields[value.op[1:]]
    return field.annotation in {Decimal, int}


def _query(
    look: Look,
    parts: Split,
    depth: int,
    *,
    value: Node | None = None,
    needs_value: bool = False,
    fields: tuple[str, ...] | None = (),
    is_items: bool = False,
) -> Query:
    tests = [straight(part) for part in parts.tests]
    told = [_told(part) for part in parts.tests]
    if value is not None:
        tests.append(_is_there(value.run))
        told.append(f"present({_told(value)})")
    names = [
        look.kind,
        look.place.subject,
        SLOTS[depth],
        " and ".join(told),
        ", ".join(_told(item) for item, _ in parts.groups),
        _told(value) if needs_value and value is not None else "",
        ("" if not is_items else "the event" if fields is None else f"items {', '.join(fields)}"),
    ]
    selection = Selection(
        name="\x1f".join(names),
        kind=look.kind,
        subject=look.place.subject,
        window=look.window,
        slot=SLOTS[depth],
        tests=tuple(tests),
        groups=tuple(item.run for item, _ in parts.groups),
        value=value.run if needs_value and value is not None else None,
        fields=fields,
        is_items=is_items,
    )
    return Query(selection, look, tuple(other.run for _, other in parts.groups), before_today=parts.before_today)


def _is_there(get: Run) -> Run:
    return lambda holder: get(holder) is not None


def _told(part: Node) -> str:
    """A part with the values of its constants: what two rules write alike may mean different things."""
    known = {f"{one.text}={one.value!r}" for one in walk(part) if one.is_constant}
    variables = {one.text for one in walk(part) if one.op == "item"}
    return f"{part.text} [{', '.join(sorted(variables))}] {' '.join(sorted(known))}"


#: Asks a history, whose past and from when until when are known.
Answer = Callable[[Any, Query, Frame, str, int, int], Any]


def asked(query: Query, answer: Answer) -> Run:
    """Ask the history a query for whoever the event names; missing where it names nobody. It costs a step."""
    key, since_us, until_us = query.look.key, query.since_us, query.until_us

    if not query.before_today:

        def straight(frame: Frame) -> Any:
            whose = key(frame)
            if whose is None:
                return None
            frame.left -= 1
            if frame.left < 0:
                raise ExhaustedError
            return answer(frame.world.history, query, frame, whose, since_us(frame), frame.moment_us)

        return straight

    def run(frame: Frame) -> Any:
        whose = key(frame)
        if whose is None:
            return None
        frame.spend(1)
        return answer(frame.world.history, query, frame, whose, since_us(frame), until_us(frame))

    return run
