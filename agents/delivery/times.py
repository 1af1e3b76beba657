"""Times of delivery: quiet hours, digests, working time, and the wait before another attempt."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from schemas.delivery import WEEKDAYS, Quiet, WorkingHours

_DAY = timedelta(days=1)
_FIRST_WAIT_S, _FACTOR, _LONGEST_WAIT_S = 5.0, 3, 3600.0
_LONGEST_ASKED_S = 6 * 3600.0
#: Days looked at for working time; a calendar without a working day in so many is broken.
_MOST_DAYS = 400


def quiet_until(quiet: Quiet | None, now: datetime, zone: ZoneInfo) -> datetime | None:
    """End of the quiet hours that hold at `now`; None outside of them.

    >>> night = Quiet.model_validate({"begin": "21:00", "end": "08:00"})
    >>> quiet_until(night, datetime(2026, 3, 2, 23, tzinfo=UTC), ZoneInfo("UTC")).isoformat()
    '2026-03-03T08:00:00+00:00'
    """
    if quiet is None:
        return None
    today = now.astimezone(zone).date()
    for day in (today - _DAY, today):
        last = day if quiet.begin < quiet.end else day + _DAY
        begin, end = _moment(day, quiet.begin, zone), _moment(last, quiet.end, zone)
        if begin <= now < end and WEEKDAYS[day.weekday()] in quiet.days:
            return end
    return None


def next_of(times: Sequence[time], now: datetime, zone: ZoneInfo) -> datetime:
    """The next moment after `now` at which the company's clocks show one of `times`."""
    today = now.astimezone(zone).date()
    moments = [_moment(day, at, zone) for day in (today, today + _DAY) for at in times]
    return min(moment for moment in moments if moment > now)


def after_working(
    start: datetime, length: timedelta, hours: WorkingHours, works: Callable[[int], bool], zone: ZoneInfo
) -> datetime:
    """The moment at which so much working time has passed since `start`.

    Args:
        start: from when it counts.
        length: working time.
        hours: when people work.
        works: whether the day with an ordinal is worked.
        zone: of the company.
    """
    first = start.astimezone(zone).date()
    left = length
    for number in range(_MOST_DAYS):
        day = first + number * _DAY
        if not works(day.toordinal()):
            continue
        begin = max(_moment(day, hours.begin, zone), start)
        there = max(_moment(day, hours.end, zone) - begin, timedelta())
        if left <= there:
            return begin + left
        left -= there
    return start + length  # no working day for a year: told by the clock rather than never


def wait_before(attempts: int, key: str, asked: float | None = None) -> timedelta:
    """How long to wait after so many attempts: 5 s, 15 s, 45 s, … up to an hour, a quarter more or less.

    Args:
        attempts: made so far, at least 1.
        key: what the share of chance is drawn from; the same key draws the same.
        asked: seconds the other side asked for (`Retry-After`); it waits no shorter.
    """
    exact = min(_FIRST_WAIT_S * _FACTOR ** min(attempts - 1, 20), _LONGEST_WAIT_S)
    drawn = hashlib.sha256(f"{key}:{attempts}".encode()).digest()
    chance = int.from_bytes(drawn[:4], "big") / 2**32
    return timedelta(seconds=max(exact * (0.75 + chance / 2), min(asked or 0.0, _LONGEST_ASKED_S)))


def _moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, at, zone).astimezone(UTC)
