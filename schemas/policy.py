"""Policies: what the company edits as text. KPIs are data; a user adds one without Python.

A KPI reads one kind of event (or two, for a ratio), keeps the rows its `where` lets through, and adds them up per
period, representative, organisation node and product.
"""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import BeforeValidator, Field, model_validator

from schemas.base import Model
from schemas.events import EVENT_MODELS
from schemas.reference import REFERENCE_MODELS

#: Calendar periods, in company time.
CalendarPeriod = Literal["month", "quarter", "year"]
Unit = Literal["minutes", "hours", "days"]
_ROLLING = re.compile(r"rolling (\d{1,4}) (minutes?|hours?|days?)")
_MAX_BUCKETS = {"minutes": 1440, "hours": 24 * 62, "days": 400}
SourceKind = Literal["visit", "sale", "payment", "activity", "survey"]


class Title(Model):
    """A name in both languages."""

    zh: str
    en: str


class Rolling(Model):
    """The last `length` calendar units up to now, the running one included."""

    length: Annotated[int, Field(ge=1)]
    unit: Unit

    @property
    def name(self) -> str:
        """Period kind as it stands in ClickHouse, for example `rolling_28_days`."""
        return f"rolling_{self.length}_{self.unit}"

    @model_validator(mode="after")
    def _keeps_few_buckets(self) -> Self:
        if self.length > _MAX_BUCKETS[self.unit]:
            msg = f"a rolling window of {self.length} {self.unit} is too long: take a larger unit"
            raise ValueError(msg)
        return self


def _parse_period(value: object) -> object:
    if isinstance(value, str) and (match := _ROLLING.fullmatch(value.strip())):
        unit = match[2] if match[2].endswith("s") else match[2] + "s"
        return {"length": int(match[1]), "unit": unit}
    return value


_RollingText = Annotated[str, Field(pattern=f"^{_ROLLING.pattern}$")]
Period = Annotated[
    CalendarPeriod | Rolling,
    BeforeValidator(_parse_period, json_schema_input_type=CalendarPeriod | _RollingText | Rolling),
]

Scalar = str | int | float | bool
Operator = Literal["in", "not_in", "above", "at_least", "below", "at_most", "present"]


class Condition(Model):
    """What one field must satisfy; several operators all hold."""

    in_: tuple[Scalar, ...] | None = Field(default=None, alias="in")
    not_in: tuple[Scalar, ...] | None = None
    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None
    present: bool | None = None

    @property
    def is_bound(self) -> bool:
        """Whether it compares by size."""
        return any(bound is not None for bound in (self.above, self.at_least, self.below, self.at_most))


def _parse_condition(value: object) -> object:
    if isinstance(value, list | tuple):
        return {"in": tuple(value)}
    if isinstance(value, str | int | float | bool):
        return {"in": (value,)}
    return value


Where = dict[
    str,
    Annotated[
        Condition, BeforeValidator(_parse_condition, json_schema_input_type=Condition | Scalar | tuple[Scalar, ...])
    ],
]


class Measure(Model):
    """One quantity added up over events."""

    source: SourceKind
    aggregate: Literal["sum", "count", "mean", "last"]
    value: str | None = None
    """Event field that is added up; none for a count."""
    where: Where = Field(default_factory=dict)
    date: str = "occurred_at"
    """Event field that decides the period: a moment or a day."""

    @model_validator(mode="after")
    def _reads_fields_that_exist(self) -> Self:
        check_fields(self.source, self.value if self.aggregate != "count" else None, self.where, self.date)
        if self.aggregate == "count" and self.value is not None:
            msg = "a count takes no value: leave `value` out"
            raise ValueError(msg)
        if self.aggregate != "count" and self.value is None:
            msg = f"a {self.aggregate} needs `value`: name the event field"
            raise ValueError(msg)
        return self


class FirstEver(Model):
    """Count a value only in the period of its very first event."""

    confirmed_within_days: Annotated[int, Field(ge=1, le=3660)] | None = None
    """Days within which a second event on a later day must follow; none asks for no second."""


class Kpi(Model):
    """One key performance indicator."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
    title: Title
    description: Title | None = None
    source: SourceKind | None = None
    aggregate: Literal["sum", "count", "distinct", "mean", "last", "ratio"]
    value: str | None = None
    where: Where = Field(default_factory=dict)
    date: str = "occurred_at"
    numerator: Measure | None = None
    denominator: Measure | None = None
    first_ever: FirstEver | None = None
    dimensions: tuple[Literal["product", "line"], ...] = ()
    """Product levels kept besides the total."""
    periods: tuple[Period, ...] = ("month", "quarter", "year")
    direction: Literal["up", "down"] = "up"
    """Which way is better."""
    unit: Literal["currency", "units", "count", "ratio", "minutes", "days", "score"]

    @model_validator(mode="after")
    def _fits_its_aggregate(self) -> Self:
        if self.aggregate == "ratio":
            self._check_ratio()
        else:
            self._check_single()
        if self.aggregate in {"last", "distinct"} and any(isinstance(period, Rolling) for period in self.periods):
            msg = f"a {self.aggregate} has no rolling period: take month, quarter or year"
            raise ValueError(msg)
        if self.first_ever is not None and self.aggregate != "distinct":
            msg = "`first_ever` goes with aggregate distinct"
            raise ValueError(msg)
        return self

    def _check_ratio(self) -> None:
        if self.numerator is None or self.denominator is None:
            msg = "a ratio needs `numerator` and `denominator`"
            raise ValueError(msg)
        if self.source is not None or self.value is not None or self.where:
            msg = "a ratio has source, value and where inside `numerator` and `denominator`"
            raise ValueError(msg)
        if {self.numerator.aggregate, self.denominator.aggregate} - {"sum", "count"}:
            msg = "numerator and denominator are a sum or a count"
            raise ValueError(msg)

    def _check_single(self) -> None:
        if self.numerator is not None or self.denominator is not None:
            msg = "only a ratio has `numerator` and `denominator`"
            raise ValueError(msg)
        if self.source is None:
            msg = "name the `source`: visit, sale, payment, activity or survey"
            raise ValueError(msg)
        if self.aggregate == "distinct":
            if self.value is None:
                msg = "a distinct needs `value`: name the event field whose values are counted"
                raise ValueError(msg)
            check_fields(self.source, None, self.where, self.date, distinct=self.value)
        else:
            self.measure()

    def measure(self) -> Measure:
        """The single measure of a sum, count, mean or last."""
        return Measure.model_validate(
            {
                "source": self.source,
                "aggregate": self.aggregate,
                "value": self.value,
                "where": self.where,
                "date": self.date,
            }
        )


class KpiPolicy(Model):
    """The text of `policies/kpis.yaml`."""

    kpis: tuple[Kpi, ...]

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        seen: set[str] = set()
        for kpi in self.kpis:
            if kpi.id in seen:
                msg = f"two KPIs are called {kpi.id}: rename one"
                raise ValueError(msg)
            seen.add(kpi.id)
        return self


#: Reference rows a `where` may look into with a dotted name, for example `institution.country`.
_REFERENCE_OF_FIELD = {"rep": "rep_id", "institution": "institution_id", "product": "product_id", "hcp": "hcp_id"}
_NUMBERS = {"sale": {"quantity", "amount"}, "payment": {"amount"}, "activity": {"amount", "headcount"}}
_NUMBERS |= {"visit": {"feedback_score", "duration_minutes"}, "survey": {"score"}}


def check_fields(source: str, value: str | None, where: Where, date: str, *, distinct: str | None = None) -> None:
    """Refuse names the event kind does not have.

    Raises:
        ValueError: naming the field and what the kind offers instead.
    """
    fields = EVENT_MODELS[source].model_fields
    if value is not None and value not in _NUMBERS[source]:
        msg = f"a {source} has no number {value!r}: it has {', '.join(sorted(_NUMBERS[source]))}"
        raise ValueError(msg)
    for name in [*where, *([distinct] if distinct else [])]:
        _check_name(source, name, fields)
    for name, condition in where.items():
        if condition.is_bound and not _is_number(source, name):
            msg = f"{name} of a {source} is no number: compare it with values or `in`, not with above or below"
            raise ValueError(msg)
    days = [name for name in fields if name.endswith(("_at", "_on")) and name != "recorded_at"]
    if date not in days:
        msg = f"a {source} has no date {date!r}: it has {', '.join(days)}"
        raise ValueError(msg)


def _is_number(source: str, name: str) -> bool:
    if name == "duration_minutes":
        return True
    head, dot, tail = name.partition(".")
    model = REFERENCE_MODELS[head] if dot else EVENT_MODELS[source]
    return _holds_number(model.model_fields[tail or head].annotation)


def _holds_number(annotation: Any) -> bool:
    """Whether a field of this type is a number, or empty."""
    parts = get_args(annotation)
    if get_origin(annotation) is tuple or not parts:
        return annotation in {int, float, Decimal}
    return any(_holds_number(part) for part in parts)


def _check_name(source: str, name: str, fields: Any) -> None:
    head, dot, tail = name.partition(".")
    if dot:
        if (
            head in _REFERENCE_OF_FIELD
            and _REFERENCE_OF_FIELD[head] in fields
            and tail in REFERENCE_MODELS[head].model_fields
        ):
            return
    elif name in fields or name == "duration_minutes":
        return
    offered = ", ".join([*fields, *(f"{ref}.…" for ref, field in _REFERENCE_OF_FIELD.items() if field in fields)])
    msg = f"a {source} has no field {name!r}: it has {offered}"
    raise ValueError(msg)
