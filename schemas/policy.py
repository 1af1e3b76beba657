"""Policies: what the company edits as text. KPIs are data; a user adds one without Python.

A KPI reads one kind of event (or two, for a ratio), keeps the rows its `where` lets through, and adds them up per
period, representative, organisation node and product.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from schemas.base import Model
from schemas.measures import Filter, Measure, NamedFilter, Only, Ratio, Where
from schemas.sources import STANDING, SourceKind, check_name

#: Calendar periods, in company time.
CalendarPeriod = Literal["month", "quarter", "year"]
Unit = Literal["minutes", "hours", "days"]
_ROLLING = re.compile(r"rolling (\d{1,4}) (minutes?|hours?|days?)")
_MAX_BUCKETS = {"minutes": 1440, "hours": 24 * 62, "days": 400}


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
    aggregate: Literal["sum", "count", "distinct", "mean", "last", "ratio", "days", "quantile", "weighted"]
    value: str | None = None
    only: Only = None
    """Name of a filter of the policy that must hold, too."""
    where: Where = Field(default_factory=dict)
    date: str = "occurred_at"
    numerator: Measure | None = None
    denominator: Measure | None = None
    parts: tuple[Ratio, ...] = ()
    """Of a weighted KPI: ratios and their weights, which add up to 1."""
    q: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Of a quantile: the share of events at or below it, for example 0.95."""
    first_ever: FirstEver | None = None
    dimensions: tuple[Literal["product", "line"], ...] = ()
    """Product levels kept besides the total."""
    periods: tuple[Period, ...] = ("month", "quarter", "year")
    direction: Literal["up", "down"] = "up"
    """Which way is better."""
    unit: Literal["currency", "units", "count", "ratio", "minutes", "days", "score"]

    @model_validator(mode="after")
    def _fits_its_aggregate(self) -> Self:
        if self.aggregate in {"ratio", "weighted"}:
            self._check_composed()
        else:
            self._check_single()
        self._check_periods()
        if self.first_ever is not None and self.aggregate != "distinct":
            msg = "`first_ever` goes with aggregate distinct"
            raise ValueError(msg)
        return self

    def _check_composed(self) -> None:
        if self.aggregate == "weighted":
            self._check_weighted()
        elif self.numerator is None or self.denominator is None:
            msg = "a ratio needs `numerator` and `denominator`"
            raise ValueError(msg)
        if self.source is not None or self.value is not None or self.where or self.only:
            msg = f"a {self.aggregate} has source, value and where inside `numerator` and `denominator`"
            raise ValueError(msg)
        if {measure.aggregate for measure in self.measures()} - {"sum", "count", "days"}:
            msg = "numerator and denominator are a sum or a count, or count days"
            raise ValueError(msg)

    def _check_weighted(self) -> None:
        if not self.parts or self.numerator is not None or self.denominator is not None:
            msg = "a weighted KPI needs `parts`, each with weight, numerator and denominator"
            raise ValueError(msg)
        if (total := sum(part.weight for part in self.parts)) != 1:
            msg = f"the weights of `parts` add up to {total}: make it 1"
            raise ValueError(msg)

    def _check_periods(self) -> None:
        units = {period.unit for period in self.periods if isinstance(period, Rolling)}
        if self.aggregate in {"last", "distinct"} and units:
            msg = f"a {self.aggregate} has no rolling period: take month, quarter or year"
            raise ValueError(msg)
        for measure in self.measures():
            if measure.source in STANDING and (units or self.dimensions):
                msg = f"a {measure.source} has no rolling period and no products: leave them out"
                raise ValueError(msg)
            if measure.aggregate == "days" and (units - {"days"} or self.dimensions):
                msg = "days have no products and no rolling minutes or hours: leave them out"
                raise ValueError(msg)

    def _check_single(self) -> None:
        if self.numerator is not None or self.denominator is not None or self.parts:
            msg = "only a ratio has `numerator` and `denominator`, and only a weighted KPI `parts`"
            raise ValueError(msg)
        if (self.q is not None) != (self.aggregate == "quantile"):
            msg = "a quantile needs `q`, for example 0.95, and nothing else has one"
            raise ValueError(msg)
        if self.source is None:
            msg = "name the `source`: visit, sale, payment, activity, survey, market, call_plan or working_day"
            raise ValueError(msg)
        if self.aggregate == "distinct":
            self._check_distinct(self.source)
        else:
            self.measure()

    def _check_distinct(self, source: SourceKind) -> None:
        if self.value is None:
            msg = "a distinct needs `value`: name the event field whose values are counted"
            raise ValueError(msg)
        if source in {"market", *STANDING}:
            msg = "a distinct counts over events of representatives: take visit, sale, payment, activity or survey"
            raise ValueError(msg)
        check_name(source, self.value)
        Measure.model_validate(
            {"source": source, "aggregate": "count", "only": self.only, "where": self.where, "date": self.date}
        )

    def measures(self) -> Iterator[Measure]:
        """Every measure the KPI is made of; none for a distinct."""
        if self.aggregate == "weighted":
            for part in self.parts:
                yield from (part.numerator, part.denominator)
        elif self.numerator is not None and self.denominator is not None:
            yield from (self.numerator, self.denominator)
        elif self.aggregate != "distinct":
            yield self.measure()

    def measure(self) -> Measure:
        """The single measure of a sum, count, mean, last, days or quantile."""
        return Measure.model_validate(
            {
                "source": self.source,
                "aggregate": self.aggregate,
                "value": self.value,
                "only": self.only,
                "where": self.where,
                "date": self.date,
            }
        )


class Capacity(Model):
    """What a representative can do."""

    calls_per_day: Annotated[Decimal, Field(gt=0, le=100, max_digits=9, decimal_places=6)] = Decimal(9)


class Costs(Model):
    """What the field force costs."""

    rep_day: Annotated[Decimal, Field(gt=0, max_digits=18, decimal_places=6)]
    """Cost of a representative's working day: pay, car, travel and overhead."""


Weight = Annotated[Decimal, Field(ge=0, le=100, max_digits=9, decimal_places=6)]
_WEIGHTS = tuple(tuple(map(Decimal, row)) for row in ((100,), (65, 35), (60, 30, 10), (55, 25, 10, 10)))


class KpiPolicy(Model):
    """The text of `policies/kpis.yaml`."""

    filters: dict[str, Filter] = Field(default_factory=dict)
    """Filters by name, for `only` of a KPI and for `calls`."""
    calls: Only = None
    """Name of the filter that decides which visits count as calls on the call plan; all when left out."""
    capacity: Capacity = Capacity()
    costs: Costs | None = None
    detail_weights: Annotated[tuple[tuple[Weight, ...], ...], Field(min_length=1)] = _WEIGHTS
    """Per cent of a visit that its first, second, … product gets, for a visit with one, two, … products; a visit with
    more products than there are rows is read by the last row, and what lies behind its end gets nothing."""
    kpis: tuple[Kpi, ...]

    @field_validator("calls", "kpis", mode="before")
    @classmethod
    def _with_their_filters(cls, value: Any, info: ValidationInfo) -> Any:
        """Put the filter in the place of its name, so that a KPI says by itself what it counts."""
        filters = info.data.get("filters")
        return _resolved(value if info.field_name == "kpis" else {"only": value}, filters, info.field_name)

    @field_validator("calls")
    @classmethod
    def _counts_visits(cls, value: NamedFilter | None) -> NamedFilter | None:
        if value is not None and value.source != "visit":
            msg = f"calls are visits, and filter {value.name!r} is one for a {value.source}"
            raise ValueError(msg)
        return value

    @field_validator("detail_weights")
    @classmethod
    def _share_a_visit(cls, value: tuple[tuple[Decimal, ...], ...]) -> tuple[tuple[Decimal, ...], ...]:
        for number, row in enumerate(value, 1):
            if len(row) != number or sum(row) != 100:  # noqa: PLR2004 - per cent
                msg = f"row {number} of detail_weights has {len(row)} numbers that add up to {sum(row)}: "
                msg += f"write {number} that add up to 100"
                raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        seen: set[str] = set()
        for kpi in self.kpis:
            if kpi.id in seen:
                msg = f"two KPIs are called {kpi.id}: rename one"
                raise ValueError(msg)
            seen.add(kpi.id)
            if self.costs is None and any(measure.value == "cost" for measure in kpi.measures()):
                msg = f"{kpi.id} reads `cost`: say under `costs` what a `rep_day` costs"
                raise ValueError(msg)
        return self


def _resolved(value: Any, filters: dict[str, Filter] | None, field_name: str | None) -> Any:
    if field_name == "calls":
        return _resolve(value, filters)["only"]
    return [_resolve(kpi, filters) for kpi in value] if isinstance(value, list | tuple) else value


def _resolve(value: Any, filters: dict[str, Filter] | None) -> Any:
    """`value` with the filter wherever `only` names one; with none where the filters themselves are wrong."""
    if isinstance(value, list):
        return [_resolve(item, filters) for item in value]
    if not isinstance(value, dict):
        return value
    found = {name: _resolve(item, filters) if name in _NESTED else item for name, item in value.items()}
    name = found.get("only")
    if isinstance(name, str):
        if filters is None:
            found["only"] = None
        elif name in filters:
            found["only"] = NamedFilter(name=name, **dict(filters[name]))
    return found


_NESTED = frozenset({"numerator", "denominator", "parts"})
