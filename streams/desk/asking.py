"""Give the desk a command, and wait for its answer."""

import time
from collections.abc import Callable

from clickhouse_connect.driver.client import Client

from schemas.cases import CaseCommand, CaseEvent
from streams.desk import audit
from streams.errors import UnavailableError
from streams.producer import BulkProducer
from streams.settings import Settings
from streams.topics import COMMANDS

_LOOK_EVERY_S = 0.1


def send(settings: Settings, command: CaseCommand) -> None:
    """Put a command on its topic.

    Raises:
        UnavailableError: Kafka does not answer.
    """
    producer = BulkProducer(settings.kafka_url or "", "pulse-cli")
    try:
        producer.send(COMMANDS, command.case_id, command.model_dump_json(exclude_none=True).encode())
        producer.flush()
    finally:
        producer.close()


def wait(
    client: Client,
    command: CaseCommand,
    timeout_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> CaseEvent | None:
    """What became of a command; None when nothing did within `timeout_s`.

    Raises:
        UnavailableError: ClickHouse does not answer for as long.
    """
    deadline_s = clock() + timeout_s
    while True:
        try:
            event = audit.answer(client, command.case_id, command.command_id)
        except UnavailableError:
            if clock() >= deadline_s:
                raise
            event = None
        if event is not None or clock() >= deadline_s:
            return event
        sleep(_LOOK_EVERY_S)
