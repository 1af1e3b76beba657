"""Whose alerts managers see while they listen: kept up while somebody does."""

import asyncio
from collections import Counter
from collections.abc import Callable

import structlog

from streams.errors import PulseError

#: A representative who moved is seen by the other manager within this time.
_FRESH_S = 10.0

_log = structlog.get_logger("gateway")


class Trees:
    """The representatives below nodes that are watched.

    Args:
        read: gives those below a node; blocks.
        fresh_s: time between two looks.
    """

    def __init__(self, read: Callable[[str], frozenset[str]], fresh_s: float = _FRESH_S) -> None:
        self._read = read
        self._fresh_s = fresh_s
        self._watched: Counter[str] = Counter()
        self._reps: dict[str, frozenset[str]] = {}

    async def watch(self, node: str) -> None:
        """Keep a node up from now on.

        Raises:
            UnavailableError: ClickHouse does not answer.
        """
        self._reps[node] = await asyncio.to_thread(self._read, node)
        self._watched[node] += 1

    def leave(self, node: str) -> None:
        """One less watches it."""
        self._watched[node] -= 1
        if self._watched[node] <= 0:
            del self._watched[node]
            self._reps.pop(node, None)

    def holds(self, node: str, rep_id: str) -> bool:
        """Whether a representative is below a watched node."""
        return rep_id in self._reps.get(node, ())

    async def run(self) -> None:
        """Look again and again until cancelled; while ClickHouse is away the last answer holds."""
        while True:
            await asyncio.sleep(self._fresh_s)
            for node in list(self._watched):
                try:
                    reps = await asyncio.to_thread(self._read, node)
                except PulseError as error:
                    _log.warning("the organisation cannot be read anew; the last one holds", why=str(error))
                    break
                if node in self._watched:
                    self._reps[node] = reps
