"""Sentences of a rule: texts in which names of fields, thresholds and named parts stand in braces."""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from string import Formatter
from typing import Any, Literal

from agents.compliance.arithmetic import EXACT
from agents.compliance.errors import ExhaustedError, RuleError
from agents.compliance.keeping import Kept
from agents.compliance.language import compile_expression
from agents.compliance.nodes import STEPS, Frame, Node
from agents.compliance.scope import Scope
from agents.progress.calendar import CompanyTime
from schemas.base import Model, Position

Language = Literal["zh", "en"]
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_SPEC = re.compile(r"(?P<group>,?)(?:\.(?P<places>[0-6]))?")
_WORDS: dict[Language, dict[bool, str]] = {"zh": {True: "是", False: "否"}, "en": {True: "yes", False: "no"}}
_UNITS = ((86_400, "天", "day"), (3_600, "小时", "hour"), (60, "分钟", "minute"), (1, "秒", "second"))
_SEPARATORS: dict[Language, str] = {"zh": "、", "en": ", "}
_NOTHING = "—"
_SHOWN = 5


class Template:
    """One sentence in one language.

    Args:
        text: with names in braces.
        scope: names there are.
        language: zh or en.

    Raises:
        RuleError: a brace is not closed, or a name does not exist.
    """

    def __init__(self, text: str, scope: Scope, language: Language) -> None:
        self._language = language
        self._parts: list[tuple[str, Node | None, Node | None, str]] = []
        try:
            parsed = list(Formatter().parse(text))
        except ValueError as error:
            msg = f"{error}: a brace itself is written twice"
            raise RuleError(msg, 1, 1) from None
        at = 0
        for literal, name, spec, conversion in parsed:
            part = english = None
            if name is not None:
                at = max(text.find("{" + name, at), at) + 1
                _check(name, spec or "", conversion, at)
                part = _compiled(name, scope, at + 1)
                english = _english(name, scope) if language == "en" else None
            self._parts.append((literal, part, english, spec or ""))

    @property
    def nodes(self) -> list[Node]:
        """What it shows."""
        return [part for _, part, _, _ in self._parts if part is not None]

    def fill(self, frame: Frame) -> str:
        """The sentence for an event."""
        return "".join(
            literal + ("" if part is None else self._said(frame, part, english, spec))
            for literal, part, english, spec in self._parts
        )

    def _said(self, frame: Frame, part: Node, english: Node | None, spec: str) -> str:
        """A value in its words; where there is too much to look at, as one that is missing."""
        frame.left = STEPS
        try:
            value = (english.run(frame) if english is not None else None) or part.run(frame)
        except ExhaustedError:
            value = None
        if self._language == "en" and isinstance(value, Model):
            return named(value, in_english=True)
        return written(value, self._language, frame.world.time, spec)


def _check(name: str, spec: str, conversion: str | None, column: int) -> None:
    if conversion or not _SPEC.fullmatch(spec):
        written_so = name + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
        msg = f"{{{written_so}}} cannot be written so: {{{name}}}, {{{name}:.2}} for two decimals, {{{name}:,.2}}"
        raise RuleError(msg, 1, column)
    if not _NAME.fullmatch(name):
        msg = f"{{{name}}} is no name: work it out under `let` and name that here"
        raise RuleError(msg, 1, column)


def _compiled(name: str, scope: Scope, column: int) -> Node:
    try:
        return compile_expression(name, scope, None)
    except RuleError as error:
        raise RuleError(error.what, 1, column) from None


def _english(name: str, scope: Scope) -> Node | None:
    """The English text beside a field of a record: name_en beside name; None where a record has none."""
    if "." not in name:
        return None
    try:
        return compile_expression(f"{name}_en", scope, None)
    except RuleError:
        return None


def written(value: Any, language: Language, time_: CompanyTime, spec: str = "") -> str:
    """A value as a person reads it."""
    found = next((write for kinds, write in _WRITERS if isinstance(value, kinds)), None)
    return str(value) if found is None else found(value, language, time_, spec)


def named(record: Model, *, in_english: bool = False) -> str:
    """A record by its name, in English where it has one and that is asked for, or by its id.

    A position goes without coordinates, which reasons that are kept must not carry (R26).
    """
    if isinstance(record, Position):
        return "position" if record.accuracy_m is None else f"position good to {record.accuracy_m:g} m"
    kind = getattr(record, "kind_name", type(record).__name__.lower())
    names = ("event_id", *(("name_en",) if in_english else ()), "name", "title", f"{kind}_id")
    fields = (getattr(record, field, None) or None for field in names)
    found = next((field for field in fields if field is not None), None)
    if found is None:
        known = (getattr(record, field) for field in type(record).model_fields)
        found = ", ".join(str(field) for field in known if field is not None)
    return f"{kind} {found}"


def _kept(record: Kept, language: Language, time_: CompanyTime) -> str:
    """What is kept of a past event."""
    known = (getattr(record, field) for field in record.__slots__)
    return " ".join([record.kind_name, *(written(value, language, time_) for value in known if value is not None)])


def _number(value: int | Decimal, spec: str) -> str:
    found = _SPEC.fullmatch(spec)
    with suppress(InvalidOperation):  # a number of more than 64 digits stays as it is
        if found is not None and found["places"] is not None:
            value = Decimal(value).quantize(Decimal(1).scaleb(-int(found["places"])), ROUND_HALF_EVEN, EXACT)
        elif isinstance(value, Decimal):
            value = _short(value)
    if isinstance(value, Decimal) and value.is_zero():
        value = value.copy_abs()  # zero has no sign
    form = ("," if found is not None and found["group"] else "") + ("d" if isinstance(value, int) else "f")
    return f"{value:{form}}"


def _short(value: Decimal) -> Decimal:
    """A number of at most six decimals, without zeros behind."""
    exponent = value.normalize(EXACT).as_tuple().exponent
    if isinstance(exponent, int) and exponent < -6:  # noqa: PLR2004 - a quotient
        value = value.quantize(Decimal("0.000001"), ROUND_HALF_EVEN, EXACT)
    short = value.normalize(EXACT)
    return short.quantize(Decimal(1), context=EXACT) if short == short.to_integral_value() else short


def _length(value: timedelta, language: Language) -> str:
    """The two greatest units; what is smaller is cut off, so that 4:59 minutes never look like 5."""
    left, found = abs(value) // timedelta(seconds=1), list[str]()
    for size, chinese, english in _UNITS:
        count, left = divmod(left, size)
        if count:
            plural = "" if count == 1 else "s"
            found.append(f"{count} {chinese}" if language == "zh" else f"{count} {english}{plural}")
    sign = "-" if value < timedelta(0) else ""
    return sign + (" ".join(found[:2]) or ("0 秒" if language == "zh" else "0 seconds"))


def _local(moment: datetime, time_: CompanyTime) -> datetime:
    """A moment in company time; as it is at the end of the calendar, where that would be a day that does not exist."""
    try:
        return moment.astimezone(time_.zone)
    except OverflowError:
        return moment


def _listed(values: Any, language: Language, time_: CompanyTime) -> str:
    shown = [written(value, language, time_) for value in list(values)[:_SHOWN]]
    more = len(values) - len(shown)
    text = _SEPARATORS[language].join(shown)
    if not shown:
        return _NOTHING
    if more <= 0:
        return text
    return f"{text} 等 {len(values)} 项" if language == "zh" else f"{text} and {more} more"


_Writer = Callable[[Any, Language, CompanyTime, str], str]
#: How values are written, the first kind that fits.
_WRITERS: tuple[tuple[Any, _Writer], ...] = (
    (type(None), lambda *_: _NOTHING),
    (str, lambda value, *_: str(value)),
    (bool, lambda value, language, *_: _WORDS[language][value]),
    (int | Decimal, lambda value, _language, _time, spec: _number(value, spec)),
    (timedelta, lambda value, language, *_: _length(value, language)),
    (datetime, lambda value, _language, time_, _spec: f"{_local(value, time_):%Y-%m-%d %H:%M}"),
    (date, lambda value, *_: f"{value:%Y-%m-%d}"),
    (time, lambda value, *_: f"{value:%H:%M}"),
    (Model, lambda value, *_: named(value)),
    (Kept, lambda value, language, time_, _spec: _kept(value, language, time_)),
    (Sequence | frozenset, lambda value, language, time_, _spec: _listed(value, language, time_)),
)
