"""Labels: what was planted, where and how strongly, so that a finding can be held against it."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from streams.simulator.catalog import ITEMS
from streams.simulator.made import money
from streams.simulator.stories import (
    COVERAGE_LAG_DAYS,
    COVERAGE_LEFT,
    COVERAGE_SALES,
    FAKED_DAYS,
    PRICE_LEFT,
    PRICE_SALES,
    SLOW_SALES,
    Story,
    stories_between,
)
from streams.simulator.world import Simulation


def labels(simulation: Simulation) -> dict[str, Any]:
    """Everything that was planted in the days of the plan; made after the events.

    Returns:
        `seed`, `reps`, `from`, `to`; `stories` with their days, place and strength; `expected_sales` by region and
        product: money on the days of the plan without stories and returns.
    """
    plan = simulation.plan
    stories = stories_between(simulation.company, plan.start, plan.last_day)
    return {
        "seed": plan.seed,
        "reps": plan.reps,
        "from": plan.start.isoformat(),
        "to": plan.end.isoformat(),
        "stories": [_label(simulation, story) for story in stories],
        "expected_sales": list(_expected(simulation)),
    }


def _label(simulation: Simulation, story: Story) -> dict[str, Any]:
    plan, company = simulation.plan, simulation.company
    label: dict[str, Any] = {
        "kind": story.kind,
        "from": max(story.first, plan.start).isoformat(),
        "to": min(story.last, plan.last_day).isoformat(),
    }
    if story.region is not None:
        label["region_id"] = company.region_id(story.region)
    if story.team is not None:
        label["team_id"] = company.teams[story.team].node_id
    if story.item is not None:
        label["product_id"] = ITEMS[story.item].product_id
    return label | _strength(simulation, story)


def _strength(simulation: Simulation, story: Story) -> dict[str, Any]:
    """What is left of the usual, and what else tells the story."""
    if story.kind == "coverage_loss":
        later = story.first + timedelta(days=COVERAGE_LAG_DAYS)
        return {"visits_left": COVERAGE_LEFT, "sales_left": COVERAGE_SALES, "sales_from": later.isoformat()}
    if story.kind == "competitor_price_cut" and story.item is not None:
        competitor, _price = ITEMS[story.item].competitors[0]
        return {"competitor": competitor, "price_left": PRICE_LEFT, "sales_left": PRICE_SALES}
    if story.kind == "stock_out":
        return {"sales_left": 0.0}
    if story.kind == "faked_visits" and story.team is not None:
        first, last = story.first.strftime("%Y%m%d"), story.last.strftime("%Y%m%d")
        ids = simulation.faked(story.team)
        return {"days_faked": FAKED_DAYS, "event_ids": [one for one in ids if first <= _day_of(one) <= last]}
    return {"sales_left": SLOW_SALES}


def _day_of(event_id: str) -> str:
    return event_id.rpartition("-")[2][:8]


def _expected(simulation: Simulation) -> Iterator[dict[str, Any]]:
    plan = simulation.plan
    days = list(_days(plan.start, plan.last_day))
    for region in range(len(simulation.company.regions)):
        for item, product in enumerate(ITEMS):
            units = simulation.trade.expected_units(region, item, days)
            yield {
                "region_id": simulation.company.region_id(region),
                "product_id": product.product_id,
                "amount": money(round(units * product.price_cents)),
            }


def _days(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)
