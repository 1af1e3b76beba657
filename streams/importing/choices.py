"""Tests of a mapping's `when` and `skip`, compiled to closures."""

import operator
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from schemas.mapping import Test
from streams.errors import InvalidError
from streams.importing.cells import Convert, got, remembering
from streams.importing.records import Cell

Holds = Callable[[Any], bool]
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "below": operator.lt,
    "at_most": operator.le,
    "above": operator.gt,
    "at_least": operator.ge,
}


def compile_test(test: Test, cell: Cell, number: Convert) -> Holds:
    """Whether a row's values satisfy the test.

    Args:
        test: operators on one column.
        cell: reads that column.
        number: turns its text into a number as the reader's signs say.
    """
    checks = _checks(test, number)
    wants_blank = test.blank
    on_blank = test.not_in is not None and not checks[1:]

    def holds(values: Any) -> bool:
        value = cell(values)
        if value is None:
            return wants_blank if wants_blank is not None else on_blank
        if wants_blank:
            return False
        return all(check(value) for check in checks)

    return holds


def all_of(tests: Sequence[Holds]) -> Holds:
    """Whether every test holds."""
    if len(tests) == 1:
        return tests[0]
    return lambda values: all(test(values) for test in tests)


def _checks(test: Test, number: Convert) -> list[Callable[[Any], bool]]:
    checks: list[Callable[[Any], bool]] = []
    if test.not_in is not None:
        refused = frozenset(test.not_in)
        checks.append(lambda value: str(value) not in refused)
    if test.equals is not None:
        wanted = test.equals
        checks.append(lambda value: str(value) == wanted)
    if test.in_ is not None:
        listed = frozenset(test.in_)
        checks.append(lambda value: str(value) in listed)
    for name, compare in _COMPARISONS.items():
        if (bound := getattr(test, name)) is not None:
            checks.append(_comparison(test.column, compare, Decimal(bound), number))
    return checks


def _comparison(column: str, compare: Callable[[Any, Any], bool], bound: Decimal, number: Convert) -> Holds:
    def holds(value: Any) -> bool:
        try:
            return compare(Decimal(number(value)), bound)
        except (InvalidOperation, TypeError, ValueError):
            msg = f"column {column!r}: not a number to compare{got(value)}"
            raise InvalidError(msg) from None
        except InvalidError as error:
            msg = f"column {column!r}: {error}"
            raise InvalidError(msg) from None

    return remembering(holds)
