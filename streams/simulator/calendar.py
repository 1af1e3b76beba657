"""Working days in China: the public holidays and the working days moved to weekends (调休).

Source: the yearly notices of the General Office of the State Council on the arrangement of holidays,
国务院办公厅关于部分节假日安排的通知 (国办发明电〔2023〕7号 for 2024, 〔2024〕12号 for 2025, 〔2025〕7号 for 2026).
For 2027 only the statutory days of the regulation on holidays (全国年节及纪念日放假办法, as of 2025) are listed:
moved working days and bridges are what the notice of that year decides. Other years have plain weekdays.
"""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from functools import lru_cache
from typing import NamedTuple

from schemas.reference import CalendarDay

_SATURDAY = 5


class Holiday(NamedTuple):
    """Days off in a row, and the weekend days worked for them."""

    name: str
    first: date
    days: int
    worked: tuple[date, ...] = ()


HOLIDAYS: tuple[Holiday, ...] = (
    Holiday("元旦", date(2024, 1, 1), 1),
    Holiday("春节", date(2024, 2, 10), 8, (date(2024, 2, 4), date(2024, 2, 18))),
    Holiday("清明节", date(2024, 4, 4), 3, (date(2024, 4, 7),)),
    Holiday("劳动节", date(2024, 5, 1), 5, (date(2024, 4, 28), date(2024, 5, 11))),
    Holiday("端午节", date(2024, 6, 10), 1),
    Holiday("中秋节", date(2024, 9, 15), 3, (date(2024, 9, 14),)),
    Holiday("国庆节", date(2024, 10, 1), 7, (date(2024, 9, 29), date(2024, 10, 12))),
    Holiday("元旦", date(2025, 1, 1), 1),
    Holiday("春节", date(2025, 1, 28), 8, (date(2025, 1, 26), date(2025, 2, 8))),
    Holiday("清明节", date(2025, 4, 4), 3),
    Holiday("劳动节", date(2025, 5, 1), 5, (date(2025, 4, 27),)),
    Holiday("端午节", date(2025, 5, 31), 3),
    Holiday("国庆节、中秋节", date(2025, 10, 1), 8, (date(2025, 9, 28), date(2025, 10, 11))),
    Holiday("元旦", date(2026, 1, 1), 3, (date(2026, 1, 4),)),
    Holiday("春节", date(2026, 2, 15), 9, (date(2026, 2, 14), date(2026, 2, 28))),
    Holiday("清明节", date(2026, 4, 4), 3),
    Holiday("劳动节", date(2026, 5, 1), 5, (date(2026, 5, 9),)),
    Holiday("端午节", date(2026, 6, 19), 3),
    Holiday("中秋节", date(2026, 9, 25), 3),
    Holiday("国庆节", date(2026, 10, 1), 7, (date(2026, 9, 20), date(2026, 10, 10))),
    Holiday("元旦", date(2027, 1, 1), 1),
    Holiday("春节", date(2027, 2, 5), 4),
    Holiday("清明节", date(2027, 4, 5), 1),
    Holiday("劳动节", date(2027, 5, 1), 2),
    Holiday("端午节", date(2027, 6, 9), 1),
    Holiday("中秋节", date(2027, 9, 15), 1),
    Holiday("国庆节", date(2027, 10, 1), 3),
)


def _special() -> Iterator[tuple[date, tuple[bool, str]]]:
    for holiday in HOLIDAYS:
        for number in range(holiday.days):
            yield holiday.first + timedelta(days=number), (False, holiday.name)
        for day in holiday.worked:
            yield day, (True, f"{holiday.name}调休")


_SPECIAL: dict[date, tuple[bool, str]] = dict(_special())


@lru_cache(1 << 12)
def is_working_day(day: date) -> bool:
    """Whether the company works on that day."""
    special = _SPECIAL.get(day)
    return special[0] if special else day.weekday() < _SATURDAY


def working_days(first: date, last: date) -> list[date]:
    """Working days from `first` to `last`, both included."""
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [day for day in days if is_working_day(day)]


def calendar_rows(years: Iterable[int]) -> list[CalendarDay]:
    """Reference rows of the days in those years that differ from the usual week."""
    wanted = frozenset(years)
    return [
        CalendarDay(day=day, is_working_day=works, name=name)
        for day, (works, name) in sorted(_SPECIAL.items())
        if day.year in wanted and works != (day.weekday() < _SATURDAY)
    ]
