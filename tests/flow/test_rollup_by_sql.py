"""The roll-up by the stream and the same roll-up by SQL over the raw tables agree, digit by digit."""

from collections.abc import Iterator
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from engine_harness import Stack
from field_force import company

LEVELS = {"team": "team_id", "region": "region_id", "company": "company_id"}
PERIODS = {"month": "month_start", "quarter": "quarter_start", "year": "makeDate32(year, 1, 1)"}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with Stack(tmp_path_factory.mktemp("rollup")) as stack:
        one = company(11, 1500)
        stack.prepare(one)
        stack.worker()
        stack.send(one.messages)
        stack.wait_drained()
        with stack.client() as opened:
            yield opened


def stream(client: Client, kpi: str, table: str, owner: str) -> list[tuple[Any, ...]]:
    statement = f"""
        SELECT period, period_start, {owner}, product_level, product_key, value, events FROM {table} FINAL
        WHERE kpi_id = {{kpi:String}} AND NOT startsWith(period, 'rolling')"""
    return sorted(client.query(statement, parameters={"kpi": kpi}).result_rows)


def by_sql(
    client: Client, source: str, value: str, owners: list[str], product: str, line: str
) -> list[tuple[Any, ...]]:
    parts = [
        f"""SELECT '{period}' AS period, {start} AS period_start, {owner} AS owner, '{level}' AS product_level,
            {key} AS product_key, {value} AS value, count() AS events FROM {source}
            WHERE owner != '' AND ('{level}' = 'all' OR product_key != '') GROUP BY ALL"""
        for period, start in PERIODS.items()
        for owner in owners
        for level, key in (("all", "''"), ("product", product), ("line", line))
    ]
    return sorted(client.query(" UNION ALL ".join(parts)).result_rows)


@pytest.mark.parametrize(("kpi", "value"), [("sales_amount", "sum(amount)"), ("sales_quantity", "sum(quantity)")])
def test_sales(client: Client, kpi: str, value: str) -> None:
    nodes = by_sql(client, "sales_lines", value, list(LEVELS.values()), "product_id", "line_id")
    assert len(nodes) > 200
    assert stream(client, kpi, "node_totals", "node_id") == nodes
    reps = by_sql(client, "sales_lines", value, ["rep_id"], "product_id", "line_id")
    assert stream(client, kpi, "kpi_cells", "rep_id") == reps


def test_visits_in_total(client: Client) -> None:
    found = [row for row in stream(client, "visits", "node_totals", "node_id") if row[3] == "all"]
    wanted = by_sql(client, "visit_log", "toDecimal128(count(), 6)", list(LEVELS.values()), "''", "''")
    assert found == wanted


def test_visits_by_product(client: Client) -> None:
    each = "(SELECT *, arrayJoin(arrayDistinct(details.product_id)) AS product_id FROM visit_log)"
    wanted = by_sql(client, each, "toDecimal128(count(), 6)", list(LEVELS.values()), "product_id", "''")
    found = stream(client, "visits", "node_totals", "node_id")
    assert [row for row in found if row[3] == "product"] == [row for row in wanted if row[3] == "product"]
