"""Field work by hand: the shipped KPIs on a dozen visits, a call plan, a holiday and somebody who leaves."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle_work import nearest_rank

from agents.intake.directory import Directory
from agents.intake.locating import Locator
from agents.progress.calendar import CompanyTime
from agents.progress.groups import MICRO
from agents.progress.histogram import BINS, bin_of, quantile
from agents.progress.outputs import CellRow, RollingWindows, changed_rows
from agents.progress.plan import Plan
from agents.progress.snapshot import changed_fields, restore
from agents.progress.state import MEMBER, ProgressState
from schemas.events import Event, Market, Sale, Survey, Visit
from schemas.policy import KpiPolicy
from schemas.reference import (
    CalendarDay,
    CallPlan,
    Hcp,
    Institution,
    OrganisationNode,
    Product,
    Reference,
    Rep,
)
from streams import policies

POLICY = policies.load(Path(__file__).parents[2] / "policies")
NOW = datetime(2026, 3, 10, 4, tzinfo=UTC)
MARCH = date(2026, 3, 1)
Rows = dict[tuple[str, str, date, str, str], CellRow]


def plan_of(rep: str, **planned: int) -> list[Reference]:
    return [CallPlan(rep_id=rep, hcp_id=h, planned_calls=n, effective_from=MARCH) for h, n in planned.items()]


REFERENCES: list[Reference] = [
    OrganisationNode(node_id="C", name="C", level="company"),
    OrganisationNode(node_id="T", name="T", level="team", parent_id="C"),
    OrganisationNode(node_id="U", name="U", level="team", parent_id="C"),
    Rep(rep_id="R1", name="一", team_id="T"),
    Rep(rep_id="R2", name="二", team_id="T", left_on=date(2026, 3, 13)),
    Rep(rep_id="M", name="理", team_id="T", role="manager"),
    Rep(rep_id="Z", name="无", team_id=None),
    *(Hcp(hcp_id=name, name=name, segment=name[0]) for name in ("A1", "A2", "B1", "C1")),
    Hcp(hcp_id="X", name="X"),
    Institution(institution_id="H1", name="H1", latitude=31.0, longitude=121.5, is_target=True),
    Institution(institution_id="H2", name="H2"),
    Product(product_id="P1", name="P1", line_id="L1"),
    Product(product_id="P2", name="P2", line_id="L1"),
    Product(product_id="P3", name="P3", line_id="L2", is_new_drug=True),
    CalendarDay(day=date(2026, 3, 9), is_working_day=False, name="厂休"),
    *plan_of("R1", A1=3, A2=2, B1=2, C1=1, X=0),
    *plan_of("R2", B1=2, A1=1),
]


def directory(rows: list[Reference], version: int = 1) -> Directory:
    by_kind: dict[str, list[Reference]] = {}
    for row in rows:
        by_kind.setdefault(row.kind_name, []).append(row)
    return Directory(by_kind, version)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}+08:00")


def visit(number: int, rep: str, when: str, hcp: str | None, minutes: int = 20, **more: Any) -> Visit:
    """A visit at H1, at its door, recorded ten minutes after its end."""
    began = at(f"{when}:00")
    ended = began + timedelta(minutes=minutes)
    values: dict[str, Any] = {"event_id": f"V{number}", "occurred_at": began, "check_in_at": began, "source": "crm"}
    values |= {"rep_id": rep, "institution_id": "H1", "hcp_id": hcp, "check_out_at": ended}
    values |= {"check_in": {"latitude": 31.001, "longitude": 121.5}, "recorded_at": ended + timedelta(minutes=10)}
    details = [{"product_id": product} for product in more.pop("products", ())]
    return Visit.model_validate(values | {"details": details} | more)


VISITS = [
    visit(1, "R1", "03-02T09", "A1", products=("P1", "P2", "P1"), companions=["M"]),
    visit(2, "R1", "03-02T10", "A1", recorded_at=at("03-02T11:50:00")),  # an hour and a half after its end
    visit(3, "R1", "03-03T09", "A1"),
    visit(4, "R1", "03-03T10", "A1"),
    visit(5, "R1", "03-04T09", "B1", products=("P1", "P2", "P3")),
    visit(6, "R1", "03-05T09", "X"),
    visit(7, "R1", "03-05T10", "A2", minutes=4),  # too short
    visit(8, "R1", "03-06T09", "C1", check_in={"latitude": 31.0019, "longitude": 121.5}),  # 211 m from the door
    visit(9, "R1", "03-06T10", None, institution_id="H2"),  # nobody knows where H2 is
    visit(10, "R2", "03-02T09", "B1", check_in={"latitude": 31.0019, "longitude": 121.5, "accuracy_m": 12}),
    visit(11, "R2", "03-02T10", "B1"),
    visit(12, "R2", "03-10T09", "A1", minutes=2, channel="phone"),
]


def state(policy: KpiPolicy = POLICY, rows: list[Reference] = REFERENCES, now: datetime = NOW) -> ProgressState:
    one = ProgressState(Plan(policy), directory(rows), CompanyTime("Asia/Shanghai"))
    one.standing.adopt(one, sorted(one.directory.reps), one.time.day_of(now))
    return one


def enter(one: ProgressState, *events: Event) -> ProgressState:
    for event in events:
        Locator(one.time).note(event, one.directory)
        one.add_event(event.kind_name, event, one.now_buckets(NOW))
    return one


def run(one: ProgressState, start: int = 1) -> Rows:
    """Carry messages until nothing is left to say; the newest rows."""
    found: Rows = {}
    for stamp in range(start, start + 8):
        messages = list(one.messages(stamp))
        for row in changed_rows(one):
            first = date.fromordinal(row.period_start)
            found[row.kpi_id, row.period, first, row.entity_id, row.product_key] = row
        one.settle()
        for message in messages:
            one.take_message(message, one.now_buckets(NOW))
    return found


def value(rows: Rows, kpi: str, who: str, key: str = "", period: str = "month", first: date = MARCH) -> Decimal | None:
    row = rows[kpi, period, first, who, key]
    return None if row.value is None else Decimal(row.value) / MICRO


@pytest.fixture(scope="module")
def rows() -> Rows:
    return run(enter(state(), *VISITS))


@pytest.mark.parametrize(
    ("kpi", "of_r1", "of_team"),
    [
        ("target_reach", Fraction(2, 4), Fraction(2 + 2, 4 + 2)),
        ("coverage_at_frequency", Fraction(1, 4), Fraction(1 + 2, 4 + 2)),
        ("call_frequency", Fraction(4 + 1, 2), Fraction(5 + 3, 2 + 2)),
        ("call_frequency_a", Fraction(4, 1), Fraction(4 + 1, 1 + 1)),
        ("call_frequency_b", Fraction(1, 1), Fraction(1 + 2, 1 + 1)),
        ("call_frequency_c", None, None),
        ("over_calls", 1, 1),
        ("under_calls", 2 + 1 + 1, 4),
        ("call_plan_attainment", Fraction(3 + 1, 8), Fraction(4 + 3, 8 + 3)),
        ("call_plan_attainment_raw", Fraction(4 + 1, 8), Fraction(5 + 3, 8 + 3)),
        ("on_target_share", Fraction(5, 6), Fraction(5 + 3, 6 + 3)),
        (
            "segment_weighted_attainment",
            Fraction(1, 2) * Fraction(3, 5) + Fraction(3, 10) * Fraction(1, 2),
            Fraction(1, 2) * Fraction(3 + 1, 5 + 1) + Fraction(3, 10) * Fraction(1 + 2, 2 + 2),
        ),
        ("calls_per_field_day", Fraction(6, 5), Fraction(6 + 3, 5 + 2)),
        # 2 to 6 and 10 March are working days so far; the manager has none
        ("time_in_territory", Fraction(5, 6), Fraction(5 + 2, 6 + 6)),
        ("coaching_ratio", Fraction(1, 5), Fraction(1, 5 + 2)),
        ("valid_visit_rate", Fraction(7, 9), Fraction(7 + 3, 9 + 3)),
        # 21 working days in March; R2 leaves after 9 of them
        ("capacity_utilisation", Fraction(8, 9 * 21), Fraction(8 + 3, 9 * (21 + 9))),
        ("cost_per_call", Fraction(6 * 1800, 6), Fraction((6 + 6) * 1800, 6 + 3)),
        ("cost_per_reach", Fraction(6 * 1800, 3), Fraction((6 + 6) * 1800, 3 + 2)),
        ("visits", 9, 12),
    ],
)
def test_by_hand(rows: Rows, kpi: str, of_r1: Fraction | None, of_team: Fraction | None) -> None:
    for who, wanted in (("R1", of_r1), ("T", of_team), ("C", of_team)):
        exact = None if wanted is None else Decimal(round(wanted * MICRO)) / MICRO
        assert value(rows, kpi, who) == exact


def test_a_segment_without_a_plan_has_no_weight(rows: Rows) -> None:
    assert value(rows, "segment_weighted_attainment", "R2") == 1
    assert rows["segment_weighted_attainment", "month", MARCH, "R2", ""].denominator == 800_000


def test_details_are_weighted_by_position(rows: Rows) -> None:
    found = {key: value(rows, "details_pde", "C", key) for key in ("", "P1", "P2", "P3", "L1", "L2")}
    # 65/35 and 60/30/10; a product presented twice counts once, at its first position
    wanted = {"": 2, "P1": "1.25", "P2": "0.65", "P3": "0.1", "L1": "1.9", "L2": "0.1"}
    assert found == {key: Decimal(text) for key, text in wanted.items()}


def test_more_products_than_weights_share_nothing_more() -> None:
    rows_ = [*REFERENCES, *(Product(product_id=name, name=name) for name in ("P4", "P5"))]
    one = state(rows=rows_)
    found = run(enter(one, visit(1, "R1", "03-02T09", "A1", products=("P5", "P4", "P3", "P2", "P1"))))
    assert [value(found, "details_pde", "R1", key) for key in ("P5", "P4", "P3", "P2", "P1", "")] == [
        Decimal(text) for text in ("0.55", "0.25", "0.1", "0.1", "0", "1")
    ]


def test_the_latency_of_a_team_is_that_of_all_its_visits(rows: Rows) -> None:
    for kpi, exact in (("reporting_latency_p50", 10), ("reporting_latency_p95", 90)):
        assert abs(float(value(rows, kpi, "T") or 0) / exact - 1) <= 0.05
        assert rows[kpi, "month", MARCH, "T", ""].events == 12
    assert value(rows, "reporting_latency_p95", "R2") == value(rows, "reporting_latency_p50", "T")


def test_a_quarter_adds_up_its_months(rows: Rows) -> None:
    january = date(2026, 1, 1)
    april = [CallPlan(rep_id="R1", hcp_id="A1", planned_calls=4, effective_from=date(2026, 1, 1))]
    one = state(rows=[*REFERENCES, *april])
    found = run(enter(one, *VISITS, visit(99, "R1", "01-05T09", "A1")))
    assert value(found, "target_reach", "R1", period="quarter", first=january) == Decimal("0.6")  # 2 + 1 of 4 + 1
    assert value(found, "call_plan_attainment", "R1", period="year", first=january) == Decimal("0.416667")  # 5 of 12
    assert value(rows, "target_reach", "R1", period="quarter", first=january) == Decimal("0.5")


def test_a_target_nobody_visits_counts() -> None:
    found = run(state())
    assert value(found, "target_reach", "R1") == 0
    assert value(found, "under_calls", "C") == 11
    assert value(found, "time_in_territory", "T") == 0
    assert ("target_reach", "month", MARCH, "Z", "") not in found


def test_a_new_plan_counts_without_any_event() -> None:
    one = enter(state(), *VISITS)
    before = run(one)
    rows_ = [row for row in REFERENCES if not (isinstance(row, CallPlan) and row.hcp_id == "A1")]
    one.directory = directory([*rows_, *plan_of("R1", A1=5)], 2)
    one.standing.adopt(one, sorted(one.directory.reps), one.time.day_of(NOW))
    found = {**before, **run(one, 100)}
    assert value(found, "call_plan_attainment", "R1") == Decimal("0.5")  # 4 + 1 of 5 + 2 + 2 + 1
    assert value(found, "over_calls", "T") == 0
    assert value(found, "target_reach", "R2") == 1  # B1 alone is planned now
    assert value(found, "on_target_share", "T") == Decimal("0.777778")  # 7 of 9


def test_nothing_changes_where_the_reference_data_say_the_same() -> None:
    one = enter(state(), *VISITS)
    run(one)
    one.standing.adopt(one, sorted(one.directory.reps), one.time.day_of(NOW))
    assert not one.changed_slots


def test_working_days_grow_day_by_day() -> None:
    one = enter(state(), *VISITS)
    found = run(one)
    windows = RollingWindows(one)
    windows.rows(NOW)
    assert not windows.moved_on(NOW)
    assert windows.moved_on(NOW + timedelta(days=1))
    windows.rows(NOW + timedelta(days=8))  # the 18th: R1 has six days more, R2 three until it left
    found |= run(one, 100)
    assert value(found, "time_in_territory", "R1") == Decimal("0.416667")  # 5 of 12
    assert value(found, "time_in_territory", "R2") == Decimal("0.222222")  # 2 of 9
    assert value(found, "capacity_utilisation", "R1") == Decimal("0.042328")
    assert not windows.moved_on(NOW + timedelta(days=8))


def test_a_year_without_a_calendar_has_no_working_days() -> None:
    one = state(rows=[row for row in REFERENCES if not isinstance(row, CalendarDay)])
    found = run(enter(one, *VISITS))
    assert value(found, "time_in_territory", "R1") is None
    assert value(found, "calls_per_field_day", "R1") == Decimal("1.2")


def test_days_go_with_the_team_of_the_day_and_a_plan_with_that_of_its_first() -> None:
    moved = Rep(rep_id="R1", name="一", team_id="U", effective_from=date(2026, 3, 4))
    found = run(enter(state(rows=[*REFERENCES, moved]), *VISITS))
    assert value(found, "calls_per_field_day", "U") == Decimal("0.666667")  # 2 calls on the 4th to 6th, 3 days
    assert value(found, "time_in_territory", "U") == Decimal("0.75")  # of the 4th, 5th, 6th and 10th
    assert value(found, "target_reach", "T") == Decimal("0.666667")
    assert ("target_reach", "month", MARCH, "U", "") not in found
    assert value(found, "time_in_territory", "C") == Decimal("0.583333")


def test_a_month_that_lies_ahead_counts_where_the_whole_period_is_meant() -> None:
    april = [CallPlan(rep_id="R1", hcp_id="A1", planned_calls=2, effective_from=date(2026, 4, 1))]
    one = enter(state(rows=[*REFERENCES, *april]), *VISITS)
    found = run(one)
    year = {"period": "year", "first": date(2026, 1, 1)}
    assert value(found, "target_reach", "R1", **year) == Decimal("0.5")
    assert value(found, "under_calls", "R1", **year) == 4
    assert value(found, "call_plan_attainment", "R1", **year) == Decimal("0.4")  # 4 of 8 + 2
    RollingWindows(one).rows(NOW + timedelta(days=21))  # the 31st of March
    found |= run(one, 100)
    assert value(found, "target_reach", "R1", **year) == Decimal("0.5")
    RollingWindows(one).rows(NOW + timedelta(days=22))
    found |= run(one, 200)
    assert value(found, "target_reach", "R1", **year) == Decimal("0.4")  # 2 of 4 + 1
    assert value(found, "under_calls", "C", **year) == 6
    assert value(found, "call_plan_attainment", "R1", **year) == Decimal("0.4")


def test_nobody_is_measured_by_what_lies_before_the_first_call_plan() -> None:
    found = run(enter(state(), *VISITS))
    assert value(found, "time_in_territory", "R1", period="year", first=date(2026, 1, 1)) == Decimal("0.833333")
    bare = [row for row in REFERENCES if not isinstance(row, CallPlan)]
    found = run(enter(state(rows=bare), *VISITS))
    # without any plan the calendar alone says when work begins: 22 and 20 days in January and February
    assert value(found, "time_in_territory", "R1", period="year", first=date(2026, 1, 1)) == Decimal("0.104167")


def test_books_survive_a_restart_in_the_middle() -> None:
    whole = run(enter(state(), *VISITS))
    one = state()
    fields: dict[str, bytes] = {}
    found: Rows = {}
    for number, event in enumerate(VISITS):
        enter(one, event)
        messages = [m for m in one.messages(number + 1) if m["l"] != MEMBER]
        found |= {
            (r.kpi_id, r.period, date.fromordinal(r.period_start), r.entity_id, r.product_key): r
            for r in changed_rows(one)
        }
        fields |= changed_fields(one)
        one.settle()
        for message in messages:
            one.take_message(message, one.now_buckets(NOW))
        fields |= changed_fields(one)
        one = ProgressState(one.plan, one.directory, one.time)
        restore(one, fields)
        one.standing.adopt(one, sorted(one.directory.reps), one.time.day_of(NOW))
        assert {slot.entity.level for slot in one.changed_slots} <= {"rep"}
        assert not one.changed_slots
    rep_rows = {key: row for key, row in whole.items() if row.level == "rep" and not row.period.startswith("rolling")}
    assert {key: found[key] for key in rep_rows} == rep_rows


def market(number: int, territory: str, own: str | None, total: str, first: date, product: str = "P1") -> Market:
    values = {"event_id": f"M{number}", "occurred_at": NOW, "source": "panel", "territory_id": territory}
    values |= {"kind": "volume", "product_id": product, "own_volume": own, "market_volume": total}
    return Market.model_validate(values | {"period_from": first, "period_to": first + timedelta(days=27)})


def test_a_market_share_climbs_from_its_territory() -> None:
    one = state()
    enter(one, market(1, "T", "12", "100", MARCH), market(2, "U", "30", "200", MARCH, "P3"))
    enter(one, market(3, "C", "8", "20", date(2026, 2, 1)), market(4, "nobody's", "9", "9", MARCH))
    enter(one, market(5, "U", None, "700", MARCH))  # a market whose own part is not known says nothing of a share
    found = run(one)
    assert value(found, "market_share", "T") == Decimal("0.12")
    assert value(found, "market_share", "C") == Decimal("0.14")  # 42 of 300
    assert value(found, "market_share", "C", "L2") == Decimal("0.15")
    assert value(found, "market_share", "C", period="quarter", first=date(2026, 1, 1)) == Decimal(
        "0.15625"
    )  # 50 of 320
    assert {row.level for row in found.values()} <= {"rep", "team", "company"}


def sale(number: int, when: str, site: str, product: str, rep: str = "R1") -> Sale:
    values = {"event_id": f"S{number}", "occurred_at": at(f"{when}:00"), "source": "erp", "rep_id": rep}
    return Sale.model_validate(values | {"institution_id": site, "product_id": product, "quantity": 1, "amount": 5})


def test_target_hospitals_with_a_first_order_of_a_new_drug() -> None:
    one = state()
    enter(one, sale(1, "02-02T09", "H1", "P1"), sale(2, "03-02T09", "H1", "P3"), sale(3, "03-05T09", "H2", "P3"))
    enter(one, sale(4, "03-06T09", "H1", "P3", "R2"))
    found = run(one)
    assert [value(found, "new_drug_hospitals", who) for who in ("R1", "C")] == [1, 1]
    assert ("new_drug_hospitals", "month", date(2026, 2, 1), "C", "") not in found
    assert ("new_drug_hospitals", "month", MARCH, "R2", "") not in found


def test_satisfaction_leaves_training_out() -> None:
    values = {"occurred_at": NOW, "source": "app", "rep_id": "R1"}
    kinds = (("satisfaction", 70), ("satisfaction", 81), ("training_quiz", 10))
    surveys = [
        Survey.model_validate(values | {"event_id": f"Q{n}", "kind": kind, "score": score})
        for n, (kind, score) in enumerate(kinds)
    ]
    assert value(run(enter(state(), *surveys)), "satisfaction", "C") == Decimal("75.5")


@given(
    st.lists(st.integers(min_value=100_001, max_value=10**12), min_size=1, max_size=60),
    st.sampled_from([500_000, 950_000, 10_000, 990_000]),
)
def test_a_quantile_is_within_five_per_cent(values: list[int], share: int) -> None:
    counts = [0] * BINS
    for each in values:
        counts[bin_of(each)] += 1
    found = quantile(counts, share)
    exact = nearest_rank([float(each) for each in values], share / MICRO)
    assert found is not None
    assert abs(found / exact - 1) <= 0.05
    assert quantile([0] * BINS, share) is None
