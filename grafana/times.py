"""Grafana's way to write moments: `now-24h`, `now/fQ`, milliseconds since 1970."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from streams.errors import InvalidError

_RELATIVE = re.compile(r"now(?:-(\d{1,4})([smhdwMQy]))?(?:/(f?[dwMQy]))?")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_MONTHS = {"M": 1, "Q": 3, "y": 12}
#: The end of a unit is its last millisecond.
_LAST = timedelta(milliseconds=1)
_ABSOLUTE = re.compile(r"\d{1,14}")


def moment(text: str, now: datetime, zone: ZoneInfo, *, ends: bool = False) -> datetime:
    """The moment meant; a rounded one is the begin of its unit, or with `ends` the end.

    Args:
        text: as Grafana's address line holds it.
        now: aware.
        zone: company time, in which days and quarters begin.
        ends: whether it is the end of a range.

    Raises:
        InvalidError: the text is not understood.
    """
    if _ABSOLUTE.fullmatch(text):
        return datetime.fromtimestamp(int(text) / 1_000, zone)
    found = _RELATIVE.fullmatch(text)
    if found is None:
        msg = f"{text!r} is no time: write now-24h, now/fQ or milliseconds since 1970"
        raise InvalidError(msg)
    at = now.astimezone(zone)
    if found[1]:
        at = _earlier(at, int(found[1]), found[2])
    return _rounded(at, found[3].removeprefix("f"), ends=ends) if found[3] else at


def _earlier(at: datetime, count: int, unit: str) -> datetime:
    if unit in _UNITS:
        return at - timedelta(**{_UNITS[unit]: count})
    month = at.year * 12 + at.month - 1 - count * _MONTHS[unit]
    first = at.replace(year=month // 12, month=month % 12 + 1, day=1)
    return min(first + timedelta(days=at.day - 1), _rounded(first, "M", ends=True))


def _rounded(at: datetime, unit: str, *, ends: bool) -> datetime:
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit in {"d", "w"}:
        first = midnight - timedelta(days=midnight.weekday() if unit == "w" else 0)
        return first + timedelta(days=7 if unit == "w" else 1) - _LAST if ends else first
    months = _MONTHS[unit]
    begin = (at.year * 12 + at.month - 1) // months * months + (months if ends else 0)
    at = midnight.replace(year=begin // 12, month=begin % 12 + 1, day=1)
    return at - _LAST if ends else at
