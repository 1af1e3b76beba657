"""What goes wrong in a quarter, on purpose: five stories with their labels.

The stories of a quarter depend on the seed and the quarter alone, not on the days that are simulated, so a longer run
tells the same ones.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal

from streams.simulator.catalog import ITEMS
from streams.simulator.chance import pick, stream
from streams.simulator.company import Company
from streams.simulator.periods import months_later, quarter_of

Kind = Literal["coverage_loss", "competitor_price_cut", "stock_out", "faked_visits", "slow_product"]

#: Share of the region's visits that is left, and of its sales two weeks later.
COVERAGE_LEFT, COVERAGE_SALES = 0.45, 0.85
COVERAGE_LAG_DAYS = 14
#: The competitor's new price, and what is left of our sales.
PRICE_LEFT, PRICE_SALES = 0.72, 0.65
#: What is left of the slow product's sales everywhere; well below the 80 % at which a light turns red.
SLOW_SALES = 0.62
#: Share of a faking rep's days that are made up.
FAKED_DAYS = 0.7


@dataclass(frozen=True)
class Story:
    """One planted story.

    Attributes:
        kind: which of the five.
        first: first day.
        last: last day.
        region: number of the region; None: everywhere.
        team: number of the team, where the story is about one.
        item: number of the product, where the story is about one.
    """

    kind: Kind
    first: date
    last: date
    region: int | None = None
    team: int | None = None
    item: int | None = None

    def runs_on(self, day: date) -> bool:
        """Whether the day belongs to it."""
        return self.first <= day <= self.last


def stories_of(company: Company, quarter: date) -> tuple[Story, ...]:
    """The stories of the quarter that begins on `quarter`."""
    rng = stream(company.seed, "stories", quarter)
    regions = list(range(len(company.regions)))
    products = [number for number, item in enumerate(ITEMS) if not item.is_new_drug]
    rng.shuffle(regions)
    rng.shuffle(products)
    last = months_later(quarter, 3) - timedelta(days=1)
    honest, other, third = regions[0], regions[1], regions[2 % len(regions)]
    manned = {territory.team for territory in company.territories}
    fakers = [number for number in sorted(manned) if company.teams[number].region != honest]

    def after(days: int) -> date:
        return quarter + timedelta(days=days)

    return (
        Story("coverage_loss", after(14), last, region=honest),
        Story("competitor_price_cut", after(18), last, region=other, item=products[0]),
        Story("stock_out", after(24), after(37), region=third, item=products[1]),
        Story("faked_visits", after(7), last, region=None, team=pick(rng, fakers)),
        Story("slow_product", quarter, last, item=products[2]),
    )


def stories_between(company: Company, first: date, last: date) -> list[Story]:
    """The stories that run on any of those days."""
    found: list[Story] = []
    quarter = quarter_of(first)
    while quarter <= last:
        found += [story for story in stories_of(company, quarter) if story.first <= last and story.last >= first]
        quarter = months_later(quarter, 3)
    return found


class Effects:
    """What the stories do to a day.

    Args:
        company: it happens to.
    """

    def __init__(self, company: Company) -> None:
        self._company = company
        self.running = lru_cache(4)(self._running)

    def _running(self, day: date) -> tuple[Story, ...]:
        return tuple(story for story in stories_of(self._company, quarter_of(day)) if story.runs_on(day))

    def visits_left(self, day: date, region: int) -> float:
        """Share of the planned visits that takes place."""
        return next((COVERAGE_LEFT for story in self._of("coverage_loss", day) if story.region == region), 1.0)

    def is_faking(self, day: date, team: int) -> bool:
        """Whether the team makes visits up."""
        return any(story.team == team for story in self._of("faked_visits", day))

    def price_left(self, day: date, region: int, item: int) -> float:
        """Share of a competitor's usual price."""
        cut = (story for story in self._of("competitor_price_cut", day) if (story.region, story.item) == (region, item))
        return next((PRICE_LEFT for _ in cut), 1.0)

    def sales_left(self, day: date, region: int, item: int) -> float:
        """Share of the usual orders that is left."""
        left = 1.0
        for story in self.running(day):
            if story.region not in {None, region} or story.item not in {None, item}:
                continue
            left *= _sales_left(story, day)
        return left

    def _of(self, kind: Kind, day: date) -> list[Story]:
        return [story for story in self.running(day) if story.kind == kind]


def _sales_left(story: Story, day: date) -> float:
    if story.kind == "coverage_loss":
        return COVERAGE_SALES if day >= story.first + timedelta(days=COVERAGE_LAG_DAYS) else 1.0
    return {"competitor_price_cut": PRICE_SALES, "stock_out": 0.0, "slow_product": SLOW_SALES}.get(story.kind, 1.0)
