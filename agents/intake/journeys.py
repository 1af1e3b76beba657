"""Where representatives checked in during the last day: what the speed of the next journey is worked out from.

Coordinates stand here and in the checkpoint of the shard, for a day at the most, and nowhere else.
"""

from bisect import bisect_right, insort
from collections.abc import Sequence
from datetime import datetime

from agents.intake.locating import CheckIn
from agents.progress.calendar import CompanyTime

_DAY_US = 86_400_000_000
_NEVER = 1 << 62


class Journeys:
    """Check-ins of the representatives of one shard, of the day up to each one's newest.

    Attributes:
        changed: representatives with other check-ins than at the last checkpoint.
        kept_until: when the check-ins of a representative are forgotten whatever comes, microseconds since 1970.
        due: when the first of them are.
    """

    def __init__(self) -> None:
        self._of: dict[str, list[CheckIn]] = {}
        self.changed: set[str] = set()
        self.kept_until: dict[str, int] = {}
        self.due = _NEVER

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

    def take(self, rep_id: str, check_ins: Sequence[CheckIn], until: int | None) -> None:
        """Remember what a checkpoint held; where it did not say until when, for a day from the last of them on."""
        until = check_ins[-1].moment_us + _DAY_US if until is None else until
        self._of[rep_id], self.kept_until[rep_id] = list(check_ins), until
        self.due = min(self.due, until)

    def is_due(self, now: datetime) -> bool:
        """Whether something is to be forgotten because of the time alone."""
        return self.due <= CompanyTime.microseconds(now)

    def settle(self, now: datetime, *, everything: bool) -> tuple[set[str], set[str]]:
        """Whose check-ins a checkpoint writes, and whose it deletes: the last of them came a day ago.

        Args:
            now: moment of the checkpoint.
            everything: whether nothing stands of what was written before.
        """
        now_us = CompanyTime.microseconds(now)
        self.kept_until |= dict.fromkeys(self.changed, now_us + _DAY_US)
        gone = {rep_id for rep_id, until in self.kept_until.items() if until <= now_us} if self.is_due(now) else set()
        for rep_id in gone:
            del self._of[rep_id], self.kept_until[rep_id]
        self.due = min(self.kept_until.values(), default=_NEVER)
        written = set(self._of) if everything else self.changed
        self.changed = set()
        return written, gone
