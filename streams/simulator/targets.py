"""Sales targets of the made-up company: what is to be expected without stories, summed up from rep and product."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal

from schemas.reference import Target
from streams.simulator.catalog import ITEMS, LINES
from streams.simulator.company import Company
from streams.simulator.periods import months_later, quarter_of
from streams.simulator.sales import Trade

KPI = "sales_amount"
#: Targets are set in whole thousands; cents in a thousand yuan.
_STEP_CENTS, _STEP = 100_000, 1_000

_Owner = Literal["rep", "team", "region", "company"]
_Level = Literal["all", "line", "product"]
#: Owner's level and id, product level and key.
_Cell = tuple[_Owner, str, _Level, str]


def targets(company: Company, trade: Trade, start: date, end: date) -> Iterator[Target]:
    """Targets of the quarters from `start` to `end` and of the one after.

    Reps have one in total; teams, regions and the company one in total, by line and by product. Every total is the sum
    of its parts.
    """
    quarter, last = quarter_of(start), months_later(quarter_of(end), 3)
    while quarter <= last:
        for (level, owner, product_level, key), thousands in _cells(company, trade, quarter).items():
            yield Target(
                kpi_id=KPI,
                period="quarter",
                period_start=quarter,
                owner_level=level,
                owner_id=owner,
                product_level=product_level,
                product_key=key,
                value=Decimal(thousands * _STEP),
            )
        quarter = months_later(quarter, 3)


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
            thousands = round(units * product.price_cents / _STEP_CENTS)
            cells["rep", territory.seller_id, "all", ""] += thousands
            for level, owner in above:
                cells[level, owner, "all", ""] += thousands
                cells[level, owner, "line", LINES[product.line].line_id] += thousands
                cells[level, owner, "product", product.product_id] += thousands
    return cells
