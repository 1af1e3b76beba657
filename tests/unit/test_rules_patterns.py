"""Patterns of `matches`: the same as Python's where both can, and in linear time where Python is not."""

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agents.compliance.folding import fold
from agents.compliance.patterns import MOST_STATES, PatternError, parse
from agents.compliance.searching import Point, Searcher

atoms = st.sampled_from(
    ["a", "b", "c", ".", "[ab]", "[^a]", "[a-b]", r"\d", r"\w", r"\s", r"\D", "1", " ", "^", "$", ""]
)
patterns = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds("{}{}".format, inner, inner),
        st.builds("(?:{}|{})".format, inner, inner),
        st.builds("({}){}".format, inner, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}"])),
    ),
    max_leaves=10,
)
texts = st.text(alphabet="abc1 ", max_size=12)


@settings(max_examples=300)
@given(patterns, texts)
def test_a_pattern_occurs_where_python_says_so(pattern: str, text: str) -> None:
    try:
        searcher = Searcher(parse(pattern))
    except PatternError as error:
        assume("too large" not in str(error))
        raise
    assert searcher.found(text) is (re.search(pattern, text) is not None)
    assert searcher.found(text) is (re.search(pattern, text) is not None)  # with what it remembers


class Counting(Searcher):
    """Counts the characters for which the automaton had to be looked at."""

    looked = 0

    def _step(self, now: Point, character: str) -> Point:
        self.looked += 1
        assert len(now.states) <= MOST_STATES
        return super()._step(now, character)


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*b", "(a*)*(a*)*c", "a*a*a*a*a*b", "(.*)(.*)(.*)x", "a{0,60}a{0,60}b"]
)
@pytest.mark.parametrize("length", [1_000, 20_000])
def test_no_text_makes_a_pattern_slow(pattern: str, length: int) -> None:
    """Each would take Python longer than the age of the universe; here every character is read once at most."""
    searcher = Counting(parse(pattern))
    assert searcher.found("a" * length + "!") is False
    assert searcher.looked <= length + 1


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("处方.{0,6}[0-9]+", "本月处方量为120盒", True),
        ("处方.{0,3}[0-9]+", "本月处方量约为一百120盒", False),
        ("gift card", "Buy a GIFT CARD", True),
        ("GIFT", "gift", True),
        ("[A-Z]{3}", "abc", True),
        ("ｓｐａ", "SPA", True),
        (r"AE\-\d{4}", "ae-2026", True),
        (r"1\.5", "115", False),
        (r"[\d.]+元", "12.5元", True),
        ("[]a]", "]", True),
        ("[a-]", "-", True),
        (r"[^\d]", "1", False),
        (r"a\nb", "a\nb", True),
        ("a.b", "a\nb", False),
        ("", "", True),
        ("^$", "", True),
        ("^$", "a", False),
        ("ß", "STRASSE", True),
    ],
)
def test_by_hand(pattern: str, text: str, found: bool) -> None:
    assert Searcher(parse(pattern)).found(fold(text)) is found


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("(a", "character 3: a group is not closed"),
        ("a)", "character 2: a closing bracket has no opening one"),
        ("[a", "character 3: a set is not closed"),
        ("*a", "has nothing to repeat"),
        ("a**", "what is repeated is repeated again"),
        ("a{2", "a bracket itself is written"),
        ("a{3,2}", "the smaller number first"),
        ("a{1,101}", "repeat up to 100 times"),
        ("(?=a)", "looking ahead or behind and flags do not work"),
        (r"(a)\1", "does not work"),
        (r"\bword", "does not work"),
        ("[b-a]", "from a smaller to a greater character"),
        (r"[\q]", "stands before"),
        ("a\\", "does not work"),
        ("(((a{90}){90}){90})", "too large"),
        ("((((){100}){100}){100}){100}", "too large"),
        ("(" * 30 + "a" + ")" * 30, "nested too deeply"),
        ("[㎏]", "stands for several characters"),
    ],
)
def test_what_is_refused(pattern: str, says: str) -> None:
    with pytest.raises(PatternError, match=re.escape(says)):
        parse(pattern)


@given(st.text(alphabet="ab()[]{}*+?|^$\\.,-0123", max_size=25))
def test_any_text_is_a_pattern_or_is_refused(pattern: str) -> None:
    try:
        states = parse(pattern)
    except PatternError:
        return
    assert len(states) <= MOST_STATES
    Searcher(states).found("aab(]01")


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.compliance.searching._MOST_REMEMBERED", 50)
    searcher = Searcher(parse("a.{0,3}b"))
    for start in range(0x4E00, 0x4E00 + 400):
        text = f"a{chr(start)}{chr(start + 1)}b"
        assert searcher.found(text) is True
        assert searcher.found(text[:-1]) is False
        assert searcher._remembered <= 51
