"""What a KPI may read: the events, and two sources that follow from reference data and events together."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, get_args, get_origin

from schemas.base import Day, Id, Model
from schemas.events import EVENT_MODELS
from schemas.reference import REFERENCE_MODELS

SourceKind = Literal["visit", "sale", "payment", "activity", "survey", "market", "call_plan", "working_day"]
#: Sources without events of their own: one record per representative, professional and month, or per day.
STANDING = frozenset({"call_plan", "working_day"})


class CallLine(Model):
    """One professional in the month of one representative: what was planned and what was done.

    There is a line for every planned professional, visited or not, and for every visited one, planned or not.
    """

    rep_id: Id
    hcp_id: Id
    month: Day
    """First day of the month."""
    planned_calls: int
    """Calls in the plan; 0 for a professional who is not in it."""
    calls: int
    """Calls made in the month."""
    until_today: bool
    """Whether the month has begun; false for the months of a quarter or year that still lie ahead."""

    @property
    def is_target(self) -> bool:
        """Whether calls are planned."""
        return self.planned_calls > 0

    @property
    def is_covered(self) -> bool:
        """Whether it is a target and got the planned calls."""
        return self.is_target and self.calls >= self.planned_calls

    @property
    def capped_calls(self) -> int:
        """Calls up to the planned number."""
        return min(self.calls, self.planned_calls)

    @property
    def over_calls(self) -> int:
        """Calls above the planned number of a target."""
        return max(self.calls - self.planned_calls, 0) if self.is_target else 0

    @property
    def under_calls(self) -> int:
        """Planned calls that are missing."""
        return self.planned_calls - self.capped_calls


class WorkingDay(Model):
    """One day on which a representative was employed, belonged to a team and the company worked."""

    rep_id: Id
    day: Day
    until_today: bool
    """Whether the day has begun; false for the days of the month that still lie ahead."""
    capacity_calls: Decimal
    """Calls a representative can make in a day: `capacity.calls_per_day` of the policy."""
    cost: Decimal | None = None
    """Cost of a representative's day: `costs.rep_day` of the policy."""


#: Rules of compliance an event hit, by id; a condition holds when one of them is meant.
BREACHES = "breaches"
#: Fields that are worked out from others, by source.
_DERIVED = {
    "visit": ("duration_minutes", "reporting_latency_minutes", "in_fence", "distance_band", BREACHES),
    "sale": (BREACHES,),
    "payment": (BREACHES,),
    "activity": ("reporting_latency_minutes", BREACHES),
    "survey": (BREACHES,),
    "call_plan": ("is_target", "is_covered", "capped_calls", "over_calls", "under_calls"),
}
#: The value of a visit by product and total; it is added up, but a filter cannot read it.
DETAILS_PDE = "details_pde"
_NUMBERS: dict[str, set[str]] = {
    "visit": {"feedback_score", "duration_minutes", "reporting_latency_minutes", DETAILS_PDE},
    "sale": {"quantity", "amount"},
    "payment": {"amount"},
    "activity": {"amount", "headcount", "reporting_latency_minutes"},
    "survey": {"score"},
    "market": {"own_volume", "market_volume", "price"},
    "call_plan": {"planned_calls", "calls", "capped_calls", "over_calls", "under_calls"},
    "working_day": {"capacity_calls", "cost"},
}
#: Positions are gone once a visit is located (R26).
_NOT_KEPT = frozenset({"check_in", "check_out"})
#: Reference rows a `where` may look into with a dotted name, for example `institution.country`.
_REFERENCE_OF_FIELD = {"rep": "rep_id", "institution": "institution_id", "product": "product_id", "hcp": "hcp_id"}
_STANDING_MODELS: dict[str, type[Model]] = {"call_plan": CallLine, "working_day": WorkingDay}


def fields_of(source: str) -> Mapping[str, Any]:
    """Fields of a source by name, without those that are worked out."""
    model = _STANDING_MODELS.get(source) or EVENT_MODELS[source]
    return model.model_fields


def check_fields(source: str, value: str | None, where: Mapping[str, Any], date: str) -> None:
    """Refuse names the source does not have.

    Raises:
        ValueError: naming the field and what the source offers instead.
    """
    if value is not None and value not in _NUMBERS[source]:
        msg = f"a {source} has no number {value!r}: it has {', '.join(sorted(_NUMBERS[source]))}"
        raise ValueError(msg)
    check_where(source, where)
    if source in STANDING:
        if date != "occurred_at":
            msg = f"a {source} takes no `date`: leave it out"
            raise ValueError(msg)
        return
    days = [name for name in fields_of(source) if name.endswith(("_at", "_on")) and name != "recorded_at"]
    days += ["period_from", "period_to"] if source == "market" else []
    if date not in days:
        msg = f"a {source} has no date {date!r}: it has {', '.join(days)}"
        raise ValueError(msg)


def check_where(source: str, where: Mapping[str, Any]) -> None:
    """Refuse conditions on fields the source does not have, and bounds on what is no number.

    Raises:
        ValueError: naming the field and what to write instead.
    """
    for name, condition in where.items():
        check_name(source, name)
        if condition.is_bound and not _is_number(source, name):
            msg = f"{name} of a {source} is no number: compare it with values or `in`, not with above or below"
            raise ValueError(msg)


def _is_number(source: str, name: str) -> bool:
    if name in _NUMBERS[source]:
        return True
    head, dot, tail = name.partition(".")
    fields = REFERENCE_MODELS[head].model_fields if dot else fields_of(source)
    return name not in _DERIVED.get(source, ()) and _holds_number(fields[tail or head].annotation)


def _holds_number(annotation: Any) -> bool:
    """Whether a field of this type is a number, or empty."""
    parts = get_args(annotation)
    if get_origin(annotation) is tuple or not parts:
        return annotation in {int, float, Decimal}
    return any(_holds_number(part) for part in parts)


def check_name(source: str, name: str) -> None:
    """Refuse a field, or a dotted field of a reference row, that a filter on this source cannot read.

    Raises:
        ValueError: naming the field and what the source offers instead.
    """
    fields = fields_of(source)
    head, dot, tail = name.partition(".")
    if dot:
        if (
            head in _REFERENCE_OF_FIELD
            and _REFERENCE_OF_FIELD[head] in fields
            and tail in REFERENCE_MODELS[head].model_fields
        ):
            return
    elif (name in fields and name not in _NOT_KEPT) or name in _DERIVED.get(source, ()):
        return
    references = [f"{ref}.…" for ref, field in _REFERENCE_OF_FIELD.items() if field in fields]
    known = [field for field in fields if field not in _NOT_KEPT]
    offered = ", ".join([*known, *_DERIVED.get(source, ()), *references])
    msg = f"a {source} has no field {name!r}: it has {offered}"
    raise ValueError(msg)
