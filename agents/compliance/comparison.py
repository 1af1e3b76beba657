"""Comparisons and membership. Missing on either side: missing."""

import operator
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from agents.compliance.folding import fold
from agents.compliance.kinds import CLOCK, DAY, DURATION, MOMENT, NUMBER, TEXT, TRUTH, Kind
from agents.compliance.nodes import Frame, Node, Run, folded, node

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_ORDERED = (NUMBER, DAY, MOMENT, CLOCK, DURATION)
_EQUAL_ONLY = (TEXT, TRUTH)
_HINTS = {
    frozenset({DAY.name, MOMENT.name}): "day_of(…) makes a day of a moment",
    frozenset({CLOCK.name, MOMENT.name}): "time_of(…) makes a time of day of a moment",
    frozenset({NUMBER.name, DURATION.name}): "give the number a unit, for example 5 * minutes",
    frozenset({TEXT.name, DAY.name}): 'write a day as date("2025-01-31")',
    frozenset({TEXT.name, CLOCK.name}): 'write a time of day as clock("09:00")',
}


def refusal(sign: str, left: Node, right: Node) -> str | None:
    """Why two nodes cannot be compared by `sign`; None where they can."""
    if left.kind.name != right.kind.name:
        hint = _HINTS.get(frozenset({left.kind.name, right.kind.name}), "compare what is of one kind")
        return f"{left.text} is a {left.kind}, {right.text} a {right.kind}: {hint}"
    if left.kind in _EQUAL_ONLY and sign not in {"==", "!="}:
        return f"a {left.kind} is not greater or smaller than another: use == or !="
    if left.kind not in _ORDERED and left.kind not in _EQUAL_ONLY:
        return f"a {left.kind} cannot be compared: compare one of its fields, or use count(…), any(…)"
    return _impossible(left, right) or _impossible(right, left)


def _impossible(field: Node, other: Node) -> str | None:
    choices = field.kind.choices
    if choices is None or not other.is_constant or other.value in choices:
        return None
    return f"{field.text} is never {other.value!r}: it is one of {', '.join(sorted(choices))}"


def compared(sign: str, left: Node, right: Node) -> Node:
    """Whether a comparison holds."""
    compare, get = COMPARE[sign], left.run
    if right.is_constant and right.value is not None:
        return folded(node(TRUTH, _with_constant(compare, get, right.value), [left, right], is_steady=True, op=sign))
    other = right.run

    def run(frame: Frame) -> bool | None:
        one = get(frame)
        if one is None:
            return None
        two = other(frame)
        return None if two is None else compare(one, two)

    return folded(node(TRUTH, run, [left, right], is_steady=True, op=sign))


def _with_constant(compare: Callable[[Any, Any], bool], get: Run, bound: Any) -> Run:
    def run(frame: Frame) -> bool | None:
        one = get(frame)
        return None if one is None else compare(one, bound)

    return run


def membership_refusal(left: Node, right: Node) -> str | None:
    """Why `left in right` makes no sense; None where it does."""
    if right.kind == TEXT:
        return f"{right.text} is a text: write contains_any({right.text}, [{left.text}])"
    if right.kind.item is None:
        return f"{right.text} is a {right.kind}, no list: write a list such as [1, 2], or =="
    if left.kind.item is not None or left.kind.model is not None:
        return f"a {left.kind} is in no list: look for one of its fields"
    if right.kind.item.name != left.kind.name:
        return f"{left.text} is a {left.kind}, the items of {right.text} are of kind {right.kind.item}: it is never in"
    choices = left.kind.choices
    if choices is not None and right.is_constant and (strange := [v for v in right.value if v not in choices]):
        return f"{left.text} is never {strange[0]!r}: it is one of {', '.join(sorted(choices))}"
    return None


def member(left: Node, right: Node) -> Node:
    """Whether a list has the value."""
    get, items = left.run, right.run
    if right.kind.is_folded:
        get = _folding(get)
    if right.is_constant and right.value is not None:
        known = frozenset(right.value)
        run_known = _with_constant(lambda one, _: one in known, get, known)
        return folded(node(TRUTH, run_known, [left, right], is_steady=True))

    def run(frame: Frame) -> bool | None:
        one, listed = get(frame), items(frame)
        if one is None or listed is None:
            return None
        frame.spend(len(listed))
        return one in listed

    return folded(node(TRUTH, run, [left, right]))


def _folding(get: Run) -> Run:
    return lambda frame: None if (value := get(frame)) is None else fold(value)


def exact(value: int | float) -> int | Decimal:
    """A number as it is written: 0.1 is a tenth.

    >>> exact(0.1), exact(3)
    (Decimal('0.1'), 3)
    """
    return value if isinstance(value, int) else Decimal(repr(value))


def common_kind(kinds: list[Kind]) -> Kind | None:
    """The kind all of them have, without fixed choices unless all share them; None where they differ."""
    if len({kind.name for kind in kinds}) != 1:
        return None
    first = kinds[0]
    alike = all((kind.choices, kind.is_folded) == (first.choices, first.is_folded) for kind in kinds)
    return first if alike else Kind(first.name)
