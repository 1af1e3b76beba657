"""Texts: words, patterns in linear time, likeness. Case and width of letters do not matter."""

from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

from agents.compliance.folding import fold
from agents.compliance.functions.registry import CallError, asking, building, constant_of, function
from agents.compliance.kinds import NUMBER, TEXT, TRUTH, list_of
from agents.compliance.nodes import Frame, Node, Run, node
from agents.compliance.patterns import PatternError, parse
from agents.compliance.searching import Searcher
from agents.compliance.straight import straight

#: Characters of a text that cost one step when words are looked for, and when texts are compared.
_WORDS_A_STEP, _PAIRS_A_STEP = 200, 20
#: Characters times states of the automaton that cost one step: what a hostile text takes, whatever is remembered, for
#: the same event must have the same outcome in every worker.
_STATES_A_STEP = 100
_PLACES = Decimal("0.0001")
#: What is said of texts of so many characters is remembered.
_SHORT = 100


@building("contains_any", (TEXT,), (list_of(TEXT),), gives=TRUTH, says="whether a text has one of the words in it",
          example='contains_any(venue, ["温泉", "SPA"])')  # fmt: skip
def contains_any(arguments: Sequence[Node], _options: dict[str, Node]) -> Node:
    """Whether one of the words occurs; those that are written out, or on a list, are folded already."""
    get, listed = arguments[0].run, arguments[1]
    if listed.is_constant and listed.value is not None:
        return node(TRUTH, _has_known(get, _folded(listed.value)), arguments)
    words_of = straight(listed)

    def run(frame: Frame) -> bool | None:
        text = get(frame)
        words = None if text is None else words_of(frame)
        if not words:
            return None if words is None else False
        frame.spend(len(words) * (1 + len(text) // _WORDS_A_STEP))
        return _has_one(words if isinstance(words, frozenset) else _folded(tuple(words)), fold(text))

    return node(TRUTH, run, arguments)


def _has_known(get: Run, words: frozenset[str]) -> Run:
    """The same with words that are always these: texts repeat."""
    number, has_one = len(words), _remembering(lambda text: _has_one(words, text))

    def run(frame: Frame) -> bool | None:
        text = get(frame)
        if text is None:
            return None
        frame.spend(number * (1 + len(text) // _WORDS_A_STEP))
        return has_one(text)

    return run


def _remembering(ask: Callable[[str], bool]) -> Callable[[str], bool]:
    """What is said of a folded text, asked of the text as it is; of short ones it is remembered: they repeat."""
    of_short = lru_cache(1 << 12)(lambda text: ask(fold(text)))
    return lambda text: of_short(text) if len(text) <= _SHORT else ask(fold(text))


def _has_one(words: frozenset[str], text: str) -> bool:
    for word in words:  # noqa: SIM110 - a generator in `any` takes twice as long
        if word in text:
            return True
    return False


@lru_cache(1 << 10)
def _folded(words: tuple[str | None, ...]) -> frozenset[str]:
    return frozenset(fold(word) for word in words if word)


@building("matches", (TEXT,), (TEXT,), gives=TRUTH, says="whether a pattern occurs in a text",
          example='matches(topic_text, "处方.{0,6}[0-9]+")')  # fmt: skip
def matches(arguments: Sequence[Node], _options: dict[str, Node]) -> Node:
    """Whether a pattern occurs; it takes time in proportion to the text, whatever the pattern."""
    pattern = str(constant_of(arguments[1], 1))
    try:
        states = parse(pattern)
    except PatternError as error:
        raise CallError(str(error), 1) from None
    get, found, size = arguments[0].run, _remembering(Searcher(states).found), len(states)

    def run(frame: Frame) -> bool | None:
        text = get(frame)
        if text is None:
            return None
        frame.spend(1 + len(text) * size // _STATES_A_STEP)
        return found(text)

    return node(TRUTH, run, arguments)


@asking("similar", (TEXT,), (list_of(TEXT),), gives=NUMBER,
        says="how like a text is to the likest of others: 0 to 1, the share of pairs of neighbouring letters in common",
        example="similar(feedback_text, [v.feedback_text for v in visits(last(90 * days))])")  # fmt: skip
def similar(frame: Frame, text: str, others: Sequence[str | None]) -> Decimal:
    """Greatest likeness of a text with others (Dice, 1945); 0 where there are none."""
    own, best = pairs(text), Decimal(0)
    for other in others:
        if other is not None:
            frame.spend(1 + (len(text) + len(other)) // _PAIRS_A_STEP)
            best = max(best, likeness(own, pairs(other)))
    return best


def pairs(text: str) -> frozenset[str]:
    """Pairs of neighbouring letters and digits; of a single one, that one."""
    letters = "".join(character for character in fold(text) if character.isalnum())
    return frozenset(letters[index : index + 2] for index in range(max(len(letters) - 1, min(len(letters), 1))))


def likeness(one: frozenset[str], other: frozenset[str]) -> Decimal:
    """Twice what two sets share by what both have, to four places; 0 where one has nothing.

    >>> likeness(pairs("night"), pairs("nacht"))
    Decimal('0.2500')
    """
    if not one or not other:
        return Decimal(0)
    return (Decimal(2 * len(one & other)) / (len(one) + len(other))).quantize(_PLACES, ROUND_HALF_EVEN)


@function("length", (TEXT,), gives=NUMBER, says="characters of a text", example="length(feedback_text)")
def length(text: str) -> int:
    """Characters of a text, blanks around it aside."""
    return len(text.strip())
