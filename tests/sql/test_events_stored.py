"""Events come back from ClickHouse as they went in."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_strategies import models

from schemas.rows import EVENT_TABLES, Table


def insert(client: Client, table: Table[Any], events: Sequence[Any]) -> None:
    schema = table.arrow_schema()
    rows = [(*table.to_row(event), date(2024, 1, 1), 2**64 - 1, 3, offset, []) for offset, event in enumerate(events)]
    arrays = [pa.array(values, type=field.type) for values, field in zip(zip(*rows, strict=True), schema, strict=True)]
    client.insert_arrow(table.table, pa.Table.from_arrays(arrays, schema=schema))


@pytest.mark.parametrize("table", EVENT_TABLES.values(), ids=lambda table: table.table)
@given(data=st.data())
@settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
def test_events_come_back(migrated: Client, table: Table[Any], data: st.DataObject) -> None:
    events = data.draw(st.lists(models(table.model), min_size=1, max_size=6))
    migrated.command(f"TRUNCATE TABLE {table.table}")

    insert(migrated, table, events)

    query = f"SELECT * FROM {table.table} ORDER BY stream_offset"
    native = [table.to_event(row) for row in migrated.query(query).named_results()]
    arrow = [table.to_event(row) for row in migrated.query_arrow(query).to_pylist()]
    events = [
        event.model_copy(update={"check_in": None, "check_out": None}) if event.kind_name == "visit" else event
        for event in events
    ]
    kept = {(getattr(event, "rep_id", None), event.event_id): event for event in events}
    assert native == arrow
    assert [event for event in events if event in native] == [event for event in events if event in kept.values()]
