"""Company time: which day, month, quarter, year or rolling bucket a moment belongs to.

Days are proleptic ordinals (`date.toordinal`), so that arithmetic on them is integer arithmetic.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import ClassVar
from zoneinfo import ZoneInfo

from schemas.policy import CalendarPeriod

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Day 0 of databases.
EPOCH_ORDINAL = EPOCH.toordinal()
_QUARTER_HOUR_S, _SECOND_US = 900, 1_000_000
_SECONDS = {"minutes": 60, "hours": 3600}
CALENDAR_PERIODS: tuple[CalendarPeriod, ...] = ("month", "quarter", "year")


class CompanyTime:
    """Days and periods in the company's time zone.

    Args:
        time_zone: IANA name, for example `Asia/Shanghai`.
    """

    #: The moment asked about last, and what it is in microseconds: of one event that is asked a dozen times. Replaced
    #: whole, for several threads may ask.
    _last: ClassVar[tuple[datetime, int]] = (EPOCH, 0)

    def __init__(self, time_zone: str) -> None:
        self.zone = ZoneInfo(time_zone)
        # offsets change on quarter hours only, so one look-up serves every moment of a quarter hour
        self.day_of_quarter_hour = lru_cache(1 << 16)(self._day_of_quarter_hour)
        self.instant = lru_cache(1 << 14)(self._instant)
        self.bucket_start = lru_cache(1 << 14)(self._bucket_start)

    def _day_of_quarter_hour(self, number: int) -> int:
        return datetime.fromtimestamp(number * _QUARTER_HOUR_S, self.zone).toordinal()

    def day_of(self, moment: datetime) -> int:
        """Ordinal of the company day of an aware `moment`."""
        return self.day_of_quarter_hour(self.microseconds(moment) // (_QUARTER_HOUR_S * _SECOND_US))

    @staticmethod
    def microseconds(moment: datetime) -> int:
        """Microseconds since 1970 of an aware `moment`, exact."""
        last = CompanyTime._last
        if last[0] is moment:
            return last[1]
        passed = moment - EPOCH
        found = (passed.days * 86_400 + passed.seconds) * _SECOND_US + passed.microseconds
        CompanyTime._last = (moment, found)
        return found

    def bucket(self, unit: str, moment: datetime) -> int:
        """Number of the minute, hour or company day `moment` lies in; minutes and hours count from 1970 in UTC.

        A clock that is put back would give an hour of company time twice.
        """
        if unit == "days":
            return self.day_of(moment)
        return self.microseconds(moment) // (_SECONDS[unit] * _SECOND_US)

    def _bucket_start(self, unit: str, number: int) -> datetime:
        """UTC instant at which a bucket begins."""
        if unit == "days":
            return self.instant(number)
        return EPOCH + timedelta(seconds=number * _SECONDS[unit])

    def _instant(self, ordinal: int) -> datetime:
        """UTC instant at which the company day `ordinal` begins."""
        return datetime.combine(date.fromordinal(ordinal), time(), self.zone).astimezone(UTC)


@lru_cache(1 << 16)
def month_start(ordinal: int) -> int:
    """Ordinal of the first day of the month."""
    return date.fromordinal(ordinal).replace(day=1).toordinal()


@lru_cache(1 << 16)
def period_start(kind: str, ordinal: int) -> int:
    """Ordinal of the first day of the month, quarter or year that holds the day `ordinal`."""
    day = date.fromordinal(ordinal)
    if kind == "month":
        return day.replace(day=1).toordinal()
    if kind == "quarter":
        return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1).toordinal()
    return day.replace(month=1, day=1).toordinal()
