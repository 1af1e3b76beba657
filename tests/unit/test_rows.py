"""Rows and models are exact inverses of each other."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from model_strategies import models

from agents.intake.seen import content_hash
from schemas.events import Activity, Findings, Located, Sale, Visit
from schemas.reference import Institution
from schemas.rows import EVENT_TABLES, REFERENCE_TABLES, Table

TABLES: list[Table[Any]] = [*EVENT_TABLES.values(), *REFERENCE_TABLES.values()]
ENVELOPE = {"event_id": "e1", "occurred_at": "2024-03-01T08:00:00+08:00", "source": "crm", "rep_id": "R1"}


def through_arrow(table: Table[Any], rows: list[Any]) -> list[dict[str, Any]]:
    schema = pa.schema([(column.name, column.arrow_type) for column in table.columns])
    columns = zip(*(table.to_row(row) for row in rows), strict=True)
    arrays = [pa.array(values, type=field.type) for values, field in zip(columns, schema, strict=True)]
    rows_back: list[dict[str, Any]] = pa.Table.from_arrays(arrays, schema=schema).to_pylist()
    return rows_back


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.table)
@given(data=st.data())
@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_every_model_comes_back_from_its_row(table: Table[Any], data: st.DataObject) -> None:
    rows = data.draw(st.lists(models(table.model), min_size=1, max_size=3))

    back = [table.to_event(row) for row in through_arrow(table, rows)]

    assert back == [without_positions(row) for row in rows]
    assert [getattr(one, "findings", None) for one in back] == [getattr(one, "findings", None) for one in rows]


def without_positions(model: Any) -> Any:
    return model.model_copy(update=dict.fromkeys(("check_in", "check_out"))) if isinstance(model, Visit) else model


def test_a_sale_is_one_value_per_column() -> None:
    table = EVENT_TABLES["sale"]
    sale = Sale(**ENVELOPE, institution_id="I1", product_id="D1", quantity="3", amount="10.123456")

    row = dict(zip(table.names, table.to_row(sale), strict=True))

    assert row["amount"] == Decimal("10.123456")
    assert row["occurred_at"] == datetime(2024, 3, 1, tzinfo=UTC)
    assert row["invoice_id"] is None
    assert table.table == "sales"


def test_missing_and_empty_text_stay_different() -> None:
    table = EVENT_TABLES["visit"]
    visit = Visit(
        **ENVELOPE,
        institution_id="I1",
        check_in_at="2024-03-01T08:00:00+08:00",
        details=[{"product_id": "D1"}, {"product_id": "D2", "indication": ""}],
        feedback_text="",
        zone=None,
    )

    (row,) = through_arrow(table, [visit])

    assert row["details"] == [{"product_id": "D1", "indication": None}, {"product_id": "D2", "indication": ""}]
    assert (row["feedback_text"], row["zone"]) == ("", None)
    assert table.to_event(row) == visit


def test_of_a_position_is_kept_what_was_found_and_no_coordinate() -> None:
    table = EVENT_TABLES["visit"]
    fields = {**ENVELOPE, "institution_id": "I1", "check_in_at": "2024-03-01T08:00:00+08:00"}
    fix = {"latitude": 31.20371, "longitude": 121.50371, "accuracy_m": 8}
    visit = Visit(**fields, check_in=fix, check_out=fix)
    located = Located(in_fence=False, distance_band="200-500 m", accuracy_m=8.0, journey_kmh=31.5)
    visit.found(Findings(("R19",), located))

    (row,) = through_arrow(table, [visit])

    assert [row[name] for name in Located._fields] == [False, "200-500 m", 8.0, 31.5]
    assert [name for name in row if "latitude" in name or "longitude" in name] == []
    assert not {31.20371, 121.50371} & {value for value in row.values() if isinstance(value, float)}
    back = table.to_event(row)
    assert (back, back.findings.located) == (Visit(**fields), located)


def test_the_content_of_a_visit_tells_positions_apart() -> None:
    """What stands in the tables was hashed with them: the order of the values must never change."""
    fields = {**ENVELOPE, "institution_id": "I1", "check_in_at": "2024-03-01T08:00:00+08:00"}
    visit = Visit(**fields, check_in={"latitude": 31.2, "longitude": 121.5}, companions=["M"])

    content = EVENT_TABLES["visit"].content(visit)

    assert content[-10:] == (31.2, 121.5, None, None, None, None, [], [], [], ["M"])
    assert content[:6] == ("e1", visit.occurred_at, None, "crm", "R1", "I1")
    assert content_hash(7, content[:2] + content[3:]) == 3116779092267046351


def test_naive_times_of_the_driver_are_utc() -> None:
    table = EVENT_TABLES["activity"]
    activity = Activity(**ENVELOPE, kind="meal", amount=100, started_at="2024-03-01T12:00:00+08:00")
    row = dict(zip(table.names, table.to_row(activity), strict=True))
    row["occurred_at"], row["started_at"] = datetime(2024, 3, 1), datetime(2024, 3, 1, 4)  # noqa: DTZ001 - as it gives them

    assert table.to_event(row) == activity


def test_other_columns_are_ignored() -> None:
    table = REFERENCE_TABLES["institution"]
    institution = Institution(institution_id="I1", name="一院")
    row = dict(zip(table.names, table.to_row(institution), strict=True)) | {"published_version": 7}

    assert table.to_event(row) == institution


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.table)
def test_every_column_says_what_it_holds(table: Table[Any]) -> None:
    assert [column.name for column in table.columns if not column.comment.strip()] == []
    assert len(set(table.names)) == len(table.names)
