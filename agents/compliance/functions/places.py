"""Where visits took place, as far as it is kept: rules ask for no more than what is stored (R26).

So a rule says the same of an event live, on trial and when it is held against the past.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from agents.compliance.functions.registry import CallError, building, constant_of
from agents.compliance.kinds import NUMBER, TEXT, TRUTH, Kind
from agents.compliance.nodes import Frame, Node, node
from agents.intake.locating import BAND_EDGES_M, BANDS
from schemas.events import Located


@building("outside_fence", gives=TRUTH, only="visit",
          says="whether the check-in surely lies outside the fence of the institution; missing where that is not known",
          example="outside_fence()")  # fmt: skip
def outside_fence(_arguments: Sequence[Node], _options: dict[str, Node]) -> Node:
    """Whether the check-in lies outside the fence, even if the fix is off by its accuracy."""
    return _asked(TRUTH, lambda located: None if located.in_fence is None else not located.in_fence)


@building("farther_than", (NUMBER,), gives=TRUTH, only="visit",
          says=f"whether the check-in surely lies farther from the institution than so many metres: "
               f"{', '.join(f'{edge}' for edge in BAND_EDGES_M)}",
          example="farther_than(500)")  # fmt: skip
def farther_than(arguments: Sequence[Node], _options: dict[str, Node]) -> Node:
    """Whether the band of distance begins at a length or beyond."""
    wanted = constant_of(arguments[0], 0)
    if wanted not in BAND_EDGES_M:
        offered = ", ".join(str(edge) for edge in BAND_EDGES_M)
        msg = f"distances are kept in bands, {wanted} is no end of one: take {offered}"
        raise CallError(msg)
    beyond = frozenset(name for name, low in BANDS.items() if low >= wanted)
    return _asked(
        TRUTH, lambda located: None if located.distance_band is None else located.distance_band in beyond, arguments
    )


@building("distance_band", gives=TEXT, only="visit",
          says="how far the check-in surely lies from the institution, for example 200-500 m",
          example="distance_band()")  # fmt: skip
def distance_band(_arguments: Sequence[Node], _options: dict[str, Node]) -> Node:
    """The band of distance."""
    return _asked(TEXT, lambda located: located.distance_band)


@building("accuracy_m", gives=NUMBER, only="visit",
          says="radius of the 68 % confidence circle of the check-in, metres", example="accuracy_m()")  # fmt: skip
def accuracy_m(_arguments: Sequence[Node], _options: dict[str, Node]) -> Node:
    """The accuracy of the fix."""
    return _asked(NUMBER, lambda located: _exact(located.accuracy_m))


@building("journey_kmh", gives=NUMBER, only="visit",
          says="least km/h since the check-in before, within a day; both fixes may be off by their accuracy",
          example="journey_kmh()")  # fmt: skip
def journey_kmh(_arguments: Sequence[Node], _options: dict[str, Node]) -> Node:
    """Least speed since the check-in before, as the intake worked it out; missing where there is none."""
    return _asked(NUMBER, lambda located: _exact(located.journey_kmh))


def _asked(kind: Kind, read: Callable[[Located], Any], arguments: Sequence[Node] = ()) -> Node:
    def run(frame: Frame) -> Any:
        return read(frame.located)

    return node(kind, run, arguments)


def _exact(number: float | None) -> Decimal | None:
    return None if number is None else Decimal(repr(number))
