"""Every kind of bad message gets a sentence that says what is wrong."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agents.intake.decode import RefusedError, check_time, decode
from schemas.events import Sale

SALE: dict[str, Any] = {
    "event_id": "E1",
    "occurred_at": "2026-03-01T09:30:00+08:00",
    "source": "erp",
    "rep_id": "R1",
    "institution_id": "H1",
    "product_id": "P1",
    "quantity": "2",
    "amount": "10.50",
}
VISIT: dict[str, Any] = {
    "event_id": "V1",
    "occurred_at": "2026-03-01T09:30:00+08:00",
    "source": "crm",
    "rep_id": "R1",
    "institution_id": "H1",
    "check_in_at": "2026-03-01T09:30:00+08:00",
}


def refusal(raw: bytes | None, kind: str = "sale", most: int = 1000) -> tuple[str, str]:
    with pytest.raises(RefusedError) as caught:
        decode(kind, raw, most)
    return caught.value.step, str(caught.value)


def changed(base: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({name: value for name, value in (base | changes).items() if value is not ...}).encode()


def test_a_valid_event_is_read_exactly() -> None:
    event = decode("sale", changed(SALE, amount="11798987642.195417"), 1000)
    assert isinstance(event, Sale)
    assert str(event.amount) == "11798987642.195417"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"{oops", "not valid JSON"),
        (b"[1]", "not a valid sale"),
        ('{"event_id": "\xe9"}'.encode("latin-1"), "not UTF-8 text: convert it"),
        (changed(SALE, colour="red"), "colour: the field is not known"),
        (changed(SALE, rep_id=...), "rep_id: the field is missing"),
        (changed(SALE, occurred_at="2026-03-01T09:30:00"), "occurred_at: the time has no offset"),
        (changed(SALE, amount="12a"), "amount: not a number (got '12a')"),
        (changed(SALE, amount="1.1234567"), "amount"),
        (changed(SALE, quantity="-1"), "send negative lines as kind 'return'"),
    ],
)
def test_a_bad_sale_is_refused_in_words(raw: bytes, words: str) -> None:
    step, message = refusal(raw)
    assert step == "decode"
    assert words in message


def test_a_negative_duration_is_refused() -> None:
    raw = changed(VISIT, check_out_at="2026-03-01T09:00:00+08:00")
    assert "the duration would be negative" in refusal(raw, "visit")[1]


def test_many_mistakes_are_counted_beyond_the_third() -> None:
    assert "and 5 more" in refusal(b'{"source": "x"}', "sale")[1] or "more" in refusal(b"{}", "sale")[1]


def test_a_message_beyond_the_limit_is_refused_by_its_size() -> None:
    assert refusal(b"x" * 10_000_000, most=1_000_000) == (
        "size",
        "the message has 10000000 bytes: send at most 1000000",
    )


def test_a_message_without_value_is_refused() -> None:
    assert refusal(None) == ("decode", "the message has no value: send the event as JSON")


@pytest.mark.parametrize(("days", "words"), [(400, "lies 9600 hours ahead"), (-30_000, "lies before 1970")])
def test_times_that_cannot_be_meant_are_refused(days: int, words: str) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    event = decode("sale", changed(SALE, occurred_at=(now + timedelta(days=days)).isoformat()), 1000)
    with pytest.raises(RefusedError, match=words):
        check_time(event, now, timedelta(days=1))


def test_a_time_within_the_tolerance_passes() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    event = decode("sale", changed(SALE, occurred_at=(now + timedelta(hours=23)).isoformat()), 1000)
    check_time(event, now, timedelta(days=1))


@pytest.mark.parametrize("number", [1764000000, "1764000000", 1764000000000, 1764000000.5])
def test_a_bare_number_is_no_time(number: object) -> None:
    assert "a bare number is no time" in refusal(changed(SALE, occurred_at=number))[1]


@pytest.mark.parametrize(
    ("moments", "named"),
    [
        ({"recorded_at": "2031-01-01T00:00:00Z"}, "recorded_at"),
        ({"check_out_at": "2031-01-01T00:00:00Z"}, "check_out_at"),
        ({"check_in_at": "2031-01-01T00:00:00Z"}, "check_in_at"),
    ],
)
def test_no_moment_of_an_event_lies_ahead_of_the_clock(moments: dict[str, str], named: str) -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    event = decode("visit", changed(VISIT, **moments), 1000)
    with pytest.raises(RefusedError, match=f"{named} 2031"):
        check_time(event, now, timedelta(days=1))


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"currency": "RMBX"}, "three capital letters"), ({"rep_id": "R1 "}, "must not begin or end with a blank")],
)
def test_library_language_is_translated(changes: dict[str, str], words: str) -> None:
    assert words in refusal(changed(SALE, **changes))[1]


def test_a_byte_order_mark_does_no_harm() -> None:
    assert decode("sale", b"\xef\xbb\xbf" + changed(SALE), 1000).event_id == "E1"
