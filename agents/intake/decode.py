"""Bytes to a valid event, or a message that says what is wrong and what to do."""

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from agents.compliance.kinds import MOMENT, kind_of
from schemas.events import EVENT_MODELS, Event

E = TypeVar("E", bound=Event)
#: Older events cannot be meant: the calendar of the tables starts here.
EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
_ADAPTERS: dict[str, TypeAdapter[Any]] = {kind: TypeAdapter(model) for kind, model in EVENT_MODELS.items()}
_HINTS = {
    "extra_forbidden": "the field is not known: remove it or map it to a known one",
    "missing": "the field is missing",
    "timezone_aware": "the time has no offset: write it like 2026-03-01T09:30:00+08:00",
    "decimal_parsing": "not a number",
    "json_invalid": "not valid JSON",
    "model_type": "not a JSON object",
    "decimal_max_places": "at most 6 decimal places",
    "decimal_max_digits": "at most 26 digits before and 6 after the point",
    "decimal_whole_digits": "at most 26 digits before the point",
    "finite_number": "not a finite number",
    "string_too_short": "must not be empty",
}
#: Moments that cannot lie ahead of the clock.
_CLOCKED = {
    kind: tuple(
        name for name in ("occurred_at", "recorded_at", "check_in_at", "check_out_at") if name in model.model_fields
    )
    for kind, model in EVENT_MODELS.items()
}
_MOMENTS = {
    kind: tuple(name for name, field in model.model_fields.items() if kind_of(field.annotation) == MOMENT)
    for kind, model in EVENT_MODELS.items()
}
_SELF_EVIDENT = {"extra_forbidden", "missing"}
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SHOWN = 3
_SHOWN_CHARACTERS = 60


class RefusedError(Exception):
    """An event that cannot be used.

    Attributes:
        step: the step that refused it.
    """

    def __init__(self, *, step: str, message: str) -> None:
        super().__init__(message)
        self.step = step


def decode(kind: str, raw: bytes | None, max_bytes: int) -> Event:
    """The event a message holds.

    Raises:
        RefusedError: step `size` or `decode`, with every wrong field and its cause (the first three spelled out).
    """
    if not raw:
        raise RefusedError(step="decode", message="the message has no value: send the event as JSON")
    if len(raw) > max_bytes:
        raise RefusedError(step="size", message=f"the message has {len(raw)} bytes: send at most {max_bytes}")
    try:
        event: Event = _ADAPTERS[kind].validate_json(raw.removeprefix(_BYTE_ORDER_MARK))
    except ValidationError as error:
        raise RefusedError(step="decode", message=describe(kind, error, raw)) from None
    return in_utc(event)


def in_utc(event: E) -> E:
    """The event with its moments in the one time zone object of all: such are compared several times faster.

    It is written into the event itself, which nobody has seen yet.
    """
    fields = event.__dict__
    for name in _MOMENTS[event.kind_name]:
        moment = fields[name]
        if moment is not None:
            fields[name] = moment.astimezone(UTC)
    return event


def describe(kind: str, error: ValidationError, raw: bytes = b"") -> str:
    """One line for a refused event: the fields, what they held and what was expected."""
    found = error.errors(include_url=False)
    if found[0]["type"] == "json_invalid" and not _is_utf8(raw):
        return f"the {kind} is not UTF-8 text: convert it before sending"
    parts = [_describe_one(item) for item in found[:_SHOWN]]
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"not a valid {kind}: {'; '.join(parts)}{more}"


def _describe_one(item: Any) -> str:
    where = ".".join(str(part) for part in item["loc"])
    if item["type"] == "json_invalid":
        return f"not valid JSON ({item['ctx']['error']})"
    message = _hint(item) or item["msg"].removeprefix("Value error, ")
    if item["type"] not in _SELF_EVIDENT and not isinstance(item["input"], dict):
        shown = repr(item["input"])
        message += f" (got {shown if len(shown) <= _SHOWN_CHARACTERS else shown[:_SHOWN_CHARACTERS] + '…'})"
    return f"{where}: {message}" if where else message


def _hint(item: Any) -> str | None:
    if item["type"] == "string_pattern_mismatch":
        is_currency = item["loc"][-1] == "currency"
        return "three capital letters, like CNY" if is_currency else "must not begin or end with a blank"
    return _HINTS.get(item["type"])


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def check_time(event: Event, now: datetime, tolerance: timedelta) -> None:
    """Refuse events dated too far ahead of the clock, or before the calendar begins.

    Raises:
        RefusedError: step `time`.
    """
    for name in _CLOCKED[event.kind_name]:
        moment = getattr(event, name)
        if moment is not None and moment > now + tolerance:
            hours = (moment - now).total_seconds() / 3600
            raise RefusedError(
                step="time",
                message=f"{name} {moment.isoformat()} lies {hours:.0f} hours ahead: check the sender's clock",
            )
    if event.occurred_at < EARLIEST:
        raise RefusedError(
            step="time", message=f"occurred_at {event.occurred_at.isoformat()} lies before 1970: check the sender"
        )
