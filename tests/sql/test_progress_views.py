"""Progress and dead letters are shown in their newest version, with names."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from clickhouse_connect.driver.client import Client

from schemas.reference import OrganisationNode, Product, Rep
from streams.references import publish

MARCH = date(2024, 3, 1)
NOW = datetime(2024, 4, 1, tzinfo=UTC)
COMPANY = [
    OrganisationNode(node_id="C", name="公司", level="company"),
    OrganisationNode(node_id="T1", name="一组", level="team", parent_id="C"),
    OrganisationNode(node_id="T2", name="二组", level="team", parent_id="C"),
    Rep(rep_id="R1", name="王芳", team_id="T1"),
    Rep(rep_id="R1", name="王芳", team_id="T2", effective_from=date(2024, 4, 1)),
    Product(product_id="D1", name="甲", name_en="Alpha", line_id="L1", line_name="一线"),
]


def add(client: Client, table: str, **values: Any) -> None:
    client.insert(table, [list(values.values())], column_names=list(values))


def cell(client: Client, table: str = "kpi_cells", **more: Any) -> None:
    values = {"kpi_id": "sales_amount", "period": "month", "period_start": MARCH, "product_level": "all"}
    values |= {"product_key": "", "value": Decimal(1), "numerator": Decimal(1), "denominator": None, "events": 1}
    add(client, table, **(values | {"version": 1, "updated_at": NOW} | more))


def test_the_newest_figure_of_a_rep_with_the_team_at_the_end_of_the_period(database: Client) -> None:
    publish(database, COMPANY, "ops")
    cell(database, rep_id="R1", version=1, value=Decimal(100))
    cell(database, rep_id="R1", version=3, value=Decimal(90))
    cell(database, rep_id="R1", version=2, value=Decimal(95))
    cell(database, rep_id="R1", period="quarter", period_start=date(2024, 1, 1))
    cell(database, rep_id="R1", period="year", period_start=date(2024, 1, 1))
    cell(database, rep_id="R1", period="rolling_28_days", period_start=date(1970, 1, 1), value=None)

    query = (
        "SELECT period, period_start, period_end, value, rep_name, team_name, company_name "
        "FROM kpi_progress_by_rep ORDER BY period"
    )
    assert database.query(query).result_rows == [
        ("month", MARCH, date(2024, 3, 31), 90, "王芳", "一组", "公司"),
        ("quarter", date(2024, 1, 1), date(2024, 3, 31), 1, "王芳", "一组", "公司"),
        ("rolling_28_days", None, None, None, "王芳", "二组", "公司"),
        ("year", date(2024, 1, 1), date(2024, 12, 31), 1, "王芳", "二组", "公司"),
    ]


def test_product_levels_have_names(database: Client) -> None:
    publish(database, COMPANY, "ops")
    cell(database, rep_id="R1", product_level="product", product_key="D1")
    cell(database, rep_id="R1", product_level="line", product_key="L1")
    cell(database, rep_id="R1", product_level="product", product_key="D9")

    query = "SELECT product_key, product_name, product_name_en FROM kpi_progress_by_rep ORDER BY product_key"
    assert database.query(query).result_rows == [("D1", "甲", "Alpha"), ("D9", "", ""), ("L1", "一线", "一线")]


def test_the_newest_figure_of_a_node(database: Client) -> None:
    publish(database, COMPANY, "ops")
    cell(database, "node_totals", node_id="T1", node_level="team", version=2, value=Decimal("0.000001"))
    cell(database, "node_totals", node_id="T1", node_level="team", version=1, value=Decimal(7))
    rolling = {"period": "rolling_28_days", "period_start": date(1970, 1, 1)}
    cell(database, "node_totals", node_id="T1", node_level="team", **rolling)

    query = (
        "SELECT node_id, node_level, node_name, parent_id, value FROM kpi_progress_by_node WHERE period_start = %(m)s"
    )
    found = database.query(query, parameters={"m": MARCH}).result_rows
    assert found == [("T1", "team", "一组", "C", Decimal("0.000001"))]
    query = "SELECT period FROM kpi_progress_by_node WHERE period_start IS NULL"
    assert database.query(query).result_rows == [("rolling_28_days",)]


def test_open_dead_letters_are_those_nobody_replayed(database: Client) -> None:
    columns: dict[str, Any] = {"at": NOW, "origin": "stream", "topic": "sales", "step": "decode", "message": "no JSON"}
    raw = b"\xff{broken" + b"x" * 300
    for letter, status, version in (("a", "open", 1), ("b", "open", 1), ("b", "replayed", 2)):
        add(database, "dead_letters", dead_letter_id=letter, raw=raw, status=status, version=version, **columns)

    (row,) = database.query("SELECT dead_letter_id, beginning FROM dead_letters_open").result_rows
    assert row[0] == "a"
    assert row[1].startswith("\ufffd{brokenxxx")
    assert len(row[1]) == 200
