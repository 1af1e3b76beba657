"""Stretches of the past a rule looks back on."""

from datetime import date, timedelta
from typing import NamedTuple

from agents.progress.calendar import CompanyTime

#: How far back a rule may look: three years, as in the credit rating of bribery, and a leap day.
FARTHEST = timedelta(days=1_096)
_MICROSECOND = timedelta(microseconds=1)
#: Calendar windows at their longest; an hour more where clocks are put back.
_LONGEST = {"today": 1, "this_week": 7, "this_month": 31, "this_quarter": 92, "this_year": 366}


class Window(NamedTuple):
    """A window that ends with the event."""

    name: str
    """As it is written."""
    length: timedelta | None = None
    """Of a rolling one; None: the calendar period in the name."""

    @property
    def reach(self) -> timedelta:
        """How far back it goes at most.

        >>> Window("today").reach
        datetime.timedelta(days=1, seconds=3600)
        """
        return self.length if self.length is not None else timedelta(days=_LONGEST[self.name], hours=1)

    def since_us(self, moment_us: int, day: date, time: CompanyTime) -> int:
        """First moment of the window of an event at `moment_us`, on the company day `day`; microseconds since 1970."""
        if self.length is not None:
            return moment_us - self.length // _MICROSECOND
        return CompanyTime.microseconds(time.instant(first_day(self.name, day).toordinal()))


def first_day(period: str, day: date) -> date:
    """First day of the period.

    >>> [first_day(name, date(2026, 6, 17)).isoformat() for name in ("today", "this_month", "this_quarter")]
    ['2026-06-17', '2026-06-01', '2026-04-01']
    """
    if period == "today":
        return day
    if period == "this_week":
        return day - timedelta(days=day.weekday())
    if period == "this_month":
        return day.replace(day=1)
    if period == "this_quarter":
        return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
    return day.replace(month=1, day=1)


#: Windows by name.
WINDOWS = {name: Window(name) for name in ("today", "this_week", "this_month", "this_quarter", "this_year")}
