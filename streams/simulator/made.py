"""Events as they are made: JSON with what is needed to send them in order."""

from datetime import date, timedelta
from typing import Any, NamedTuple

import orjson

from schemas.events import EVENT_MODELS

DAY_S = 86_400
#: Company time. China has kept one offset and no summer time since 1992.
OFFSET = "+08:00"
OFFSET_S = 8 * 3_600
_EPOCH = date(1970, 1, 1).toordinal()


class Made(NamedTuple):
    """One event, ready to be sent; sorts by the moment it reaches the company's systems."""

    at: int
    """Seconds since 1970 by the company's clock (local, not UTC)."""
    event_id: str
    kind: str
    key: str
    value: bytes

    @property
    def topic(self) -> str:
        """Where it is sent."""
        return EVENT_MODELS[self.kind].topic


class Today:
    """A day, and the texts that events of the day share.

    Args:
        seed: of the simulation; part of every id.
        day: the day.
    """

    def __init__(self, seed: int, day: date) -> None:
        self.day = day
        self.ordinal = day.toordinal()
        self.midnight = (self.ordinal - _EPOCH) * DAY_S
        self._seed = seed
        self._compact = day.strftime("%Y%m%d")
        self._iso = day.isoformat()
        self._next = (day + timedelta(days=1)).isoformat()
        self._count: dict[str, int] = {}

    def number(self, kind: str) -> str:
        """The next number of a kind: the day and a counter, so that runs from different days agree."""
        count = self._count[kind] = self._count.get(kind, 0) + 1
        return f"{self._compact}{count:06}"

    def new_id(self, kind: str) -> str:
        """The next id of a kind."""
        return self.event_id(kind, self.number(kind))

    def event_id(self, kind: str, number: str) -> str:
        """Id of the event with that number."""
        return f"sim-{self._seed}-{kind}-{number}"

    def stamp(self, second: int) -> str:
        """ISO text of a second of the day; may lie in the next day."""
        iso = self._iso if second < DAY_S else self._next
        second %= DAY_S
        return f"{iso}T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}{OFFSET}"

    def made(self, second: int, kind: str, key: str, event: dict[str, Any]) -> Made:
        """The event of a second of the day (or later)."""
        return Made(self.midnight + second, event["event_id"], kind, key, orjson.dumps(event))


def local_seconds(day: date) -> int:
    """The company's clock at the beginning of a day."""
    return (day.toordinal() - _EPOCH) * DAY_S


def money(cents: int) -> str:
    """An amount as its JSON text.

    >>> money(123_450), money(-5)
    ('1234.50', '-0.05')
    """
    whole, rest = divmod(abs(cents), 100)
    return f"{'-' if cents < 0 else ''}{whole}.{rest:02}"
