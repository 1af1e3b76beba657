"""Reference rows: keys, defaults and refusals."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.reference import (
    BEGINNING,
    REFERENCE_MODELS,
    CalendarDay,
    CallPlan,
    Institution,
    Material,
    Product,
    Registration,
    Rep,
    Target,
)


def test_a_key_names_the_row_without_its_date() -> None:
    assert Rep(rep_id="r", name="n", effective_from=date(2024, 1, 1)).key == ("r",)
    assert Registration(rep_id="r", institution_id="i").key == ("r", "i")
    assert Material(material_id="m", version="2", title="t").key == ("m", "2")
    assert CalendarDay(day=date(2024, 10, 1), is_working_day=False).key == ("2024-10-01",)


@pytest.mark.parametrize("model", REFERENCE_MODELS.values(), ids=lambda model: model.kind_name)
def test_key_fields_exist_and_are_required(model: Any) -> None:
    optional = {"product_level", "product_key"} if model is Target else set()  # left out: the total of all products

    assert {name for name in model.key_fields if not model.model_fields[name].is_required()} == optional
    assert model.model_fields["effective_from"].default == BEGINNING


@pytest.mark.parametrize(
    ("model", "fields", "message"),
    [
        (Rep, {"rep_id": "r", "name": "n", "boss": "b"}, "Extra inputs are not permitted"),
        (Rep, {"rep_id": "r", "name": "n", "role": "king"}, "Input should be 'filed_rep'"),
        (Rep, {"rep_id": "r", "name": "n", "effective_from": "1.2.2024"}, "valid date"),
        (Institution, {"institution_id": "i", "name": "n", "latitude": 91}, "less than or equal to 90"),
        (Institution, {"institution_id": "i", "name": "n", "fence_radius_m": 0}, "greater than 0"),
        (
            Institution,
            {
                "institution_id": "i",
                "name": "n",
                "reception_windows": [{"weekdays": [8], "opens": "14:00", "closes": "17:00"}],
            },
            "less than or equal to 7",
        ),
        (
            Institution,
            {
                "institution_id": "i",
                "name": "n",
                "reception_windows": [{"weekdays": [3], "opens": "14:00+08:00", "closes": "17:00"}],
            },
            "times of day are company time: write 21:00 without an offset",
        ),
        (CallPlan, {"rep_id": "r", "hcp_id": "h", "planned_calls": -1}, "greater than or equal to 0"),
        (Product, {"product_id": " p", "name": "n"}, "should match pattern"),
    ],
)
def test_wrong_rows_are_refused(model: Any, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        model.model_validate(fields)


def test_rows_are_frozen() -> None:
    with pytest.raises(ValidationError, match="Instance is frozen"):
        Rep(rep_id="r", name="n").name = "m"  # type: ignore[misc]


@given(
    name=st.text(max_size=30),
    radius=st.floats(min_value=0.5, max_value=50_000),
    latitude=st.none() | st.floats(min_value=-90, max_value=90),
    zones=st.lists(st.text(max_size=10), max_size=3),
    day=st.dates(min_value=date(1900, 1, 1), max_value=date(2299, 12, 31)),
)
def test_a_row_survives_json(name: str, radius: float, latitude: float | None, zones: list[str], day: date) -> None:
    row = Institution(
        institution_id="i",
        name=name,
        fence_radius_m=radius,
        latitude=latitude,
        forbidden_zones=tuple(zones),
        effective_from=day,
    )

    assert Institution.model_validate_json(row.model_dump_json()) == row
