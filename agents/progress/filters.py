"""The `where` of a KPI compiled to one predicate."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from agents.intake.directory import Directory
from schemas.base import AMOUNT_PLACES
from schemas.policy import Condition

#: What a filter sees: the event, the directory, the ordinal of the day that decides the period.
Predicate = Callable[[Any, Directory, int], bool]

_TIMELINES = {"rep": ("reps", "rep_id"), "institution": ("institutions", "institution_id")}
_TIMELINES |= {"product": ("products", "product_id"), "hcp": ("hcps", "hcp_id")}
_LAST_PLACE = Decimal(1).scaleb(-AMOUNT_PLACES)


def event_field(name: str) -> Callable[[Any], Any]:
    """Reader of an event field; `duration_minutes` is derived from check-in and check-out."""
    if name == "duration_minutes":
        return _duration_minutes
    return lambda event: getattr(event, name)


def _duration_minutes(event: Any) -> Decimal | None:
    if event.check_out_at is None:
        return None
    seconds = Decimal(str((event.check_out_at - event.check_in_at).total_seconds()))
    return (seconds / 60).quantize(_LAST_PLACE)


def reader(name: str) -> Callable[[Any, Directory, int], Any]:
    """Reader of an event field, or of a reference field (`institution.country`) in force on the day."""
    head, dot, tail = name.partition(".")
    if not dot:
        read = event_field(name)
        return lambda event, _directory, _day: read(event)
    table, key = _TIMELINES[head]

    def read_reference(event: Any, directory: Directory, day: int) -> Any:
        line = getattr(directory, table).get(getattr(event, key))
        row = line.on(date.fromordinal(day)) if line else None
        return getattr(row, tail) if row is not None else None

    return read_reference


def compile_where(where: Mapping[str, Condition]) -> Predicate | None:
    """One predicate that holds when every field satisfies its condition; None when there is nothing to test.

    A field that is missing satisfies nothing but `present: false` and `not_in`.
    """
    tests = [(reader(name), _test(condition)) for name, condition in where.items()]
    if not tests:
        return None
    return lambda event, directory, day: all(test(read(event, directory, day)) for read, test in tests)


def _test(condition: Condition) -> Callable[[Any], bool]:
    checks: list[Callable[[Any], bool]] = []
    if condition.present is not None:
        wanted = condition.present
        checks.append(lambda value: (value is not None) is wanted)
    if condition.in_ is not None:
        allowed = _exactly(condition.in_)
        checks.append(lambda value: value in allowed)
    if condition.not_in is not None:
        refused = _exactly(condition.not_in)
        checks.append(lambda value: value not in refused)
    checks += [_compare(bound, holds) for bound, holds in _bounds(condition)]
    return lambda value: all(check(value) for check in checks)


def _exactly(values: Iterable[Any]) -> frozenset[Any]:
    """The values, and the numbers as they are written in the policy, besides their binary neighbours."""
    listed = list(values)
    return frozenset([*listed, *(Decimal(str(value)) for value in listed if isinstance(value, float))])


def _compare(bound: float, holds: Callable[[Any, Any], bool]) -> Callable[[Any], bool]:
    # a Decimal field is compared with the number as it is written in the policy, not with its binary neighbour
    exact = Decimal(str(bound))
    return lambda value: value is not None and holds(value, exact if isinstance(value, Decimal) else bound)


def _bounds(condition: Condition) -> Iterable[tuple[float, Callable[[Any, Any], bool]]]:
    if condition.above is not None:
        yield condition.above, lambda value, bound: value > bound
    if condition.at_least is not None:
        yield condition.at_least, lambda value, bound: value >= bound
    if condition.below is not None:
        yield condition.below, lambda value, bound: value < bound
    if condition.at_most is not None:
        yield condition.at_most, lambda value, bound: value <= bound
