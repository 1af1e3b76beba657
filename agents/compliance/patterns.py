r"""Patterns of `matches`: the part of regular expressions that can be searched for in linear time, as an automaton.

Letters, `.`, `[…]`, `[^…]`, `\d \w \s`, groups, `|`, `* + ? {m,n}`, `^`, `$`. What would need backtracking (references,
looking ahead or behind) is refused. Thompson's construction: Programming Techniques, CACM 11 (1968) 6.
"""

import string
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from agents.compliance.folding import fold

#: States an automaton may have: what a pattern costs for each character at worst.
MOST_STATES = 300
_MOST_REPEATS, _MOST_LEVELS, _MOST_COPIES = 100, 20, 2_000
_CLASSES: dict[str, Callable[[str], bool]] = {
    "d": str.isdecimal,
    "w": lambda character: character.isalnum() or character == "_",
    "s": str.isspace,
}
_SIGNS = string.punctuation
_REPEATS: dict[str, tuple[int, int | None] | None] = {"*": (0, None), "+": (1, None), "?": (0, 1), "{": None}
#: Whether a character fits.
Fits = Callable[[str], bool]


class PatternError(ValueError):
    """A pattern is wrong, or too large."""


class State(NamedTuple):
    """One state: it reads a character, or goes on without one."""

    kind: str
    """reads, forks, start, end or found."""
    fits: Fits | None = None
    then: int = -1
    other: int = -1


def parse(pattern: str) -> list[State]:
    """The automaton of a pattern; its first state is the last of the list.

    Raises:
        PatternError: naming the character, from 1, and what is wrong.
    """
    return _Parser(pattern).automaton()


class _Parser:
    """Recursive descent from right to left: what a piece leads to is known before the piece is built.

    The text is read from the left into a tree of builders: functions from the number of the state that follows to the
    number of their own first state.
    """

    def __init__(self, pattern: str) -> None:
        self._text, self._at, self._level, self._copies = pattern, 0, 0, 0
        self._states: list[State] = []

    def automaton(self) -> list[State]:
        build = self._alternatives()
        if self._at < len(self._text):
            self._fail("a closing bracket has no opening one")
        first = build(self._add(State("found")))
        if first != len(self._states) - 1:
            self._add(State("forks", None, first, first))
        return self._states

    def _add(self, state: State) -> int:
        if len(self._states) >= MOST_STATES:
            self._fail(f"the pattern is too large: at most {MOST_STATES} states, repeat less")
        self._states.append(state)
        return len(self._states) - 1

    def _fail(self, what: str) -> NoReturn:
        msg = f"pattern, character {min(self._at, len(self._text)) + 1}: {what}"
        raise PatternError(msg)

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, wanted: str) -> bool:
        if self._next() == wanted:
            self._at += 1
            return True
        return False

    def _alternatives(self) -> "_Build":
        choices = [self._sequence()]
        while self._take("|"):
            choices.append(self._sequence())
        return choices[0] if len(choices) == 1 else self._choice(choices)

    def _choice(self, choices: "list[_Build]") -> "_Build":
        def build(then: int) -> int:
            first = choices[-1](then)
            for choice in reversed(choices[:-1]):
                first = self._add(State("forks", None, choice(then), first))
            return first

        return build

    def _sequence(self) -> "_Build":
        pieces: list[_Build] = []
        while self._next() not in {"", "|", ")"}:
            pieces.append(self._repeated(self._atom()))

        def build(then: int) -> int:
            for piece in reversed(pieces):
                then = piece(then)
            return then

        return build

    def _repeated(self, piece: "_Build") -> "_Build":
        sign = self._next()
        if sign not in _REPEATS:
            return piece
        self._at += 1
        low, high = _REPEATS[sign] or self._bounds()
        if self._next() in _REPEATS:
            self._fail("what is repeated is repeated again: put it into a group, or remove a sign")
        return self._times(piece, low, high)

    def _bounds(self) -> tuple[int, int | None]:
        end = self._text.find("}", self._at)
        low, comma, high = self._text[self._at : max(end, self._at)].partition(",")
        if end < 0 or not low.isascii() or not low.isdigit() or not (high == "" or (high.isascii() and high.isdigit())):
            self._fail("after { stands {3}, {2,} or {2,5}; a bracket itself is written \\{")
        least, most = int(low), int(high) if high else None if comma else int(low)
        if max(least, most or 0) > _MOST_REPEATS or (most is not None and most < least):
            self._fail(f"repeat up to {_MOST_REPEATS} times, the smaller number first")
        self._at = end + 1
        return least, most

    def _times(self, piece: "_Build", low: int, high: int | None) -> "_Build":
        def build(then: int) -> int:
            self._copies += max(low, high or 0) + 1
            if self._copies > _MOST_COPIES:
                self._fail("the pattern is too large: repeat less")
            if high is None:
                loop = self._add(State("forks"))
                self._states[loop] = State("forks", None, piece(loop), then)
                then = loop
            else:
                last = then
                for _ in range(high - low):
                    then = self._add(State("forks", None, piece(then), last))
            for _ in range(low):
                then = piece(then)
            return then

        return build

    def _atom(self) -> "_Build":
        character = self._text[self._at]
        self._at += 1
        if character == "(":
            return self._group()
        if character == "[":
            return self._one(self._set())
        if character == ".":
            return self._one(lambda one: one != "\n")
        if character in "^$":
            kind = "start" if character == "^" else "end"
            return lambda then: self._add(State(kind, None, then))
        if character == "\\":
            return self._escape()
        if character in "*+?{":
            self._fail(f"{character} has nothing to repeat: the character itself is written \\{character}")
        return self._letters(character)

    def _group(self) -> "_Build":
        if self._take("?") and not self._take(":"):
            self._fail("only (?: may follow: looking ahead or behind and flags do not work")
        self._level += 1
        if self._level > _MOST_LEVELS:
            self._fail("groups are nested too deeply")
        inner = self._alternatives()
        if not self._take(")"):
            self._fail("a group is not closed")
        self._level -= 1
        return inner

    def _escape(self) -> "_Build":
        character = self._next()
        self._at += 1
        if character.lower() in _CLASSES and character:
            return self._one(_class(character))
        if character in _SIGNS and character:
            return self._letters(character)
        names = {"n": "\n", "t": "\t"}
        if character not in names:
            self._fail(f"\\{character} does not work: \\d, \\w, \\s, or or \\ before a sign")
        return self._letters(names[character])

    def _letters(self, character: str) -> "_Build":
        wanted = fold(character)

        def build(then: int) -> int:
            for one in reversed(wanted):
                then = self._add(State("reads", one.__eq__, then))
            return then

        return build

    def _one(self, fits: Fits) -> "_Build":
        return lambda then: self._add(State("reads", fits, then))

    def _set(self) -> Fits:
        is_negated, parts = self._take("^"), list[Fits]()
        while not (parts and self._take("]")):
            if not self._next():
                self._fail("a set is not closed: ] is missing")
            parts.append(self._member())
        return lambda one: any(fits(one) for fits in parts) is not is_negated

    def _member(self) -> Fits:
        low = self._character()
        if callable(low):
            return low
        if self._next() != "-" or self._text[self._at + 1 : self._at + 2] in {"]", ""}:
            return low.__eq__
        self._at += 1
        high = self._character()
        if callable(high) or high < low:
            self._fail("a range goes from a smaller to a greater character")
        return lambda one: low <= one <= high

    def _character(self) -> "str | Fits":
        character = self._next()
        self._at += 1
        if character == "\\":
            character = self._next()
            self._at += 1
            if character.lower() in _CLASSES and character:
                return _class(character)
            if not character or character.isalnum():
                self._fail("\\ stands before \\d, \\w, \\s or a sign")
        found = fold(character)
        if len(found) != 1:
            self._fail(f"{character} stands for several characters: write it outside of the set")
        return found


_Build = Callable[[int], int]


def _class(name: str) -> Fits:
    fits = _CLASSES[name.lower()]
    return fits if name.islower() else lambda one: not fits(one)
