"""Fields of an event that are worked out from others."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from math import asin, cos, radians, sin, sqrt
from typing import Any

from agents.intake.directory import Directory

_MICROSECOND = timedelta(microseconds=1)
_HALF = 30  # of the microseconds in a millionth of a minute
_EARTH_M = 6_371_008.8
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


def outside_fence_m(event: Any, directory: Directory, day: int) -> float | None:
    """Metres by which the check-in lies outside the fence of the institution, even if the fix is off by its accuracy.

    Negative inside; None where a position is missing.
    """
    line = directory.institutions.get(event.institution_id) if event.check_in is not None else None
    site = line.on(date.fromordinal(day)) if line is not None else None
    if site is None or site.latitude is None or site.longitude is None:
        return None
    fix = event.check_in
    away = distance_m(fix.latitude, fix.longitude, site.latitude, site.longitude)
    return away - float(site.fence_radius_m) - (fix.accuracy_m or 0.0)


def distance_m(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Metres between two points on the sphere, by the haversine formula.

    >>> round(distance_m(31.0, 121.0, 31.001, 121.0), 1)
    111.2
    """
    north, other_north = radians(latitude), radians(other_latitude)
    across = sin((other_north - north) / 2) ** 2
    across += cos(north) * cos(other_north) * sin(radians(other_longitude - longitude) / 2) ** 2
    return 2 * _EARTH_M * asin(sqrt(min(across, 1.0)))


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
