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

EXAMPLE = Path(__file__).parents[2] / "policies" / "kpis.yaml"
TITLE = {"zh": "销售额", "en": "Sales"}
SUM = {"id": "k", "title": TITLE, "source": "sale", "aggregate": "sum", "value": "amount", "unit": "currency"}
PART = {"source": "sale", "aggregate": "sum", "value": "amount"}
RATIO = {"id": "k", "title": TITLE, "aggregate": "ratio", "numerator": PART, "denominator": PART, "unit": "ratio"}
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
        (without(SUM, target=5), "Extra inputs are not permitted"),
    ],
)
def test_refusals_say_what_to_write_instead(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        Kpi.model_validate(fields)


def test_two_kpis_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="two KPIs are called k: rename one"):
        KpiPolicy.model_validate({"kpis": [SUM, RATIO]})


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
