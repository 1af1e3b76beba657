"""The views answer as a plain loop over events and reference rows does."""

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client

from schemas.events import Event, Market, Payment, Sale, Survey, Visit
from schemas.reference import Hcp, Institution, OrganisationNode, Product, Reference, Rep
from schemas.rows import EVENT_TABLES
from streams.references import publish

R = TypeVar("R", bound=Reference)
FIRST = date(2024, 1, 1)


def store(client: Client, events: Sequence[Event]) -> None:
    """Insert events of one kind; their company day is their UTC day here."""
    table = EVENT_TABLES[events[0].kind_name]
    schema = table.arrow_schema()
    rows = [(*table.to_row(event), event.occurred_at.date(), 1, 0, number, []) for number, event in enumerate(events)]
    arrays = [pa.array(values, type=field.type) for values, field in zip(zip(*rows, strict=True), schema, strict=True)]
    client.insert_arrow(table.table, pa.Table.from_arrays(arrays, schema=schema))


def at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def sale(number: int, rep: str, day: date, **more: Any) -> Sale:
    values = {"institution_id": "I0", "product_id": "D0", "quantity": 1, "amount": Decimal("10.5")} | more
    return Sale(event_id=f"e{number}", occurred_at=at(day), source="erp", rep_id=rep, **values)


def in_force(rows: Iterable[R], key: str | None, day: date) -> R | None:
    """The row of `key` on `day`: the latest that began, and of its texts the one published last."""
    found = None
    for row in rows:
        begun = row.key == (key,) and row.effective_from <= day
        if begun and (found is None or row.effective_from >= found.effective_from):
            found = row
    return found


def places(nodes: Sequence[OrganisationNode], rep: Rep | None, day: date) -> dict[str, tuple[str, str]]:
    """Id and name of the nodes above a rep, by level."""
    order = ["team", "region", "company"]
    found: dict[str, tuple[str, str]] = {}
    node = in_force(nodes, rep.team_id, day) if rep else None
    reached = -1
    while node is not None and order.index(node.level) > reached:
        found[node.level], reached = (node.node_id, node.name), order.index(node.level)
        node = in_force(nodes, node.parent_id, day)
    return found


def random_company(rng: random.Random) -> tuple[list[OrganisationNode], list[Rep], list[Institution], list[Product]]:
    def day() -> date:
        return FIRST + timedelta(days=rng.randrange(120))

    nodes = [OrganisationNode(node_id="C", name="公司", level="company")]
    nodes += [OrganisationNode(node_id=f"G{i}", name=f"region {i}", level="region", parent_id="C") for i in range(3)]
    parents = ["G0", "G1", "G2", "C", None, "T1", "nowhere"]
    for i in range(6):
        for start in {date(1970, 1, 1) if i else day(), day()}:
            name = f"team {i} {start}"
            nodes.append(
                OrganisationNode(
                    node_id=f"T{i}", name=name, level="team", parent_id=rng.choice(parents), effective_from=start
                )
            )
    teams = ["T0", "T1", "T2", "T3", "T4", "T5", "G0", "nowhere", None]
    reps = [
        Rep(rep_id=f"R{i}", name=f"rep {i} {start}", team_id=rng.choice(teams), effective_from=start)
        for i in range(12)
        for start in {day() for _ in range(3)}
    ]
    institutions = [
        Institution(institution_id=f"I{i}", name=f"hospital {i} {start}", city=f"city {start}", effective_from=start)
        for i in range(4)
        for start in {day(), day()}
    ]
    products = [
        Product(product_id=f"D{i}", name=f"drug {i}", line_id=rng.choice(["L1", "L2", None]), effective_from=start)
        for i in range(4)
        for start in {date(1970, 1, 1), day()}
    ]
    return nodes, reps, institutions, products


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_sales_lines_name_what_was_in_force_on_the_day(database: Client, seed: int) -> None:
    rng = random.Random(seed)
    nodes, reps, institutions, products = random_company(rng)
    publish(database, [*nodes, *reps, *institutions, *products], "ops")
    corrected = rng.sample(reps, 5)
    fixes = [row.model_copy(update={"name": "corrected", "team_id": "T2"}) for row in corrected]
    publish(database, fixes, "ops")
    reps += fixes
    sales = [
        sale(
            number,
            f"R{rng.randrange(13)}",
            FIRST + timedelta(days=rng.randrange(-3, 125)),
            institution_id=f"I{rng.randrange(5)}",
            product_id=f"D{rng.randrange(5)}",
            amount=Decimal(rng.randrange(10**9)) / 10**6,
        )
        for number in range(800)
    ]
    store(database, sales)
    store(database, rng.sample(sales, 100))

    expected = {event.event_id: expected_line(event, nodes, reps, institutions, products) for event in sales}
    columns = ", ".join(next(iter(expected.values())))
    lines = list(database.query(f"SELECT event_id, {columns} FROM sales_lines").named_results())

    assert len(lines) == 800
    assert {line.pop("event_id"): line for line in lines} == expected


def expected_line(
    event: Sale,
    nodes: Sequence[OrganisationNode],
    reps: Sequence[Rep],
    institutions: Sequence[Institution],
    products: Sequence[Product],
) -> dict[str, Any]:
    day = event.occurred_at.date()
    rep, institution = in_force(reps, event.rep_id, day), in_force(institutions, event.institution_id, day)
    product, above = in_force(products, event.product_id, day), places(nodes, rep, day)
    line: dict[str, Any] = {"rep_id": event.rep_id, "rep_name": rep.name if rep else "", "amount": event.amount}
    for level in ("team", "region", "company"):
        line[f"{level}_id"], line[f"{level}_name"] = above.get(level, ("", ""))
    line |= {"institution_name": institution.name if institution else "", "day": day}
    line |= {"city": institution.city if institution else "", "product_name": product.name if product else ""}
    return line | {"line_id": (product.line_id or "") if product else "", "month_start": day.replace(day=1)}


def test_a_rep_that_moves_in_the_middle_of_a_month(database: Client) -> None:
    nodes = [OrganisationNode(node_id=f"T{i}", name=f"{i} 组", level="team", name_en=f"Team {i}") for i in (1, 2)]
    reps = [
        Rep(rep_id="R1", name="王芳", team_id="T1"),
        Rep(rep_id="R1", name="王芳", team_id="T2", effective_from=date(2024, 3, 15)),
    ]
    publish(database, [*nodes, *reps], "ops")
    store(database, [sale(day, "R1", date(2024, 3, day)) for day in range(1, 32)])

    by_team = "SELECT month_start, team_name_en, count(), sum(amount) FROM sales_lines GROUP BY ALL ORDER BY ALL"
    assert database.query(by_team).result_rows == [
        (date(2024, 3, 1), "Team 1", 14, Decimal("147.000000")),
        (date(2024, 3, 1), "Team 2", 17, Decimal("178.500000")),
    ]


def test_days_before_1970_have_their_periods(database: Client) -> None:
    store(database, [sale(1, "R1", date(1955, 11, 5))])

    periods = database.query("SELECT month_start, quarter_start, year FROM sales_lines").first_row
    assert periods == (date(1955, 11, 1), date(1955, 10, 1), 1955)


def test_views_do_not_depend_on_the_readers_settings(database: Client) -> None:
    store(database, [sale(1, "nobody", FIRST)])

    line = database.query("SELECT rep_name, team_id FROM sales_lines", settings={"join_use_nulls": 1}).first_row
    assert line == ("", "")


def test_the_read_only_user_may_ask(database: Client, reader: Client) -> None:
    publish(database, [Rep(rep_id="R1", name="王芳")], "ops")
    store(database, [sale(1, "R1", FIRST)])

    assert reader.query("SELECT rep_name, amount FROM sales_lines").result_rows == [("王芳", Decimal("10.5"))]


def test_every_kind_of_event_shows_once(database: Client) -> None:
    envelope: dict[str, Any] = {"event_id": "e1", "occurred_at": at(FIRST), "source": "crm"}
    visit = Visit(
        **envelope,
        rep_id="R1",
        institution_id="I1",
        hcp_id="H1",
        check_in_at=at(FIRST),
        check_out_at=at(FIRST) + timedelta(minutes=7, seconds=30),
    )
    payment = Payment(**envelope, rep_id="R1", institution_id="I1", invoice_id="V1", amount=5, due_on=FIRST)
    survey = Survey(**envelope, rep_id="R1", kind="satisfaction", score=80)
    market = Market(**envelope, territory_id="G1", kind="tender", product_id="D1", tender_id="N1")
    publish(database, [Hcp(hcp_id="H1", name="陈医生", segment="A"), Product(product_id="D1", name="阿司匹林")], "ops")
    for event in (visit, payment, survey, market) * 2:
        store(database, [event])

    seen = database.query("SELECT hcp_name, segment, duration_minutes, team_name FROM visit_log").result_rows
    assert seen == [("陈医生", "A", 7.5, "")]
    assert database.query("SELECT invoice_id, product_id, amount FROM payment_lines").result_rows == [("V1", "", 5)]
    assert database.query("SELECT score, institution_id FROM survey_answers").result_rows == [(80.0, "")]
    assert database.query("SELECT territory_id, product_name FROM market_reports").result_rows == [("G1", "阿司匹林")]


def test_event_ids_used_twice_names_the_reps(database: Client) -> None:
    store(database, [sale(1, "R2", FIRST), sale(1, "R1", FIRST), sale(2, "R1", FIRST)])
    store(database, [sale(2, "R1", FIRST)])

    assert database.query("SELECT * FROM event_ids_used_twice").result_rows == [("sales", "e1", ["R1", "R2"])]
