"""KPIs by hand: every aggregate on a few events, and rolling windows as time passes."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import yaml

from agents.intake.directory import Directory
from agents.progress.calendar import CompanyTime
from agents.progress.groups import MICRO
from agents.progress.outputs import CellRow, RollingWindows, changed_rows, divide_half_even
from agents.progress.plan import Plan
from agents.progress.state import MEMBER, ProgressState
from schemas.events import Event, Payment, Sale, Survey, Visit
from schemas.policy import KpiPolicy
from schemas.reference import Institution, OrganisationNode, Product, Rep

NOW = datetime(2026, 3, 10, 4, 0, 30, tzinfo=UTC)
DIRECTORY = Directory(
    {
        "rep": [Rep(rep_id="R1", name="一", team_id="T"), Rep(rep_id="R2", name="二", team_id="T")],
        "node": [
            OrganisationNode(node_id="T", name="T", level="team", parent_id="C"),
            OrganisationNode(node_id="C", name="C", level="company"),
        ],
        "institution": [
            Institution(institution_id="H1", name="H1", country="CN"),
            Institution(institution_id="H2", name="H2", country="DE"),
        ],
        "product": [Product(product_id="P1", name="P1", line_id="L"), Product(product_id="P2", name="P2", line_id="L")],
    },
    1,
)


def state(kpi: str) -> ProgressState:
    policy = KpiPolicy.model_validate({"kpis": [yaml.safe_load(kpi)]})
    return ProgressState(Plan(policy), DIRECTORY, CompanyTime("Asia/Shanghai"))


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}+08:00")


def sale(event_id: str, when: str, amount: str, **more: Any) -> Sale:
    money = Decimal(amount)
    values = {
        "event_id": event_id,
        "occurred_at": at(when),
        "source": "erp",
        "rep_id": "R1",
        "institution_id": "H1",
        "product_id": "P1",
        "quantity": 1 if money >= 0 else -1,
        "amount": money,
        "kind": "sale" if money >= 0 else "return",
    }
    return Sale.model_validate(values | more)


def enter(one: ProgressState, *events: Event) -> None:
    for event in events:
        one.add_event(event.kind_name, event, one.now_buckets(NOW))


Rows = dict[tuple[str, str, str, str], CellRow]


def run(one: ProgressState, start: int = 1) -> Rows:
    """Carry messages until nothing is left to say; the newest row by (period, entity, level, product key)."""
    found: Rows = {}
    for stamp in range(start, start + 8):
        messages = list(one.messages(stamp))
        for row in changed_rows(one):
            found[f"{row.period} {row.period_start}", row.entity_id, row.product_level, row.product_key] = row
        one.settle()
        for message in messages:
            one.take_message(message, one.now_buckets(NOW))
    return found


def value(rows: Rows, period: str, first_day: str, entity: str, *key: str) -> Any:
    start = datetime.fromisoformat(first_day).toordinal()
    row = rows.get((f"{period} {start}", entity, *(key or ("all", ""))))
    return None if row is None or row.value is None else Decimal(row.value) / MICRO


SUM = """
{id: s, title: {zh: 额, en: s}, source: sale, aggregate: sum, value: amount,
  dimensions: [product, line], unit: currency}
"""


def test_a_sum_nets_returns_and_rolls_up() -> None:
    one = state(SUM)
    enter(one, sale("1", "01-05T10:00", "100.10"), sale("2", "02-05T10:00", "-0.10"))
    enter(one, sale("3", "02-06T10:00", "7", rep_id="R2", product_id="P2"))
    rows = run(one)
    assert value(rows, "quarter", "2026-01-01", "R1") == Decimal(100)
    assert value(rows, "month", "2026-02-01", "R1", "product", "P1") == Decimal("-0.10")
    assert value(rows, "year", "2026-01-01", "C", "line", "L") == Decimal(107)
    assert value(rows, "month", "2026-02-01", "T") == Decimal("6.90")


def test_a_filter_reads_the_event_and_its_reference_rows() -> None:
    where = "where: {institution.country: CN, amount: {above: 0.1, at_most: 5}}"
    one = state(f"{{id: s, title: {{zh: 额, en: s}}, source: sale, aggregate: count, {where}, unit: count}}")
    enter(one, sale("1", "01-05T10:00", "0.1"), sale("2", "01-05T10:00", "0.100001"), sale("3", "01-05T10:00", "5"))
    enter(one, sale("4", "01-05T10:00", "5.000001"), sale("5", "01-05T10:00", "3", institution_id="H2"))
    assert value(run(one), "month", "2026-01-01", "C") == 2


def survey(event_id: str, when: str, score: float, **more: Any) -> Survey:
    values = {"event_id": event_id, "occurred_at": at(when), "source": "app", "rep_id": "R1", "kind": "satisfaction"}
    return Survey.model_validate(values | {"score": score} | more)


def test_a_mean_is_weighted_by_events_at_every_level() -> None:
    one = state("{id: m, title: {zh: 满意度, en: m}, source: survey, aggregate: mean, value: score, unit: score}")
    enter(
        one,
        survey("1", "01-05T10:00", 80),
        survey("2", "01-06T10:00", 90),
        survey("3", "01-07T10:00", 100, rep_id="R2"),
    )
    rows = run(one)
    assert value(rows, "month", "2026-01-01", "R1") == 85
    assert value(rows, "month", "2026-01-01", "C") == 90


def test_a_last_is_the_newest_by_time_wherever_it_came_from() -> None:
    one = state("{id: l, title: {zh: 最近, en: l}, source: survey, aggregate: last, value: score, unit: score}")
    enter(
        one, survey("1", "01-09T10:00", 70), survey("2", "01-06T10:00", 90), survey("3", "01-08T10:00", 60, rep_id="R2")
    )
    rows = run(one)
    assert (value(rows, "month", "2026-01-01", "R1"), value(rows, "month", "2026-01-01", "R2")) == (70, 60)
    assert value(rows, "quarter", "2026-01-01", "C") == 70


RATIO = """
id: r
title: {zh: 回款率, en: r}
aggregate: ratio
numerator: {source: payment, aggregate: sum, value: amount, date: due_on}
denominator: {source: sale, aggregate: sum, value: amount, date: due_on}
unit: ratio
"""


def payment(event_id: str, amount: str, due_on: str) -> Payment:
    values = {"event_id": event_id, "occurred_at": at("03-01T10:00"), "source": "erp", "rep_id": "R1"}
    return Payment.model_validate(
        values | {"institution_id": "H1", "invoice_id": "I", "amount": amount, "due_on": due_on}
    )


def test_a_ratio_stands_in_the_period_its_parts_are_due() -> None:
    one = state(RATIO)
    enter(one, sale("1", "01-05T10:00", "300", due_on="2026-02-04"), payment("2", "100", "2026-02-04"))
    enter(one, payment("3", "5", "2026-03-04"), sale("4", "01-05T10:00", "50"))
    rows = run(one)
    assert value(rows, "month", "2026-02-01", "T") == Decimal("0.333333")
    assert value(rows, "month", "2026-03-01", "T") is None  # nothing is due
    assert value(rows, "quarter", "2026-01-01", "T") == Decimal("0.35")
    assert value(rows, "month", "2026-01-01", "T") is None


def visit(event_id: str, when: str, hcp: str | None = None, rep_id: str = "R1", *products: str) -> Visit:
    values = {"event_id": event_id, "occurred_at": at(when), "check_in_at": at(when), "source": "crm"}
    details = [{"product_id": product} for product in products]
    return Visit.model_validate(values | {"rep_id": rep_id, "institution_id": "H1", "hcp_id": hcp, "details": details})


def test_a_distinct_counts_a_value_once_at_every_level() -> None:
    one = state("{id: d, title: {zh: 覆盖, en: d}, source: visit, aggregate: distinct, value: hcp_id, unit: count}")
    enter(one, visit("1", "01-05T10:00", "A"), visit("2", "01-06T10:00", "A"), visit("3", "02-06T10:00", "A", "R2"))
    enter(one, visit("4", "01-05T10:00", "B", "R2"), visit("5", "01-05T10:00"))
    rows = run(one)
    assert (value(rows, "quarter", "2026-01-01", "R1"), value(rows, "quarter", "2026-01-01", "R2")) == (1, 2)
    assert (value(rows, "month", "2026-01-01", "C"), value(rows, "quarter", "2026-01-01", "C")) == (2, 2)


FIRST = """
id: n
title: {zh: 新客户, en: n}
source: sale
aggregate: distinct
value: institution_id
where: {kind: sale}
first_ever: {confirmed_within_days: 90}
unit: count
"""


def test_a_first_ever_moves_when_an_earlier_first_turns_up() -> None:
    one = state(FIRST)
    enter(one, sale("1", "02-05T10:00", "1"), sale("2", "02-20T10:00", "1", rep_id="R2"))
    rows = run(one)
    assert value(rows, "month", "2026-02-01", "R1") == 1
    enter(one, sale("0", "01-10T10:00", "1", rep_id="R2"))  # arrives late
    rows |= run(one, 100)
    assert value(rows, "month", "2026-02-01", "R1") == 0
    assert value(rows, "month", "2026-01-01", "R2") == 1
    assert value(rows, "year", "2026-01-01", "C") == 1


def test_a_first_ever_waits_for_a_second_order_in_time() -> None:
    one = state(FIRST)
    enter(one, sale("1", "01-01T10:00", "1"), sale("2", "01-01T12:00", "1"), sale("3", "04-02T10:00", "1"))
    assert value(run(one), "month", "2026-01-01", "C") is None  # the 91st day is too late, the same day is none
    enter(one, sale("4", "04-01T10:00", "1"))
    assert value(run(one), "month", "2026-01-01", "C") == 1


def test_a_visit_counts_once_in_total_once_a_product_once_a_line() -> None:
    one = state(
        "{id: v, title: {zh: 拜访, en: v}, source: visit, aggregate: count, dimensions: [product, line], unit: count}"
    )
    enter(one, visit("1", "01-05T10:00", None, "R1", "P1", "P2", "P1"))
    rows = run(one)
    found = [value(rows, "month", "2026-01-01", "C", *key) for key in (("all", ""), ("product", "P1"), ("line", "L"))]
    assert found == [1, 1, 1]


ROLLING = SUM.replace("unit:", "periods: [rolling 5 minutes, rolling 7 days], unit:").replace(
    "dimensions: [product, line], ", ""
)


def test_rolling_windows_grow_with_events_and_shrink_with_time() -> None:
    one = state(ROLLING)
    windows = RollingWindows(one)
    enter(one, sale("1", "03-10T11:57", "10"), sale("2", "03-04T09:00", "5"), sale("3", "03-03T09:00", "99"))
    first = {(row.period, row.entity_id): row for row in windows.rows(NOW)}
    assert first["rolling_5_minutes", "R1"].value == 10 * MICRO
    assert first["rolling_7_days", "R1"].value == 15 * MICRO  # the 4th to the 10th; the 3rd is out
    # 11:57 leaves the window when 12:02 begins, the 10th of March when the 17th begins in Shanghai
    assert first["rolling_5_minutes", "R1"].expires_at == datetime(2026, 3, 10, 4, 2, tzinfo=UTC)
    assert first["rolling_7_days", "R1"].expires_at == datetime(2026, 3, 16, 16, tzinfo=UTC)
    one.settle()
    assert windows.rows(NOW) == []
    later = windows.rows(NOW + timedelta(minutes=4))
    assert [(row.period, row.value, row.events) for row in later] == [("rolling_5_minutes", 0, 0)]
    next_day = windows.rows(NOW + timedelta(days=1))
    assert [(row.period, row.value) for row in next_day] == [("rolling_7_days", 10 * MICRO)]
    assert [row.value for row in windows.rows(NOW + timedelta(days=7))] == [0]
    assert one.entities["rep", "R1"].rolling == {"D": {}, "N": {}}


def test_the_same_figure_made_of_newer_events_lasts_longer() -> None:
    one = state(ROLLING)
    windows = RollingWindows(one)
    enter(one, sale("1", "03-10T11:57", "10"))
    windows.rows(NOW)
    enter(one, sale("2", "03-10T12:01", "10"))
    (row,) = [row for row in windows.rows(NOW + timedelta(minutes=2)) if row.period == "rolling_5_minutes"]
    assert (row.value, row.expires_at) == (10 * MICRO, datetime(2026, 3, 10, 4, 6, tzinfo=UTC))


WEIGHTED = """
id: w
title: {zh: 综合, en: w}
aggregate: weighted
unit: ratio
periods: [rolling 1 day, rolling 60 minutes]
parts:
  - weight: 0.5
    numerator: {source: visit, aggregate: count, where: {channel: face_to_face}}
    denominator: {source: visit, aggregate: count}
  - weight: 0.5
    numerator: {source: sale, aggregate: count, where: {kind: sale}}
    denominator: {source: sale, aggregate: count}
"""


def test_a_window_lasts_as_long_as_any_part_of_its_figure() -> None:
    one = state(WEIGHTED)
    enter(one, sale("1", "03-10T11:57", "10"))
    rows = {row.period: row for row in RollingWindows(one).rows(NOW)}
    assert [row.value for row in rows.values()] == [MICRO, MICRO]
    assert rows["rolling_60_minutes"].expires_at == datetime(2026, 3, 10, 4, 57, tzinfo=UTC)
    assert rows["rolling_1_days"].expires_at == datetime(2026, 3, 10, 16, tzinfo=UTC)


def test_hours_pass_evenly_where_the_clock_is_put_back() -> None:
    berlin = CompanyTime("Europe/Berlin")
    start = datetime(2026, 10, 24, 23, tzinfo=UTC)  # two hours before 3:00 becomes 2:00
    hours = [berlin.bucket("hours", start + timedelta(hours=passed)) for passed in range(5)]
    assert hours == list(range(hours[0], hours[0] + 5))
    assert berlin.bucket_start("hours", hours[0]) == start
    days = {berlin.bucket("days", start + timedelta(hours=passed)) for passed in range(26)}
    assert sorted(days) == [date(2026, 10, 25).toordinal(), date(2026, 10, 26).toordinal()]


@pytest.mark.parametrize(
    ("above", "below", "wanted"),
    [(1, 3, 333_333), (2, 3, 666_667), (-2, 3, -666_667), (1, -8, -125_000), (5, 10_000_000, 0), (15, 10_000_000, 2)],
)
def test_quotients_are_rounded_half_to_even(above: int, below: int, wanted: int) -> None:
    assert divide_half_even(above, below) == wanted


def test_a_message_that_comes_twice_or_late_changes_nothing() -> None:
    one = state(SUM)
    enter(one, sale("1", "01-05T10:00", "1"))
    old = list(one.messages(1))
    one.settle()
    enter(one, sale("2", "01-05T10:00", "2"))
    new = list(one.messages(2))
    one.settle()
    for message in (*new, *old, *new):
        if message["l"] != MEMBER:
            one.take_message(message, one.now_buckets(NOW))
    assert value(run(one), "month", "2026-01-01", "T") == 3
