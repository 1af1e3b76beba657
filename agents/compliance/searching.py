"""Search for a pattern: the automaton is made deterministic while it runs, so each character is read once."""

from collections.abc import Iterable

from agents.compliance.patterns import State

#: Steps remembered; beyond, they are forgotten and found anew.
_MOST_REMEMBERED = 20_000


class Searcher:
    """Finds out whether a pattern occurs in a text.

    Args:
        states: the automaton; the last state is the first.
    """

    def __init__(self, states: list[State]) -> None:
        self._states = states
        first = len(states) - 1
        self._begin = self._reached([first], at_start=True)
        self._again = self._reached([first], at_start=False)
        self._steps: dict[frozenset[int], dict[str, frozenset[int]]] = {}
        self._remembered = 0

    def found(self, text: str) -> bool:
        """Whether the pattern occurs in a folded text; in time proportional to its length."""
        found = next((number for number, state in enumerate(self._states) if state.kind == "found"), -1)
        now = self._begin
        for character in text:
            if found in now:
                return True
            known = self._steps.get(now)
            after = None if known is None else known.get(character)
            now = self._step(now, character) if after is None else after
        return found in now or found in self._reached(now, at_start=not text, at_end=True)

    def _step(self, now: frozenset[int], character: str) -> frozenset[int]:
        if self._remembered >= _MOST_REMEMBERED:
            self._steps, self._remembered = {}, 0
        states = self._states
        fitting = [
            states[number].then for number in now if (fits := states[number].fits) is not None and fits(character)
        ]
        after = self._reached(fitting, at_start=False) | self._again
        self._steps.setdefault(now, {})[character] = after
        self._remembered += 1
        return after

    def _reached(self, numbers: Iterable[int], *, at_start: bool, at_end: bool = False) -> frozenset[int]:
        """All states reached without a character; those that read, wait for the end or have found are kept."""
        waiting, seen = list(numbers), set[int]()
        while waiting:
            number = waiting.pop()
            if number in seen:
                continue
            seen.add(number)
            state = self._states[number]
            if state.kind == "forks":
                waiting += (state.then, state.other)
            elif (state.kind == "start" and at_start) or (state.kind == "end" and at_end):
                waiting.append(state.then)
        return frozenset(seen)
