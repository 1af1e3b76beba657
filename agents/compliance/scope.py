"""What names an expression may use, and how the fields behind them are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from agents.compliance.arithmetic import UNITS
from agents.compliance.comparison import exact
from agents.compliance.kinds import holds_float
from agents.compliance.nodes import Account, Explanation, Frame, Node, Run, explain
from agents.compliance.places import PERSON, names_persons
from agents.compliance.windows import WINDOWS
from schemas.base import Model
from schemas.events import EVENT_MODELS

#: Value of a named parameter.
Parameter = str | int | float | bool | Sequence[str | int | float]
#: Reference rows an event leads to, by the field that names them.
REFERENCE_OF_FIELD = {"rep": "rep_id", "institution": "institution_id", "product": "product_id", "hcp": "hcp_id"}
#: Fields that are gone once the intake has located the visit: rules could not ask for them again (R26).
NOT_KEPT = frozenset({"check_in", "check_out"})
NOT_KEPT_HINT = (
    "is not kept (R26): ask outside_fence(), farther_than(500), distance_band(), accuracy_m() or journey_kmh()"
)
_NO_LISTS: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Scope:
    """What names an expression may use.

    Attributes:
        event_kind: kind of event it judges.
        parameters: named thresholds.
        named: named parts, compiled before.
        lists: named lists there are.
    """

    event_kind: str
    parameters: Mapping[str, Parameter]
    named: Mapping[str, Node]
    lists: frozenset[str] = _NO_LISTS


def field_run(model: type[Model], name: str, get: Run, slot: str | None = None) -> Run:
    """Reads a field of the event or of a record; binary numbers as they are written.

    Args:
        model: of the event or record.
        name: of the field.
        get: gives the record.
        slot: where the frame holds it, if it is always there; read straight it takes a third of the time.
    """
    read = attrgetter(name)
    is_float = holds_float(model.model_fields[name].annotation)
    if slot is not None:
        straight = attrgetter(f"{slot}.{name}")
        return _exactly(straight) if is_float else straight

    def run(frame: Any) -> Any:
        record = get(frame)
        value = None if record is None else read(record)
        return exact(value) if isinstance(value, float) else value

    return run


def _exactly(read: Run) -> Run:
    return lambda frame: None if (value := read(frame)) is None else exact(value)


def names_of(scope: Scope) -> dict[str, str]:
    """Every name of a scope, and what it is."""
    fields = EVENT_MODELS[scope.event_kind].model_fields
    found = dict.fromkeys((name for name in fields if name not in NOT_KEPT), "a field of the event")
    found |= {table: "reference data" for table, key in REFERENCE_OF_FIELD.items() if key in fields}
    found |= dict.fromkeys(UNITS, "a unit of time") | dict.fromkeys(WINDOWS, "a window")
    found |= {"day": "the company day of the event"}
    if names_persons(EVENT_MODELS[scope.event_kind]):
        found[PERSON] = "a professional the event names"
    found |= dict.fromkeys(scope.parameters, "a threshold") | dict.fromkeys(scope.named, "a named part")
    return found


def if_missing(record: Node) -> Account:
    """Explains a field by its record only where there is no record."""

    def account(frame: Frame) -> list[Explanation]:
        found = explain(record, frame)
        return [found] if found.value is None else []

    return account
