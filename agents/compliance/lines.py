"""What is kept of the past of one subject: moments in order of time, and beside them what they come to."""

from array import array
from bisect import bisect_left, bisect_right
from typing import Any

#: Beyond this many, a piece of memory is searched as a whole.
FEW = 16
_BYTES = 8


class Line:
    """Moments of events, in order, and whose they are.

    Attributes:
        moments: microseconds since 1970, the oldest first; at the same moment in the order in which they came.
        owners: a 64-bit number that stands for the event, beside each moment.
    """

    __slots__ = ("moments", "owners")

    def __init__(self) -> None:
        self.moments = array("q")
        self.owners = array("q")

    def insert(self, moment: int, owner: int) -> int:
        """Put an event in and say where."""
        moments = self.moments
        if not moments or moments[-1] <= moment:
            moments.append(moment)
            self.owners.append(owner)
            return len(moments) - 1
        index = bisect_right(moments, moment)
        moments.insert(index, moment)
        self.owners.insert(index, owner)
        return index

    def span(self, since_us: int, until_us: int) -> tuple[int, int]:
        """Places of the first event of a stretch of time, and of the first behind it."""
        moments = self.moments
        high = len(moments) if moments[-1] <= until_us else bisect_right(moments, until_us)
        return bisect_left(moments, since_us, 0, high), high

    def places_of(self, owner: int, low: int, high: int) -> list[int]:
        """Where an event stands in a stretch of the line; nearly always nowhere."""
        part = self.owners[low:high]
        if high - low > FEW and part.tobytes().find(owner.to_bytes(_BYTES, "little", signed=True)) < 0:
            return []  # no such bytes at all, at whatever place
        return [low + place for place, found in enumerate(part) if found == owner] if owner in part else []

    def drop(self, before_us: int) -> int:
        """Forget what happened before a moment and say how much that was."""
        count = bisect_left(self.moments, before_us)
        if count:
            del self.moments[:count]
            del self.owners[:count]
        return count


class Sums(Line):
    """A line with the sum of all values up to each event, in millionths."""

    __slots__ = ("before", "totals")

    def __init__(self) -> None:
        super().__init__()
        self.before = 0
        self.totals: array[int] | list[int] = array("q")

    def add(self, moment: int, owner: int, value: int) -> None:
        """Put an event in whose value is given in millionths."""
        index = self.insert(moment, owner)
        try:
            self._raise(index, value)
        except OverflowError:  # more than 9.2 million millions
            self.totals = list(self.totals)
            self._raise(index, value)

    def _raise(self, index: int, value: int) -> None:
        totals = self.totals
        base = totals[index - 1] if index else self.before
        if index == len(totals):
            totals.append(base + value)
            return
        later = [base + value, *(total + value for total in totals[index:])]
        if isinstance(totals, array):
            totals[index:] = array("q", later)
        else:
            totals[index:] = later

    def between(self, low: int, high: int) -> int:
        """Sum of a stretch."""
        return self.totals[high - 1] - (self.totals[low - 1] if low else self.before)

    def drop(self, before_us: int) -> int:
        """Forget what happened before a moment."""
        count = super().drop(before_us)
        if count:
            self.before = self.totals[count - 1]
            del self.totals[:count]
        return count


class Items(Line):
    """A line with what is kept of each event."""

    __slots__ = ("items",)

    def __init__(self) -> None:
        super().__init__()
        self.items: list[Any] = []

    def add(self, moment: int, owner: int, item: Any) -> None:
        """Put an event in."""
        self.items.insert(self.insert(moment, owner), item)

    def drop(self, before_us: int) -> int:
        """Forget what happened before a moment."""
        count = super().drop(before_us)
        del self.items[:count]
        return count
