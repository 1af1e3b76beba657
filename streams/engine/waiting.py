"""Events that wait for reference data, as a checkpoint keeps them."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import orjson

from agents.intake.shard import Held, Record

#: Beginning of the names of fields that hold one waiting event each.
HELD_PREFIX = '["h"'


def held_fields(
    held: Sequence[Held], before: Sequence[Held], *, everything: bool
) -> tuple[dict[str, bytes], Iterable[str]]:
    """Fields of events that wait since the last checkpoint, and names of those that wait no more.

    Args:
        held: events that wait now.
        before: those that waited then.
        everything: whether nothing of then stands any more.
    """
    if (
        not everything
        and len(held) == len(before)
        and all(one is other for one, other in zip(held, before, strict=True))
    ):
        return {}, ()
    now = {held_name(item): item for item in held}
    known = set() if everything else {held_name(item) for item in before}
    return {name: _held_to_wire(item) for name, item in now.items() if name not in known}, known - now.keys()


def held_name(item: Held) -> str:
    """Field of a waiting event; a place in Kafka is its own."""
    return orjson.dumps(["h", item.topic, item.record.offset]).decode()


def _held_to_wire(item: Held) -> bytes:
    key, value, offset = item.record
    return orjson.dumps([item.topic, b64(key), b64(value), offset, item.until.isoformat()])


def held_from_wire(fields: Mapping[str, bytes]) -> list[Held]:
    """Events that waited for reference data at the last checkpoint, in the order of their topics."""
    return sorted(
        (
            Held(topic, Record(_unb64(key), _unb64(value), offset), datetime.fromisoformat(until))
            for name, text in fields.items()
            if name.startswith(HELD_PREFIX)
            for topic, key, value, offset, until in [orjson.loads(text)]
        ),
        key=lambda item: (item.topic, item.record.offset),
    )


def b64(data: bytes | None) -> str | None:
    """Bytes as text; None stays None."""
    return None if data is None else base64.b64encode(data).decode()


def _unb64(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
