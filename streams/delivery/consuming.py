"""The topics `alerts` and `cases`, as delivery reads them: in a consumer group of its own."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import IllegalStateError, KafkaError
from pydantic import ValidationError

from schemas.alerts import Alert
from schemas.cases import CaseEvent
from streams.engine.group import membership
from streams.errors import UnavailableError
from streams.settings import Settings
from streams.topics import ALERTS, CASES

log = structlog.get_logger("delivery")

_POLL_MS = 200
_BATCH = 500
_LEAVE_S = 1.5


class Consuming:
    """The consumer of the group `{group}-delivery`.

    Args:
        settings: how to reach Kafka and how to behave.
    """

    def __init__(self, settings: Settings) -> None:
        self._consumer = AIOKafkaConsumer(ALERTS, CASES, **membership(settings, f"{settings.group}-delivery"))

    async def start(self) -> None:
        """Join the group.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        try:
            await self._consumer.start()
        except (KafkaError, OSError) as error:
            raise _away(error) from error

    async def stop(self) -> None:
        """Leave the group; a rebalance that is under way is not waited for."""
        _done, pending = await asyncio.wait([asyncio.create_task(self._consumer.stop())], timeout=_LEAVE_S)
        if pending:
            log.info("left the group without a goodbye: it notices within the session timeout")

    async def batch(self) -> dict[Any, list[Any]]:
        """New messages by partition.

        Raises:
            UnavailableError: Kafka does not answer.
        """
        try:
            found: dict[Any, list[Any]] = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=_BATCH)
        except (KafkaError, OSError) as error:
            raise _away(error) from error
        return found

    def again(self, found: dict[Any, list[Any]]) -> None:
        """Read these messages once more, as far as they are still ours."""
        for place, records in found.items():
            if place in self._consumer.assignment():
                self._consumer.seek(place, records[0].offset)

    async def done(self, found: dict[Any, list[Any]]) -> None:
        """Note that these messages need not be read again; when that fails they are, and change nothing."""
        mine = self._consumer.assignment()
        offsets = {place: records[-1].offset + 1 for place, records in found.items() if place in mine}
        try:
            if offsets:
                await self._consumer.commit(offsets)
        except (KafkaError, IllegalStateError) as error:
            log.debug("offsets not committed", error=str(error))


def read(found: Mapping[Any, Sequence[Any]]) -> tuple[list[Alert], list[CaseEvent]]:
    """Alerts and changes of cases; what is neither is told and passed over (the keeper of cases sets it aside)."""
    alerts: list[Alert] = []
    events: list[CaseEvent] = []
    for place, records in found.items():
        for record in records:
            try:
                if place.topic == ALERTS:
                    alerts.append(Alert.model_validate_json(record.value or b""))
                else:
                    events.append(CaseEvent.model_validate_json(record.value or b""))
            except ValidationError as error:
                faults = error.errors(include_url=False, include_input=False)
                log.warning("message passed over", topic=place.topic, offset=record.offset, why=faults[0]["msg"])
    return alerts, events


def _away(error: Exception) -> UnavailableError:
    return UnavailableError(f"Kafka does not answer: {error}")
