"""Events: what is kept exactly and what is refused, kind by kind."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.base import Amount
from schemas.events import EVENT_MODELS, MODEL_OF_TOPIC, SOURCE_TOPICS, Activity, Event, Market, Payment, Sale, Visit

AMOUNT: TypeAdapter[Decimal] = TypeAdapter(Amount)
ENVELOPE = {"event_id": "e-1", "occurred_at": "2024-03-01T09:30:00+08:00", "source": "crm"}
SMALLEST: dict[str, dict[str, Any]] = {
    "visit": {"rep_id": "r-1", "institution_id": "i-1", "check_in_at": "2024-03-01T09:30:00+08:00"},
    "sale": {"rep_id": "r-1", "institution_id": "i-1", "product_id": "p-1", "quantity": "2", "amount": "10.50"},
    "payment": {
        "rep_id": "r-1",
        "institution_id": "i-1",
        "invoice_id": "v-1",
        "amount": "10.50",
        "due_on": "2024-04-01",
    },
    "activity": {"rep_id": "r-1", "kind": "meal", "amount": "120"},
    "survey": {"rep_id": "r-1", "kind": "satisfaction", "score": 80},
    "market": {"territory_id": "t-1", "kind": "tender", "product_id": "p-1", "tender_id": "n-1"},
}


def read(kind: str, /, **changes: Any) -> Any:
    """The smallest event of a kind, read from JSON; a change to None drops the field."""
    fields = {**ENVELOPE, **SMALLEST[kind], **changes}
    text = json.dumps({name: value for name, value in fields.items() if value is not None})
    return EVENT_MODELS[kind].model_validate_json(text)


def refusal(kind: str, /, **changes: Any) -> str:
    """`field: message` of the one thing that is wrong."""
    with pytest.raises(ValidationError) as caught:
        read(kind, **changes)
    (error,) = caught.value.errors()
    return f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}"


# --- amounts


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"0.000001"', "0.000001"),
        ('"-11798987642.195417"', "-11798987642.195417"),
        ('"99999999999999999999999999.999999"', "99999999999999999999999999.999999"),
        ('"1.50000000"', "1.5"),
        ("0.1", "0.1"),
        ("8589934591.999999", "8589934591.999999"),
        ("123456789012345678901234", "123456789012345678901234"),
    ],
)
def test_amounts_keep_six_decimals_exactly(text: str, value: str) -> None:
    assert AMOUNT.validate_json(text) == Decimal(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('"1.0000001"', "no more than 6 decimal places"),
        ("0.0000001", "no more than 6 decimal places"),
        ('"100000000000000000000000000"', "no more than 26 digits before the decimal point"),
        ("8589934592.5", "a JSON number from 8589934592 on loses decimals: send it as a string"),
        ("-9007199253.123456", "a JSON number from 8589934592 on loses decimals: send it as a string"),
        ("1e400", "a JSON number from 8589934592 on loses decimals: send it as a string"),
        ('"NaN"', "finite number"),
        ('"Infinity"', "finite number"),
        ('"-inf"', "finite number"),
        ("NaN", "finite number"),
        ("-Infinity", "loses decimals"),
        ('"12O.5"', "valid decimal"),
        ('"1,000.5"', "valid decimal"),
        ('"12 CNY"', "valid decimal"),
        ('""', "valid decimal"),
        ("true", "integer, float, string or Decimal"),
        ("null", "integer, float, string or Decimal"),
    ],
)
def test_amounts_that_are_not_exact_or_no_amounts_are_refused(text: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        AMOUNT.validate_json(text)


@given(st.integers(min_value=-(2**33) * 10**6 + 1, max_value=2**33 * 10**6 - 1))
def test_every_json_number_below_the_bound_comes_back_as_written(millionths: int) -> None:
    written = Decimal(f"{millionths}E-6")

    assert AMOUNT.validate_json(f"{written:f}") == written


# --- the envelope, for every kind


@pytest.mark.parametrize("kind", EVENT_MODELS)
def test_the_smallest_event_is_accepted(kind: str) -> None:
    event = read(kind)

    assert event.occurred_at == datetime(2024, 3, 1, 1, 30, tzinfo=UTC)
    assert event.recorded_at is None


@pytest.mark.parametrize("kind", EVENT_MODELS)
def test_every_required_field_is_missed(kind: str) -> None:
    for name in {**ENVELOPE, **SMALLEST[kind]}:
        if EVENT_MODELS[kind].model_fields[name].is_required():
            assert refusal(kind, **{name: None}) == f"{name}: Field required"


@pytest.mark.parametrize("kind", EVENT_MODELS)
def test_unknown_fields_are_refused(kind: str) -> None:
    assert refusal(kind, colour="blue") == "colour: Extra inputs are not permitted"


@pytest.mark.parametrize("kind", EVENT_MODELS)
def test_naive_times_are_refused(kind: str) -> None:
    assert refusal(kind, occurred_at="2024-03-01T09:30:00") == "occurred_at: Input should have timezone info"
    assert refusal(kind, recorded_at="2024-03-01 09:30") == "recorded_at: Input should have timezone info"
    assert refusal(kind, occurred_at="2024-03-01") == "occurred_at: Input should have timezone info"


@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01T00:00:00+08:00",
        "1899-12-31T23:59:59Z",
        "1900-01-01T07:59:59+08:00",
        "2300-01-01T00:00:00Z",
        "9999-12-31T23:59:59-08:00",
    ],
)
def test_years_that_no_database_holds_are_refused(moment: str) -> None:
    assert "1900-01-01" in (text := refusal("visit", check_in_at=moment)) or "2300-01-01" in text
    assert text.startswith("check_in_at: Input should be ")


@pytest.mark.parametrize("day", ["0001-01-01", "1899-12-31", "2300-01-01", "9999-12-31"])
def test_days_that_no_database_holds_are_refused(day: str) -> None:
    assert refusal("payment", due_on=day).startswith("due_on: Input should be ")


@pytest.mark.parametrize("kind", EVENT_MODELS)
def test_events_are_frozen(kind: str) -> None:
    event = read(kind)

    with pytest.raises(ValidationError, match="Instance is frozen"):
        event.source = "other"


@pytest.mark.parametrize("value", ["", " e", "e ", "\t", "a\nb", "a\x00", "x" * 129])
def test_ids_with_blanks_around_or_control_characters_are_refused(value: str) -> None:
    assert refusal("sale", event_id=value).startswith("event_id: String should")


@pytest.mark.parametrize("value", ["e", "a b", "客户-1", "x" * 128])
def test_ids_may_be_of_any_script(value: str) -> None:
    assert read("sale", event_id=value).event_id == value


def test_the_topics_are_those_of_the_kinds() -> None:
    assert SOURCE_TOPICS == ("visits", "sales", "payments", "activities", "surveys", "market")
    assert {topic: model.kind_name for topic, model in MODEL_OF_TOPIC.items()} == dict(
        zip(SOURCE_TOPICS, EVENT_MODELS, strict=True)
    )


# --- what each kind asks for


def test_a_visit_lasts_no_negative_time() -> None:
    assert refusal("visit", check_out_at="2024-03-01T01:29:59Z").endswith(
        "check_out_at lies before check_in_at: the duration would be negative"
    )
    assert read("visit", check_out_at="2024-03-01T01:30:00Z").check_out_at == datetime(2024, 3, 1, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"channel": "fax"}, "channel"),
        ({"check_in": {"latitude": 90.1, "longitude": 0}}, "check_in.latitude"),
        ({"check_in": {"latitude": 0, "longitude": -180.1}}, "check_in.longitude"),
        ({"check_in": {"latitude": 0, "longitude": 0, "accuracy_m": -1}}, "check_in.accuracy_m"),
        ({"samples": [{"product_id": "p", "quantity": 0}]}, "samples.0.quantity"),
        ({"details": [{"product_id": "p", "minutes": 3}]}, "details.0.minutes"),
        ({"feedback_score": 11}, "feedback_score"),
    ],
)
def test_a_visit_refuses(changes: dict[str, Any], field: str) -> None:
    assert refusal("visit", **changes).startswith(f"{field}: ")


def test_details_keep_their_order() -> None:
    visit: Visit = read("visit", details=[{"product_id": "b"}, {"product_id": "a", "indication": "高血压"}])

    assert [detail.product_id for detail in visit.details] == ["b", "a"]


@pytest.mark.parametrize(
    ("kind", "quantity", "amount", "accepted"),
    [
        ("sale", "1", "1", True),
        ("sale", "0", "0", True),
        ("sale", "-1", "1", False),
        ("sale", "1", "-0.000001", False),
        ("return", "-1", "-1", True),
        ("return", "0", "0", True),
        ("return", "1", "-1", False),
        ("return", "-1", "1", False),
        ("adjustment", "1", "-1", True),
        ("adjustment", "-1", "1", True),
    ],
)
def test_the_sign_of_a_sale_follows_its_kind(kind: str, quantity: str, amount: str, accepted: bool) -> None:
    line = {"kind": kind, "quantity": quantity, "amount": amount}
    if accepted:
        assert read("sale", **line).kind == kind
    else:
        word = {"sale": "a sale has quantity and amount >= 0", "return": "a return has quantity and amount <= 0"}
        assert word[kind] in refusal("sale", **line)


def test_a_currency_has_three_capitals() -> None:
    assert refusal("payment", currency="rmb").startswith("currency: ")


def test_a_due_day_is_a_day() -> None:
    assert read("payment").due_on == date(2024, 4, 1)
    assert refusal("payment", due_on="2024-02-30").startswith("due_on: ")


def test_an_activity_costs_something_and_ends_after_it_starts() -> None:
    assert refusal("activity", amount="-1") == "amount: Input should be greater than or equal to 0"
    times = {"started_at": "2024-03-01T12:00:00+08:00", "ended_at": "2024-03-01T03:59:59Z"}
    assert refusal("activity", **times).endswith("ended_at lies before started_at: the duration would be negative")


@pytest.mark.parametrize("score", [-1, 101, "NaN"])
def test_a_survey_scores_0_to_100(score: object) -> None:
    assert refusal("survey", score=score).startswith("score: ")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "tender", "tender_id": None}, "a market report of kind 'tender' needs tender_id"),
        ({"kind": "competitor_price", "price": "3"}, "a market report of kind 'competitor_price' needs competitor"),
        ({"kind": "volume"}, "a market report of kind 'volume' needs market_volume, period_from, period_to"),
        (
            {"kind": "volume", "market_volume": "9", "period_from": "2024-02-01", "period_to": "2024-01-31"},
            "period_to lies before period_from",
        ),
    ],
)
def test_a_market_report_carries_what_its_kind_needs(changes: dict[str, Any], message: str) -> None:
    assert refusal("market", **changes).endswith(message)


# --- there and back

MOMENTS = st.datetimes(
    min_value=datetime(1990, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
    max_value=datetime(2090, 1, 1),  # noqa: DTZ001
    timezones=st.integers(min_value=-12 * 60, max_value=14 * 60).map(lambda m: timezone(timedelta(minutes=m))),
)
DAYS = st.dates(min_value=date(1990, 1, 1), max_value=date(2090, 1, 1))
IDS = st.from_regex(r"[a-z0-9一-龥]{1,20}", fullmatch=True)
# Made from text: arithmetic in the default context rounds to 28 digits.
AMOUNTS = st.integers(min_value=0, max_value=10**32 - 1).map(lambda n: Decimal(f"{n}E-6"))
SIGNED = st.one_of(AMOUNTS, AMOUNTS.map(Decimal.copy_negate))
COMMON = {"event_id": IDS, "occurred_at": MOMENTS, "recorded_at": st.none() | MOMENTS, "source": IDS, "rep_id": IDS}
EVENTS = st.one_of(
    st.builds(
        Sale,
        **COMMON,
        institution_id=IDS,
        product_id=IDS,
        kind=st.just("adjustment"),
        quantity=SIGNED,
        amount=SIGNED,
        due_on=st.none() | DAYS,
    ),
    st.builds(Payment, **COMMON, institution_id=IDS, invoice_id=IDS, amount=SIGNED, due_on=DAYS),
    st.builds(Activity, **COMMON, kind=st.just("meal"), amount=AMOUNTS, product_ids=st.lists(IDS, max_size=3)),
    st.builds(Visit, **COMMON, institution_id=IDS, check_in_at=MOMENTS, feedback_text=st.none() | st.text(max_size=50)),
    st.builds(
        Market,
        event_id=IDS,
        occurred_at=MOMENTS,
        source=IDS,
        territory_id=IDS,
        kind=st.just("competitor_price"),
        product_id=IDS,
        competitor=st.text(max_size=20),
        price=SIGNED,
    ),
)


@given(EVENTS)
def test_an_event_survives_json(event: Event) -> None:
    back = type(event).model_validate_json(event.model_dump_json())

    assert back == event
    assert back.model_dump_json() == event.model_dump_json()
