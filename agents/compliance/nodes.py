"""What an expression becomes: nodes that carry a closure for the fast path and explain themselves on demand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from agents.compliance.errors import ExhaustedError
from agents.compliance.kinds import Kind
from schemas.events import Located

if TYPE_CHECKING:
    from agents.compliance.selections import Look, Loop, Selection
    from agents.compliance.world import World

#: Steps one rule may take for one event: items looked at in lists and in the past, and what long texts cost.
STEPS = 100_000
_UNREAD = object()
_QUARTER_HOUR_US = 900_000_000
#: What a value hangs on: the event and what is known beside it; an item of a loop has the bit of its depth.
FRAME = 1
#: Of named parts; one for each time a rule is compiled.
_NUMBERS = count()


class Frame:
    """One event as rules see it; made once and handed to every rule.

    Args:
        event: the event.
        world: reference data, past, lists and company time.

    Attributes:
        day: company day of the event.
        day_number: the same as an ordinal.
        kind: kind of the event.
        item0: item of the outer loop, while it runs.
        item1: item of the loop inside it.
        item2: item of the loop inside that.
        left: steps the rule has left.
        moment_us: moment of the event in microseconds since 1970.
        person: professional the event is judged for, where it is judged for each it names.
        named: values of named parts, by the number of the part.
    """

    __slots__ = (
        "_located",
        "_rows",
        "day",
        "day_number",
        "event",
        "item0",
        "item1",
        "item2",
        "kind",
        "left",
        "moment_us",
        "named",
        "person",
        "world",
    )

    def __init__(self, event: Any, world: "World") -> None:
        self.event, self.world = event, world
        self.moment_us = moment_us = world.time.microseconds(event.occurred_at)
        self.day_number = number = world.time.day_of_quarter_hour(moment_us // _QUARTER_HOUR_US)
        self.day = date.fromordinal(number)
        self.kind: str = event.kind_name
        self.item0: Any = None
        self.item1: Any = None
        self.item2: Any = None
        self.left = STEPS
        self.named: dict[int, Any] = {}
        self.person: str | None = None
        self._located: Located | None = None
        self._rows: dict[str, Any] = {}

    @property
    def located(self) -> Located:
        """What the intake found out about where it was."""
        found = self._located
        if found is None:
            found = self._located = self.event.findings.located
        return found

    def row(self, table: str, key: str) -> Any:
        """Reference row in force on the day of the event that its field `key` names; None where there is none."""
        found = self._rows.get(table, _UNREAD)
        if found is _UNREAD:
            wanted = getattr(self.event, key)
            found = self._rows[table] = None if wanted is None else self.world.references.row(table, wanted, self.day)
        return found

    def spend(self, steps: int) -> None:
        """Use up steps.

        Raises:
            ExhaustedError: none are left.
        """
        self.left -= steps
        if self.left < 0:
            raise ExhaustedError


#: Value of a node for an event; None: missing.
Run = Callable[[Frame], Any]


class Need(NamedTuple):
    """A past that a rule reads."""

    kind: str
    """Kind of event."""
    subject: str
    """Whose: rep, hcp or institution."""
    window: str


class Explanation(NamedTuple):
    """One value that took part in a verdict, and those it was made of."""

    text: str
    """The part of the expression."""
    value: Any
    parts: tuple["Explanation", ...] = ()


class Call(NamedTuple):
    """A function of values that are there."""

    work: Callable[..., Any]
    takes_frame: bool
    """Whether it is handed the frame before them."""


Account = Callable[[Frame], Sequence[Explanation]]
_VARIES = object()


@dataclass(frozen=True)
class Node:
    """A part of an expression.

    Attributes:
        kind: kind of its values.
        text: as it is written.
        run: its value for an event.
        parts: what it is made of.
        value: its value, where that hangs on no event.
        account: explains the parts, where they are not simply all of them.
        needs: pasts it reads.
        size: nodes in it, named parts counted wherever they are used.
        depth: how deep it is nested, named parts included.
        line: where it stands.
        column: where it stands.
        reads: what it hangs on: `FRAME`, and `item_bit` of the loops around it.
        op: what it is where others must know: `and`, `==`, `<`, `item`, `.field`, `person`, …
        call: of a function of the values of its parts, none of which may be missing, that function.
        look: of a look at the past, where it goes.
        loop: of a list worked through, what it is made of.
        selections: what it needs kept of the past.
    """

    kind: Kind
    text: str
    run: Run
    parts: tuple["Node", ...] = ()
    value: Any = _VARIES
    account: Account | None = None
    needs: frozenset[Need] = frozenset()
    size: int = 1
    depth: int = 1
    line: int = 1
    column: int = 1
    reads: int = FRAME
    op: str = ""
    call: "Call | None" = None
    look: "Look | None" = None
    loop: "Loop | None" = None
    selections: frozenset["Selection"] = frozenset()

    @property
    def is_constant(self) -> bool:
        """Whether its value hangs on no event."""
        return self.value is not _VARIES


def constant(kind: Kind, value: Any, text: str) -> Node:
    """A node whose value is known."""
    return Node(kind, text, lambda _frame: value, value=value, reads=0)


def item_bit(depth: int) -> int:
    """What hangs on the item of the loop at a depth."""
    return 2 << depth


def node(
    kind: Kind,
    run: Run,
    parts: Sequence[Node],
    account: Account | None = None,
    *,
    is_steady: bool = False,
    op: str = "",
    call: Call | None = None,
) -> Node:
    """A node made of parts; its text and place are added by who reads the expression.

    Args:
        kind: kind of its values.
        run: its value.
        parts: what it is made of.
        account: explains the parts, where they are not simply all of them.
        is_steady: whether it hangs on nothing but its parts and costs no steps: of an item of the past it can be worked
            out when the item comes.
        op: what it is, where others must know.
        call: what works it out from the values of its parts, if it is missing wherever one of them is.
    """
    needs = frozenset[Need]().union(*(part.needs for part in parts))
    selections = frozenset().union(*(part.selections for part in parts))
    reads = 0 if is_steady else FRAME
    for part in parts:
        reads |= part.reads
    size, depth = 1 + sum(part.size for part in parts), 1 + max((part.depth for part in parts), default=0)
    return Node(
        kind,
        "",
        run,
        tuple(parts),
        account=account,
        needs=needs,
        size=size,
        depth=depth,
        reads=reads,
        op=op,
        call=call,
        selections=selections,
    )


def remembered(part: Node, run_once: Run | None = None) -> Node:
    """The same node, worked out once for an event however often it is used. No loop may run around it.

    Args:
        part: the node.
        run_once: a faster function with the same values, if there is one.
    """
    if part.is_constant or not part.parts:
        return part
    work, number = run_once or part.run, next(_NUMBERS)

    def run(frame: Frame) -> Any:
        value = frame.named.get(number, _UNREAD)
        if value is _UNREAD:
            value = frame.named[number] = work(frame)
        return value

    return replace(part, run=run, op="let", call=None)


def folded(made: Node) -> Node:
    """The node, or its value where all its parts are constant. The closure must not read the frame."""
    if not made.parts or not all(part.is_constant for part in made.parts):
        return made
    value = made.run(None)  # type: ignore[arg-type]
    return replace(made, value=value, run=lambda _frame: value, reads=0)


def explain(part: Node, frame: Frame) -> Explanation:
    """The node's value with all that it was made of: the very closures of the fast path, node by node."""
    value = part.run(frame)
    if part.is_constant:
        return Explanation(part.text, value)
    below = part.account(frame) if part.account is not None else [explain(one, frame) for one in part.parts]
    return Explanation(part.text, value, tuple(below))


def missing(explanation: Explanation) -> list[str]:
    """The lowest parts without a value: why an expression does not apply."""
    if explanation.value is not None:
        return []
    below = [text for part in explanation.parts for text in missing(part)]
    return list(dict.fromkeys(below or [explanation.text]))
