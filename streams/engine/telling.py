"""What a shard says because of the rules: alerts, and touches for the shards of those an event concerns."""

from collections.abc import Iterable
from typing import NamedTuple

import orjson

from agents.intake.judging import Telling
from agents.intake.touches import Touch
from agents.intake.touches import message as touch_value
from schemas.alerts import Alert
from streams.topics import ALERTS, TOUCHES


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


def messages_of(telling: Telling, alerts: Iterable[Alert] = ()) -> list[Message]:
    """Everything to be told."""
    return [
        *(alert_message(alert) for alert in (*telling.alerts, *alerts)),
        *(touch_message(touch) for touch in telling.touches),
    ]
