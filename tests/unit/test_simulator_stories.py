"""The planted stories, each measured in the events and held against its label."""

from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from statistics import mean
from typing import Any

import pytest
from simulated_quarter import START, Quarter, quarter

from schemas.reference import OrganisationNode, Rep, Target
from streams.simulator.calendar import is_working_day

Event = dict[str, Any]


@pytest.fixture(scope="module", params=[7, 8])
def found(request: pytest.FixtureRequest) -> Quarter:
    return quarter(request.param)


@pytest.fixture(scope="module")
def region_of(found: Quarter) -> dict[str, str | None]:
    parents = {row.node_id: row.parent_id for row in found.references if isinstance(row, OrganisationNode)}
    return {row.rep_id: parents[row.team_id or ""] for row in found.references if isinstance(row, Rep)}


def within(event: Event, story: dict[str, Any]) -> bool:
    return bool(story["from"] <= event["occurred_at"][:10] <= story["to"])


def sold(found: Quarter, choose: Callable[[Event], bool]) -> float:
    return sum(float(sale["amount"]) for sale in found.events["sale"] if sale["kind"] == "sale" and choose(sale))


def expected(found: Quarter, product: str, region: str | None, story: dict[str, Any]) -> float:
    """Money without stories on the days of a story, from the model behind the labels."""
    first, last = date.fromisoformat(story["from"]), date.fromisoformat(story["to"])
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    everything = sum(
        float(row["amount"])
        for row in found.labels["expected_sales"]
        if row["product_id"] == product and region in {None, row["region_id"]}
    )
    whole = [START + timedelta(days=number) for number in range(92)]
    return everything * sum(map(weight, days)) / sum(map(weight, whole))


def weight(day: date) -> float:
    return 1.0 if is_working_day(day) else 0.06


def test_every_story_is_told_once_and_ids_are_real(found: Quarter) -> None:
    kinds = [story["kind"] for story in found.labels["stories"]]
    assert sorted(kinds) == sorted(set(kinds))
    assert len(kinds) == 5
    products = [story["product_id"] for story in found.labels["stories"] if "product_id" in story]
    assert len(set(products)) == 3


def test_a_region_loses_coverage(found: Quarter, region_of: dict[str, str | None]) -> None:
    story = found.story("coverage_loss")
    fakers = found.story("faked_visits")["team_id"]
    team = {row.rep_id: row.team_id for row in found.references if isinstance(row, Rep)}
    visits = Counter(
        (region_of[visit["rep_id"]] == story["region_id"], within(visit, story))
        for visit in found.events["visit"]
        if team[visit["rep_id"]] != fakers
    )
    left = (visits[True, True] / visits[True, False]) / (visits[False, True] / visits[False, False])
    assert left == pytest.approx(story["visits_left"], rel=0.15)


def test_a_competitor_cuts_its_price_and_takes_sales(found: Quarter, region_of: dict[str, str | None]) -> None:
    story = found.story("competitor_price_cut")
    prices: dict[bool, list[float]] = {True: [], False: []}
    for report in found.events["market"]:
        if report.get("competitor") == story["competitor"] and report["territory_id"] == story["region_id"]:
            prices[within(report, story)].append(float(report["price"]))
    assert mean(prices[True]) / mean(prices[False]) == pytest.approx(story["price_left"], rel=0.02)

    def here(sale: Event) -> bool:
        place = region_of[sale["rep_id"]] == story["region_id"] and sale["product_id"] == story["product_id"]
        return place and within(sale, story)

    usual = expected(found, story["product_id"], story["region_id"], story)
    assert sold(found, here) / usual == pytest.approx(story["sales_left"], rel=0.2)


def test_a_stock_out_leaves_nothing(found: Quarter, region_of: dict[str, str | None]) -> None:
    story = found.story("stock_out")
    lines = [
        (within(sale, story), sale)
        for sale in found.events["sale"]
        if sale["kind"] == "sale"
        and sale["product_id"] == story["product_id"]
        and region_of[sale["rep_id"]] == story["region_id"]
    ]
    assert len(lines) > 50
    assert not any(inside for inside, _sale in lines)


def test_a_product_falls_under_80_percent_of_its_pace_and_the_others_do_not(found: Quarter) -> None:
    story = found.story("slow_product")
    pace = {}
    for product in {row["product_id"] for row in found.labels["expected_sales"]}:
        usual = expected(found, product, None, story)
        pace[product] = sold(found, lambda sale, product=product: sale["product_id"] == product) / usual  # type: ignore[misc]
    slow = pace.pop(story["product_id"])
    assert slow == pytest.approx(story["sales_left"], rel=0.1)
    assert slow < 0.8 < min(pace.values())


def test_the_slow_product_misses_its_target_by_more_than_a_fifth(found: Quarter) -> None:
    story = found.story("slow_product")
    goals = {
        row.product_key: float(row.value)
        for row in found.references
        if isinstance(row, Target) and (row.owner_level, row.product_level) == ("company", "product")
        if row.period_start == START
    }
    assert len(goals) == 6
    reached = {
        key: sold(found, lambda sale, key=key: sale["product_id"] == key) / goal  # type: ignore[misc]
        for key, goal in goals.items()
    }
    assert reached.pop(story["product_id"]) < 0.8 < min(reached.values())


def test_targets_add_up(found: Quarter) -> None:
    targets = [row for row in found.references if isinstance(row, Target) and row.period_start == START]
    rows = [row for row in targets if row.kpi_id == "sales_amount"]
    totals: Counter[tuple[str, str]] = Counter()
    for row in rows:
        totals[row.owner_level, row.product_level] += int(row.value)
    assert len(set(totals.values())) == 1
    assert {level for level, _product in totals} == {"rep", "team", "region", "company"}
    known = {row.rep_id for row in found.references if isinstance(row, Rep) and row.role == "sales"}
    assert {row.owner_id for row in rows if row.owner_level == "rep"} == known


def test_a_team_fakes_visits(found: Quarter) -> None:
    story = found.story("faked_visits")
    faked = set(story["event_ids"])
    team = {row.rep_id for row in found.references if isinstance(row, Rep) and row.team_id == story["team_id"]}
    visits = [visit for visit in found.events["visit"] if visit["event_id"] in faked]
    assert len(visits) == len(faked) > 500
    assert {visit["rep_id"] for visit in visits} <= team
    assert all(within(visit, story) for visit in visits)
    days = {(visit["rep_id"], visit["occurred_at"][:10]) for visit in visits}
    all_days = {
        (visit["rep_id"], visit["occurred_at"][:10])
        for visit in found.events["visit"]
        if visit["rep_id"] in team and within(visit, story)
    }
    assert len(days) / len(all_days) == pytest.approx(story["days_faked"], abs=0.1)
    assert {visit["feedback_text"] for visit in visits} == {"客户认可产品"}


def test_labels_say_what_was_simulated(found: Quarter) -> None:
    assert found.labels["from"] == "2026-07-01"
    assert found.labels["to"] == "2026-10-01T00:00:00+08:00"
    assert found.labels["reps"] == 60
    assert len(found.labels["expected_sales"]) == 4 * 6
