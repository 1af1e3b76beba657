"""R06: does a text or a payload count what one professional prescribed?

A text does when one sentence has a quantity in a unit of medicines (120盒, forty boxes), or a number beside a word for
such a count (处方量), says that it was prescribed or used, and is about a professional: one it names, or the one the
payload names while the sentence is about nobody else. Samples, supply, doses and studies are talked about with the same
words and are not meant.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from urllib.parse import unquote

from agents.compliance.folding import fold
from agents.compliance.patterns import parse
from agents.compliance.searching import Searcher
from schemas.intake_policy import CountingWords

_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_HAN_DIGITS = "〇零一二两三四五六七八九十百千万亿壹贰叁肆伍陆柒捌玖拾佰仟"
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_ONES = "one|two|three|four|five|six|seven|eight|nine"
_WORDS = f"(?:{_TENS})(?:[ -](?:{_ONES}))?|(?:dozens?|hundreds?)|ten|eleven|twelve|[a-z]+teen"
_NUMBER = re.compile(rf"[0-9]+(?:[.,][0-9]+)*|[{_HAN_DIGITS}]+|\b(?:{_WORDS})\b")
#: What a text without a quantity has none of.
NUMERALS = re.compile(rf"[0-9０-９①-⒛㈠-㈩{_HAN_DIGITS}]")
_NUMBER_WORDS = ("ty", "dozen", "hundred", "teen", "ten", "ele", "twel", "\\u", "&#", "%")
_BESIDE_HAN = re.compile(rf"(?<=[{_HAN}0-9])[\s·・*_]+(?=[{_HAN}])|(?<=[{_HAN}])[\s·・*_]+(?=[0-9a-z])")
_SPELLED_OUT = re.compile(r"\b\w(?: \w){3,}\b")
_BLANKS = re.compile(r"\s+")
_SENTENCES = re.compile(r"[。!?;…]|\.(?=\s|$)|\n")
_CLAUSES = re.compile(r",(?![0-9])|(?<![0-9]),|[、()\[\]]")
#: Latin words whose full stop ends no sentence.
_ABBREVIATED = re.compile(r"\b(dr|prof|mr|mrs|ms|no|approx)\. ?")
_AFTER_NUMBER = re.compile(r"[+多余来几]?[ -]?(?:小|大|整|个)?")
_WORD = re.compile(r"[a-z'-]+ ")
_SKIPPED_WORDS = 2
_NEAR = 14
_PER_CENT_OR_DOSE = re.compile(r" ?(?:%|mg|ml|g\b|毫克|毫升|克|/)")
_INVISIBLE = frozenset({"Cf", "Mn"})
_MOST_CHARACTERS = 1_000_000


class Word:
    """Words looked for in a text; those of Latin letters whole, or by their beginning where they end with `*`."""

    def __init__(self, words: Iterable[str]) -> None:
        folded = sorted({fold(word) for word in words if word}, key=len, reverse=True)
        self._han = [word for word in folded if not word.rstrip("*").isascii()]
        latin = [re.escape(word.rstrip("*")) + ("" if word.endswith("*") else r"(?![a-z0-9])")
                 for word in folded if word.rstrip("*").isascii()]  # fmt: skip
        self._latin = re.compile(rf"(?<![a-z0-9])(?:{'|'.join(latin)})") if latin else None

    def occurs(self, text: str) -> bool:
        """Whether one of them is in a normalised text."""
        if any(word in text for word in self._han):
            return True
        return self._latin is not None and self._latin.search(text) is not None

    def begins(self, text: str, at: int) -> bool:
        """Whether one of them stands at a place."""
        if any(text.startswith(word, at) for word in self._han):
            return True
        return self._latin is not None and self._latin.match(text, at) is not None

    def ends(self, text: str) -> Iterator[int]:
        """Where those of Chinese characters and those of Latin letters end in a text."""
        for word in self._han:
            at = text.find(word)
            while at >= 0:
                yield at + len(word)
                at = text.find(word, at + 1)
        if self._latin is not None:
            yield from (found.end() for found in self._latin.finditer(text))


class Sentence(NamedTuple):
    """One sentence and its clauses."""

    text: str
    clauses: Sequence[str]


class Counting:
    """Finds counted prescriptions in texts.

    Args:
        words: what a compliance officer wrote.
    """

    def __init__(self, words: CountingWords) -> None:
        self._ignored = [fold(word) for word in words.ignored]
        self._professionals, self._institutions = Word(words.professionals), Word(words.institutions)
        self._prescribing, self._usage = Word(words.prescribing), Word(words.usage)
        self._units, self._doses, self._measures = Word(words.units), Word(words.doses), Word(words.measures)
        self._counted = Word((*words.units, *words.doses, *words.measures))
        self._samples, self._supply = Word(words.samples), Word(words.supply)
        self._dosing, self._studies = Word(words.dosing), Word(words.studies)
        self._who = [Searcher(parse(pattern)).found for pattern in words.professional_patterns]
        self._more = [Searcher(parse(pattern)).found for pattern in words.patterns]

    def found(self, text: str, *, is_about_professional: bool) -> bool:
        """Whether a text counts what a professional prescribed.

        Args:
            text: as it came.
            is_about_professional: whether the payload around it names a professional.
        """
        return any(
            self._found(normal(one), is_about_professional) for one in readings(text) if self._more or has_number(one)
        )

    def _found(self, text: str, is_about_professional: bool) -> bool:
        if not self._more and not self._counted.occurs(text):
            return False
        for word in self._ignored:
            text = text.replace(word, "·" if not word.isascii() else " ")
        about = is_about_professional
        for sentence in sentences(text):
            named, place = self.names_professional(sentence.text), self._institutions.occurs(sentence.text)
            about = True if named else False if place else about
            if self._counts(sentence, named=named) and about:
                return True
        return False

    def names_professional(self, text: str) -> bool:
        """Whether a normalised text names a professional."""
        return self._professionals.occurs(text) or any(found(text) for found in self._who)

    def _counts(self, sentence: Sentence, *, named: bool) -> bool:
        text = sentence.text
        if any(found(text) for found in self._more):
            return True
        said = self._prescribing.occurs(text) or self._usage.occurs(text)
        is_study, is_dosing = self._studies.occurs(text), self._dosing.occurs(text)
        for clause in sentence.clauses:
            if self._samples.occurs(clause) or self._supply.occurs(clause):
                continue
            if named and self._is_of_institution(clause):
                continue
            if not is_study and self._measured(clause):
                return True
            if said and not is_study and self._quantity(clause, is_dosing=is_dosing):
                return True
        return False

    def _is_of_institution(self, clause: str) -> bool:
        """Whether a clause says by itself what an institution used."""
        return (
            self._institutions.occurs(clause)
            and self._usage.occurs(clause)
            and not self._prescribing.occurs(clause)
            and not self.names_professional(clause)
        )

    def _measured(self, clause: str) -> bool:
        """A word for a count with its number near: 处方量120."""
        for end in self._measures.ends(clause):
            number = _NUMBER.search(clause, end, end + _NEAR)
            if number is not None and not _PER_CENT_OR_DOSE.match(clause, number.end()):
                return True
        return False

    def _quantity(self, clause: str, *, is_dosing: bool) -> bool:
        for number in _NUMBER.finditer(clause):
            for at in _places_after(clause, number.end()):
                if self._units.begins(clause, at) or (not is_dosing and self._doses.begins(clause, at)):
                    return True
        return False


def has_number(text: str) -> bool:
    """Whether there may be a number in a text as it came, in figures or in words, or something to be read in it."""
    if NUMERALS.search(text) is not None:
        return True
    folded = text.lower()
    return any(word in folded for word in _NUMBER_WORDS)


def _places_after(text: str, at: int) -> Iterator[int]:
    """Where the unit of a number may stand: behind a filler, and a word or two of Latin letters."""
    yield at
    filler = _AFTER_NUMBER.match(text, at)
    at = filler.end() if filler is not None else at
    yield at
    for _ in range(_SKIPPED_WORDS):
        word = _WORD.match(text, at)
        if word is None:
            return
        at = word.end()
        yield at


def readings(text: str) -> Iterator[str]:
    """A text, and what it says once percent signs, entities or escapes in it are read."""
    text = text[:_MOST_CHARACTERS]
    yield text
    if "%" in text and (plain := unquote(text)) != text:
        yield plain
    if "&" in text and (plain := html.unescape(text)) != text:
        yield plain
    if "\\u" in text or "\\U" in text:
        yield re.sub(r"\\[uU]([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)


def normal(text: str) -> str:
    """A text without what can be put between or around its letters: width, case, invisible characters, blanks.

    >>> normal("Ｐrescribed １２０ 盒，处\u200b 方")
    'prescribed 120盒,处方'
    """
    if not text.isascii():
        text = "".join(one for one in text if one.isalnum() or unicodedata.category(one) not in _INVISIBLE)
    folded = fold(text)
    lines = (_BLANKS.sub(" ", line) for line in folded.splitlines())
    tight = "\n".join(_BESIDE_HAN.sub("", _ABBREVIATED.sub(r"\1 ", line)) for line in lines)
    return _SPELLED_OUT.sub(lambda found: found[0].replace(" ", ""), tight)


def sentences(text: str) -> Iterator[Sentence]:
    """Sentences of a normalised text.

    >>> [sentence.clauses for sentence in sentences("a,1,200盒. b")]
    [['a', '1,200盒'], [' b']]
    """
    for part in _SENTENCES.split(text):
        if part:
            yield Sentence(part, _CLAUSES.split(part))
