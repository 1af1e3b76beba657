"""Search for a pattern: the automaton is made deterministic while it runs, so each character is read once."""

from collections.abc import Iterable

from agents.compliance.patterns import State

#: Steps remembered; beyond, they are forgotten and found anew.
_MOST_REMEMBERED = 20_000


class Point(dict[str, "Point"]):
    """Where a search may be at once, and where each character seen so far leads from there.

    Attributes:
        states: numbers of the automaton's states.
        is_found: whether the pattern has occurred.
    """

    def __init__(self, states: frozenset[int], *, is_found: bool) -> None:
        super().__init__()
        self.states, self.is_found = states, is_found


class Searcher:
    """Finds out whether a pattern occurs in a text.

    Args:
        states: the automaton; the last state is the first.
    """

    def __init__(self, states: list[State]) -> None:
        self._states = states
        self._end = next(number for number, state in enumerate(states) if state.kind == "found")
        self._again = self._reached([len(states) - 1], at_start=False)
        self._forget()

    def _forget(self) -> None:
        self._points: dict[frozenset[int], Point] = {}
        self._remembered = 0
        self._begin = self._point(self._reached([len(self._states) - 1], at_start=True))

    def _point(self, states: frozenset[int]) -> Point:
        found = self._points.get(states)
        if found is None:
            found = self._points[states] = Point(states, is_found=self._end in states)
        return found

    def found(self, text: str) -> bool:
        """Whether the pattern occurs in a folded text; in time proportional to its length."""
        now = self._begin
        if now.is_found:
            return True
        for character in text:
            after = now.get(character)
            now = self._step(now, character) if after is None else after
            if now.is_found:
                return True
        return self._end in self._reached(now.states, at_start=not text, at_end=True)

    def _step(self, now: Point, character: str) -> Point:
        if self._remembered >= _MOST_REMEMBERED:
            self._forget()
        states = self._states
        fitting = [
            states[number].then
            for number in now.states
            if (fits := states[number].fits) is not None and fits(character)
        ]
        after = self._point(self._reached(fitting, at_start=False) | self._again)
        now[character] = after
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
