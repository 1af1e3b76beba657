"""How much of a period has passed, what is due by now, and where the period will end.

Amounts and shares are micro-units in plain integers; every division rounds half to even, so that a person with a
calculator gets the same figures.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from functools import lru_cache
from typing import NamedTuple

from agents.progress.calendar import CompanyTime
from agents.progress.groups import MICRO
from schemas.reference import period_days

_SATURDAY = 5
#: Points of a season's curve: at 0, 1 %, …, 100 % of the working days.
CURVE_STEPS = 100


def divided(numerator: int, denominator: int) -> int:
    """Quotient of whole numbers, rounded half to even.

    >>> divided(5, 2), divided(7, 2), divided(-5, 2), divided(-7, 3)
    (2, 4, -2, -2)
    """
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    quotient, rest = divmod(numerator, denominator)
    return quotient + (2 * rest > denominator or (2 * rest == denominator and quotient & 1 == 1))


def times(amount: int, share: int) -> int:
    """An amount times a share, both in micro-units.

    >>> times(20_000_000, 500_000)
    10000000
    """
    return divided(amount * share, MICRO)


class WorkingCalendar:
    """Which days are worked: Monday to Friday, apart from the days that differ.

    Args:
        moved: whether a day is worked, by ordinal, of the days that differ (reference kind `calendar_day`).
    """

    def __init__(self, moved: Mapping[int, bool]) -> None:
        self._moved = dict(moved)
        self.days = lru_cache(1 << 10)(self._days)

    def is_working_day(self, day: int) -> bool:
        """Whether the day with this ordinal is worked."""
        return self._moved.get(day, date.fromordinal(day).weekday() < _SATURDAY)

    def _days(self, first: int, last: int) -> tuple[int, ...]:
        """Ordinals of the working days from `first` to `last`; of all days where none is worked."""
        found = tuple(day for day in range(first, last + 1) if self.is_working_day(day))
        return found or tuple(range(first, last + 1))

    def share(self, first: int, last: int, through: int) -> int:
        """Share of the working days from `first` to `last` that lie at or before `through`.

        >>> june = [date(2018, 6, day).toordinal() for day in (1, 15, 30)]
        >>> WorkingCalendar({}).share(june[0], june[2], june[1])  # 11 of 21
        523810
        """
        days = self.days(first, last)
        return divided(bisect_right(days, through) * MICRO, len(days))


def counted_day(now: datetime, counts_from: time, company_time: CompanyTime) -> int:
    """Ordinal of the last day that counts as elapsed at `now`.

    >>> evening = datetime.fromisoformat("2018-05-15T17:59+08:00")
    >>> days = [counted_day(evening, at, CompanyTime("Asia/Shanghai")) for at in (time(18), time(0))]
    >>> [str(date.fromordinal(day)) for day in days]
    ['2018-05-14', '2018-05-15']
    """
    local = now.astimezone(company_time.zone)
    return local.toordinal() - (local.time() < counts_from)


def last_day(period: str, start: int) -> int:
    """Ordinal of the last day of the period that begins on `start`."""
    return _last_day(period, start)


@lru_cache(1 << 12)
def _last_day(period: str, start: int) -> int:
    return period_days(period, date.fromordinal(start))[1].toordinal()


#: Cumulative share of a period's figure at each step of its working days; rises from 0 to 1.
Curve = tuple[int, ...]


def curve_of(daily: Mapping[int, int], days: Sequence[int], first: int, last: int) -> Curve | None:
    """The course of one past period: what share of its figure was there at each step of its working days.

    Args:
        daily: figure of each day, by ordinal.
        days: the working days.
        first: first day of the period.
        last: its last day.

    Returns:
        None where the period has no positive figure. What falls on a day off counts with the working day before it;
        a figure that shrinks for a while (returns) does not let the curve fall.
    """
    whole = sum(amount for day, amount in daily.items() if first <= day <= last)
    if whole <= 0:
        return None
    course, running, position = [0], 0, first
    for after in (*days[1:], last + 1):
        running += sum(daily.get(day, 0) for day in range(position, after))
        course.append(min(max(course[-1], divided(running * MICRO, whole)), MICRO))
        position = after
    course[-1] = MICRO
    return tuple(interpolated(course, divided(step * MICRO, CURVE_STEPS)) for step in range(CURVE_STEPS + 1))


def interpolated(course: Sequence[int], share: int) -> int:
    """Value of a course given at equal steps from 0 to 1, between two steps on the straight line.

    >>> interpolated((0, 200_000, 1_000_000), 750_000)  # half way between the second and the third
    600000
    """
    position = min(max(share, 0), MICRO) * (len(course) - 1)
    step, rest = divmod(position, MICRO)
    if not rest:
        return course[step]
    return course[step] + divided((course[step + 1] - course[step]) * rest, MICRO)


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """Mean of several periods, step by step."""
    return tuple(divided(sum(step), len(step)) for step in zip(*curves, strict=True))


class Width(NamedTuple):
    """What the rest of a period may come to, as multiples of what is expected of it."""

    low: int
    high: int


def width_of(half: int) -> Width:
    """The interval of a width that is set.

    >>> width_of(200_000)
    Width(low=800000, high=1200000)
    """
    return Width(MICRO - half, MICRO + half)


def learned_width(errors: Sequence[int]) -> Width:
    """The interval that held 80 of 100 past rests: between the tenth and the ninetieth percentile.

    Args:
        errors: what the rest came to ÷ what was expected of it, ascending.

    Returns:
        Always contains 1, so that the forecast lies in its own interval.

    >>> learned_width([MICRO * tenth // 10 for tenth in range(5, 16)])  # 0.5, 0.6, …, 1.5
    Width(low=600000, high=1400000)
    """
    low, high = interpolated(errors, MICRO // 10), interpolated(errors, 9 * MICRO // 10)
    return Width(min(low, MICRO), max(high, MICRO))


class Numbers(NamedTuple):
    """Everything a light is judged by, in micro-units; None where it cannot be said."""

    value: int | None
    target: int
    attainment: int | None
    elapsed: int
    expected: int
    pace: int | None
    forecast: int | None
    low: int | None
    high: int | None


def numbers(value: int | None, target: int, elapsed: int, width: Width, *, accumulates: bool) -> Numbers:
    """Set a figure beside its target.

    Args:
        value: figure of the whole period so far; None without one.
        target: of the whole period.
        elapsed: share of the period that has passed.
        width: of the forecast's rest.
        accumulates: whether the figure grows through the period (sums, counts); a ratio or mean is held against the
            target itself, and its forecast is what it is now.

    >>> numbers(11_000_000, 20_000_000, 500_000, width_of(200_000), accumulates=True)[2:]
    (550000, 500000, 10000000, 1100000, 22000000, 19800000, 24200000)
    """
    expected = times(target, elapsed) if accumulates else target
    if value is None:
        return Numbers(None, target, None, elapsed, expected, None, None, None, None)
    attainment = divided(value * MICRO, target) if target else None
    pace = divided(value * MICRO, expected) if expected else None
    if not elapsed:
        return Numbers(value, target, attainment, elapsed, expected, pace, None, None, None)
    if accumulates:
        rest = divided(value * (MICRO - elapsed), elapsed)
        ends = sorted((value + times(rest, width.low), value + times(rest, width.high)))
        return Numbers(value, target, attainment, elapsed, expected, pace, value + rest, ends[0], ends[1])
    left = MICRO - elapsed
    spread = sorted(value + times(times(value, side - MICRO), left) for side in width)
    return Numbers(value, target, attainment, elapsed, expected, pace, value, spread[0], spread[1])
