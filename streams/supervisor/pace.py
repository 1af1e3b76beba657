"""Events per second over the last few readings, and the status line made of them."""

from collections import deque

from streams.shards_view import Progress


class Pace:
    """A sliding rate.

    Args:
        window_s: readings older than this are forgotten.
    """

    def __init__(self, window_s: float = 5.0) -> None:
        self._window_s = window_s
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, now_s: float, total: int) -> float:
        """Note a running total and return the rate, per second."""
        self._seen.append((now_s, total))
        while len(self._seen) > 1 and self._seen[1][0] <= now_s - self._window_s:
            self._seen.popleft()
        (first_s, first), (last_s, last) = self._seen[0], self._seen[-1]
        return max(0.0, (last - first) / (last_s - first_s)) if last_s > first_s else 0.0


def status_line(progress: Progress, rate: float, doing: str) -> str:
    """For example `12,345 events/s · lag 40,000 · accepted 200,000 · dead letters 3 · import sales.csv`."""
    parts = [
        f"{rate:,.0f} events/s",
        f"lag {progress.total_lag:,}",
        f"accepted {progress.total_accepted:,}",
        f"dead letters {progress.dead_letters:,}",
    ]
    if progress.held:
        parts.append(f"held {progress.held:,}")
    if doing:
        parts.append(doing)
    return " · ".join(parts)
