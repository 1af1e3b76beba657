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

from agents.compliance.folding import fold, fold_once
from agents.compliance.patterns import parse
from agents.compliance.searching import Searcher
from schemas.intake_policy import CountingRule, CountingWords

_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_HAN_DIGITS = "〇零一二两三四五六七八九十百千万亿壹贰叁肆伍陆柒捌玖拾佰仟"
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_ONES = "one|two|three|four|five|six|seven|eight|nine"
_WORDS = f"(?:{_TENS})(?:[ -](?:{_ONES}))?|(?:dozens?|hundreds?)|ten|eleven|twelve|[a-z]+teen"
_NUMBER = re.compile(rf"[0-9]+(?:[.,][0-9]+)*|[{_HAN_DIGITS}]+|\b(?:{_WORDS})\b")
#: What a text without a quantity has none of.
NUMERALS = re.compile(rf"[0-9０-９①-⒛㈠-㈩{_HAN_DIGITS}]")
_HIDDEN = "\u00ad\u200b-\u200f\u2060\ufeffａ-ｚ"
_MAY_COUNT = re.compile(rf"[0-9０-９①-⒛㈠-㈩%\\{_HIDDEN}{_HAN_DIGITS}]|ty|dozen|hundred|teen|ten|ele|twel|&#")
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
#: Behind a number that is a share, a dose or a time.
_NO_COUNT = re.compile(
    r" ?(?:%|mg|ml|g\b|毫克|毫升|克|/|月|日|年|号|点|次|分钟|小时|个月|周|天|人|家|st\b|nd\b|rd\b|th\b)"
)
_TEN, _TEN_THOUSAND = 10.0, 10_000
_HAN_ONES = {
    one: value
    for value, ones in enumerate(("〇零", "一壹", "二两贰", "三叁", "四肆", "五伍", "六陆", "七柒", "八捌", "九玖"))
    for one in ones
}
_HAN_UNITS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1_000, "仟": 1_000, "万": 10_000, "亿": 100_000_000}
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
        rule: what a compliance officer wrote.
    """

    def __init__(self, rule: CountingRule) -> None:
        words = rule.words
        self._few, self._many_doses = rule.few, rule.many_doses
        self._ignored = [fold(word) for word in words.ignored]
        self._professionals, self._institutions = Word(words.professionals), Word(words.institutions)
        self._prescribing, self._usage = Word(words.prescribing), Word(words.usage)
        self._units, self._people, self._doses = Word(words.units), Word(words.people), Word(words.doses)
        self._measures = Word(words.measures)
        self._counted = Word((*words.units, *words.people, *words.doses, *words.measures))
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
        return next(self.sentences(text, is_about_professional=is_about_professional), None) is not None

    def sentences(self, text: str, *, is_about_professional: bool) -> Iterator[str]:
        """The sentences that count, normalised; they are content, for the eyes of compliance alone.

        Args:
            text: as it came.
            is_about_professional: whether the payload around it names a professional.
        """
        for one in readings(text):
            if has_number(one):
                yield from self._sentences(normal(one), is_about_professional)

    def _sentences(self, text: str, is_about_professional: bool) -> Iterator[str]:
        if not self._more and not self._counted.occurs(text):
            return
        for word in self._ignored:
            text = text.replace(word, "·" if not word.isascii() else " ")
        about = is_about_professional
        for sentence in sentences(text):
            named, place = self.names_professional(sentence.text), self._institutions.occurs(sentence.text)
            about = True if named else False if place else about
            if self._counts(sentence, named=named) and about:
                yield sentence.text

    def names_professional(self, text: str) -> bool:
        """Whether a normalised text names a professional."""
        return self._professionals.occurs(text) or any(found(text) for found in self._who)

    def _counts(self, sentence: Sentence, *, named: bool) -> bool:
        text = sentence.text
        if any(found(text) for found in self._more):
            return True
        said = self._prescribing.occurs(text) or self._usage.occurs(text)
        is_case, is_dosing = self._studies.occurs(text), self._dosing.occurs(text)
        for clause in sentence.clauses:
            if self._samples.occurs(clause) or self._supply.occurs(clause):
                continue
            if named and self._is_of_institution(clause):
                continue
            if self._measured(clause) or (named and self._packages(clause)):
                return True
            if said and self._quantity(clause, is_case=is_case, is_dosing=is_dosing):
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
        return any(
            not _NO_COUNT.match(clause, number.end())
            for end in self._measures.ends(clause)
            for number in _NUMBER.finditer(clause, end, end + _NEAR)
        )

    def _packages(self, clause: str) -> bool:
        """Many packages, which need no verb beside a professional's name: 陈医生 120盒."""
        return any(
            value_of(number[0]) >= self._few
            and any(self._units.begins(clause, at) for at in _places_after(clause, number.end()))
            for number in _NUMBER.finditer(clause)
        )

    def _quantity(self, clause: str, *, is_case: bool, is_dosing: bool) -> bool:
        """A number with a unit behind it that is no dose and no single case."""
        for number in _NUMBER.finditer(clause):
            value = value_of(number[0])
            for at in _places_after(clause, number.end()):
                if self._units.begins(clause, at) and not (is_case and value < self._few):
                    return True
                if self._people.begins(clause, at) and not is_case:
                    return True
                if self._doses.begins(clause, at) and not ((is_dosing or is_case) and value < self._many_doses):
                    return True
        return False


def value_of(number: str) -> float:
    """About how many a number says; those in English words are taken for ten or more.

    >>> value_of("1,200"), value_of("一百二十"), value_of("两"), value_of("三万")
    (1200.0, 120.0, 2.0, 30000.0)
    """
    if number[0].isascii():
        digits = number.replace(",", "")
        return float(digits) if digits.replace(".", "", 1).isdecimal() else _TEN
    whole, part = 0.0, 0.0
    for character in number:
        unit = _HAN_UNITS.get(character)
        if unit is None:
            part = part * _TEN + _HAN_ONES.get(character, 0)
        elif unit >= _TEN_THOUSAND:
            whole, part = (whole + part) * unit, 0.0
        else:
            whole, part = whole + (part or 1) * unit, 0.0
    return whole + part


def has_number(text: str) -> bool:
    """Whether there may be a number in a text as it came, in figures or in words, or something to be read in it."""
    return _MAY_COUNT.search(text.lower()) is not None


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
    lines = (_BLANKS.sub(" ", line) for line in fold_once(text).splitlines())
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


#: Lists of words that tell a counted prescription, in the order in which one reads them.
_TELLING = ("professionals", "prescribing", "usage", "measures", "units", "people", "doses")


def words_in(sentence: str, words: CountingWords) -> Iterator[str]:
    """Words and patterns of the rule that stand in a normalised sentence, with the list each is in."""
    for name in _TELLING:
        yield from (f"words.{name} {word!r}" for word in getattr(words, name) if Word([word]).occurs(sentence))
    for name in ("professional_patterns", "patterns"):
        for pattern in getattr(words, name):
            if Searcher(parse(pattern)).found(sentence):
                yield f"words.{name} {pattern!r}"
