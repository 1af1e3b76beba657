"""Targets keep their history, and stand beside the figures they are to be measured with."""

from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from agents.progress.targets import attainment
from schemas.reference import OrganisationNode, Product, Rep, Target
from streams.references import load, publish

APRIL = date(2018, 4, 1)
MAY = date(2018, 5, 15)
NOW = datetime(2018, 7, 1)  # noqa: DTZ001 (as the driver gives it)
COMPANY = [
    OrganisationNode(node_id="C", name="公司", name_en="Company", level="company"),
    OrganisationNode(node_id="T1", name="一组", level="team", parent_id="C"),
    OrganisationNode(node_id="T1", name="新一组", level="team", parent_id="C", effective_from=date(2018, 7, 1)),
    Rep(rep_id="R1", name="王芳", name_en="Wang Fang", team_id="T1"),
    Product(product_id="D1", name="甲", line_id="L1", line_name="一线", line_name_en="Line one"),
]


def target(value: object, **more: Any) -> Target:
    fields = {"kpi_id": "sales_amount", "period": "quarter", "period_start": APRIL}
    fields |= {"owner_level": "team", "owner_id": "T1", "value": value}
    return Target.model_validate(fields | more)


def figure(client: Client, value: object, table: str = "node_totals", **more: Any) -> None:
    values: dict[str, Any] = {"kpi_id": "sales_amount", "period": "quarter", "period_start": APRIL}
    values |= {"product_level": "all", "product_key": "", "value": value, "numerator": Decimal(0)}
    values |= {"events": 1, "version": 1, "updated_at": NOW}
    values |= {"node_id": "T1", "node_level": "team"} if table == "node_totals" else {"rep_id": "R1"}
    values |= more
    client.insert(table, [list(values.values())], column_names=list(values))


def test_a_change_within_the_period_replaces_the_target_and_both_stay(database: Client) -> None:
    publish(database, [*COMPANY, target(100), target(120, effective_from=MAY)], "ops")
    figure(database, Decimal(90))

    history = "SELECT {} FROM {} ORDER BY effective_from"
    assert database.query(history.format("value, effective_from, effective_to", "targets_history")).result_rows == [
        (100, date(1970, 1, 1), date(2018, 5, 14)),
        (120, MAY, None),
    ]
    assert database.query("SELECT value FROM targets_today").result_rows == [(120,)]
    assert database.query(
        history.format("target, value, attainment, effective_to", "target_attainment_history")
    ).result_rows == [(100, 90, Decimal("0.9"), date(2018, 5, 14)), (120, 90, Decimal("0.75"), None)]
    assert database.query("SELECT target, attainment FROM target_attainment").result_rows == [(120, Decimal("0.75"))]


def test_a_corrected_text_is_left_out_of_the_view_and_kept_in_the_table(database: Client) -> None:
    publish(database, [target(100)], "ops")
    publish(database, [target(101)], "boss")

    assert database.query("SELECT target, author FROM target_attainment_history").result_rows == [(101, "boss")]
    assert database.query("SELECT value, author FROM targets ORDER BY value").result_rows == [
        (100, "ops"),
        (101, "boss"),
    ]
    assert load(database)["target"] == [target(101)]


def test_every_owner_and_product_level_has_names(database: Client) -> None:
    rep: dict[str, Any] = {"owner_level": "rep", "owner_id": "R1"}
    line: dict[str, Any] = {"product_level": "line", "product_key": "L1"}
    publish(database, [*COMPANY, target(1), target(2, **line), target(4, **rep), target(5, owner_id="T9")], "ops")
    figure(database, Decimal(1), version=1)
    figure(database, Decimal(3), version=2)
    figure(database, Decimal(1), **line)
    figure(database, Decimal(1), "kpi_cells")

    query = (
        "SELECT owner_id, owner_name, owner_name_en, product_name, product_name_en, period_end, value, attainment, "
        "updated_at FROM target_attainment ORDER BY target"
    )
    end = date(2018, 6, 30)
    assert database.query(query).result_rows == [
        ("T1", "一组", "一组", "", "", end, 3, 3, NOW),
        ("T1", "一组", "一组", "一线", "Line one", end, 1, Decimal("0.5"), NOW),
        ("R1", "王芳", "Wang Fang", "", "", end, 1, Decimal("0.25"), NOW),
        ("T9", "", "", "", "", end, None, None, None),
    ]


@pytest.mark.parametrize("period", ["month", "quarter", "year"])
def test_the_end_of_the_period(database: Client, period: str) -> None:
    publish(database, [target(1, period=period, period_start=date(2024, 1, 1))], "ops")

    ends = {"month": date(2024, 1, 31), "quarter": date(2024, 3, 31), "year": date(2024, 12, 31)}
    assert database.query("SELECT period_end FROM target_attainment").result_rows == [(ends[period],)]


def test_the_view_divides_as_the_code_does(database: Client) -> None:
    pairs = [
        (value, goal)
        for value in (
            "0",
            "1",
            "-1",
            "0.00005",
            "0.00015",
            "-0.00015",
            "0.000149",
            "2",
            f"{10**30}.000001",
            "12345.678901",
        )
        for goal in ("1", "3", "0", "0.000001", "7.77", f"{10**25}")
    ]
    rows = [target(goal, owner_id=f"T{number}") for number, (_, goal) in enumerate(pairs)]
    publish(database, rows, "ops")
    for number, (value, _) in enumerate(pairs):
        figure(database, Decimal(value), node_id=f"T{number}")

    found = database.query("SELECT owner_id, attainment FROM target_attainment").result_rows

    assert dict(found) == {
        f"T{number}": attainment(Decimal(value), Decimal(goal)) for number, (value, goal) in enumerate(pairs)
    }
    assert attainment(Decimal("0.00015"), Decimal(1)) == Decimal("0.00015").quantize(Decimal("0.0001"), ROUND_HALF_EVEN)


def test_a_figure_without_value_has_no_attainment(database: Client) -> None:
    publish(database, [target(1)], "ops")
    figure(database, None, denominator=Decimal(0))

    assert database.query("SELECT value, attainment FROM target_attainment").result_rows == [(None, None)]
