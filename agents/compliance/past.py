"""The past of one shard, as its rules need it."""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from agents.compliance.rules import CompiledRule
from agents.compliance.windows import FARTHEST
from agents.compliance.world import MemoryHistory
from agents.progress.calendar import CompanyTime


class Past(MemoryHistory):
    """Interim."""

    def __init__(self, rules: Iterable[CompiledRule]) -> None:
        super().__init__()
        self._wanted = {(need.kind, need.subject) for rule in rules for need in rule.needs}

    def positions(self, rep_id: str) -> list[tuple[int, float, float, float]]:
        """Interim."""
        return []

    def take_positions(self, rep_id: str, found: object) -> None:
        """Interim."""

    def wants(self, kind: str, subject: str) -> bool:
        """Interim."""
        return (kind, subject) in self._wanted

    def horizon(self, kind: str, subject: str) -> timedelta | None:
        """Interim."""
        return FARTHEST if self.wants(kind, subject) else None

    def add(self, event: Any, subject: str = "rep", key: str = "") -> None:
        """Interim."""
        if self.wants(event.kind_name, subject):
            moment = CompanyTime.microseconds(event.occurred_at)
            moments, events = self._lines[event.kind_name, subject, key]
            index = bisect_right(moments, moment)
            moments.insert(index, moment)
            events.insert(index, event)

    def evict(self, now_us: int) -> None:
        """Interim."""
