"""Deliveries in ClickHouse."""

from datetime import UTC, datetime, timedelta

from clickhouse_connect.driver.client import Client

from schemas.delivery import Delivery
from streams.delivery import table

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def delivery(number: int, status: str, planned_h: float, due_h: float, sent_h: float | None = None) -> Delivery:
    at = [None if hours is None else NOW + timedelta(hours=hours) for hours in (planned_h, due_h, sent_h)]
    return Delivery.model_validate(
        {
            **{"delivery_id": f"{number:032x}", "alert_id": "a" * 32, "recipient": "desk", "channel": "outbox"},
            **{"kind": "first", "status": status, "planned_at": at[0], "due_at": at[1], "sent_at": at[2]},
        }
    )


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
