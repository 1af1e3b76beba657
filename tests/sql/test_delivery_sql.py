"""Deliveries in ClickHouse."""

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from alert_rows import alert, store
from clickhouse_connect.driver.client import Client

from schemas.delivery import Delivery
from streams.delivery import table
from streams.delivery.service import DeliveryService
from streams.settings import Settings

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def delivery(number: int, status: str, planned_h: float, due_h: float, sent_h: float | None = None) -> Delivery:
    at = [None if hours is None else NOW + timedelta(hours=hours) for hours in (planned_h, due_h, sent_h)]
    return Delivery.model_validate(
        {
            **{"delivery_id": f"{number:032x}", "alert_id": "a" * 32, "recipient": "desk", "channel": "outbox"},
            **{"kind": "first", "status": status, "planned_at": at[0], "due_at": at[1], "sent_at": at[2]},
        }
    )


class Queue:
    """A Redis that lost everything: what is put in is noted."""

    def __init__(self) -> None:
        self.added: list[Delivery] = []

    async def unknown(self, deliveries: list[Delivery]) -> list[Delivery]:
        return list(deliveries)

    async def add(self, deliveries: list[Delivery], *_: object) -> int:
        self.added += deliveries
        return len(deliveries)


async def test_an_escalation_that_is_due_after_weeks_outlives_a_lost_redis(database: Client) -> None:
    raised = alert("late", raised_at=(NOW - timedelta(days=20)).isoformat())
    store(database, [raised])
    one = delivery(1, "waiting", planned_h=-20 * 24, due_h=10 * 24).model_copy(update={"alert_id": raised.alert_id})
    table.write(database, [table.row_of(one, NOW)])
    service = DeliveryService(Settings(_env_file=None))
    service._client, service._queue = database, Queue()  # type: ignore[assignment]
    service._sender = SimpleNamespace(woken=asyncio.Event())  # type: ignore[assignment]
    await service._restore(NOW)

    assert [found.delivery_id for found in service._queue.added] == [one.delivery_id]  # type: ignore[attr-defined]


def test_the_log_begins_with_what_happened_last_and_not_with_what_waits_for_tomorrow(database: Client) -> None:
    deliveries = [
        delivery(1, "waiting", planned_h=-3, due_h=24),
        delivery(2, "sent", planned_h=-5, due_h=-2, sent_h=-2),
        delivery(3, "failed", planned_h=-1, due_h=-0.5),
        delivery(4, "sent", planned_h=-4, due_h=-4, sent_h=-4),
    ]
    table.write(database, [table.row_of(one, NOW) for one in deliveries])

    assert [int(row["delivery_id"], 16) for row in table.log(database)] == [3, 2, 1, 4]
    assert [int(row["delivery_id"], 16) for row in table.log(database, status="sent", limit=1)] == [2]
