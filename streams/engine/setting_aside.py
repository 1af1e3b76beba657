"""What a checkpoint does with messages that were not let in: alerts, and sealed content for the quarantine."""

from collections.abc import Iterable
from datetime import date, datetime

from agents.intake.quarantine import Stopped, alert_of
from agents.intake.shard import Shard
from schemas.alerts import Alert
from streams.engine.telling import Message
from streams.quarantine import Sealer
from streams.topics import QUARANTINE


def set_aside(shard: Shard, halted: Iterable[Stopped]) -> list[Alert]:
    """The alerts of messages that were not let in."""
    intake, progress = shard.judging.intake, shard.progress
    if intake is None:
        return []
    rule = intake.prescription_counting
    return [alert_of(one, rule, progress.directory, date.fromordinal(progress.time.day_of(one.at))) for one in halted]


def stopped(shard: Shard, now: datetime) -> list[Stopped]:
    """Messages of a shard that were not let in since the last checkpoint; forgotten here."""
    found, shard.judging.halted = shard.judging.halted, []
    if found:
        shard.counts["quarantined"] += len(found)
    return [
        Stopped(one.topic, shard.number, one.record.offset, one.record.key, one.record.value, one.found, now)
        for one in found
    ]


def sealed_message(one: Stopped, sealer: Sealer) -> Message:
    """A message that was not let in, as it goes to the quarantine."""
    event = sealer.message(one)
    return Message(QUARANTINE, event.quarantine_id, event.model_dump_json().encode())
