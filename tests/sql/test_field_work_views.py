"""The slip list, market share and overdue money answer as a plain loop does."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from clickhouse_connect.driver.client import Client
from test_views import store

from schemas.events import Payment, Sale
from schemas.reference import CalendarDay, CallPlan, Hcp, Institution, OrganisationNode, Product, Reference, Rep
from streams.references import publish

TODAY = datetime.now(ZoneInfo("Asia/Shanghai")).date()
MONTH = TODAY.replace(day=1)
BEFORE = (MONTH - timedelta(days=1)).replace(day=1)
END = (MONTH + timedelta(days=31)).replace(day=1) - timedelta(days=1)
NOW = datetime.now(UTC)
COMPANY: list[Reference] = [
    OrganisationNode(node_id="C", name="公司", name_en="Company", level="company"),
    OrganisationNode(node_id="N", name="北区", level="region", parent_id="C"),
    OrganisationNode(node_id="T", name="一组", level="team", parent_id="N"),
    Rep(rep_id="R1", name="王芳", team_id="T"),
    Rep(rep_id="R2", name="李雷", team_id="T", left_on=TODAY + timedelta(days=1)),
    Rep(rep_id="R3", name="韩梅", team_id="T"),
    Product(product_id="P1", name="甲", line_id="L1"),
]


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 4, tzinfo=UTC)


def insert(client: Client, table: str, rows: list[dict[str, Any]]) -> None:
    client.insert(table, [list(row.values()) for row in rows], column_names=list(rows[0]))


def cell(kpi: str, where: dict[str, Any], start: date, above: str, below: str, version: int = 1) -> dict[str, Any]:
    figures = {
        "value": round(Decimal(above) / Decimal(below), 6),
        "numerator": Decimal(above),
        "denominator": Decimal(below),
    }
    where = {"period": "month", "period_start": start, "product_level": "all", "product_key": "", **where}
    return {"kpi_id": kpi, **where, **figures, "events": 1, "version": version, "updated_at": NOW}


class Field:
    """A random field force: plan, calls made, sales, all as plain dictionaries."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.hcps = {f"D{n:02}": (rng.choice((None, "A", "B")), f"H{n % 5}") for n in range(20)}
        self.plan = {
            (rep, hcp): rng.randrange(5) for rep in ("R1", "R2", "R3") for hcp in rng.sample(sorted(self.hcps), 12)
        }
        made = rng.sample(sorted((rep, hcp) for rep in ("R1", "R2", "R3") for hcp in self.hcps), 30)
        self.made = {line: rng.randrange(1, 5) for line in made}
        self.pace = {"R1": Decimal("1.5"), "R2": Decimal(8)}
        self.sales = [
            (f"H{rng.randrange(5)}", TODAY - timedelta(days=rng.choice((0, 3, 89, 90, 200)))) for _ in range(25)
        ]
        self.holidays = {TODAY + timedelta(days=n): rng.random() < 0.5 for n in (2, 5, 9)}

    def publish(self, client: Client) -> None:
        rows: list[Reference] = [*COMPANY, *(Institution(institution_id=f"H{n}", name=f"医院{n}") for n in range(5))]
        rows += [Hcp(hcp_id=h, name=h, segment=s, institution_id=site) for h, (s, site) in self.hcps.items()]
        rows += [CallPlan(rep_id=r, hcp_id=h, planned_calls=n, effective_from=MONTH) for (r, h), n in self.plan.items()]
        rows += [CallPlan(rep_id="R1", hcp_id="D00", planned_calls=90, effective_from=BEFORE)]
        rows += [CalendarDay(day=day, is_working_day=works) for day, works in self.holidays.items()]
        publish(client, rows, "ops")
        line = {"version": 2, "updated_at": NOW}
        lines = [
            {"month_start": MONTH, "rep_id": r, "hcp_id": h, "calls": n, **line} for (r, h), n in self.made.items()
        ]
        insert(client, "call_counts", lines + [{**each, "calls": 99, "version": 1} for each in lines])
        paces = [cell("calls_per_field_day", {"rep_id": "R1"}, MONTH, "3", "2")]
        paces += [cell("calls_per_field_day", {"rep_id": "R1"}, BEFORE, "9", "1")]
        insert(client, "kpi_cells", [*paces, cell("calls_per_field_day", {"rep_id": "R2"}, BEFORE, "8", "1")])
        store(client, [self.sale(number, *each) for number, each in enumerate(self.sales)])

    def sale(self, number: int, site: str, day: date) -> Sale:
        values = {"event_id": f"e{number}", "occurred_at": noon(day), "source": "erp", "rep_id": "R1"}
        return Sale(**values, institution_id=site, product_id="P1", quantity=1, amount=Decimal(100 + number))

    def days_left(self, rep: str) -> int:
        last = min(END, TODAY + timedelta(days=1)) if rep == "R2" else END
        days = [TODAY + timedelta(days=n) for n in range((last - TODAY).days + 1)]
        return len([day for day in days if self.holidays.get(day, day.weekday() < 5)])

    def value(self, hcp: str) -> int:
        """Sales of the professional's institution in the last 90 days."""
        site = self.hcps[hcp][1]
        days = range(90)
        recent = {TODAY - timedelta(days=n) for n in days}
        return sum(100 + number for number, (where, day) in enumerate(self.sales) if where == site and day in recent)

    def slips(self, rep: str) -> list[tuple[Any, ...]]:
        missing = [
            (hcp, planned, self.made.get((who, hcp), 0))
            for (who, hcp), planned in self.plan.items()
            if who == rep and planned > self.made.get((who, hcp), 0)
        ]
        segment = {hcp: self.hcps[hcp][0] or "" for hcp in self.hcps}
        missing.sort(key=lambda line: (-self.value(line[0]), segment[line[0]] == "", segment[line[0]], line[0]))
        found, needed, left = [], 0, self.days_left(rep)
        for rank, (hcp, planned, made) in enumerate(missing, 1):
            needed += planned - made
            pace = self.pace.get(rep)
            fits = None if pace is None else needed <= pace * left and planned - made <= left
            line = (hcp, segment[hcp], planned, made, planned - made, left, pace, self.value(hcp), rank, needed, fits)
            found.append((rep, "一组", "北区", *line))
        return found


@pytest.mark.parametrize("seed", range(3))
def test_the_slip_list(database: Client, seed: int) -> None:
    field = Field(seed)
    field.publish(database)

    found = database.query(
        "SELECT rep_id, team_name, region_name, hcp_id, segment, planned_calls, calls, missing_calls,"
        " working_days_left, calls_per_field_day, institution_sales, rank_of_rep, calls_up_to_here, can_be_reached"
        " FROM call_plan_slips ORDER BY rep_id, rank_of_rep"
    ).result_rows

    assert found == [line for rep in ("R1", "R2", "R3") for line in field.slips(rep)]
    assert len(found) > 10


def test_every_line_of_the_call_plan(database: Client) -> None:
    field = Field(5)
    field.publish(database)

    found = database.query(
        f"SELECT rep_id, hcp_id, planned_calls, calls, over_calls FROM call_plan_lines WHERE month_start = '{MONTH}'"
    ).result_rows

    wanted = []
    for line in {**field.plan, **field.made}:
        planned, made = field.plan.get(line, 0), field.made.get(line, 0)
        if planned or made:
            wanted.append((*line, planned, made, max(made - planned, 0) if planned else 0))
    assert sorted(found) == sorted(wanted)
    (before,) = database.query(f"SELECT * FROM call_plan_lines WHERE month_start < '{MONTH}'").result_rows
    assert before[-4:] == (90, 0, 90, 0)


def share(start: date, own: str, total: str, node: str = "N", key: str = "") -> dict[str, Any]:
    where = {"node_id": node, "node_level": "region", "product_level": "product" if key else "all", "product_key": key}
    return cell("market_share", where, start, own, total)


def test_the_evolution_index(database: Client) -> None:
    publish(database, COMPANY, "ops")
    january, february, april = date(2024, 1, 1), date(2024, 2, 1), date(2024, 4, 1)
    rows = [share(january, "100", "1000"), share(february, "112", "1050"), share(april, "1", "4")]
    rows += [share(january, "0", "10", key="P1"), share(february, "5", "10", key="P1")]
    insert(database, "node_totals", rows)

    found = database.query(
        "SELECT period_start, product_key, market_share, market_share_change, own_growth, market_growth,"
        " evolution_index FROM market_share_by_node WHERE node_id = 'N' ORDER BY product_key, period_start"
    ).result_rows

    # 12 % against 5 %: 100 × 1.12 ÷ 1.05
    grown = (Decimal("0.106667"), Decimal("0.006667"), Decimal("0.12"), Decimal("0.05"), Decimal("106.666667"))
    assert found == [
        (january, "", Decimal("0.1"), None, None, None, None),
        (february, "", *grown),
        (april, "", Decimal("0.25"), None, None, None, None),  # nothing was reported for March
        (january, "P1", 0, None, None, None, None),
        (february, "P1", Decimal("0.5"), Decimal("0.5"), None, Decimal(0), None),
    ]


def billed(number: int, invoice: str | None, days_ago: int, amount: int, rep: str = "R1", **more: Any) -> Sale:
    values = {"event_id": f"s{number}", "occurred_at": noon(TODAY - timedelta(days=200)), "source": "erp"}
    values |= {"rep_id": rep, "institution_id": "H", "product_id": "P1", "quantity": 1 if amount > 0 else -1}
    kind = "sale" if amount > 0 else "return"
    return Sale(**values, amount=amount, kind=kind, invoice_id=invoice, due_on=TODAY - timedelta(days=days_ago), **more)


def paid(number: int, invoice: str, amount: int, **more: Any) -> Payment:
    values = {"event_id": f"p{number}", "occurred_at": noon(TODAY), "source": "erp", "rep_id": "R1", "due_on": TODAY}
    return Payment(**values, institution_id="H", invoice_id=invoice, amount=amount, **more)


def test_overdue_days_are_weighted_by_the_money_open(database: Client) -> None:
    publish(database, COMPANY, "ops")
    sales = [billed(1, "I1", 10, 100), billed(2, "I1", 5, 50), billed(3, "I1", 10, -30), billed(4, "I2", 40, 70)]
    sales += [billed(5, "I3", -20, 500), billed(6, "I4", 3, 60, "R2"), billed(7, None, 90, 999)]
    sales += [billed(8, "I5", 7, 25, currency="USD"), billed(9, "I6", 0, 11, "R2")]
    store(database, sales)
    store(
        database,
        [paid(1, "I1", 20), paid(2, "I2", 75), paid(3, "I4", 15), paid(4, "I5", 5, currency="USD"), paid(5, "I9", 5)],
    )

    found = database.query(
        "SELECT owner_id, currency, open_invoices, open_amount, overdue_invoices, overdue_amount, overdue_days"
        " FROM overdue_days WHERE owner_level != 'team' ORDER BY owner_level, owner_id, currency"
    ).result_rows

    # R1: I1 100 open for 10 days, I3 500 not due, I2 paid; R2: I4 45 open for 3 days, I6 11 due today
    together = ("CNY", 4, 656, 2, 145, Decimal("7.827586"))  # (100 × 10 + 45 × 3) ÷ 145
    dollars = ("USD", 1, 20, 1, 20, Decimal(7))
    assert found == [
        ("C", *together),
        ("C", *dollars),
        ("N", *together),
        ("N", *dollars),
        ("R1", "CNY", 2, 600, 1, 100, Decimal(10)),
        ("R1", *dollars),
        ("R2", "CNY", 2, 56, 1, 45, Decimal(3)),
    ]
