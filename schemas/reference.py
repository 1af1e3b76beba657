"""Reference data: who and what the events talk about.

Rows keep history. A row is in force from `effective_from` until a row with the same key and a later `effective_from`
takes over; publishing the same key and date again corrects that row, and the old text stays in the history.
"""

from datetime import date, timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from schemas.base import Amount, Day, Id, Latitude, Longitude, Model, Text, TimeOfDay

BEGINNING = date(1970, 1, 1)

#: Levels of the organisation tree, from the leaf upward.
Level = Literal["team", "region", "company"]
LEVELS: tuple[Level, ...] = ("team", "region", "company")
#: Months of the periods a target may be for.
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def period_days(period: str, day: date) -> tuple[date, date]:
    """First and last day of the month, quarter or year that holds `day`.

    >>> period_days("quarter", date(2018, 5, 17))
    (datetime.date(2018, 4, 1), datetime.date(2018, 6, 30))
    """
    length = _MONTHS[period]
    first = date(day.year, (day.month - 1) // length * length + 1, 1)
    years, month = divmod(first.month - 1 + length, 12)
    return first, date(first.year + years, month + 1, 1) - timedelta(days=1)


class Reference(Model):
    """One reference row."""

    kind_name: ClassVar[str]
    key_fields: ClassVar[tuple[str, ...]]

    effective_from: Day = BEGINNING
    """First day the row is in force."""

    @property
    def key(self) -> tuple[str, ...]:
        """What the row is about, without its date."""
        return tuple(str(getattr(self, name)) for name in self.key_fields)


class FilingPeriod(Model):
    """One statutory filing (备案) of a representative."""

    filed_from: Day
    filed_to: Day | None = None
    filing_number: Id | None = None


class Rep(Reference):
    """A field representative and the team it belongs to."""

    kind_name: ClassVar[str] = "rep"
    key_fields: ClassVar[tuple[str, ...]] = ("rep_id",)

    rep_id: Id
    name: Text
    name_en: Text | None = None
    role: Literal["filed_rep", "sales", "cso", "manager"] = "sales"
    """Filed academic representative, sales staff, contract sales organisation, or manager."""
    team_id: Id | None = None
    """Organisation node the rep reports to; empty once the rep has left."""
    filings: tuple[FilingPeriod, ...] = ()
    hired_on: Day | None = None
    left_on: Day | None = None
    location_consent: bool | None = None
    """Whether the representative agreed, apart from anything else, to positions being used; empty: not asked."""


class OrganisationNode(Reference):
    """A team, region or company and its parent."""

    kind_name: ClassVar[str] = "node"
    key_fields: ClassVar[tuple[str, ...]] = ("node_id",)

    node_id: Id
    name: Text
    name_en: Text | None = None
    level: Level
    parent_id: Id | None = None
    """Node one or more levels up; empty for the company."""
    manager_id: Id | None = None


class ReceptionWindow(Model):
    """When an institution receives representatives."""

    weekdays: tuple[Annotated[int, Field(ge=1, le=7)], ...]
    """1 Monday to 7 Sunday."""
    opens: TimeOfDay
    closes: TimeOfDay


class Institution(Reference):
    """A hospital, clinic or pharmacy."""

    kind_name: ClassVar[str] = "institution"
    key_fields: ClassVar[tuple[str, ...]] = ("institution_id",)

    institution_id: Id
    name: Text
    name_en: Text | None = None
    channel: Text | None = None
    """Hospital, pharmacy, …"""
    sub_channel: Text | None = None
    country: Text | None = None
    province: Text | None = None
    city: Text | None = None
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    fence_radius_m: Annotated[float, Field(gt=0, le=50_000)] = 200.0
    """Distance within which a check-in counts as on site, metres."""
    reception_windows: tuple[ReceptionWindow, ...] = ()
    forbidden_zones: tuple[Text, ...] = ()
    appointment_required: bool = False
    registration_required: bool = False
    is_target: bool = False
    """Target hospital of the new-drug plan."""


class Registration(Reference):
    """A representative registered at an institution; in force from `effective_from`."""

    kind_name: ClassVar[str] = "registration"
    key_fields: ClassVar[tuple[str, ...]] = ("rep_id", "institution_id")

    rep_id: Id
    institution_id: Id


class Hcp(Reference):
    """A health-care professional."""

    kind_name: ClassVar[str] = "hcp"
    key_fields: ClassVar[tuple[str, ...]] = ("hcp_id",)

    hcp_id: Id
    name: Text
    name_en: Text | None = None
    institution_id: Id | None = None
    department: Text | None = None
    specialty: Text | None = None
    segment: Literal["A", "B", "C", "D"] | None = None
    """Value class; A is visited most."""
    owner_rep_id: Id | None = None
    is_state_employee: bool = True


class Label(Model):
    """One approved indication and the days it is valid."""

    indication: Text
    valid_from: Day
    valid_to: Day | None = None


class Product(Reference):
    """A product and the line it belongs to."""

    kind_name: ClassVar[str] = "product"
    key_fields: ClassVar[tuple[str, ...]] = ("product_id",)

    product_id: Id
    name: Text
    name_en: Text | None = None
    line_id: Id | None = None
    """Product line its figures roll up to."""
    line_name: Text | None = None
    line_name_en: Text | None = None
    is_new_drug: bool = False
    launched_on: Day | None = None
    labels: tuple[Label, ...] = ()


class Material(Reference):
    """One version of a promotional or medical material."""

    kind_name: ClassVar[str] = "material"
    key_fields: ClassVar[tuple[str, ...]] = ("material_id", "version")

    material_id: Id
    version: Id
    title: Text
    audience: Literal["hcp", "patient", "internal", "any"] = "hcp"
    product_id: Id | None = None
    approved_on: Day | None = None
    expires_on: Day | None = None


class CallPlan(Reference):
    """Planned calls of a rep on a professional in one month; `effective_from` is the first day of that month."""

    kind_name: ClassVar[str] = "call_plan"
    key_fields: ClassVar[tuple[str, ...]] = ("rep_id", "hcp_id")

    rep_id: Id
    hcp_id: Id
    planned_calls: Annotated[int, Field(ge=0, le=100)]


class CalendarDay(Reference):
    """A day that differs from the usual week: a holiday, or a working day moved to a weekend (调休)."""

    kind_name: ClassVar[str] = "calendar_day"
    key_fields: ClassVar[tuple[str, ...]] = ("day",)

    day: Day
    is_working_day: bool
    name: Text | None = None


class Target(Reference):
    """What a KPI is to reach in a period: for a team, region, the company or a rep, in total or for a line or product.

    A change within the period is a row of its own with a later `effective_from`; it replaces the target of the whole
    period, and the earlier one stays in the history.
    """

    kind_name: ClassVar[str] = "target"
    key_fields: ClassVar[tuple[str, ...]] = (
        "kpi_id",
        "period",
        "period_start",
        "owner_level",
        "owner_id",
        "product_level",
        "product_key",
    )

    kpi_id: Id
    """KPI, as named in policies/kpis.yaml."""
    period: Literal["month", "quarter", "year"]
    """month, quarter or year, in company time."""
    period_start: Day
    """First day of the period."""
    owner_level: Literal["rep", "team", "region", "company"]
    """Who is to reach it: rep, team, region or company."""
    owner_id: Id
    """Representative or organisation node."""
    product_level: Literal["all", "line", "product"] = "all"
    """all, line or product."""
    product_key: Annotated[str, Field(max_length=128)] = ""
    """Product line or product; empty at level all."""
    value: Annotated[Amount, Field(ge=0)]
    """What is to be reached, in the unit of the KPI."""

    @model_validator(mode="after")
    def _fits_its_period(self) -> Self:
        first, last = period_days(self.period, self.period_start)
        if self.period_start != first:
            msg = f"period_start {self.period_start} is not the first day of a {self.period}: write {first}"
            raise ValueError(msg)
        if self.effective_from > last:
            msg = f"effective_from {self.effective_from} lies after the {self.period}: it ends on {last}"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _names_its_product(self) -> Self:
        if self.product_level == "all" and self.product_key:
            msg = "product_key is empty at product_level all: write line or product as the level"
            raise ValueError(msg)
        if self.product_level != "all" and not self.product_key:
            msg = f"a target of a {self.product_level} needs product_key: name the {self.product_level}"
            raise ValueError(msg)
        return self


ReferenceModel = type[Reference]
REFERENCE_MODELS: dict[str, ReferenceModel] = {
    model.kind_name: model
    for model in (
        Rep,
        OrganisationNode,
        Institution,
        Registration,
        Hcp,
        Product,
        Material,
        CallPlan,
        CalendarDay,
        Target,
    )
}
