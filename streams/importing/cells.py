"""From a cell to the value a model takes; converters raise `InvalidError` with the reason, callers add the place."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

from streams.errors import InvalidError
from streams.importing.targets import Target

Convert = Callable[[Any], Any]
_REMEMBERED = 100_000
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Format:
    """How texts of a column are read.

    Attributes:
        zone: zone of moments without offset; None: they stay naive and the model refuses them.
        dates: strptime formats; empty: ISO 8601.
        decimal: decimal point or comma.
        thousands: what groups thousands, empty for nothing.
        remove: text taken out of numbers.
        split: separator of lists.
        item: field of the objects in a list.
    """

    zone: ZoneInfo | None = None
    dates: tuple[str, ...] = ()
    decimal: Literal[".", ","] = "."
    thousands: str = ""
    remove: str = ""
    split: str | None = None
    item: str | None = None


def shown(value: object) -> str:
    """A value as messages quote it, shortened."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def got(value: object) -> str:
    """What a message says of the value that caused it, at its end."""
    return f" (got {shown(value)})"


def converter(target: Target, form: Format) -> Convert | None:
    """What turns a cell that is not blank into the target's value; None when texts go as they are."""
    match target.shape:
        case "moment":
            return remembering(lambda value: _moment(value, form))
        case "date":
            return remembering(lambda value: _date(value, form.dates))
        case "time" | "flag":
            return None
        case "amount" | "number":
            return remembering(_number_reader(form, exact=target.shape == "amount"))
        case "text":
            return _text
        case "object" | "list":
            return lambda value: _structure(value, form)


def remembering(convert: Convert) -> Convert:
    """The same with each different text converted once: dates and figures repeat a lot in files."""
    known: dict[Any, Any] = {}

    def remembered(value: Any) -> Any:
        if type(value) is not str:
            return convert(value)
        result = known.get(value)
        if result is None:
            if len(known) >= _REMEMBERED:
                known.clear()
            result = known[value] = convert(value)
        return result

    return remembered


def _moment(value: Any, form: Format) -> Any:
    if isinstance(value, str):
        value = _parsed(value, form.dates)
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    elif not isinstance(value, datetime):
        msg = f"not a date and time{got(value)}"
        raise InvalidError(msg)
    if value.tzinfo is None and form.zone is not None:
        value = value.replace(tzinfo=form.zone)
    return value.isoformat()


def _date(value: Any, formats: Sequence[str]) -> Any:
    if not isinstance(value, str):
        return value
    if not formats:
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    moment = _parsed(value, formats)
    return moment.date() if moment.time() == time() else moment


def _parsed(text: str, formats: Sequence[str]) -> datetime:
    for form in formats:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - the zone is added by the caller
        except ValueError:
            continue
    if not formats:
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            msg = f"not a date like 2024-03-31 or 2024-03-31T09:30+08:00: name its format in a mapping{got(text)}"
            raise InvalidError(msg) from None
    msg = f"not written like the format {' or '.join(formats)}{got(text)}"
    raise InvalidError(msg)


def number_pattern(decimal: str, thousands: str) -> re.Pattern[str]:
    """Numbers written with these signs; groups have three digits."""
    whole = rf"(?:\d{{1,3}}(?:{re.escape(thousands)}\d{{3}})+|\d+)" if thousands else r"\d+"
    return re.compile(rf"[+-]?(?:{whole}(?:{re.escape(decimal)}\d*)?|{re.escape(decimal)}\d+)(?:[eE][+-]?\d+)?")


def _number_reader(form: Format, *, exact: bool) -> Convert:
    pattern = number_pattern(form.decimal, form.thousands)

    def number(value: Any) -> Any:
        if type(value) is str:
            text = value.replace(form.remove, "").strip() if form.remove else value
            if not pattern.fullmatch(text):
                msg = f"not a number written like {_example(form)}{got(value)}"
                raise InvalidError(msg)
            if form.thousands:
                text = text.replace(form.thousands, "")
            return text.replace(",", ".") if form.decimal == "," else text
        if type(value) is float and exact:
            return format(value, ".15g")  # a double is reliable to 15 digits, and spreadsheets show no more
        return value

    return number


def _example(form: Format) -> str:
    return f"1{form.thousands}234{form.decimal}5"


def _text(value: Any) -> Any:
    if type(value) is str or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return format(value, ".15g")
    if isinstance(value, int | Decimal):
        return str(value)
    return value.isoformat() if isinstance(value, datetime | date | time) else value


def _structure(value: Any, form: Format) -> Any:
    if not isinstance(value, str):
        return value
    if form.split is None:
        try:
            return json.loads(value, parse_float=Decimal)
        except (ValueError, RecursionError) as error:
            msg = f"not JSON ({error}): for a plain list name its separator by split in a mapping{got(value)}"
            raise InvalidError(msg) from None
    parts = [part.strip() for part in value.split(form.split)]
    return [{form.item: part} if form.item else part for part in parts if part]
