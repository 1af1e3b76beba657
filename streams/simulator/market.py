"""Market reports: every week, for every region and product, volumes and competitors' prices; tender notices (集采)."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from random import Random

from streams.simulator.calendar import is_working_day
from streams.simulator.catalog import ITEMS
from streams.simulator.chance import stream
from streams.simulator.company import Company
from streams.simulator.made import Made, Today, money
from streams.simulator.sales import Trade
from streams.simulator.stories import Effects

_TENDER = 0.015
_REPORTED = 10 * 3_600
_WEEK = 7


class MarketReports:
    """Makes the market reports of a company.

    Args:
        company: whose.
        effects: of the stories.
        trade: knows what is to be expected.
    """

    def __init__(self, company: Company, effects: Effects, trade: Trade) -> None:
        self._company = company
        self._effects = effects
        self._trade = trade

    def day(self, today: Today) -> Iterator[Made]:
        """Reports of a day: those of the week before on the first working day of a week."""
        if not _opens_the_week(today.day):
            return
        for region in range(len(self._company.regions)):
            for item in range(len(ITEMS)):
                rng = stream(self._company.seed, "market", region, item, today.ordinal)
                yield self._volume(rng, today, region, item)
                yield from self._prices(rng, today, region, item)
                if rng.random() < _TENDER:
                    yield self._tender(today, region, item)

    def _volume(self, rng: Random, today: Today, region: int, item: int) -> Made:
        monday = today.day - timedelta(days=today.day.weekday())
        week = [monday - timedelta(days=number) for number in range(_WEEK, 0, -1)]
        own = sum(
            self._trade.expected_units(region, item, [day]) * self._effects.sales_left(day, region, item)
            for day in week
        )
        usual = self._trade.expected_units(region, item, week)
        total = usual / ITEMS[item].market_share * (0.97 + 0.06 * rng.random())
        fields = {
            "period_from": week[0].isoformat(),
            "period_to": week[-1].isoformat(),
            "own_volume": round(own * (0.98 + 0.04 * rng.random())),
            "market_volume": round(total),
        }
        return self._report(today, region, item, "volume", fields)

    def _prices(self, rng: Random, today: Today, region: int, item: int) -> Iterator[Made]:
        for number, (competitor, cents) in enumerate(ITEMS[item].competitors):
            left = self._effects.price_left(today.day, region, item) if number == 0 else 1.0
            price = int(cents * left * (0.995 + 0.01 * rng.random()))
            fields = {"competitor": competitor, "price": money(price)}
            yield self._report(today, region, item, "competitor_price", fields)

    def _tender(self, today: Today, region: int, item: int) -> Made:
        area, product = self._company.regions[region], ITEMS[item]
        fields = {
            "tender_id": f"VBP-{area.node_id}-{product.product_id}-{today.day:%Y%m%d}",
            "text": f"{area.cities[0].province}药品集中带量采购公告：涉及{product.name}同通用名品种，请按期申报",
        }
        return self._report(today, region, item, "tender", fields)

    def _report(self, today: Today, region: int, item: int, kind: str, fields: Mapping[str, object]) -> Made:
        territory = self._company.region_id(region)
        event = {
            "event_id": today.new_id("market"),
            "occurred_at": today.stamp(_REPORTED),
            "source": "market-data",
            "territory_id": territory,
            "kind": kind,
            "product_id": ITEMS[item].product_id,
            **fields,
        }
        return today.made(_REPORTED, "market", territory, event)


def _opens_the_week(day: date) -> bool:
    earlier = (day - timedelta(days=number) for number in range(1, day.weekday() + 1))
    return is_working_day(day) and not any(is_working_day(other) for other in earlier)
