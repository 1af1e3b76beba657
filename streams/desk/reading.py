"""Messages of the topics `alerts` and `commands`: read, or set aside as dead letters."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import ValidationError

from agents.cases.deciding import Opening
from schemas.alerts import Alert
from schemas.cases import CaseCommand
from schemas.outputs import DeadLetter
from streams.dead_letters import letter_id
from streams.errors import InvalidError
from streams.topics import ALERTS, shard_of

STEP = "command"
_SHOWN = 5


class Layout(NamedTuple):
    """What tells one message of one broker from another."""

    cluster: str
    partitions: int
    most_bytes: int


class Read(NamedTuple):
    """What a batch of one partition holds."""

    openings: list[Opening]
    commands: list[CaseCommand]
    letters: list[DeadLetter]


def read(records: Sequence[Any], layout: Layout, now: datetime) -> Read:
    """Sort messages of both topics of one partition; alerts are taken before commands."""
    found = Read([], [], [])
    for record in records:
        try:
            item = _parsed(record, layout)
        except (InvalidError, ValidationError) as error:
            found.letters.append(_letter(record, layout, now, error))
            continue
        if isinstance(item, CaseCommand):
            found.commands.append(item)
        else:
            found.openings.append(Opening(item.alert_id, item.rule_id, item.rep_id, item.raised_at))
    return found


def _parsed(record: Any, layout: Layout) -> Alert | CaseCommand:
    value = record.value
    if value is None:
        msg = "the message has no value"
        raise InvalidError(msg)
    if len(value) > layout.most_bytes:
        msg = f"the message has {len(value)} bytes, at most {layout.most_bytes} are taken"
        raise InvalidError(msg)
    model: type[Alert | CaseCommand] = Alert if record.topic == ALERTS else CaseCommand
    item = model.model_validate_json(value)
    case_id = item.alert_id if isinstance(item, Alert) else item.case_id
    if record.partition != shard_of(case_id, layout.partitions):
        msg = f"the message lies in the wrong partition: its key must be {case_id}"
        raise InvalidError(msg)
    return item


def in_words(error: ValidationError) -> str:
    """What is wrong with a message, field by field."""
    faults = [
        f"{'.'.join(map(str, item['loc']))}: {item['msg'].removeprefix('Value error, ')}".removeprefix(": ")
        for item in error.errors()
    ]
    more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
    return "; ".join(faults[:_SHOWN]) + more


def _letter(record: Any, layout: Layout, now: datetime, error: Exception) -> DeadLetter:
    return DeadLetter(
        dead_letter_id=letter_id("stream", layout.cluster, record.topic, record.partition, record.offset, record.value),
        at=now,
        origin="stream",
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        key=record.key,
        raw=record.value or b"",
        has_value=record.value is not None,
        step=STEP,
        error_class=type(error).__name__,
        message=in_words(error) if isinstance(error, ValidationError) else str(error),
    )
