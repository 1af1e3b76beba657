"""Fields of an event that are worked out from others."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any

from agents.intake.directory import Directory
from schemas.sources import BREACHES

_MICROSECOND = timedelta(microseconds=1)
_HALF = 30  # of the microseconds in a millionth of a minute
_PER_CENT = 10_000  # one per cent in millionths


def duration_minutes(event: Any) -> int | None:
    """Millionths of a minute from check-in to check-out; None without a check-out."""
    return None if event.check_out_at is None else micro_minutes(event.check_out_at - event.check_in_at)


def reporting_latency_minutes(event: Any) -> int | None:
    """Millionths of a minute from the end of a visit or activity to its record in the source system.

    The end is its beginning where none is given; a record made before the end counts as made at once.
    """
    if event.recorded_at is None:
        return None
    end = event.check_out_at if event.kind_name == "visit" else event.ended_at
    return max(micro_minutes(event.recorded_at - (end or event.occurred_at)), 0)


def micro_minutes(passed: timedelta) -> int:
    """Minutes in millionths, rounded half to even.

    >>> micro_minutes(timedelta(seconds=90)), micro_minutes(timedelta(microseconds=30))
    (1500000, 0)
    """
    whole, rest = divmod(passed // _MICROSECOND, 60)
    return whole + (rest > _HALF or (rest == _HALF and whole & 1))


#: What the intake found out, by name of the field.
FOUND: dict[str, Callable[[Any], Any]] = {
    name: attrgetter(f"findings.located.{name}") for name in ("in_fence", "distance_band")
}
FOUND[BREACHES] = attrgetter("findings.breaches")
#: Numbers in millionths, by name of the field.
IN_MILLIONTHS: dict[str, Callable[[Any], int | None]] = {
    "duration_minutes": duration_minutes,
    "reporting_latency_minutes": reporting_latency_minutes,
}


def detail_weights(weights: Sequence[Sequence[Decimal]]) -> Callable[[Any, Directory, int], Any]:
    """Reader of what the first, second, … product of a visit gets of it, in micro-units; None without products.

    Args:
        weights: per cent of the first, second, … product, for visits with one, two, … products.
    """
    rows = [[int(weight * _PER_CENT) for weight in row] for row in weights]
    return lambda event, _directory, _day: rows if event.details else None
