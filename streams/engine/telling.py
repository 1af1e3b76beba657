"""What a shard says: alerts, touches for the shards of those an event concerns, and totals for the nodes above."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import orjson

from agents.intake.judging import Telling
from agents.intake.touches import Touch
from agents.intake.touches import message as touch_value
from agents.progress.messages import NodeMessage
from agents.progress.snapshot import dumps
from schemas.alerts import Alert
from streams.topics import ALERTS, NODES, TOUCHES

#: Far less than a broker takes; one word may have a few hundred kilobytes itself.
_BUNDLE_BYTES = 200_000


class Message(NamedTuple):
    """A message for Kafka."""

    topic: str
    key: str
    value: bytes


def alert_message(alert: Alert) -> Message:
    """An alert as it goes to the topic."""
    return Message(ALERTS, alert.alert_id, orjson.dumps(alert.model_dump(mode="json")))


def touch_message(touch: Touch) -> Message:
    """A touch as it goes to the topic."""
    return Message(TOUCHES, touch.key, touch_value(touch))


def node_messages(said: Iterable[NodeMessage], origin: dict[str, Any]) -> Iterator[Message]:
    """What children say to each parent, many words in one message: a message costs as much as what it says.

    Args:
        said: the words.
        origin: who speaks, and from when on that counts.
    """
    words: dict[str, list[bytes]] = {}
    for message in said:
        words.setdefault(message["p"], []).append(dumps(message | origin))
    for parent, of_parent in words.items():
        for bundle in _bundles(of_parent):
            yield Message(NODES, parent, b"[%b]" % b",".join(bundle))


def _bundles(words: Iterable[bytes]) -> Iterator[list[bytes]]:
    bundle: list[bytes] = []
    size = 0
    for word in words:
        if bundle and size + len(word) > _BUNDLE_BYTES:
            yield bundle
            bundle, size = [], 0
        bundle.append(word)
        size += len(word)
    if bundle:
        yield bundle


def messages_of(telling: Telling, alerts: Iterable[Alert] = ()) -> list[Message]:
    """Everything to be told."""
    return [
        *(alert_message(alert) for alert in (*telling.alerts, *alerts)),
        *(touch_message(touch) for touch in telling.touches),
    ]
