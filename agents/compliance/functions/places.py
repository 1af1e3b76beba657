"""Where things happened: distances and the speed between check-ins."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from agents.compliance.functions.registry import building, function
from agents.compliance.kinds import MOMENT, NUMBER, record_of
from agents.compliance.nodes import Frame, Need, Node, node
from agents.progress import derived
from schemas.base import Position
from schemas.reference import Institution

PLACE = (record_of(Position), record_of(Institution))
_DAY_US = 86_400_000_000
_SECOND = timedelta(seconds=1)


@function("distance_m", PLACE, PLACE, gives=NUMBER, says="metres between two places, to a tenth",
          example="distance_m(check_in, institution)")  # fmt: skip
def distance_m(one: Any, other: Any) -> Decimal | None:
    """Metres between two positions or institutions on the sphere; None where an institution has none."""
    places = (one.latitude, one.longitude, other.latitude, other.longitude)
    return None if None in places else Decimal(f"{derived.distance_m(*places):.1f}")


@building("speed_kmh", (record_of(Position),), (MOMENT,), gives=NUMBER,
          says="km/h from the representative's check-in before, within a day; both fixes may be off by their accuracy",
          example="speed_kmh(check_in, check_in_at)")  # fmt: skip
def speed_kmh(arguments: Sequence[Node], _options: dict[str, Node]) -> Node:
    """Speed from the previous check-in on site, at least one second before; missing where there is none."""
    here, when = arguments[0].run, arguments[1].run

    def run(frame: Frame) -> Decimal | None:
        fix, moment = here(frame), when(frame)
        if fix is None or moment is None:
            return None
        before = _check_in_before(frame, moment)
        return None if before is None else _speed(before, fix, moment)

    made = node(NUMBER, run, arguments)
    return replace(made, needs=made.needs | {Need("visit", "rep", "last(1 * days)")})


def _check_in_before(frame: Frame, moment: Any) -> Any:
    event = frame.event
    until = frame.world.time.microseconds(moment)
    past = frame.world.history.events("visit", "rep", event.rep_id, until - _DAY_US, until)
    frame.spend(len(past))
    own = event.event_id
    found = None
    for visit in past:
        if visit.check_in is None or visit.event_id == own or visit.check_in_at > moment:
            continue
        if found is None or visit.check_in_at >= found.check_in_at:
            found = visit
    return found


def _speed(before: Any, fix: Position, moment: Any) -> Decimal:
    off = (before.check_in.accuracy_m or 0.0) + (fix.accuracy_m or 0.0)
    there = before.check_in
    away = derived.distance_m(there.latitude, there.longitude, fix.latitude, fix.longitude)
    seconds = max(moment - before.check_in_at, _SECOND).total_seconds()
    return Decimal(f"{max(away - off, 0.0) / seconds * 3.6:.1f}")
