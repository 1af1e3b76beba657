"""What a KPI adds up: fields of a source, under conditions."""

from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from schemas.base import Model
from schemas.sources import DETAILS_PDE, STANDING, SourceKind, check_fields, check_where

Scalar = str | int | float | bool


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


class Filter(Model):
    """Records that count: all of `where` holds, and none of the cases in `unless` holds whole.

    A missing field satisfies nothing, so a case in `unless` refuses only what is known to be wrong.
    """

    source: SourceKind
    where: Where = Field(default_factory=dict)
    unless: tuple[Where, ...] = ()

    @model_validator(mode="after")
    def _reads_fields_that_exist(self) -> Self:
        for where in (self.where, *self.unless):
            check_where(self.source, where)
        return self


class NamedFilter(Filter):
    """A filter of the policy's `filters`, as a KPI that names it sees it."""

    name: str


def _refuse_unknown_filter(value: object) -> object:
    if isinstance(value, str):
        msg = f"there is no filter {value!r}: describe it under `filters`"
        raise ValueError(msg)
    return value


Only = Annotated[NamedFilter | None, BeforeValidator(_refuse_unknown_filter, json_schema_input_type=str | None)]


class Measure(Model):
    """One quantity added up over events."""

    source: SourceKind
    aggregate: Literal["sum", "count", "mean", "last", "days", "quantile"]
    value: str | None = None
    """Event field that is added up; none for a count or days."""
    only: Only = None
    """Name of a filter of the policy that must hold, too."""
    where: Where = Field(default_factory=dict)
    date: str = "occurred_at"
    """Event field that decides the period: a moment or a day."""

    @model_validator(mode="after")
    def _reads_fields_that_exist(self) -> Self:
        check_fields(self.source, self.value if self.aggregate not in _UNVALUED else None, self.where, self.date)
        if self.only is not None and self.only.source != self.source:
            msg = f"filter {self.only.name!r} is one for a {self.only.source}, not for a {self.source}"
            raise ValueError(msg)
        if self.aggregate in _UNVALUED and self.value is not None:
            msg = f"a {self.aggregate} takes no value: leave `value` out"
            raise ValueError(msg)
        if self.aggregate not in _UNVALUED and self.value is None:
            msg = f"a {self.aggregate} needs `value`: name the event field"
            raise ValueError(msg)
        self._check_source()
        return self

    def _check_source(self) -> None:
        if self.aggregate == "days" and self.source in {"market", *STANDING}:
            msg = "days counts days with events of a representative: take visit, sale, payment, activity or survey"
            raise ValueError(msg)
        if self.source in STANDING and self.aggregate not in {"sum", "count", "mean"}:
            msg = f"a {self.source} is summed or counted: take sum, count or mean"
            raise ValueError(msg)
        if self.value == DETAILS_PDE and self.aggregate != "sum":
            msg = f"{DETAILS_PDE} is added up: take aggregate sum"
            raise ValueError(msg)


_UNVALUED = frozenset({"count", "days"})


class Ratio(Model):
    """One ratio of a weighted KPI, and how much it weighs."""

    weight: Annotated[Decimal, Field(gt=0, le=1, max_digits=7, decimal_places=6)]
    numerator: Measure
    denominator: Measure
