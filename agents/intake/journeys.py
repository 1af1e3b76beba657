"""Where representatives checked in during the last day: what the speed of the next journey is worked out from.

Coordinates stand here and in the checkpoint of the shard, for a day at the most, and nowhere else.
"""

from bisect import bisect_right, insort
from collections.abc import Iterable

from agents.intake.locating import CheckIn

_DAY_US = 86_400_000_000


class Journeys:
    """Check-ins of the representatives of one shard, of the day up to each one's newest.

    Attributes:
        changed: representatives with other check-ins than at the last checkpoint.
    """

    def __init__(self) -> None:
        self._of: dict[str, list[CheckIn]] = {}
        self.changed: set[str] = set()

    def before(self, rep_id: str, moment_us: int) -> CheckIn | None:
        """The last check-in of a representative at a moment or before it, at most a day.

        Args:
            rep_id: the representative.
            moment_us: microseconds since 1970.
        """
        held = self._of.get(rep_id, [])
        index = bisect_right(held, moment_us, key=lambda one: one.moment_us)
        found = held[index - 1] if index else None
        return found if found is not None and moment_us - found.moment_us <= _DAY_US else None

    def add(self, rep_id: str, check_in: CheckIn) -> None:
        """Remember a check-in, and forget what no journey can begin at any more."""
        held = self._of.setdefault(rep_id, [])
        insort(held, check_in, key=lambda one: one.moment_us)
        newest = held[-1].moment_us
        self._of[rep_id] = [one for one in held if newest - one.moment_us <= _DAY_US]
        self.changed.add(rep_id)

    def of(self, rep_id: str) -> list[CheckIn]:
        """What is remembered of a representative, the oldest first."""
        return self._of.get(rep_id, [])

    def take(self, rep_id: str, check_ins: Iterable[CheckIn]) -> None:
        """Remember what a checkpoint held."""
        self._of[rep_id] = list(check_ins)
