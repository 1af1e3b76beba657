"""Dead letters: ids, the key of a replay, and what a person is told."""

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.outputs import DeadLetter
from streams import replay
from streams.cli.dead_letters import details, readable
from streams.dead_letters import letter_id
from streams.errors import InvalidError

NOW = datetime(2024, 5, 1, 3, 4, 5, tzinfo=UTC)
SALE = b"""{"event_id":"1","occurred_at":"2024-05-01T00:00:00Z","source":"erp","rep_id":"R1","institution_id":"I1",
"product_id":"P1","quantity":1,"amount":2}"""


def letter(**fields: Any) -> DeadLetter:
    known = {"dead_letter_id": "ab" * 16, "at": NOW, "origin": "stream", "topic": "sales", "raw": b"{}"}
    return DeadLetter.model_validate(
        {**known, "step": "decode", "error_class": "InvalidError", "message": "wrong", **fields}
    )


def test_an_id_is_the_same_on_every_machine() -> None:
    assert letter_id("stream", "sales", 1, 2, NOW, b"x") == "2b6ead126f8a17d9f98fa4fc74dda5b1"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ab", "c"), ("a", "bc")),
        (("1",), (1,)),
        (("x",), (b"x",)),
        ((None,), ("",)),
        ((), (None,)),
        (("\udcff",), (b"\xff",)),
    ],
)
def test_an_id_depends_on_every_part_and_its_type(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    assert letter_id(*one) != letter_id(*other)


def test_a_replay_takes_the_key_from_the_content() -> None:
    assert replay.key_of(letter(raw=SALE, key=b"WRONG")) == "R1"
    assert replay.key_of(letter(raw=b'{"territory_id":"T1"}', topic="market", key=b"T0")) == "T1"


@pytest.mark.parametrize("raw", [b"{", b"[]", b'{"rep_id":7}', b'{"rep_id":""}', b"\xff"])
def test_a_replay_falls_back_to_the_old_key(raw: bytes) -> None:
    assert replay.key_of(letter(raw=raw, key=b"R9")) == "R9"


@pytest.mark.parametrize("key", [None, b"", b"\xff"])
def test_without_any_key_it_cannot_be_replayed(key: bytes | None) -> None:
    with pytest.raises(InvalidError, match="let the source system send it again"):
        replay.key_of(letter(raw=b"{", key=key))


def test_a_line_of_a_file_is_mended_in_the_file() -> None:
    with pytest.raises(InvalidError, match="or put the mended line, with the header, into a new file"):
        replay.key_of(letter(origin="import", raw=b"R1;2024;x", file="a.csv", line=3))
    with pytest.raises(InvalidError, match="or put the mended line, with the header, into a new file"):
        replay.key_of(letter(origin="import", topic="institution", raw=b"{}"))


def test_a_whole_event_of_a_file_can_be_replayed() -> None:
    assert replay.key_of(letter(origin="import", raw=SALE, file="a.jsonl", line=3)) == "R1"


@pytest.mark.parametrize(
    ("data", "text", "is_text"),
    [
        (b'{"a": 1}\n', '{"a": 1}\n', True),
        ("销售".encode(), "销售", True),
        ("销售".encode("gb18030"), "cffa cadb", False),
        (b"a\x00b", "61 0062", False),
        (b"", "", True),
    ],
)
def test_bytes_are_shown_as_text_where_they_are_text(data: bytes, text: str, is_text: bool) -> None:
    assert readable(data) == (text, is_text)


def test_details_name_everything() -> None:
    fields = details(letter(raw=b"\xff\xfe", key=b"R1", partition=3, offset=17))
    assert fields["raw"] == "fffe"
    assert fields["raw_encoding"] == "hex"
    assert fields["raw_size"] == 2
    assert fields["key"] == "R1"
    assert (fields["topic"], fields["partition"], fields["offset"]) == ("sales", 3, 17)
