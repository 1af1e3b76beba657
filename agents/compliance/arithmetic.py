"""+ − × ÷, exact: numbers are whole or decimal, lengths of time are whole microseconds.

Sums, differences and products are exact up to 64 digits, more than two amounts can need; quotients are rounded there,
half to even. Missing on either side, division by zero and what leaves the calendar: missing.
"""

from collections.abc import Callable
from datetime import timedelta
from decimal import Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Any

from agents.compliance.kinds import DAY, DURATION, MOMENT, NUMBER, Kind
from agents.compliance.nodes import Frame, Node, folded, node

#: Numbers are worked out with so many digits.
DIGITS = 64
EXACT = Context(prec=DIGITS, Emin=-999, Emax=999, traps=[DivisionByZero, InvalidOperation, Overflow])
_MICROSECOND = timedelta(microseconds=1)
#: Units of time by name.
UNITS: dict[str, timedelta] = {
    "seconds": timedelta(seconds=1),
    "minutes": timedelta(minutes=1),
    "hours": timedelta(hours=1),
    "days": timedelta(days=1),
}


def _add(one: Any, two: Any) -> Any:
    return one + two


def _subtract(one: Any, two: Any) -> Any:
    return one - two


def _times(length: timedelta, number: int | Decimal) -> timedelta:
    return timedelta(microseconds=int(EXACT.to_integral_value(EXACT.multiply(length // _MICROSECOND, number))))


def _share(one: timedelta, two: timedelta) -> Decimal:
    return EXACT.divide(one // _MICROSECOND, two // _MICROSECOND)


def _moment_plus(moment: Any, length: timedelta) -> Any:
    return moment + length


def _days_between(one: Any, two: Any) -> timedelta:
    return timedelta(days=(one - two).days)


def _day_plus(day: Any, length: timedelta) -> Any:
    return day + length


#: Whole numbers below this are added as they are: their sum has no more digits than there are.
_SMALL = 10 ** (DIGITS // 2)


def _plus(one: int | Decimal, two: int | Decimal) -> int | Decimal:
    if type(one) is int and type(two) is int and -_SMALL < one < _SMALL and -_SMALL < two < _SMALL:
        return one + two
    return EXACT.add(one, two)


def _minus(one: int | Decimal, two: int | Decimal) -> int | Decimal:
    if type(one) is int and type(two) is int and -_SMALL < one < _SMALL and -_SMALL < two < _SMALL:
        return one - two
    return EXACT.subtract(one, two)


def _product(one: int | Decimal, two: int | Decimal) -> int | Decimal:
    if type(one) is int and type(two) is int and -_SMALL < one < _SMALL and -_SMALL < two < _SMALL:
        return one * two
    return EXACT.multiply(one, two)


_Operation = Callable[[Any, Any], Any]
#: What there is: sign, kind left, kind right -> kind of the result and how it is worked out.
OPERATIONS: dict[tuple[str, str, str], tuple[Kind, _Operation]] = {
    ("+", NUMBER.name, NUMBER.name): (NUMBER, _plus),
    ("-", NUMBER.name, NUMBER.name): (NUMBER, _minus),
    ("*", NUMBER.name, NUMBER.name): (NUMBER, _product),
    ("/", NUMBER.name, NUMBER.name): (NUMBER, EXACT.divide),
    ("+", DURATION.name, DURATION.name): (DURATION, _add),
    ("-", DURATION.name, DURATION.name): (DURATION, _subtract),
    ("*", DURATION.name, NUMBER.name): (DURATION, _times),
    ("*", NUMBER.name, DURATION.name): (DURATION, lambda number, length: _times(length, number)),
    ("/", DURATION.name, DURATION.name): (NUMBER, _share),
    ("/", DURATION.name, NUMBER.name): (DURATION, lambda length, number: _times(length, EXACT.divide(1, number))),
    ("-", MOMENT.name, MOMENT.name): (DURATION, _subtract),
    ("+", MOMENT.name, DURATION.name): (MOMENT, _moment_plus),
    ("-", MOMENT.name, DURATION.name): (MOMENT, _subtract),
    ("-", DAY.name, DAY.name): (DURATION, _days_between),
    ("+", DAY.name, DURATION.name): (DAY, _day_plus),
    ("-", DAY.name, DURATION.name): (DAY, _subtract),
}
_HINTS = {
    ("+", MOMENT.name, NUMBER.name): "give the number a unit, for example 5 * minutes",
    ("-", MOMENT.name, NUMBER.name): "give the number a unit, for example 5 * minutes",
    ("-", MOMENT.name, DAY.name): "day_of(…) makes a day of a moment",
    ("-", DAY.name, MOMENT.name): "day_of(…) makes a day of a moment",
}


def refusal(sign: str, left: Node, right: Node) -> str | None:
    """Why `left sign right` cannot be worked out; None where it can."""
    asked = (sign, left.kind.name, right.kind.name)
    if asked in OPERATIONS:
        return None
    hint = _HINTS.get(asked, "it works with numbers, lengths of time, moments and days")
    return f"{left.text} is a {left.kind}, {right.text} a {right.kind}: no {sign} between them, {hint}"


def combined(sign: str, left: Node, right: Node) -> Node:
    """The result of an operation."""
    kind, work = OPERATIONS[sign, left.kind.name, right.kind.name]
    first, second = left.run, right.run

    def run(frame: Frame) -> Any:
        one, two = first(frame), second(frame)
        if one is None or two is None:
            return None
        try:
            return work(one, two)
        except ArithmeticError:
            return None

    op = "moments -" if sign == "-" and left.kind.name == right.kind.name == MOMENT.name else ""
    return folded(node(kind, run, [left, right], is_steady=True, op=op))


def opposite(part: Node) -> Node:
    """The number or length of time with the other sign."""
    inner = part.run

    def run(frame: Frame) -> Any:
        value = inner(frame)
        if value is None:
            return None
        try:
            return -value if isinstance(value, int | timedelta) else EXACT.minus(value)
        except ArithmeticError:  # the longest length of time has no opposite
            return None

    return folded(node(part.kind, run, [part], is_steady=True))
