"""What is wrong with an event is said in the same words, whether it came in a file or on the stream."""

import json
from typing import Annotated

import pytest
from pydantic import AfterValidator, BaseModel
from pydantic_core import PydanticCustomError
from test_import_mapping import Kept

from agents.intake.decode import RefusedError, decode
from streams.errors import InvalidError
from streams.importing import ImportJob, run_import
from streams.importing.validation import Validator
from streams.settings import Settings

RIGHT = {
    "event_id": "e1",
    "occurred_at": "2024-01-01T00:00:00+08:00",
    "source": "s",
    "rep_id": "r",
    "institution_id": "i",
    "product_id": "p",
    "quantity": 1,
    "amount": "1",
}


def on_the_stream(line: str) -> str:
    with pytest.raises(RefusedError) as caught:
        decode("sale", line.encode(), 1_000_000)
    return str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"rep_id": None},
        {"rep_id": ""},
        {"rep_id": " r"},
        {"currency": "yuan"},
        {"kind": "gift"},
        {"colour": "red"},
        {"due_on": "soon"},
        {"quantity": -1},
        {"quantity": [1]},
        {"amount": "1.0000001"},
        {"amount": "9" * 30},
        {"rep_id": "", "kind": "gift", "currency": "x", "source": ""},
    ],
)
def test_of_events(tmp_path, change):
    line = json.dumps({**RIGHT, **change})
    (tmp_path / "f.jsonl").write_text(line)
    kept = Kept()
    run_import(ImportJob("sale", tmp_path / "f.jsonl"), Settings(), sink=kept)
    assert [letter.message for letter in kept.letters] == [on_the_stream(line)]


@pytest.mark.parametrize("line", ['{"a": 1', '{"a": }', "{'a': 1}", '{"a": 1}}', '{"a" 1}', "nothing", "[1, 2]", "7"])
def test_of_lines_that_are_no_objects(tmp_path, line):
    (tmp_path / "f.jsonl").write_bytes(line.encode() + b"\r\n")
    kept = Kept()
    run_import(ImportJob("sale", tmp_path / "f.jsonl"), Settings(), sink=kept)
    (letter,) = kept.letters
    assert on_the_stream(line) == f"not a valid sale: {letter.message}"
    assert letter.raw == line.encode() + b"\r\n"


def test_an_error_of_a_kind_of_its_own_is_passed_on():
    class Picky(BaseModel):
        colour: Annotated[str, AfterValidator(_refuse)]

    with pytest.raises(InvalidError, match=r"not a valid picky: colour \(column 'C'\): never \{this\} \(got 'red'\)"):
        Validator(Picky, {"colour": "colour (column 'C')"}).one({"colour": "red"})


def _refuse(value):
    kind, text = "own_kind", "never {this}"
    raise PydanticCustomError(kind, text)


def test_a_missing_offset_is_explained_for_both(tmp_path):
    line = json.dumps({**RIGHT, "occurred_at": "2024-01-01T00:00:00"})
    (tmp_path / "f.jsonl").write_text(line)
    kept = Kept()
    run_import(ImportJob("sale", tmp_path / "f.jsonl"), Settings(), sink=kept)
    assert kept.letters[0].message == f"{on_the_stream(line)}; or name the time_zone in a mapping"
