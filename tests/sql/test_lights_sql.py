"""Lights in ClickHouse: written, read back with names and as the past; and the season read from raw events."""

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from agents.progress.calendar import CompanyTime
from agents.progress.groups import MICRO
from agents.progress.lights import Light, Verdicts
from agents.progress.lights_board import Change, Reading, light_id
from agents.progress.lights_book import LightBook, LightKey
from agents.progress.pace import Numbers, interpolated
from schemas.events import Sale
from schemas.lights import LightPolicy
from schemas.policy import Kpi, KpiPolicy
from schemas.reference import Institution, OrganisationNode, Product, Reference, Rep, Target
from schemas.rows import EVENT_TABLES
from streams import lights
from streams.engine.sink import Block, write
from streams.lights_history import compiled, load_seasons
from streams.references import publish

QUARTER = date(2018, 4, 1)
KEY = LightKey("sales_amount", "quarter", QUARTER.toordinal(), "rep", "R1", "product", "D1")
SINCE = 1_525_000_000_123
SHANGHAI = CompanyTime("Asia/Shanghai")


def reading(key: LightKey = KEY, **more: Any) -> Reading:
    light = Light("amber", "pace", SINCE, 2, previous="green", told=2)
    seen = Numbers(11_000_000, 20_000_000, 550_000, 500_000, 10_000_000, 1_100_000, 22_000_000, 19_800_000, 24_200_000)
    said = Verdicts("over", "green", "amber")
    whole = Reading(key, date(2018, 6, 30).toordinal(), False, light, "green", seen, said, 3, SINCE + 5)
    return whole._replace(**more)


def people() -> list[Reference]:
    return [
        OrganisationNode(node_id="C", name="公司", name_en="Company", level="company"),
        OrganisationNode(node_id="N", name="北区", level="region", parent_id="C"),
        OrganisationNode(node_id="T1", name="一组", level="team", parent_id="N"),
        Rep(rep_id="R1", name="王芳", name_en="Wang Fang", team_id="T1"),
        Product(product_id="D1", name="甲", name_en="Drug one", line_id="L1"),
    ]


def test_every_column_of_a_light_is_written(database: Client) -> None:
    publish(database, people(), "ops")
    write(database, Block(lights=[reading()]), 7)
    (row,) = database.query("SELECT * FROM lights").named_results()
    assert {name: value for name, value in row.items() if name not in {"since", "judged_at"}} == {
        **{"kpi_id": "sales_amount", "period": "quarter", "period_start": QUARTER, "period_end": date(2018, 6, 30)},
        **{"owner_level": "rep", "owner_id": "R1", "product_level": "product", "product_key": "D1"},
        **{
            "state": "amber",
            "cause": "pace",
            "pending_state": "green",
            "changes": 2,
            "policy_version": 3,
            "version": 7,
        },
        **{"value": 11, "target": 20, "attainment": Decimal("0.55"), "elapsed": Decimal("0.5"), "expected": 10},
        **{"pace": Decimal("1.1"), "forecast": 22, "forecast_low": Decimal("19.8"), "forecast_high": Decimal("24.2")},
        **{"pace_state": "over", "period_state": "green", "forecast_state": "amber"},
    }
    assert row["since"].replace(tzinfo=UTC) == datetime.fromtimestamp(SINCE / 1000, UTC)
    assert row["judged_at"] - row["since"] == timedelta(milliseconds=5)


def test_the_newest_reading_counts_and_a_copy_changes_nothing(database: Client) -> None:
    publish(database, people(), "ops")
    empty = Numbers(None, 20_000_000, None, 500_000, 10_000_000, None, None, None, None)
    for stamp, item in ((1, reading(numbers=empty)), (2, reading()), (2, reading()), (1, reading(numbers=empty))):
        write(database, Block(lights=[item]), stamp)
    assert database.query("SELECT value FROM lights_now").result_rows == [(11,)]
    write(database, Block(lights=[reading(numbers=empty)]), 3)
    assert database.query("SELECT value, pace, forecast_low FROM lights_now").result_rows == [(None, None, None)]


def test_a_change_told_twice_stands_once_in_the_history(database: Client) -> None:
    publish(database, people(), "ops")
    first = Change(light_id(KEY, 2), "green", reading())
    write(database, Block(light_changes=[first]), 5)
    write(database, Block(light_changes=[first]), 6)
    columns = "previous_state, state, owner_name_en, product_name_en, parent_id, region_id, company_id, changed_at"
    ((*texts, changed_at),) = database.query(f"SELECT {columns} FROM light_history").result_rows
    assert texts == ["green", "amber", "Wang Fang", "Drug one", "T1", "N", "C"]
    assert changed_at.replace(tzinfo=UTC) == datetime.fromtimestamp(SINCE / 1000, UTC)


def test_lights_come_back_as_they_were_and_what_was_not_told_is_known(database: Client) -> None:
    other = KEY._replace(owner_id="R2", product_level="all", product_key="")
    told = Change(light_id(KEY, 2), "green", reading())
    write(database, Block(lights=[reading(), reading(other)], light_changes=[told]), 5)
    found = lights.stored(database)
    known = Light("amber", "pace", SINCE, 2, lit=0, previous="amber", told=2, target=20_000_000, policy=3)
    assert found == {KEY: known, other: known._replace(previous="grey", told=0)}


# --- the season ---------------------------------------------------------------------------------------------------

KPI = {"id": "sales_amount", "title": {"zh": "额", "en": "Sales"}, "source": "sale", "aggregate": "sum"}
KPI |= {"value": "amount", "unit": "currency"}
GERMANY = {"where": {"institution.country": "Germany", "kind": ["sale"], "quantity": {"above": 0}}}


def target(level: str, owner: str) -> Target:
    return Target.model_validate(
        {"kpi_id": "sales_amount", "period": "quarter", "period_start": "2018-04-01", "owner_level": level}
        | {"owner_id": owner, "value": 1000}
    )


def sales(seed: int) -> list[Sale]:
    """Sales of the two quarters before, more of them towards the end of each."""
    rng, found = Random(seed), []
    for number in range(1500):
        quarter = rng.choice((date(2017, 10, 1), date(2018, 1, 1)))
        day = quarter + timedelta(days=int(90 * rng.random() ** 0.6))
        at = datetime(day.year, day.month, day.day, rng.randrange(24), tzinfo=SHANGHAI.zone)
        found.append(
            Sale.model_validate(
                {"event_id": f"E{number}", "occurred_at": at, "source": "crm", "rep_id": f"R{rng.randrange(1, 5)}"}
                | {"institution_id": rng.choice("ABC"), "product_id": "D1", "quantity": rng.choice((0, 1, 2))}
                | {"amount": rng.randrange(1, 500), "kind": rng.choice(("sale", "sale", "adjustment"))}
            )
        )
    first = {"event_id": "E-first", "occurred_at": "2017-10-02T00:00:00+08:00", "source": "crm", "rep_id": "R1"}
    first |= {"institution_id": "A", "product_id": "D1", "quantity": 1, "amount": 1, "kind": "sale"}
    return [*found, Sale.model_validate(first)]


def store(client: Client, events: list[Sale]) -> None:
    table = EVENT_TABLES["sale"]
    rows = [(*table.to_row(event), SHANGHAI.day_of(event.occurred_at), 1, 0, 0, []) for event in events]
    write(client, Block(events={"sale": rows}), 1)


@pytest.fixture
def company(database: Client) -> list[Reference]:
    rows: list[Reference] = [
        OrganisationNode(node_id="C", name="公司", level="company"),
        OrganisationNode(node_id="T1", name="一组", level="team", parent_id="C"),
        OrganisationNode(node_id="T2", name="二组", level="team", parent_id="C"),
        *(Rep(rep_id=f"R{number}", name=str(number), team_id=f"T{1 + number % 2}") for number in range(1, 5)),
        Institution(institution_id="A", name="A", country="Germany"),
        Institution(institution_id="B", name="B", country="Germany"),
        Institution(institution_id="C", name="C", country="Poland"),
    ]
    publish(database, rows, "ops")
    return rows


@pytest.mark.parametrize("where", [{}, GERMANY], ids=["all", "germany"])
def test_the_season_and_the_errors_are_those_of_the_raw_events(
    database: Client, company: list[Reference], where: dict[str, Any]
) -> None:
    assert company
    events = sales(1)
    store(database, events)
    kpis = KpiPolicy(kpis=(Kpi.model_validate(KPI | where),))
    book = LightBook(LightPolicy(), 1, kpis, [target("company", "C")])
    found = load_seasons(database, book, kpis, datetime(2018, 5, 17, 4, tzinfo=UTC), SHANGHAI)
    kept = [event for event in events if not where or _counts(event)]
    curve = found.curves["sales_amount", "quarter"]
    for share in (0.1, 0.25, 0.5, 0.77, 0.95):
        assert interpolated(curve, round(share * MICRO)) / MICRO == pytest.approx(course(kept, share), abs=0.012)
    for level, owners in (("company", 1), ("team", 2), ("rep", 4)):
        errors = [error for key, values in found.errors.items() if key[2] == level for error in values]
        most = 9 * 2 * owners  # nine tenths of two quarters; after the last nothing is to come
        assert most * 0.9 <= len(errors) <= most  # an owner who has sold nothing yet promises nothing
    for half in halves(kept, lambda days: interpolated(curve, round(Fraction(days // 2 * MICRO, days)))):
        of_company = [error for key, values in found.errors.items() if key[2] == "company" for error in values]
        assert min(abs(error / MICRO - half) for error in of_company) < 0.0001
    spread = {level: width(found.errors, level) for level in ("company", "rep")}
    assert spread["company"] < spread["rep"]  # what happens by chance evens out


def _counts(event: Sale) -> bool:
    return event.institution_id in {"A", "B"} and event.kind == "sale" and event.quantity > 0


def width(errors: Any, level: str) -> int:
    values = sorted(value for key, found in errors.items() if key[2] == level for value in found)
    return values[-1] - values[0]


QUARTERS = ((date(2017, 10, 1), date(2017, 12, 31)), (date(2018, 1, 1), date(2018, 3, 31)))


def halves(events: list[Sale], elapsed: Callable[[int], int]) -> list[float]:
    """What the second half of the weekdays brought ÷ what the first half had promised, for both quarters."""
    found = []
    for first, last in QUARTERS:
        days = weekdays(first, last)
        middle = days[len(days) // 2] - timedelta(days=1)
        value, rest = (
            float(
                sum(
                    event.amount
                    for event in events
                    if low <= event.occurred_at.astimezone(SHANGHAI.zone).date() <= high
                )
            )
            for low, high in ((first, middle), (middle + timedelta(days=1), last))
        )
        share = elapsed(len(days)) / MICRO
        found.append(rest / (value * (1 - share) / share))
    return found


def weekdays(first: date, last: date) -> list[date]:
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return [day for day in days if day.weekday() < 5]


def course(events: list[Sale], share: float) -> float:
    """Mean share of a quarter's sales that was there when `share` of its weekdays had passed."""
    found = []
    for first, last in QUARTERS:
        daily: dict[date, Decimal] = defaultdict(Decimal)
        for event in events:
            daily[event.occurred_at.astimezone(SHANGHAI.zone).date()] += event.amount
        days = weekdays(first, last)
        ends = [*(day - timedelta(days=1) for day in days[1:]), last]
        whole = sum(amount for day, amount in daily.items() if first <= day <= last)
        steps = [Fraction(0)]
        steps += [Fraction(sum(daily[d] for d in daily if first <= d <= end)) / Fraction(whole) for end in ends]
        place = Fraction(share) * len(days)
        low = int(place)
        found.append(steps[low] + (steps[min(low + 1, len(days))] - steps[low]) * (place - low))
    return float(sum(found) / len(found))


def test_a_history_that_begins_within_a_quarter_is_no_whole_quarter(database: Client, company: list[Reference]) -> None:
    assert company
    store(database, [event for event in sales(1) if event.occurred_at.year == 2018 or event.occurred_at.month == 12])
    kpis = KpiPolicy(kpis=(Kpi.model_validate(KPI),))
    book = LightBook(LightPolicy(), 1, kpis, [target("company", "C")])
    found = load_seasons(database, book, kpis, datetime(2018, 5, 17, 4, tzinfo=UTC), SHANGHAI)
    assert (found.curves, found.errors) == ({}, {})


@pytest.mark.parametrize(
    "kpi",
    [
        KPI | {"where": {"due_on": {"present": True}, "currency": {"not_in": ["USD"]}}, "date": "due_on"},
        KPI | {"where": {"rep.role": "sales", "product.is_new_drug": True, "amount": {"at_least": 1, "at_most": 9}}},
        {"id": "v", "title": {"zh": "v", "en": "v"}, "source": "visit", "aggregate": "count", "unit": "count"}
        | {"where": {"channel": ["face_to_face"], "hcp.segment": "A", "zone": {"present": False}}},
        {"id": "f", "title": {"zh": "f", "en": "f"}, "source": "visit", "aggregate": "sum", "unit": "score"}
        | {"value": "feedback_score", "date": "check_in_at"},
    ],
    ids=["due", "references", "visits", "moment"],
)
def test_what_can_be_said_in_sql_is_understood(database: Client, kpi: dict[str, Any]) -> None:
    said = compiled(Kpi.model_validate(kpi), "Asia/Shanghai")
    assert said is not None
    query = f"SELECT count(), min({said.day}), sum({said.amount}) FROM {said.source} WHERE {said.where}"
    assert database.query(query, dict(said.values)).first_row[0] == 0


@pytest.mark.parametrize(
    "more",
    [
        {"aggregate": "mean"},
        {"aggregate": "distinct", "value": "institution_id"},
        {"source": "visit", "value": "duration_minutes"},
        {"source": "visit", "value": None, "aggregate": "count", "where": {"duration_minutes": {"at_least": 5}}},
    ],
)
def test_what_cannot_be_said_in_sql_goes_by_working_days(more: dict[str, Any]) -> None:
    assert compiled(Kpi.model_validate(KPI | more), "Asia/Shanghai") is None
