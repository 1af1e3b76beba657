"""The limit on dead letters: a bad deploy stops the consumer instead of emptying the topic."""

from datetime import datetime, timedelta

from agents.intake.shard import Shard
from streams.errors import DeadLetterLimitError

_WINDOW = timedelta(minutes=1)


class DeadLetterLimit:
    """Counts, by shard, what a minute sent to the dead letters.

    Args:
        limit: letters a shard may write within a minute, unless they are the smaller half of its events.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._windows: dict[int, tuple[datetime, int, int]] = {}
        """By shard: start, letters written before it, events since."""

    def check(self, shard: Shard, events: int, now: datetime) -> DeadLetterLimitError | None:
        """Note that a shard took `events`; the error when too many of them became dead letters."""
        letters = shard.counts["dead_letters"]
        start, before, seen = self._windows.get(shard.number, (now, letters, 0))
        if now - start > _WINDOW or letters < before:
            start, before, seen = now, letters, 0
        seen += events
        self._windows[shard.number] = (start, before, seen)
        written = letters - before
        if written <= self._limit or 2 * written <= seen:
            return None
        return DeadLetterLimitError(
            f"shard {shard.number} sent {written} of {seen} events to the dead letters within a minute: look at "
            "`pulse dead-letters list`, mend the cause and start again"
        )
