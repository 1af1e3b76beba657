"""The limit on dead letters: a bad deploy stops the consumer instead of emptying the topic."""

from datetime import datetime, timedelta

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
        """By shard: start, letters since, events since."""

    def check(self, shard: int, events: int, letters: int, now: datetime) -> DeadLetterLimitError | None:
        """Note that `letters` of the `events` a shard took became dead letters; the error when that is too much."""
        start, written, seen = self._windows.get(shard, (now, 0, 0))
        if now - start > _WINDOW:
            start, written, seen = now, 0, 0
        written, seen = written + letters, seen + events
        self._windows[shard] = (start, written, seen)
        if written <= self._limit or 2 * written <= seen:
            return None
        return DeadLetterLimitError(
            f"shard {shard} sent {written} of {seen} events to the dead letters within a minute: look at "
            "`pulse dead-letters list`, mend the cause and start again"
        )
