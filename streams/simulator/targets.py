"""Targets of the made-up company: most of the sales and visits that are to be expected when nothing goes wrong."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from schemas.reference import Target
from streams.simulator.calendar import working_days
from streams.simulator.catalog import ITEMS, LINES
from streams.simulator.company import Company
from streams.simulator.periods import last_of_month, months_later, quarter_of
from streams.simulator.references import planned_calls
from streams.simulator.sales import Trade

KPI = "sales_amount"
VISITS = "visits"
#: Calls on institutions besides those on doctors, by working day; and the share of all calls that is asked for.
_HOUSE_CALLS, _VISITS_WANTED = 0.8, 0.95
#: Share of the sales to be expected that is asked for: something always goes wrong.
_SALES_WANTED = 0.87
#: Targets are set in whole thousands; cents in a thousand yuan.
_STEP_CENTS, _STEP = 100_000, 1_000

_Owner = Literal["rep", "team", "region", "company"]
_Level = Literal["all", "line", "product"]
#: Owner's level and id, product level and key.
_Cell = tuple[_Owner, str, _Level, str]


def targets(company: Company, trade: Trade, start: date, end: date) -> Iterator[Target]:
    """Targets of the quarters from `start` to `end` and of the one after.

    Sales: reps have one in total; teams, regions and the company one in total, by line and by product. Visits:
    everybody has one in total. Every total is the sum of its parts.
    """
    quarter, last = quarter_of(start), months_later(quarter_of(end), 3)
    while quarter <= last:
        for cell, thousands in _cells(company, trade, quarter).items():
            yield _target(KPI, quarter, cell, thousands * _STEP)
        for cell, calls in _visits(company, quarter).items():
            yield _target(VISITS, quarter, cell, calls)
        quarter = months_later(quarter, 3)


def _target(kpi: str, quarter: date, cell: _Cell, value: int) -> Target:
    level, owner, product_level, key = cell
    return Target(
        kpi_id=kpi,
        period="quarter",
        period_start=quarter,
        owner_level=level,
        owner_id=owner,
        product_level=product_level,
        product_key=key,
        value=Decimal(value),
    )


def _visits(company: Company, quarter: date) -> Counter[_Cell]:
    """Visits of everybody: a share of the calls that the plan of each month asks for."""
    months = [months_later(quarter, number) for number in range(3)]
    working = [len(working_days(month, last_of_month(month))) for month in months]
    cells: Counter[_Cell] = Counter()
    for territory in company.territories:
        planned = sum(planned_calls(doctor.segment, days) for days in working for doctor in territory.doctors)
        wanted = round((planned + _HOUSE_CALLS * sum(working)) * _VISITS_WANTED)
        cells["rep", territory.rep_id, "all", ""] += wanted
        cells["team", company.teams[territory.team].node_id, "all", ""] += wanted
        cells["region", company.region_id(territory.region), "all", ""] += wanted
        cells["company", "COMPANY", "all", ""] += wanted
    return cells


def _cells(company: Company, trade: Trade, quarter: date) -> Counter[_Cell]:
    days = [quarter + timedelta(days=number) for number in range((months_later(quarter, 3) - quarter).days)]
    cells: Counter[_Cell] = Counter()
    for territory in company.territories:
        region = company.region_id(territory.region)
        above: tuple[tuple[_Owner, str], ...] = (
            ("team", company.teams[territory.team].node_id),
            ("region", region),
            ("company", "COMPANY"),
        )
        for item, units in enumerate(trade.expected_of(territory, days)):
            product = ITEMS[item]
            if product.line != territory.line:
                continue
            thousands = round(units * product.price_cents * _SALES_WANTED / _STEP_CENTS)
            cells["rep", territory.seller_id, "all", ""] += thousands
            for level, owner in above:
                cells[level, owner, "all", ""] += thousands
                cells[level, owner, "line", LINES[product.line].line_id] += thousands
                cells[level, owner, "product", product.product_id] += thousands
    return cells
