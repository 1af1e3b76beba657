"""Sales lines with their payments and returns, and what is to be expected of them.

Orders of a territory are a Poisson stream with a rate of weekday x season x growth; a story thins it out. Payments and
returns are decided when the line is made and reach the stream on their day.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from random import Random
from typing import Any

from streams.simulator.calendar import is_working_day
from streams.simulator.catalog import ITEMS, LINES
from streams.simulator.chance import pick, poisson, stream
from streams.simulator.company import Company, Territory
from streams.simulator.made import Made, Today, money
from streams.simulator.stories import Effects

_WEEKDAY = (1.18, 1.08, 1.02, 0.98, 0.94, 0.9, 0.9)
_CLOSED = 0.06
_GROWTH_A_YEAR = 0.09
_GROWTH_FROM = date(2024, 1, 1)
_LAUNCH_SHARE, _LAUNCH_DAYS = 0.4, 480
_BULK, _BULK_TIMES = 0.04, 3
TERMS_DAYS = (15, 30, 45)
_RETURNS = 0.015
_UNPAID, _ON_TIME, _LATE = 0.03, 0.72, 0.93
_IN_TWO = 0.1


class Trade:
    """Makes the sales of a company.

    Args:
        company: whose.
        effects: of the stories.
    """

    def __init__(self, company: Company, effects: Effects) -> None:
        self._company = company
        self._effects = effects
        self._factors = lru_cache(512)(self._day_factors)
        self._units = [_mean_units(territory) for territory in company.territories]

    def day(self, today: Today) -> Iterator[Made]:
        """Sales lines of a day, and the payments and returns that will follow from them."""
        left = [
            [self._effects.sales_left(today.day, region, item) for item in range(len(ITEMS))]
            for region in range(len(self._company.regions))
        ]
        factors = self._factors(today.day)
        for territory in self._company.territories:
            rng = stream(self._company.seed, "sales", territory.number, today.ordinal)
            shares = left[territory.region]
            top = max(factors[item] for item in range(len(ITEMS)) if ITEMS[item].line == territory.line)
            for _ in range(poisson(rng, territory.orders_per_day * top)):
                point = territory.orders[
                    bisect_left(territory.order_weights, rng.random() * territory.order_weights[-1])
                ]
                quantity = point.low + int(rng.random() * (point.high - point.low + 1))
                if rng.random() < _BULK:
                    quantity *= _BULK_TIMES
                if rng.random() * top < factors[point.item] * shares[point.item]:
                    yield from self._line(rng, today, territory, (point.site, point.item, quantity))

    def _line(self, rng: Random, today: Today, territory: Territory, what: tuple[int, int, int]) -> Iterator[Made]:
        site, item, quantity = what
        number = today.number("sale")
        cents = quantity * ITEMS[item].price_cents
        due_on = today.day + timedelta(days=pick(rng, TERMS_DAYS))
        second = 32_400 + int(rng.random() * 32_400)
        event: dict[str, Any] = {
            "event_id": today.event_id("sale", number),
            "occurred_at": today.stamp(second),
            "source": "erp",
            "rep_id": territory.seller_id,
            "institution_id": territory.sites[site].institution_id,
            "product_id": ITEMS[item].product_id,
            "quantity": quantity,
            "amount": money(cents),
            "kind": "sale",
            "invoice_id": f"INV{number}",
            "due_on": due_on.isoformat(),
        }
        yield today.made(second, "sale", territory.seller_id, event)
        if rng.random() < _RETURNS:
            back = 1 + int(rng.random() * quantity)
            cents -= back * ITEMS[item].price_cents
            yield self._return(rng, today, event, (number, back, back * ITEMS[item].price_cents))
        if cents and rng.random() >= _UNPAID:
            yield from self._payments(rng, today, event, (number, cents), due_on)

    def _return(self, rng: Random, today: Today, sold: dict[str, Any], back: tuple[str, int, int]) -> Made:
        number, quantity, cents = back
        on = self._working_from(today.day + timedelta(days=4 + int(rng.random() * 25)))
        event = {
            **sold,
            "event_id": today.event_id("return", number),
            "quantity": -quantity,
            "amount": money(-cents),
            "kind": "return",
        }
        return self._on(on, rng, event, "sale")

    def _payments(
        self, rng: Random, today: Today, sold: dict[str, Any], owed: tuple[str, int], due_on: date
    ) -> Iterator[Made]:
        number, cents = owed
        delay = _delay_days(rng)
        parts = [cents]
        if rng.random() < _IN_TWO:
            parts = [cents * 6 // 10, cents - cents * 6 // 10]
        for part, amount in enumerate(parts):
            on = self._working_from(max(due_on + timedelta(days=delay + 12 * part), today.day + timedelta(days=1)))
            event = {
                "event_id": today.event_id("payment", f"{number}{part + 1}"),
                "source": "erp",
                "rep_id": sold["rep_id"],
                "institution_id": sold["institution_id"],
                "product_id": sold["product_id"],
                "invoice_id": sold["invoice_id"],
                "amount": money(amount),
                "due_on": sold["due_on"],
            }
            yield self._on(on, rng, event, "payment")

    def _on(self, day: date, rng: Random, event: dict[str, Any], kind: str) -> Made:
        second = 32_400 + int(rng.random() * 30_000)
        later = Today(self._company.seed, day)
        event["occurred_at"] = later.stamp(second)
        return later.made(second, kind, event["rep_id"], event)

    @staticmethod
    def _working_from(day: date) -> date:
        while not is_working_day(day):
            day += timedelta(days=1)
        return day

    # --- expectations -------------------------------------------------------------------------------------------------

    def _day_factors(self, day: date) -> tuple[float, ...]:
        """Weekday x season x growth, and the ramp of the new drug, by product."""
        usual = _WEEKDAY[day.weekday()] if is_working_day(day) else _CLOSED
        usual *= (1 + _GROWTH_A_YEAR) ** ((day - _GROWTH_FROM).days / 365.25)
        launched = (day - self._company.launched_on).days
        ramp = min(1.0, _LAUNCH_SHARE + (1 - _LAUNCH_SHARE) * launched / _LAUNCH_DAYS) if launched >= 0 else 0.0
        return tuple(
            usual * LINES[item.line].season[day.month - 1] * (ramp if item.is_new_drug else 1.0) for item in ITEMS
        )

    def expected_units(self, region: int, item: int, days: Iterable[date]) -> float:
        """Units that would be sold in a region on those days without stories and returns."""
        mean = sum(self._units[each.number][item] for each in self._company.territories if each.region == region)
        return mean * sum(self._factors(day)[item] for day in days)

    def expected_of(self, territory: Territory, days: Iterable[date]) -> list[float]:
        """The same for one territory, by product."""
        factors = [sum(of_item) for of_item in zip(*map(self._factors, days), strict=True)]
        return [mean * factor for mean, factor in zip(self._units[territory.number], factors, strict=True)]


def _mean_units(territory: Territory) -> tuple[float, ...]:
    """Mean units a day at factor 1, by product."""
    units = [0.0] * len(ITEMS)
    weights = [territory.order_weights[0], *(after - before for before, after in pairwise(territory.order_weights))]
    for point, weight in zip(territory.orders, weights, strict=True):
        share = weight / territory.order_weights[-1]
        mean = (point.low + point.high) / 2 * (1 + _BULK * (_BULK_TIMES - 1))
        units[point.item] += territory.orders_per_day * share * mean
    return tuple(units)


def _delay_days(rng: Random) -> int:
    """Days between due and paid: mostly a little early, sometimes late, rarely very late."""
    draw = rng.random()
    if draw < _ON_TIME:
        return -int(rng.random() * 6)
    if draw < _LATE:
        return 1 + int(rng.random() * 20)
    return 21 + int(rng.random() * 50)
