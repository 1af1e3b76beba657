"""What the desk makes of messages: alerts, commands, and dead letters for all else."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from alert_rows import alert, alert_id

from agents.cases.deciding import Opening
from streams.desk.reading import Layout, read
from streams.topics import ALERTS, COMMANDS, shard_of

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LAYOUT = Layout("cluster", 4, 5_000)
CASE = alert_id(1)


@dataclass
class Record:
    topic: str
    value: bytes | None
    partition: int = shard_of(CASE, 4)
    offset: int = 7
    key: bytes | None = CASE.encode()


def command(**more: Any) -> bytes:
    fields = {"command_id": "c1", "case_id": CASE, "action": "note", "remark": "r", "at": "2026-03-02T09:00:00+08:00"}
    return json.dumps({**fields, "by": {"person_id": "ann", "role": "compliance"}, **more}).encode()


def test_alerts_and_commands_are_told_apart() -> None:
    one = alert(1)
    found = read([Record(COMMANDS, command()), Record(ALERTS, one.model_dump_json().encode())], LAYOUT, NOW)
    assert found.openings == [Opening(one.alert_id, "R01", "R1", one.raised_at)]
    assert [(item.command_id, item.by.person_id) for item in found.commands] == [("c1", "ann")]
    assert found.letters == []


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (None, "InvalidError", "the message has no value"),
        (b"{", "ValidationError", "Invalid JSON"),
        (b"\xff\xfe", "ValidationError", "Invalid JSON"),
        (b"[1]", "ValidationError", "should be an object"),
        (command(remark="x" * 6_000), "InvalidError", "at most 5000 are taken"),
        (command(action="burn"), "ValidationError", "action: Input should be 'acknowledge', 'assign'"),
        (command(action="assign"), "ValidationError", "the action 'assign' needs to"),
        (command(action="assign", to=" "), "ValidationError", "to: String should match pattern"),
        (command(action="close"), "ValidationError", "the action 'close' needs verdict"),
        (command(action="close", verdict="valid", remark=""), "ValidationError", "the action 'close' needs remark"),
        (command(by={"person_id": "ann", "role": "king"}), "ValidationError", "by.role: Input should be 'rep'"),
        (command(case_id="1"), "ValidationError", "case_id: String should match pattern"),
        (command(at="2026-03-02T09:00:00"), "ValidationError", "at: Input should have timezone info"),
        (command(extra=1), "ValidationError", "extra: Extra inputs are not permitted"),
        (command(case_id="0" * 32), "InvalidError", f"wrong partition: its key must be {'0' * 32}"),
    ],
    ids=range(15),
)
def test_what_is_no_command_is_a_dead_letter(value: bytes | None, error: str, message: str) -> None:
    partition = (shard_of("0" * 32, 4) + 1) % 4 if value and b"0" * 32 in value else 2
    found = read([Record(COMMANDS, value, partition)], LAYOUT, NOW)
    assert (found.openings, found.commands) == ([], [])
    (letter,) = found.letters
    assert message in letter.message
    assert (letter.error_class, letter.step, letter.topic, letter.partition, letter.offset) == (
        *(error, "command", COMMANDS),
        *(partition, 7),
    )
    assert (letter.raw, letter.has_value, letter.key) == (value or b"", value is not None, CASE.encode())


def test_the_same_message_is_the_same_letter_and_another_is_another() -> None:
    ids = [
        read([Record(topic, b"{", offset=offset)], LAYOUT, NOW).letters[0].dead_letter_id
        for topic, offset in [(ALERTS, 1), (ALERTS, 1), (ALERTS, 2), (COMMANDS, 1)]
    ]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
