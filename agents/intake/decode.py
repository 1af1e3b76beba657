"""Bytes to a valid event, or a message that says what is wrong and what to do."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError

from schemas.events import EVENT_MODELS, Event

#: Older events cannot be meant: the calendar of the tables starts here.
EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
_ADAPTERS: dict[str, TypeAdapter[Any]] = {kind: TypeAdapter(model) for kind, model in EVENT_MODELS.items()}
_HINTS = {
    "extra_forbidden": "the field is not known: remove it or map it to a known one",
    "missing": "the field is missing",
    "timezone_aware": "the time has no offset: write it like 2026-03-01T09:30:00+08:00",
    "decimal_parsing": "not a number",
    "json_invalid": "not valid JSON",
}
_SELF_EVIDENT = {"extra_forbidden", "missing"}
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
    if raw is None:
        raise RefusedError(step="decode", message="the message has no value: send the event as JSON")
    if len(raw) > max_bytes:
        raise RefusedError(step="size", message=f"the message has {len(raw)} bytes: send at most {max_bytes}")
    try:
        event: Event = _ADAPTERS[kind].validate_json(raw)
    except ValidationError as error:
        raise RefusedError(step="decode", message=describe(kind, error, raw)) from None
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
    message = _HINTS.get(item["type"]) or item["msg"].removeprefix("Value error, ")
    if item["type"] not in _SELF_EVIDENT and not isinstance(item["input"], dict):
        shown = repr(item["input"])
        message += f" (got {shown if len(shown) <= _SHOWN_CHARACTERS else shown[:_SHOWN_CHARACTERS] + '…'})"
    return f"{where}: {message}" if where else message


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
    if event.occurred_at > now + tolerance:
        ahead = event.occurred_at - now
        hours = ahead.total_seconds() / 3600
        raise RefusedError(
            step="time",
            message=f"occurred_at {event.occurred_at.isoformat()} lies {hours:.0f} hours ahead: check its clock",
        )
    if event.occurred_at < EARLIEST:
        raise RefusedError(
            step="time", message=f"occurred_at {event.occurred_at.isoformat()} lies before 1970: check the sender"
        )
