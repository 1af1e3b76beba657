"""R06, the guard at the door: a payload that counts what a professional prescribed is not let in, wherever it says so.

An event that is right has known fields alone, so its texts are looked at, which takes less than a microsecond. Whatever
is refused for another reason is looked at whole, as the bytes it is, before anybody keeps it as a dead letter.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from agents.compliance.kinds import TEXT, kind_of
from agents.compliance.patterns import parse
from agents.compliance.searching import Searcher
from agents.intake.counting import NUMERALS, Counting, normal, words_in
from schemas.base import Model
from schemas.events import EVENT_MODELS, Event
from schemas.intake_policy import CountingRule

#: Texts within texts that are read as JSON, one inside the other.
_MOST_NESTED = 3
#: Keys are texts too, where they are as long as a sentence.
_LEAST_SENTENCE = 8
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:@")
_MOST_ID = 64
_NUL_SHARE = 4
#: Harmless texts that are remembered, and their length.
_MOST_HARMLESS, _SHORT = 5_000, 100
#: Identifiers that are not called so.
_OTHER_IDS = frozenset({"source", "version", "currency"})
#: Ends of the names of fields that say what somebody is.
_KINDS = ("kind", "type", "role")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class Finding(NamedTuple):
    """That something counts prescriptions; not what it says."""

    how: Literal["fields", "text"]


class Quarantined(NamedTuple):
    """A payload that must not be let in, and as much of it as may be told."""

    hash: str
    """SHA-256 of the bytes, hexadecimal: the evidence."""
    how: Literal["fields", "text"]
    event_id: str | None
    rep_id: str | None
    source: str | None


class Guard:
    """Holds payloads against the rule.

    Args:
        rule: R06 as it is written.
    """

    def __init__(self, rule: CountingRule) -> None:
        self.rule = rule
        self._counting = Counting(rule)
        keys = rule.keys
        self._professional, self._product = _keys(keys.professionals), _keys(keys.products)
        self._prescriptions, self._quantities = _keys(keys.prescriptions), _keys(keys.quantities)
        self._samples = _keys(keys.samples)
        self._harmless: set[str | None] = {None}

    def check_event(self, event: Event, raw: bytes) -> Quarantined | None:
        """What must not be let in of an event that was read; its raw bytes are looked at where a text is suspect."""
        quick, thorough = _READERS[event.kind_name]
        if quick(event, self._harmless):
            return None
        return self.check(raw) if any(map(self._is_suspect, thorough(event))) else None

    def _is_suspect(self, text: str) -> bool:
        """Whether a text counts if it is about a professional; those that do not are remembered: texts repeat."""
        if text in self._harmless:
            return False
        if self._counting.found(text, is_about_professional=True):
            return True
        if len(self._harmless) >= _MOST_HARMLESS:
            self._harmless = {None}  # what is written once fills it; what repeats is back in it at once
        if len(text) <= _SHORT:
            self._harmless.add(text)
        return False

    def check(self, raw: bytes | None) -> Quarantined | None:
        """What must not be let in of any bytes, be they an event or not."""
        finding = self.suspicious(raw or b"")
        if finding is None:
            return None
        told = _told(raw or b"")
        return Quarantined(sha256(raw or b"").hexdigest(), finding.how, *told)

    def suspicious(self, raw: bytes) -> Finding | None:
        """Whether bytes join a professional with a number of prescriptions or packages."""
        for text in _decoded(raw):
            payload = _parsed(text)
            finding = self._in_text(text, is_about=False) if payload is None else self._in_payload(payload)
            if finding is not None:
                return finding
        return None

    def reasons(self, raw: bytes) -> list[str]:
        """The words and patterns of the rule that stop bytes, by where they stand in it; nothing of what these say."""
        found: list[str] = []
        for text in _decoded(raw):
            payload = _parsed(text)
            entries = [] if payload is None else list(_entries(payload))
            is_about = any(self._is_about(key, value) for key, value, _ in entries)
            if is_about and self._in_fields(entries):
                found += self._keys_in(entries)
            for one in [text] if payload is None else _texts(entries):
                for sentence in self._counting.sentences(one, is_about_professional=is_about):
                    found += words_in(sentence, self.rule.words)
        return list(dict.fromkeys(found))

    def _keys_in(self, entries: "list[_Entry]") -> Iterator[str]:
        """Patterns that fit the key of a field with something in it, or with a number where one is needed."""
        for name in ("professionals", "products", "prescriptions", "quantities"):
            is_number = name in {"prescriptions", "quantities"}
            for pattern in getattr(self.rule.keys, name):
                fits = _keys((pattern,))
                for key, value, path in entries:
                    holds = _holds_number(value) if is_number else value not in (None, "", [], {}, False)
                    if holds and fits(key) and not (is_number and any(map(self._samples, path))):
                        yield f"keys.{name} {pattern!r}"

    def _in_text(self, text: str, *, is_about: bool) -> Finding | None:
        return Finding("text") if self._counting.found(text, is_about_professional=is_about) else None

    def _in_payload(self, payload: Any) -> Finding | None:
        entries = list(_entries(payload))
        is_about = any(self._is_about(key, value) for key, value, _ in entries)
        if is_about and self._in_fields(entries):
            return Finding("fields")
        if any(self._counting.found(text, is_about_professional=is_about) for text in _texts(entries)):
            return Finding("text")
        return None

    def _is_about(self, key: str, value: Any) -> bool:
        """Whether a field names a professional, or says that one is paid: `payee_kind: hcp`."""
        if isinstance(value, str) and key.lower().endswith(_KINDS) and self._professional(value):
            return True
        return self._professional(key) and value not in (None, "", [], {}, False)

    def _in_fields(self, entries: "list[_Entry]") -> bool:
        has_product = any(self._product(key) and value not in (None, "", [], {}) for key, value, _ in entries)
        for key, value, path in entries:
            if not _holds_number(value) or any(self._samples(part) for part in path):
                continue
            if self._prescriptions(key) or (has_product and self._quantities(key)):
                return True
        return False


_Entry = tuple[str, Any, tuple[str, ...]]


def _entries(payload: Any, path: tuple[str, ...] = (), nested: int = 0) -> Iterator[_Entry]:
    """Every key with its value, and every item of a list under the key of the list, with the keys above it."""
    waiting: list[tuple[Any, tuple[str, ...], int]] = [(payload, path, nested)]
    while waiting:
        value, above, level = waiting.pop()
        if isinstance(value, _Pairs):
            for key, one in value:
                yield key, one, (*above, key)
                waiting.append((one, (*above, key), level))
        elif isinstance(value, list):
            for one in value:
                if not isinstance(one, _Pairs | list):
                    yield above[-1] if above else "", one, above
                waiting.append((one, above, level))
        elif isinstance(value, str) and level < _MOST_NESTED and value.lstrip()[:1] in {"{", "["}:
            inner = _parsed(value)
            if inner is not None:
                waiting.append((inner, above, level + 1))


def _texts(entries: Iterable[_Entry]) -> Iterator[str]:
    """Values that are texts, and keys as long as a sentence."""
    for key, value, _ in entries:
        if isinstance(value, str):
            yield value
        if len(key) >= _LEAST_SENTENCE:
            yield key


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with all its keys, those that stand twice too."""


def _parsed(text: str) -> Any:
    """JSON as lists and pairs; None for what is no JSON object or list."""
    try:
        found = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None


def _decoded(raw: bytes) -> Iterator[str]:
    """The bytes as text: UTF-8, or what they may be otherwise."""
    try:
        yield raw.decode("utf-8-sig")
        if raw.count(b"\x00") * _NUL_SHARE < len(raw) or not raw:
            return
    except UnicodeDecodeError:
        yield raw.decode("utf-8", "ignore")
        yield raw.decode("gb18030", "ignore")
    if raw.startswith(_UTF16_MARKS):
        yield raw.decode("utf-16", "ignore")
    else:
        yield raw.decode("utf-16-le", "ignore")
        yield raw.decode("utf-16-be", "ignore")


def _holds_number(value: Any) -> bool:
    """Whether a value is a number, written as one or in words, or holds one."""
    if isinstance(value, bool) or value is None:
        return False
    if isinstance(value, str):
        return NUMERALS.search(value) is not None
    if isinstance(value, _Pairs):
        return any(_holds_number(one) for _, one in value)
    return isinstance(value, int | float) or (isinstance(value, list) and any(_holds_number(one) for one in value))


def _keys(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether a key fits one of the patterns; keys are compared without case, width and invisible characters."""
    searchers = [Searcher(parse(pattern)) for pattern in patterns]
    known: dict[str, bool] = {}

    def fits(key: str) -> bool:
        found = known.get(key)
        if found is None:
            plain = normal(_split_camel(key)).replace(" ", "_").replace("-", "_")
            found = any(searcher.found(plain) for searcher in searchers)
            if len(known) < 10_000:  # noqa: PLR2004 - keys of hostile payloads must not fill the memory
                known[key] = found
        return found

    return fits


def _split_camel(key: str) -> str:
    """Divide `rxCount` into `rx_Count`."""
    return "".join(f"_{one}" if one.isupper() and at and key[at - 1].islower() else one for at, one in enumerate(key))


def _told(raw: bytes) -> tuple[str | None, str | None, str | None]:
    """Event, representative and source, where they are plain identifiers."""
    fields: dict[str, Any] = {}
    payload = next((one for text in _decoded(raw) if (one := _parsed(text)) is not None), None)
    if isinstance(payload, _Pairs):
        fields = dict(payload)
    event_id, rep_id, source = (plain_id(fields.get(name)) for name in ("event_id", "rep_id", "source"))
    return event_id, rep_id, source


def plain_id(value: Any) -> str | None:
    """An identifier that can carry no sentence."""
    return value if isinstance(value, str) and 0 < len(value) <= _MOST_ID and _SAFE.issuperset(value) else None


# --- the texts of an event that was read -----------------------------------------------------------------------------


class _Fields(NamedTuple):
    """Fields of a model that hold text of a person, and those that hold identifiers."""

    texts: tuple[str, ...]
    ids: tuple[str, ...]


def _fields(model: type[Model]) -> _Fields:
    plain = [
        name
        for name, field in model.model_fields.items()
        if (kind := kind_of(field.annotation)).name == TEXT.name and kind.choices is None
    ]
    ids = tuple(name for name in plain if name.endswith("_id") or name in _OTHER_IDS)
    return _Fields(tuple(name for name in plain if name not in ids), ids)


#: Whether all texts of an event, or of an item in it, are known to be harmless.
_Quick = Callable[[Any, "set[str | None]"], bool]
#: All its texts, identifiers too.
_Thorough = Callable[[Any], Iterator[str]]


def _getter(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    if not names:
        return lambda _value: ()
    if len(names) == 1:
        get = attrgetter(*names)
        return lambda value: (get(value),)
    return attrgetter(*names)


def _readers(model: type[Event]) -> tuple[_Quick, _Thorough]:
    """Both looks at the texts of an event, in its lists, too."""
    own, lists = _fields(model), list(_lists(model))
    ids_of, texts_of, lists_of = _getter(own.ids), _getter(own.texts), _getter(tuple(name for name, _ in lists))
    looks = [_item_readers(item) for _, item in lists]

    def quick_flat(event: Any, harmless: "set[str | None]") -> bool:
        ids = "".join(filter(None, ids_of(event)))
        return ids.isascii() and " " not in ids and harmless.issuperset(texts_of(event))

    def quick(event: Any, harmless: "set[str | None]") -> bool:
        if not quick_flat(event, harmless):
            return False
        for items, (look, _) in zip(lists_of(event), looks, strict=True):
            if items and not look(items, harmless):
                return False
        return True

    def thorough(event: Any) -> Iterator[str]:
        yield from filter(None, texts_of(event))
        yield from (one for one in ids_of(event) if one is not None and (not one.isascii() or " " in one))
        for items, (_, read) in zip(lists_of(event), looks, strict=True):
            yield from filter(None, read(items))

    return quick if lists else quick_flat, thorough


def _lists(model: type[Event]) -> Iterator[tuple[str, type[Model] | None]]:
    """Fields that hold lists, with the model of their items; None: texts."""
    for name, field in model.model_fields.items():
        item = kind_of(field.annotation).item
        if item is not None:
            yield name, item.model


def _item_readers(model: type[Model] | None) -> tuple[_Quick, _Thorough]:
    """Both looks at the items of a list."""
    own = _fields(model) if model is not None else None
    ids_of = _getter(own.ids) if own is not None else lambda value: (value,)
    texts_of = _getter(own.texts) if own is not None else lambda _value: ()

    def quick(items: Any, harmless: "set[str | None]") -> bool:
        for item in items:
            if not harmless.issuperset(texts_of(item)):
                return False
            for one in ids_of(item):
                if one is not None and (not one.isascii() or " " in one):
                    return False
        return True

    def thorough(items: Any) -> Iterator[Any]:
        for item in items:
            yield from (one for one in ids_of(item) if one is not None and (not one.isascii() or " " in one))
            yield from texts_of(item)

    return quick, thorough


_READERS = {kind: _readers(model) for kind, model in EVENT_MODELS.items()}
