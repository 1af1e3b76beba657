"""The `where` of a KPI compiled to one predicate."""

import operator
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import Decimal
from operator import attrgetter
from typing import Any

from agents.intake.directory import Directory
from agents.progress.derived import FOUND, IN_MILLIONTHS
from schemas.measures import Condition, Filter, Scalar
from schemas.sources import BREACHES

#: What a filter sees: the event, the directory, the ordinal of the day that decides the period.
Predicate = Callable[[Any, Directory, int], bool]

MICRO = 1_000_000
_TIMELINES = {"rep": ("reps", "rep_id"), "institution": ("institutions", "institution_id")}
_TIMELINES |= {"product": ("products", "product_id"), "hcp": ("hcps", "hcp_id")}


def reader(name: str) -> Callable[[Any, Directory, int], Any]:
    """Reader of an event field, or of a reference field (`institution.country`) in force on the day.

    What is worked out in minutes comes in millionths.
    """
    head, dot, tail = name.partition(".")
    if not dot:
        read = IN_MILLIONTHS.get(name) or FOUND.get(name) or attrgetter(name)
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
    tests = [_field_test(name, condition) for name, condition in where.items()]
    found = tests[0] if tests else None
    for test in tests[1:]:
        found = both(found, test)
    return found


def _field_test(name: str, condition: Condition) -> Predicate:
    holds = _list_test(condition) if name == BREACHES else _test(condition, MICRO if name in IN_MILLIONTHS else 1)
    read = reader(name)
    if "." in name:
        return lambda event, directory, day: holds(read(event, directory, day))
    get = IN_MILLIONTHS.get(name) or FOUND.get(name) or attrgetter(name)
    return lambda event, _directory, _day: holds(get(event))


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
        for case in refused:
            found = found and not case(event, directory, day)
        memo = (event, directory, day, found)
        return found

    return holds


def both(one: Predicate | None, other: Predicate | None) -> Predicate | None:
    """A predicate that holds where both do; None holds always."""
    if one is None or other is None:
        return one or other
    return lambda event, directory, day: one(event, directory, day) and other(event, directory, day)


def _test(condition: Condition, scale: int) -> Callable[[Any], bool]:
    checks: list[Callable[[Any], bool]] = []
    if condition.present is not None:
        wanted = condition.present
        checks.append(lambda value: (value is not None and value != ()) is wanted)
    if condition.in_ is not None:
        checks.append(_members(condition.in_, scale).__contains__)
    if condition.not_in is not None:
        refused = _members(condition.not_in, scale)
        checks.append(lambda value: value not in refused)
    checks += [_compare(bound, holds, scale) for bound, holds in _bounds(condition)]
    if len(checks) == 1:
        return checks[0]
    return lambda value: all(check(value) for check in checks)


def _list_test(condition: Condition) -> Callable[[Any], bool]:
    """A condition on a list: on whether one of its items is meant."""
    checks: list[Callable[[Any], bool]] = []
    if condition.present is not None:
        wanted = condition.present
        checks.append(lambda found: bool(found) is wanted)
    if condition.in_ is not None:
        meant = frozenset(condition.in_)
        checks.append(lambda found: not meant.isdisjoint(found))
    if condition.not_in is not None:
        refused = frozenset(condition.not_in)
        checks.append(refused.isdisjoint)
    return lambda found: all(check(found) for check in checks)


def _members(values: Iterable[Scalar], scale: int) -> frozenset[Any]:
    """The values; numbers as they are written in the policy, beside their binary neighbours."""
    listed = list(values)
    numbers = [
        _scaled(value, scale)
        for value in listed
        if isinstance(value, int | float) and (scale != 1 or isinstance(value, float))
    ]
    return frozenset([*listed, *numbers])


def _scaled(number: float, scale: int) -> Decimal:
    return Decimal(str(number)) * scale


def _compare(bound: float, holds: Callable[[Any, Any], bool], scale: int) -> Callable[[Any], bool]:
    # a Decimal field is compared with the number as it is written in the policy, not with its binary neighbour
    exact = _scaled(bound, scale)
    if scale != 1:
        exact_or_whole = int(exact) if exact == int(exact) else exact
        return lambda value: value is not None and holds(value, exact_or_whole)
    return lambda value: value is not None and holds(value, exact if isinstance(value, Decimal) else bound)


def _bounds(condition: Condition) -> Iterable[tuple[float, Callable[[Any, Any], bool]]]:
    for bound, holds in (
        (condition.above, operator.gt),
        (condition.at_least, operator.ge),
        (condition.below, operator.lt),
        (condition.at_most, operator.le),
    ):
        if bound is not None:
            yield bound, holds
