"""Whether the broker and ClickHouse answer; asked at most every two seconds, however often the gateway is."""

import threading
import time
from collections.abc import Callable


class Readiness:
    """Remembers the last answer for a moment.

    Args:
        checks: by name what raises, of whatever kind, when the service is away.
        fresh_s: how long an answer holds.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        checks: dict[str, Callable[[], object]],
        fresh_s: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checks = checks
        self._fresh_s = fresh_s
        self._clock = clock
        self._lock = threading.Lock()
        self._last: dict[str, bool] = {}
        self._last_s = 0.0

    def look(self) -> dict[str, bool]:
        """Which services answer. Not for the event loop."""
        with self._lock:
            if not self._last or self._clock() - self._last_s >= self._fresh_s:
                self._last = {name: _answers(check) for name, check in self._checks.items()}
                self._last_s = self._clock()
            return dict(self._last)


def _answers(check: Callable[[], object]) -> bool:
    try:
        check()
    except Exception:  # whatever it is, the service cannot be used
        return False
    return True
