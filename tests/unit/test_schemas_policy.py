"""KPI policies: what the text may say, and what is answered when it says something else."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.policy import Kpi, KpiPolicy, Rolling
from streams import policies

EXAMPLE = Path(__file__).parents[2] / "policies" / "kpis.yaml"
TITLE = {"zh": "销售额", "en": "Sales"}
SUM = {"id": "k", "title": TITLE, "source": "sale", "aggregate": "sum", "value": "amount", "unit": "currency"}
PART = {"source": "sale", "aggregate": "sum", "value": "amount"}
RATIO = {"id": "k", "title": TITLE, "aggregate": "ratio", "numerator": PART, "denominator": PART, "unit": "ratio"}
DAYS = {"id": "k", "title": TITLE, "source": "visit", "aggregate": "days", "unit": "days"}
LINES = {**SUM, "source": "call_plan", "value": "calls", "unit": "count"}
WEIGHED = {"weight": 1, "numerator": PART, "denominator": PART}
WEIGHTED = {"id": "k", "title": TITLE, "aggregate": "weighted", "parts": [WEIGHED], "unit": "ratio"}
DISTINCT = {
    "id": "k",
    "title": TITLE,
    "source": "sale",
    "aggregate": "distinct",
    "value": "institution_id",
    "unit": "count",
}


def without(fields: dict[str, Any], *names: str, **changes: Any) -> dict[str, Any]:
    return {name: value for name, value in {**fields, **changes}.items() if name not in names}


def test_the_example_policy_is_valid() -> None:
    policy = KpiPolicy.model_validate(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")))

    assert {"sales_amount", "sales_quantity", "visits", "collection_rate", "new_accounts"} <= {
        k.id for k in policy.kpis
    }


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (without(RATIO, "denominator"), "a ratio needs `numerator` and `denominator`"),
        (without(RATIO, source="sale"), "a ratio has source, value and where inside `numerator` and `denominator`"),
        (without(RATIO, where={"kind": "sale"}), "a ratio has source, value and where inside"),
        (without(RATIO, numerator={**PART, "aggregate": "mean"}), "numerator and denominator are a sum or a count"),
        (without(SUM, numerator=PART), "only a ratio has `numerator` and `denominator`"),
        (without(SUM, "source"), "name the `source`: visit, sale, payment, activity, survey, market"),
        (without(SUM, "value"), "a sum needs `value`: name the event field"),
        (without(SUM, aggregate="mean", value=None), "a mean needs `value`: name the event field"),
        (without(SUM, aggregate="count"), "a count takes no value: leave `value` out"),
        (without(DISTINCT, "value"), "a distinct needs `value`: name the event field whose values are counted"),
        (without(DISTINCT, value="colour"), "a sale has no field 'colour': it has event_id"),
        (without(SUM, value="price"), "a sale has no number 'price': it has amount, quantity"),
        (without(SUM, value="product_id"), "a sale has no number 'product_id': it has amount, quantity"),
        (without(SUM, where={"colour": 1}), "a sale has no field 'colour': it has event_id"),
        (without(SUM, where={"hcp.name": "x"}), "a sale has no field 'hcp.name'"),
        (without(SUM, where={"institution.colour": "x"}), "a sale has no field 'institution.colour'"),
        (without(SUM, date="recorded_at"), "a sale has no date 'recorded_at': it has occurred_at, due_on"),
        (without(SUM, date="check_in_at"), "a sale has no date 'check_in_at': it has occurred_at, due_on"),
        (without(SUM, aggregate="last", periods=["rolling 7 days"]), "a last has no rolling period"),
        (without(DISTINCT, periods=["rolling 7 days"]), "a distinct has no rolling period"),
        (without(SUM, first_ever={}), "`first_ever` goes with aggregate distinct"),
        (without(SUM, periods=["rolling 401 days"]), "a rolling window of 401 days is too long: take a larger unit"),
        (without(SUM, periods=["rolling 1441 minutes"]), "a rolling window of 1441 minutes is too long"),
        (without(SUM, periods=["rolling 0 days"]), "greater than or equal to 1"),
        (without(SUM, periods=["week"]), "Input should be 'month', 'quarter' or 'year'"),
        (without(SUM, periods=["rolling 2 weeks"]), "Input should be 'month', 'quarter' or 'year'"),
        (without(SUM, source="tender"), "Input should be 'visit', 'sale'"),
        (without(SUM, id="Sales amount"), "should match pattern"),
        (without(SUM, title={"zh": "销售额"}), "Field required"),
        (without(SUM, where={"amount": {"over": 5}}), "Extra inputs are not permitted"),
        (without(SUM, only="fair"), "there is no filter 'fair': describe it under `filters`"),
        (without(SUM, q=0.5), "a quantile needs `q`, for example 0.95, and nothing else has one"),
        (without(SUM, aggregate="quantile"), "a quantile needs `q`, for example 0.95"),
        (without(SUM, aggregate="quantile", q=1), "less than 1"),
        (without(SUM, aggregate="days"), "a days takes no value: leave `value` out"),
        (without(DAYS, periods=["rolling 5 minutes"]), "days have no products and no rolling minutes or hours"),
        (without(DAYS, dimensions=["line"]), "days have no products and no rolling minutes or hours"),
        (without(DAYS, source="market"), "days counts days with events of a representative"),
        (without(DAYS, source="call_plan"), "days counts days with events of a representative"),
        (without(DISTINCT, source="market", value="text"), "a distinct counts over events of representatives"),
        (without(LINES, value="call"), "a call_plan has no number 'call': it has calls, capped_calls, over_calls"),
        (without(LINES, where={"hcp.segments": "A"}), "a call_plan has no field 'hcp.segments': it has rep_id, hcp_id"),
        (without(LINES, periods=["rolling 7 days"]), "a call_plan has no rolling period and no products"),
        (without(LINES, dimensions=["product"]), "a call_plan has no rolling period and no products"),
        (without(LINES, date="month"), "a call_plan takes no `date`: leave it out"),
        (without(LINES, aggregate="last"), "a call_plan is summed or counted: take sum, count or mean"),
        (without(SUM, source="visit", value="details_pde", aggregate="mean"), "details_pde is added up"),
        (without(SUM, source="visit", value="outside_fence_m"), "a visit has no number 'outside_fence_m'"),
        (without(WEIGHTED, parts=[]), "a weighted KPI needs `parts`, each with weight, numerator and denominator"),
        (without(WEIGHTED, source="sale"), "a weighted has source, value and where inside"),
        (without(WEIGHTED, parts=[WEIGHED | {"weight": 0.4}]), "the weights of `parts` add up to 0.4: make it 1"),
        (without(SUM, parts=[WEIGHED]), "only a ratio has `numerator` and `denominator`, and only a weighted KPI"),
        (without(SUM, target=5), "Extra inputs are not permitted"),
    ],
)
def test_refusals_say_what_to_write_instead(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        Kpi.model_validate(fields)


def test_two_kpis_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="two KPIs are called k: rename one"):
        KpiPolicy.model_validate({"kpis": [SUM, RATIO]})


FAIR = {"source": "visit", "unless": [{"duration_minutes": {"below": 5}}]}
COUNT = {"id": "k", "title": TITLE, "source": "visit", "aggregate": "count", "unit": "count", "only": "fair"}


def test_a_filter_stands_for_its_text_wherever_it_is_named() -> None:
    part = {"source": "visit", "aggregate": "count", "only": "fair"}
    ratio = without(RATIO, id="r", numerator=part)
    policy = KpiPolicy.model_validate({"kpis": [COUNT, ratio], "calls": "fair", "filters": {"fair": FAIR}})

    measures = [measure for kpi in policy.kpis for measure in kpi.measures()]
    assert [measure.only and measure.only.name for measure in measures] == ["fair", "fair", None]
    assert policy.calls is not None
    assert policy.calls.unless == policy.filters["fair"].unless


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({"kpis": [COUNT]}, "there is no filter 'fair'"),
        ({"kpis": [], "calls": "fair"}, "there is no filter 'fair'"),
        ({"kpis": [without(SUM, only="fair")], "filters": {"fair": FAIR}}, "filter 'fair' is one for a visit, not for"),
        ({"kpis": [], "calls": "f", "filters": {"f": {"source": "sale"}}}, "calls are visits, and filter 'f' is one"),
        ({"kpis": [], "filters": {"f": {"source": "sale", "unless": [{"size": 1}]}}}, "a sale has no field 'size'"),
        ({"kpis": [], "detail_weights": [[100], [60, 30]]}, "row 2 of detail_weights has 2 numbers that add up to 90"),
        ({"kpis": [], "detail_weights": [[60, 40]]}, "row 1 of detail_weights has 2 numbers"),
        ({"kpis": [], "capacity": {"calls_per_day": 0}}, "greater than 0"),
        (
            {"kpis": [without(SUM, source="working_day", value="cost")]},
            "k reads `cost`: say under `costs` what a `rep_day` costs",
        ),
    ],
)
def test_refusals_of_what_stands_beside_the_kpis(policy: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        KpiPolicy.model_validate(policy)


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("only: valid_visit}", "only: valid_visits}", "kpis.valid_visit_rate.numerator.only: there is no filter"),
        ("calls: valid_visit", "calls: valid_visits", "calls: there is no filter 'valid_visits'"),
        ("{below: 5}", "{below: five}", "filters.valid_visit.unless.1.duration_minutes.below: Input should be a valid"),
        ("[60, 30, 10]", "[60, 30]", "detail_weights: row 3 of detail_weights has 2 numbers that add up to 90"),
        ("value: capped_calls}", "value: capped_call}", "kpis.call_plan_attainment.numerator: a call_plan has no"),
    ],
)
def test_a_mistake_in_the_shipped_policy_is_named_with_its_place(old: str, new: str, place: str) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    number = next(number for number, line in enumerate(text.splitlines(), 1) if old in line)

    with pytest.raises(policies.PolicyError) as raised:
        policies.parse(text.replace(old, new, 1))

    (mistake,) = raised.value.mistakes
    assert mistake.line == number
    assert mistake.column > 1
    assert mistake.text.startswith(place)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("sale", {"in_": ("sale",)}),
        (["sale", "return"], {"in_": ("sale", "return")}),
        (5, {"in_": (5,)}),
        ({"in": ["sale"], "not_in": ["return"]}, {"in_": ("sale",), "not_in": ("return",)}),
        ({"present": False}, {"present": False}),
    ],
)
def test_conditions_may_be_written_short(written: object, read: dict[str, object]) -> None:
    kpi = Kpi.model_validate({**SUM, "where": {"kind": written}})

    assert kpi.where["kind"].model_dump(exclude_none=True) == read


def test_a_bound_is_for_numbers() -> None:
    bounds = {"quantity": {"above": 0, "at_most": 10}, "institution.fence_radius_m": {"below": 500}}
    assert Kpi.model_validate({**SUM, "where": bounds}).where["quantity"].is_bound
    for name in ("kind", "occurred_at", "institution.name"):
        with pytest.raises(ValidationError, match=f"{name} of a sale is no number: compare it with values"):
            Kpi.model_validate({**SUM, "where": {name: {"above": 3}}})


def test_conditions_reach_reference_fields_and_the_duration() -> None:
    where = {"institution.country": "CN", "rep.role": ["sales"], "duration_minutes": {"at_least": 5}}
    visits = {"id": "v", "title": TITLE, "source": "visit", "aggregate": "count", "unit": "count", "where": where}

    assert set(Kpi.model_validate(visits).where) == set(where)


@given(st.integers(min_value=1, max_value=400), st.sampled_from(["days", "minutes", "hours"]))
def test_rolling_periods_are_read_from_words(length: int, unit: str) -> None:
    kpi = Kpi.model_validate({**SUM, "periods": [f"rolling {length} {unit}"]})

    (period,) = kpi.periods
    assert isinstance(period, Rolling)
    assert period.name == f"rolling_{length}_{unit}"


def test_one_unit_may_be_singular() -> None:
    kpi = Kpi.model_validate({**SUM, "periods": ["rolling 1 day", "month"]})

    assert [getattr(period, "name", period) for period in kpi.periods] == ["rolling_1_days", "month"]


def test_the_measure_of_a_single_kpi_is_its_own_fields() -> None:
    measure = Kpi.model_validate({**SUM, "where": {"kind": "sale"}, "date": "due_on"}).measure()

    assert (measure.source, measure.aggregate, measure.value, measure.date) == ("sale", "sum", "amount", "due_on")
    assert set(measure.where) == {"kind"}


def test_a_policy_survives_json() -> None:
    policy = KpiPolicy.model_validate(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")))

    assert KpiPolicy.model_validate_json(policy.model_dump_json(by_alias=True)) == policy
