"""Types every event and reference row is made of."""

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

#: Decimal places kept exactly in amounts and quantities.
AMOUNT_PLACES = 6
#: Magnitude from which a JSON *number* is refused: neighbouring doubles lie 2^-19 apart there, over a millionth, so
#: six decimals would not survive. Below it they lie at most 2^-20 apart, and every amount comes back as it was written.
_EXACT_FLOAT = 2**33
#: What the published schemas say of an amount.
_AMOUNT_SCHEMA = {
    "anyOf": [
        {"type": "integer"},
        {"type": "number", "exclusiveMinimum": -_EXACT_FLOAT, "exclusiveMaximum": _EXACT_FLOAT},
        {"type": "string", "pattern": r"^[+-]?[0-9]{1,26}(\.[0-9]{1,6})?$"},
    ]
}


def _refuse_inexact_float(value: object) -> object:
    if isinstance(value, float) and abs(value) >= _EXACT_FLOAT:
        msg = f"a JSON number from {_EXACT_FLOAT} on loses decimals: send it as a string"
        raise ValueError(msg)
    return value


def _plain_zero(value: Decimal) -> Decimal:
    """Zero as 0: with an exponent it has more digits than a column takes, and with a sign it is not itself."""
    return value or _ZERO


def of_the_company(value: time) -> time:
    """A time of day without an offset: one with it cannot be compared with company time."""
    if value.tzinfo is not None:
        msg = "times of day are company time: write 21:00 without an offset"
        raise ValueError(msg)
    return value


_ZERO = Decimal(0)
_NUMBER = re.compile(r"\s*[+-]?\d+(\.\d*)?\s*")


def _refuse_number(value: object) -> object:
    if isinstance(value, str) and ":" in value:
        return value  # no number has one, and looking for it is quicker
    if isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        msg = "a bare number is no time, its unit is anybody's guess: write it like 2026-03-01T09:30:00+08:00"
        raise ValueError(msg)
    return value


#: Money or quantity: up to 26 digits before and 6 after the point, kept exactly. JSON strings are always exact.
Amount = Annotated[
    Decimal,
    Field(
        max_digits=32, decimal_places=AMOUNT_PLACES, allow_inf_nan=False
    ),  # first: inside the check in Rust, 5x faster
    BeforeValidator(
        _refuse_inexact_float,
        json_schema_input_type=Annotated[Decimal, WithJsonSchema(_AMOUNT_SCHEMA)],
    ),
    AfterValidator(_plain_zero),
]
#: Identifier of a thing in a source system; printable, no surrounding blanks.
Id = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\s\x00-\x1f](?:[^\x00-\x1f]*[^\s\x00-\x1f])?$")]
#: Free text of a person.
Text = Annotated[str, Field(max_length=20_000)]
#: A day that every database and time zone can hold; a year 1 or 9999 is a slip of the sender.
Day = Annotated[date, Field(ge=date(1900, 1, 1), le=date(2299, 12, 31))]
#: A moment with its offset; naive times are refused.
Moment = Annotated[
    AwareDatetime,
    Field(ge=datetime(1900, 1, 1, tzinfo=UTC), lt=datetime(2300, 1, 1, tzinfo=UTC)),
    BeforeValidator(_refuse_number),
]
#: A time of day in company time.
TimeOfDay = Annotated[time, AfterValidator(of_the_company)]
Latitude = Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]


class Model(BaseModel):
    """A frozen value that refuses unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Position(Model):
    """A GPS fix."""

    latitude: Latitude
    """Degrees north, WGS 84."""
    longitude: Longitude
    """Degrees east, WGS 84."""
    accuracy_m: Annotated[float, Field(ge=0, le=100_000, allow_inf_nan=False)] | None = None
    """Radius of the 68 % confidence circle, metres."""
