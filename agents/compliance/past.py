"""The past of one shard, as its rules need it: moments and sums where they ask for numbers, a few fields elsewhere.

What an event belongs to is decided when it comes, so that judging the next one is a look-up and two bisections. Nothing
is kept that no rule asks for, and nothing for longer than the longest window that does.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from agents.compliance.arithmetic import EXACT
from agents.compliance.keeping import FigureStore, ItemStore, Store, owner_of
from agents.compliance.lines import FEW, Line
from agents.compliance.nodes import Frame
from agents.compliance.rules import CompiledRule
from agents.compliance.selections import Query, Selection
from agents.progress.calendar import CompanyTime

_MILLIONTHS = -6
_QUARTER_HOUR_US = 900_000_000


class Past:
    """What has happened, in the pasts of the subjects of one shard.

    Args:
        rules: the rules that look back; of all rule sets together.

    Attributes:
        stores: what is kept, by the name of the selection.
    """

    keeps_events = False

    def __init__(self, rules: Iterable[CompiledRule]) -> None:
        chosen: dict[str, list[Selection]] = defaultdict(list)
        for rule in rules:
            for selection in rule.selections:
                chosen[selection.name].append(selection)
        self.stores = {name: _store(alike) for name, alike in chosen.items()}
        self._lines = {name: store.lines for name, store in self.stores.items()}
        self._of: dict[tuple[str, str], list[Store]] = defaultdict(list)
        for store in self.stores.values():
            self._of[store.selection.kind, store.selection.subject].append(store)

    # ------------------------------------------------------------- what the engine asks for

    def wants(self, kind: str, subject: str) -> bool:
        """Whether some rule looks back on events of a kind in the pasts of reps, hcps or institutions."""
        return (kind, subject) in self._of

    def horizon(self, kind: str, subject: str) -> timedelta | None:
        """How far before the event that is judged its past must reach; None where no rule looks back.

        Calendar windows count at their longest.
        """
        stores = self._of.get((kind, subject))
        return max(store.reach for store in stores) if stores else None

    def add(self, event: Any, subject: str, key: str) -> None:
        """Put a judged event into the past of a subject it concerns; in any order of time."""
        stores = self._of.get((event.kind_name, subject))
        if stores is not None:
            moment, owner = CompanyTime.microseconds(event.occurred_at), owner_of(event)
            for store in stores:
                store.add(event, moment, owner, key)

    def evict(self, now_us: int) -> None:
        """Drop what no event from `now_us` on can look back on; events that come later than that find less.

        Args:
            now_us: earliest moment, in microseconds since 1970, at which what is still to come may have happened.
        """
        for store in self.stores.values():
            store.evict(now_us)

    # ------------------------------------------------------------- what rules ask for

    def _line(self, query: Query, frame: Frame, key: str) -> Any:
        if not query.groups:
            return self._lines[query.name].get(key)
        return self._lines[query.name].get((key, *(group(frame) for group in query.groups)))

    def _own(self, query: Query, frame: Frame, line: Line, low: int, high: int) -> list[int]:
        """Where the judged event itself stands, should it be there."""
        if low == high or query.kind != frame.kind:
            return []
        return line.places_of(owner_of(frame.event), low, high)

    def picked(self, query: Query, frame: Frame, key: str, since_us: int, until_us: int) -> Sequence[Any]:
        """What is kept of the events a query asks for."""
        line = self._line(query, frame, key)
        if line is None:
            return ()
        low, high = line.span(since_us, until_us)
        found: list[Any] = line.items[low:high]
        for place in reversed(self._own(query, frame, line, low, high)):
            del found[place - low]
        return found

    def counted(self, query: Query, frame: Frame, key: str, since_us: int, until_us: int) -> int:
        """How many events that are."""
        line = self._line(query, frame, key)
        if line is None:
            return 0
        moments = line.moments  # the way nearly every rule takes, written out
        high = len(moments) if moments[-1] <= until_us else bisect_right(moments, until_us)
        low = bisect_left(moments, since_us, 0, high)
        if low == high or query.kind != frame.kind:
            return high - low
        event = frame.event
        owner = hash((event.rep_id, event.event_id))
        if high - low <= FEW and owner not in line.owners[low:high]:
            return high - low
        return high - low - len(line.places_of(owner, low, high))

    def summed(self, query: Query, frame: Frame, key: str, since_us: int, until_us: int) -> tuple[int | Decimal, int]:
        """What they add up to, and how many there are."""
        line = self._line(query, frame, key)
        if line is None:
            return 0, 0
        low, high = line.span(since_us, until_us)
        if low == high:
            return 0, 0
        own = self._own(query, frame, line, low, high)
        number, added = high - low - len(own), line.between(low, high)
        added -= sum(line.between(place, place + 1) for place in own)
        return EXACT.scaleb(Decimal(added), _MILLIONTHS) if number else 0, number

    def per_day(self, query: Query, frame: Frame, key: str, since_us: int, until_us: int) -> list[int]:
        """How many there are on each company day with any."""
        line = self._line(query, frame, key)
        if line is None:
            return []
        low, high = line.span(since_us, until_us)
        moments = line.moments
        if own := self._own(query, frame, line, low, high):
            moments = [moments[place] for place in range(low, high) if place not in own]
            low, high = 0, len(moments)
        time, found = frame.world.time, []
        while low < high:
            day = time.day_of_quarter_hour(moments[low] // _QUARTER_HOUR_US)
            after = bisect_left(moments, _start_of(day + 1, time), low, high)
            found.append(after - low)
            low = after
        return found


@lru_cache(1 << 12)
def _start_of(day: int, time: CompanyTime) -> int:
    """Microseconds since 1970 at which a company day begins."""
    return CompanyTime.microseconds(time.instant(day))


def _store(alike: list[Selection]) -> Store:
    """One store for selections that differ in their windows only."""
    reach = max(selection.window.reach for selection in alike)
    return (ItemStore if alike[0].is_items else FigureStore)(alike[0], reach)
