"""The made-up company: consistent, of the size that was asked for, the same for the same seed."""

from collections import Counter, defaultdict
from datetime import date, datetime
from typing import Any

import pytest

from schemas.reference import Reference
from streams.errors import UsageError
from streams.simulator.calendar import calendar_rows, is_working_day, working_days
from streams.simulator.company import LARGEST, build
from streams.simulator.references import rows
from streams.simulator.world import COMPANY_ZONE, Plan, running_quarter

START, END = date(2026, 7, 1), date(2026, 9, 30)
#: The reach of the segments, as the call plan may use it up.
MOST_CALLS = {"A": 8, "B": 4, "C": 2, "D": 1}


def by_kind(found: list[Reference]) -> dict[str, list[Any]]:
    kinds: dict[str, list[Any]] = defaultdict(list)
    for row in found:
        kinds[row.kind_name].append(row)
    return kinds


@pytest.fixture(scope="module")
def company() -> dict[str, list[Any]]:
    return by_kind(rows(build(3, 200, 2026), START, END))


def test_the_default_company_has_its_size(company: dict[str, list[Any]]) -> None:
    levels = Counter(node.level for node in company["node"])
    assert levels == {"company": 1, "region": 4, "team": 12}
    assert Counter(rep.role == "manager" for rep in company["rep"]) == {False: 200, True: 17}
    assert len(company["institution"]) == 1500
    assert len(company["hcp"]) == 6000
    assert len(company["product"]) == 6
    assert len({product.line_id for product in company["product"]}) == 3
    assert [product.name for product in company["product"] if product.is_new_drug] == ["新诺泰注射液"]


def test_keys_are_unique(company: dict[str, list[Any]]) -> None:
    for kind, found in company.items():
        assert len({(row.key, row.effective_from) for row in found}) == len(found), kind
    assert len({row.name for row in company["institution"]}) == 1500


def test_every_id_that_is_named_exists(company: dict[str, list[Any]]) -> None:
    reps = {row.rep_id: row for row in company["rep"]}
    nodes = {row.node_id: row for row in company["node"]}
    institutions = {row.institution_id: row for row in company["institution"]}
    hcps = {row.hcp_id: row for row in company["hcp"]}
    products = {row.product_id for row in company["product"]}
    assert all(rep.team_id in nodes for rep in reps.values())
    assert all(node.parent_id in nodes for node in nodes.values() if node.level != "company")
    assert all(reps[node.manager_id].role == "manager" for node in nodes.values())
    assert all(hcp.institution_id in institutions and hcp.owner_rep_id in reps for hcp in hcps.values())
    assert all(row.rep_id in reps and row.institution_id in institutions for row in company["registration"])
    assert all(row.product_id in products for row in company["material"])
    assert all(hcps[row.hcp_id].owner_rep_id == row.rep_id for row in company["call_plan"])


def test_people_and_places_carry_both_languages(company: dict[str, list[Any]]) -> None:
    for kind in ("rep", "node", "institution", "hcp", "product"):
        assert all(row.name and row.name_en and row.name_en.isascii() for row in company[kind]), kind


def test_every_rep_is_filed_and_hired_before_the_first_day(company: dict[str, list[Any]]) -> None:
    field = [rep for rep in company["rep"] if rep.role != "manager"]
    assert all(rep.hired_on < rep.filings[0].filed_from < START for rep in field)
    assert 0.15 < sum(rep.role == "filed_rep" for rep in field) / len(field) < 0.3


def test_reps_of_an_institution_sell_different_lines() -> None:
    lines: dict[str, list[int]] = defaultdict(list)
    for territory in build(3, 200, 2026).territories:
        for site in territory.sites:
            lines[site.institution_id].append(territory.line)
    assert all(len(set(found)) == len(found) for found in lines.values())


def test_who_books_the_sales_is_no_filed_representative_and_of_the_same_team() -> None:
    territories = {territory.rep_id: territory for territory in build(3, 200, 2026).territories}
    for territory in territories.values():
        seller = territories[territory.seller_id]
        assert (seller.is_filed, seller.team) == (False, territory.team)


def test_the_call_plan_stays_within_the_segments(company: dict[str, list[Any]]) -> None:
    segments = {hcp.hcp_id: hcp.segment for hcp in company["hcp"]}
    assert all(1 <= row.planned_calls <= MOST_CALLS[segments[row.hcp_id]] for row in company["call_plan"])
    months = {row.effective_from for row in company["call_plan"]}
    assert months == {date(2026, month, 1) for month in range(7, 13)}


def test_the_seed_decides() -> None:
    assert rows(build(3, 12, 2026), START, END) == rows(build(3, 12, 2026), START, END)
    assert rows(build(3, 12, 2026), START, END) != rows(build(4, 12, 2026), START, END)


@pytest.mark.parametrize("reps", [6, 7, 8, 23, 24, 61])
def test_small_companies_hold_together(reps: int) -> None:
    found = build(1, reps, 2026)
    assert len(found.territories) == reps
    assert len(found.sites) == round(7.5 * reps)
    assert all(len(territory.doctors) == 30 and territory.orders for territory in found.territories)


@pytest.mark.parametrize(
    ("day", "works"),
    [
        (date(2024, 2, 18), True),  # a Sunday worked for the Spring Festival
        (date(2025, 10, 8), False),
        (date(2025, 10, 11), True),  # a Saturday worked for the National Day
        (date(2026, 2, 23), False),
        (date(2026, 5, 9), True),  # a Saturday worked for Labour Day
        (date(2026, 11, 24), True),
        (date(2026, 11, 28), False),
        (date(2031, 1, 1), True),  # no calendar: a plain Wednesday
    ],
)
def test_working_days(day: date, works: bool) -> None:
    assert is_working_day(day) is works


@pytest.mark.parametrize(("year", "days"), [(2024, 251), (2025, 248), (2026, 248)])
def test_working_days_of_a_year(year: int, days: int) -> None:
    assert len(working_days(date(year, 1, 1), date(year, 12, 31))) == days


def test_calendar_rows_tell_only_what_differs_from_the_week() -> None:
    found = {row.day: row.is_working_day for row in calendar_rows([2026])}
    assert date(2026, 4, 5) not in found  # a Sunday is off anyway
    assert found[date(2026, 4, 6)] is False
    assert found[date(2026, 9, 20)] is True


@pytest.mark.parametrize(("reps", "start"), [(5, START), (LARGEST + 1, START), (60, date(2026, 10, 2))])
def test_what_cannot_be_simulated_is_refused(reps: int, start: date) -> None:
    with pytest.raises(UsageError, match="cannot be simulated"):
        Plan(start, datetime(2026, 10, 1, tzinfo=COMPANY_ZONE), reps=reps)


def test_the_quarter_follows_the_company_clock() -> None:
    assert running_quarter(datetime.fromisoformat("2026-09-30T15:59:59+00:00")) == date(2026, 7, 1)
    assert running_quarter(datetime.fromisoformat("2026-09-30T16:00:00+00:00")) == date(2026, 10, 1)
