"""The `where` of a KPI compiled to one predicate."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from operator import attrgetter
from typing import Any

from agents.intake.directory import Directory
from agents.progress.derived import duration_minutes, outside_fence_m, reporting_latency_minutes
from schemas.measures import Condition, Filter

#: What a filter sees: the event, the directory, the ordinal of the day that decides the period.
Predicate = Callable[[Any, Directory, int], bool]

_TIMELINES = {"rep": ("reps", "rep_id"), "institution": ("institutions", "institution_id")}
_TIMELINES |= {"product": ("products", "product_id"), "hcp": ("hcps", "hcp_id")}
_DERIVED = {"duration_minutes": duration_minutes, "reporting_latency_minutes": reporting_latency_minutes}


def event_field(name: str) -> Callable[[Any], Any]:
    """Reader of an event field, or of one that is worked out from others."""
    return _DERIVED.get(name) or attrgetter(name)


def reader(name: str) -> Callable[[Any, Directory, int], Any]:
    """Reader of an event field, or of a reference field (`institution.country`) in force on the day."""
    if name == "outside_fence_m":
        return outside_fence_m
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


def compile_filter(one: Filter) -> Predicate:
    """The predicate of a filter; asked again about the event it was asked about last, it remembers the answer."""
    wanted = compile_where(one.where)
    refused = [case for where in one.unless if (case := compile_where(where)) is not None]
    memo: tuple[Any, Any, int, bool] = (None, None, 0, False)  # replaced whole: several threads may ask

    def holds(event: Any, directory: Directory, day: int) -> bool:
        nonlocal memo
        known = memo
        if known[0] is event and known[1] is directory and known[2] == day:
            return known[3]
        found = wanted is None or wanted(event, directory, day)
        found = found and not any(case(event, directory, day) for case in refused)
        memo = (event, directory, day, found)
        return found

    return holds


def both(one: Predicate | None, other: Predicate | None) -> Predicate | None:
    """A predicate that holds where both do; None holds always."""
    if one is None or other is None:
        return one or other
    return lambda event, directory, day: one(event, directory, day) and other(event, directory, day)


def _test(condition: Condition) -> Callable[[Any], bool]:
    checks: list[Callable[[Any], bool]] = []
    if condition.present is not None:
        wanted = condition.present
        checks.append(lambda value: (value is not None and value != ()) is wanted)
    if condition.in_ is not None:
        allowed = frozenset(condition.in_)
        checks.append(lambda value: value in allowed)
    if condition.not_in is not None:
        refused = frozenset(condition.not_in)
        checks.append(lambda value: value not in refused)
    checks += [_compare(bound, holds) for bound, holds in _bounds(condition)]
    return lambda value: all(check(value) for check in checks)


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
