"""Messages that could not be used, as they are stored and told."""

from collections.abc import Iterable
from datetime import datetime

import orjson

from agents.intake.shard import Letter
from schemas.outputs import DeadLetter
from streams.dead_letters import letter_id
from streams.engine.waiting import b64

#: Larger raw bytes and keys stay out of the topic; ClickHouse keeps them whole.
_RAW_IN_TOPIC, _KEY_IN_TOPIC = 400_000, 1_000


def dead_letters(letters: Iterable[Letter], number: int, cluster: str, now: datetime) -> list[DeadLetter]:
    """Letters of a shard as they are stored.

    Args:
        letters: what could not be used.
        number: the shard.
        cluster: id of the broker: another one counts from 0 again.
        now: moment they are set aside.
    """
    return [
        DeadLetter(
            dead_letter_id=letter_id(
                "stream", cluster, letter.topic, number, letter.record.offset, letter.record.value
            ),
            at=now,
            origin="stream",
            topic=letter.topic,
            partition=number,
            offset=letter.record.offset,
            key=letter.record.key,
            raw=letter.record.value or b"",
            has_value=letter.record.value is not None,
            step=letter.step,
            error_class=letter.error_class,
            message=letter.message,
        )
        for letter in letters
    ]


def letter_message(letter: DeadLetter) -> bytes:
    """A dead letter as it goes to the topic."""
    body = letter.model_dump(mode="json", exclude={"raw", "key"})
    raw = letter.raw if len(letter.raw) <= _RAW_IN_TOPIC else b""
    key = letter.key if len(letter.key or b"") <= _KEY_IN_TOPIC else b""
    return orjson.dumps(body | {"key": b64(key), "raw": b64(raw), "raw_size": len(letter.raw)})
