"""Call plan and work calendar, as the figures that follow from them ask for it."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

_SATURDAY = 5
_NO_PLAN: dict[str, int] = {}


class StandingData:
    """The call plan by representative and month, and the working days of every year that has a calendar.

    Args:
        rows: reference rows by kind; `call_plan` and `calendar_day` are read.
    """

    def __init__(self, rows: Mapping[str, Sequence[Any]]) -> None:
        self.plans: dict[str, dict[int, dict[str, int]]] = defaultdict(dict)
        """Planned calls by representative, first day of the month (ordinal) and professional."""
        for row in sorted(rows.get("call_plan", ()), key=lambda row: row.effective_from):
            month = row.effective_from.replace(day=1).toordinal()
            self.plans[row.rep_id].setdefault(month, {})[row.hcp_id] = row.planned_calls
        self._special: dict[int, bool] = {}
        for row in sorted(rows.get("calendar_day", ()), key=lambda row: row.effective_from):
            self._special[row.day.toordinal()] = row.is_working_day
        self.years = sorted({date.fromordinal(day).year for day in self._special})
        """Years with a calendar; what others would have for holidays is not known."""
        self._beginning = min((month for months in self.plans.values() for month in months), default=0)
        """First month of any call plan: nobody is measured by what lies before."""
        self._days = lru_cache(None)(self._working_days)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StandingData) and self.plans == other.plans and self._special == other._special

    __hash__ = None  # type: ignore[assignment] # equal by content, which is large

    def plan(self, rep_id: str, month: int) -> dict[str, int]:
        """Planned calls by professional in the month that begins on the day `month`."""
        of_rep = self.plans.get(rep_id)
        return of_rep.get(month, _NO_PLAN) if of_rep is not None else _NO_PLAN

    def months(self, last: int) -> list[int]:
        """First days of the months with a calendar since the company's first call plan, up to the day `last`."""
        firsts = (date(year, month, 1).toordinal() for year in self.years for month in range(1, 13))
        return [first for first in firsts if self._beginning <= first <= last]

    def working_days(self, first: int, end: int) -> int:
        """Working days of one calendar month from the day `first` up to and without `end`.

        There are none in a year without a calendar, nor before the first call plan where there is one.
        """
        if first >= end:
            return 0
        days = self._days(date.fromordinal(first).replace(day=1))
        return bisect_left(days, end) - bisect_left(days, first)

    def is_working_day(self, day: int) -> bool:
        """Monday to Friday, corrected by the calendar where there is one."""
        return self._special.get(day, date.fromordinal(day).weekday() < _SATURDAY)

    def _working_days(self, month: date) -> list[int]:
        if month.year not in self.years or month.toordinal() < self._beginning:
            return []
        after = (month + timedelta(days=31)).replace(day=1)
        days = range(month.toordinal(), after.toordinal())
        return [day for day in days if self._special.get(day, date.fromordinal(day).weekday() < _SATURDAY)]
