"""The quarantine is read back from the broker: all of it, each event once."""

from datetime import UTC, datetime

from schemas.quarantine import QuarantinedEvent
from streams import quarantine
from streams.local import LocalServices
from streams.producer import BulkProducer
from streams.topics import QUARANTINE


def event(number: int) -> QuarantinedEvent:
    return QuarantinedEvent(
        quarantine_id=f"{number:032x}",
        at=datetime(2026, 3, 10, tzinfo=UTC),
        topic="visits",
        partition=0,
        offset=number,
        hash=f"{number:064x}",
        how="text",
        sealed="AAAA",
    )


def test_everything_is_read_back_once(services: LocalServices) -> None:
    bootstrap = str(services.urls["kafka_url"])
    producer = BulkProducer(bootstrap)
    for number in (*range(20), 3):
        producer.send(QUARANTINE, event(number).quarantine_id, event(number).model_dump_json().encode())
    producer.send(QUARANTINE, "x", b"not ours")
    producer.flush()

    found = list(quarantine.read(bootstrap))

    assert sorted(found, key=lambda one: one.offset) == [event(number) for number in range(20)]
