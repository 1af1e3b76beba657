"""How much one caller may ask: a token bucket each, in this process."""

import math
from collections import OrderedDict
from collections.abc import Callable

#: Callers remembered; the ones unheard of for longest go first.
_MOST_CALLERS = 10_000


class RateLimit:
    """Requests a second by caller; a burst of `burst` seconds' worth is let through.

    A caller can be charged beyond what is left: the debt is waited for before the next request.

    Args:
        per_s: requests a second.
        burst_s: how many seconds' worth may come at once.
        clock: monotonic seconds.
    """

    def __init__(self, per_s: float, burst_s: float, clock: Callable[[], float]) -> None:
        self._per_s = per_s
        self._most = max(1.0, per_s * burst_s)
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, caller: str) -> int:
        """Take one request; 0 when it is let through, else the whole seconds to wait."""
        left, now_s = self._now(caller)
        if left < 1:
            self._note(caller, left, now_s)
            return max(1, math.ceil((1 - left) / self._per_s))
        self._note(caller, left - 1, now_s)
        return 0

    def charge(self, caller: str, requests: float) -> None:
        """Count a request as several, on top of the one that was taken."""
        left, now_s = self._now(caller)
        self._note(caller, left - requests, now_s)

    def _now(self, caller: str) -> tuple[float, float]:
        now_s = self._clock()
        left, seen_s = self._left.get(caller, (self._most, now_s))
        return min(self._most, left + (now_s - seen_s) * self._per_s), now_s

    def _note(self, caller: str, left: float, now_s: float) -> None:
        self._left[caller] = (left, now_s)
        self._left.move_to_end(caller)
        if len(self._left) > _MOST_CALLERS:
            self._left.popitem(last=False)
