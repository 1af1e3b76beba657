"""The events of a simulated quarter: valid, consistent and plausible."""

import itertools
from collections import Counter, defaultdict
from datetime import date, datetime
from statistics import mean, median
from typing import Any

import pytest
from simulated_quarter import Quarter, quarter

from agents.intake.decode import decode
from schemas.reference import CallPlan, Rep
from streams.simulator.calendar import is_working_day
from streams.simulator.company import distance_m
from streams.simulator.references import FORBIDDEN_ZONES

FASTEST_M_PER_S = 120 / 3.6
#: Field of an event -> kind of the reference row it names.
_NAMED = {
    "rep_id": "rep",
    "institution_id": "institution",
    "hcp_id": "hcp",
    "product_id": "product",
    "territory_id": "node",
}


@pytest.fixture(scope="module")
def found() -> Quarter:
    return quarter()


@pytest.fixture(scope="module")
def honest(found: Quarter) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Visits of a rep and day outside the team that makes them up."""
    fakers = team_of(found, found.story("faked_visits")["team_id"])
    days: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for visit in found.events["visit"]:
        if visit["rep_id"] not in fakers:
            days[visit["rep_id"], visit["occurred_at"][:10]].append(visit)
    for visits in days.values():
        visits.sort(key=lambda visit: str(visit["check_in_at"]))
    return days


def team_of(found: Quarter, team: str) -> set[str]:
    return {row.rep_id for row in found.references if isinstance(row, Rep) and row.team_id == team}


def rows_of(found: Quarter, kind: str) -> dict[str, Any]:
    return {row.key[0]: row for row in found.references if row.kind_name == kind}


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def day_of(event: dict[str, Any]) -> date:
    return moment(event["occurred_at"]).date()


def test_every_event_is_what_the_engine_takes(found: Quarter) -> None:
    for made in found.made:
        event = decode(made.kind, made.value, 1_000_000)
        assert (event.event_id, event.owner, type(event).topic) == (made.event_id, made.key, made.topic)
        assert event.event_id.startswith("sim-7-")


def test_ids_are_unique_and_events_in_order(found: Quarter) -> None:
    assert len({(made.kind, made.event_id) for made in found.made}) == len(found.made)
    assert [made.at for made in found.made] == sorted(made.at for made in found.made)


def test_nothing_reaches_the_company_before_it_happened(found: Quarter) -> None:
    for made in found.made:
        assert decode(made.kind, made.value, 1_000_000).occurred_at.timestamp() <= made.at - 8 * 3600


def test_every_id_that_events_name_exists(found: Quarter) -> None:
    tables = {name: rows_of(found, kind) for name, kind in _NAMED.items()}
    for events in found.events.values():
        for event in events:
            for field, table in tables.items():
                assert event.get(field) is None or event[field] in table, (field, event)
            assert all(one["product_id"] in tables["product_id"] for one in event.get("details", ()))
            assert all(one in tables["rep_id"] for one in event.get("companions", ()))


def test_visits_keep_to_owner_label_and_material(found: Quarter) -> None:
    hcps, products = rows_of(found, "hcp"), rows_of(found, "product")
    materials = {row.key: row for row in found.references if row.kind_name == "material"}
    for visit in found.events["visit"]:
        if hcp := hcps.get(visit.get("hcp_id", "")):
            assert (hcp.owner_rep_id, hcp.institution_id) == (visit["rep_id"], visit["institution_id"])
        for detail in visit.get("details", ()):
            labels = {label.indication: label.valid_from for label in products[detail["product_id"]].labels}
            assert labels[detail["indication"]] <= day_of(visit)
        for shown in visit.get("materials", ()):
            material: Any = materials[shown["material_id"], shown["version"]]
            assert material.approved_on <= day_of(visit) <= material.expires_on


def test_visits_keep_to_the_rules_of_the_house(honest: dict[Any, list[dict[str, Any]]], found: Quarter) -> None:
    institutions = rows_of(found, "institution")
    for visit in (visit for visits in honest.values() for visit in visits):
        house, at = institutions[visit["institution_id"]], moment(visit["check_in_at"])
        assert visit.get("zone") not in FORBIDDEN_ZONES
        if visit["channel"] == "face_to_face" and house.appointment_required:
            assert visit["appointment_id"]
        if house.reception_windows:
            assert any(
                at.isoweekday() in window.weekdays and window.opens <= at.time() <= window.closes
                for window in house.reception_windows
            )


def test_check_in_and_out_lie_inside_the_fence(honest: dict[Any, list[dict[str, Any]]], found: Quarter) -> None:
    institutions = rows_of(found, "institution")
    visits = [visit for visits in honest.values() for visit in visits if "check_in" in visit]
    assert len(visits) > 15_000
    for visit in visits:
        house = institutions[visit["institution_id"]]
        for fix in (visit["check_in"], visit["check_out"]):
            away = distance_m((house.latitude, house.longitude), (fix["latitude"], fix["longitude"]))
            assert away < house.fence_radius_m


def test_no_rep_is_at_two_places_at_once(honest: dict[Any, list[dict[str, Any]]], found: Quarter) -> None:
    institutions = rows_of(found, "institution")
    for visits in honest.values():
        for one, other in itertools.pairwise(visits):
            between_s = (moment(other["check_in_at"]) - moment(one["check_out_at"])).total_seconds()
            places = [institutions[visit["institution_id"]] for visit in (one, other)]
            way_m = distance_m(*((place.latitude, place.longitude) for place in places))
            assert between_s >= 0
            assert way_m <= between_s * FASTEST_M_PER_S


def test_visits_a_day_and_their_length(honest: dict[Any, list[dict[str, Any]]], found: Quarter) -> None:
    short = team_region(found, found.story("coverage_loss")["region_id"])
    counts = [len(visits) for (rep, _day), visits in honest.items() if rep not in short]
    assert 6 <= mean(counts) <= 12
    assert max(counts) <= 12
    assert sum(count >= 4 for count in counts) / len(counts) > 0.9
    lengths = [
        (moment(visit["check_out_at"]) - moment(visit["check_in_at"])).total_seconds() / 60
        for visits in honest.values()
        for visit in visits
    ]
    assert 5 < min(lengths) < median(lengths) < max(lengths) < 90
    assert 10 < mean(lengths) < 30


def team_region(found: Quarter, region: str) -> set[str]:
    nodes = rows_of(found, "node")
    return {
        row.rep_id for row in found.references if isinstance(row, Rep) and nodes[row.team_id or ""].parent_id == region
    }


def test_visits_happen_on_working_days_in_office_hours(found: Quarter) -> None:
    assert all(is_working_day(day_of(visit)) for visit in found.events["visit"])
    weekend = sum(day_of(visit).weekday() >= 5 for visit in found.events["visit"])
    assert 0 < weekend / len(found.events["visit"]) < 0.05  # one Sunday was worked for the National Day
    assert all(9 <= moment(visit["check_in_at"]).hour < 18 for visit in found.events["visit"])


def test_nobody_is_called_more_often_than_planned(found: Quarter) -> None:
    fakers = team_of(found, found.story("faked_visits")["team_id"])
    planned = {
        (row.hcp_id, row.effective_from.month): row.planned_calls
        for row in found.references
        if isinstance(row, CallPlan)
    }
    calls = Counter(
        (visit["hcp_id"], day_of(visit).month)
        for visit in found.events["visit"]
        if "hcp_id" in visit and visit["rep_id"] not in fakers
    )
    assert all(count <= planned[key] for key, count in calls.items())


def test_reports_come_soon_and_sometimes_late(honest: dict[Any, list[dict[str, Any]]]) -> None:
    late = sorted(
        (moment(visit["recorded_at"]) - moment(visit["check_out_at"])).total_seconds() / 60
        for visits in honest.values()
        for visit in visits
    )
    assert late[len(late) // 2] < 60 < late[-1] < 24 * 60
    assert late[int(len(late) * 0.9)] < 90


def test_sales_and_returns(found: Quarter) -> None:
    sold = [sale for sale in found.events["sale"] if sale["kind"] == "sale"]
    back = [sale for sale in found.events["sale"] if sale["kind"] == "return"]
    assert 0.005 < len(back) / len(sold) < 0.03
    invoices = {sale["invoice_id"]: sale for sale in sold}
    for sale in back:
        bought = invoices[sale["invoice_id"]]
        assert -sale["quantity"] <= bought["quantity"]
        assert sale["occurred_at"] > bought["occurred_at"]
        assert sale["due_on"] == bought["due_on"]
    weekend = sum(day_of(sale).weekday() >= 5 for sale in sold) / len(sold)
    assert 0.005 < weekend < 0.06


def test_payments_follow_their_invoices(found: Quarter) -> None:
    invoices = {sale["invoice_id"]: sale for sale in found.events["sale"] if sale["kind"] == "sale"}
    delays = []
    for payment in found.events["payment"]:
        bought = invoices[payment["invoice_id"]]
        assert payment["occurred_at"][:10] > bought["occurred_at"][:10]
        assert payment["due_on"] == bought["due_on"]
        delays.append((day_of(payment) - date.fromisoformat(payment["due_on"])).days)
    assert min(delays) >= -6
    assert 0.6 < sum(delay <= 2 for delay in delays) / len(delays) < 0.9
    assert 10 < max(delays) <= 90


def test_nobody_pays_more_than_he_owes(found: Quarter) -> None:
    owed: Counter[str] = Counter()
    paid: Counter[str] = Counter()
    for sale in found.events["sale"]:
        owed[sale["invoice_id"]] += cents(sale["amount"])
    for payment in found.events["payment"]:
        paid[payment["invoice_id"]] += cents(payment["amount"])
    assert [invoice for invoice in paid if paid[invoice] > owed[invoice]] == []
    assert 0.4 < paid.total() / owed.total() < 0.95  # what was sold last is not due yet


def cents(amount: str) -> int:
    return int(amount.replace(".", ""))


def test_activities_stay_within_the_limits(found: Quarter) -> None:
    fees: Counter[str] = Counter()
    heard: Counter[tuple[str, str]] = Counter()
    given: Counter[str] = Counter()
    kinds = Counter(activity["kind"] for activity in found.events["activity"])
    assert kinds["meeting"] > kinds["meal"] > kinds["speaker_fee"] > 0
    assert kinds["gift"] == kinds["sponsorship"] == 0
    for activity in found.events["activity"]:
        amount = cents(activity["amount"]) / 100
        if activity["kind"] == "meal":
            assert amount / activity["headcount"] <= 15
            given[activity["institution_id"]] += int(amount)
        elif activity["kind"] == "speaker_fee":
            fees[activity["payee_id"]] += 1
            given[activity["institution_id"]] += int(amount)
            assert 800 <= amount <= 1600
        elif activity["kind"] == "meeting":
            heard.update((one["hcp_id"], activity["topic_text"]) for one in activity["attendees"])
        else:
            assert (activity["kind"], activity["payee_kind"]) == ("donation", "foundation")
    assert max(fees.values()) <= 3
    assert max(given.values()) < 5_000
    assert max(heard.values()) == 1


def test_surveys_and_market_reports(found: Quarter) -> None:
    scores = [survey["score"] for survey in found.events["survey"] if survey["kind"] == "satisfaction"]
    assert 70 < mean(scores) < 90
    kinds = Counter(report["kind"] for report in found.events["market"])
    weeks = 13
    assert kinds["volume"] == weeks * 4 * 6
    assert kinds["competitor_price"] == weeks * 4 * 6 * 2
    assert 0 < kinds["tender"] < 20
    for report in found.events["market"]:
        if report["kind"] == "volume":
            assert 0 <= report["own_volume"] < report["market_volume"] / 4
