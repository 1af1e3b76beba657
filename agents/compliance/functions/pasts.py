"""The past of a representative, a professional or an institution: events judged before this one, the oldest first.

An event belongs to the past of another when it happened at the same moment or before and was judged before. The event
itself is never part of its own past, however often it is delivered.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from operator import attrgetter
from typing import Any

from agents.compliance.arithmetic import UNITS
from agents.compliance.functions.registry import Build, CallError, building, constant_of
from agents.compliance.kinds import DURATION, NUMBER, TEXT, WINDOW, Kind, list_of, record_of
from agents.compliance.nodes import Frame, Need, Node, Run, constant, node
from agents.compliance.places import REP, Place
from agents.compliance.selections import Look, Query, asked, items_of, split
from agents.compliance.series import figure, figures_over, narrowed, picked
from agents.compliance.windows import FARTHEST, Window
from schemas.events import EVENT_MODELS, EventModel

#: Plural in the language -> kind of event.
PASTS = {
    "visits": "visit",
    "sales": "sale",
    "payments": "payment",
    "activities": "activity",
    "surveys": "survey",
}
_SUBJECTS = ("hcp", "institution")


@building(
    "last", (DURATION,), gives=WINDOW, says="the stretch of that length up to the event", example="last(30 * days)"
)
def last(arguments: Sequence[Node], _options: dict[str, Node]) -> Node:
    """A rolling window."""
    length = constant_of(arguments[0], 0)
    if not isinstance(length, timedelta) or not timedelta(0) < length <= FARTHEST:
        msg = f"{arguments[0].text} is no length to look back: take one up to {FARTHEST.days} days"
        raise CallError(msg)
    return constant(WINDOW, Window(_written(length), length), f"last({arguments[0].text})")


def _written(length: timedelta) -> str:
    """The window with its length in the largest unit that needs no fraction.

    >>> _written(timedelta(hours=72)), _written(timedelta(hours=36))
    ('last(3 * days)', 'last(36 * hours)')
    """
    unit = next((unit for unit in reversed(UNITS) if length % UNITS[unit] == timedelta(0)), "seconds")
    return f"last({length // UNITS[unit]} * {unit})"


def _past(plural: str, model: EventModel) -> Build:
    kind = list_of(record_of(model))

    def build(arguments: Sequence[Node], options: dict[str, Node]) -> Node:
        window = constant_of(arguments[0], 0)
        place, key = _whose(options)
        look = Look(model.kind_name, place, window, key)
        query = items_of(look, split(None, 0), 0, None)
        made = node(kind, asked(query, picked), [*arguments, *options.values()])
        need = Need(model.kind_name, place.subject, window.name)
        return replace(made, needs=made.needs | {need}, selections=frozenset({query.selection}), look=look)

    options = dict.fromkeys(_SUBJECTS, TEXT)
    says = f"{plural} of the representative, or of the hcp or institution named"
    building(plural, (WINDOW,), gives=kind, says=says, example=f"{plural}(this_month)", options=options)(build)
    return build


def _whose(options: dict[str, Node]) -> tuple[Place, Run]:
    if len(options) > 1:
        msg = "the past of one subject is asked for: name hcp or institution, not both"
        raise CallError(msg)
    for subject, key in options.items():
        field = key.text if key.parts or not key.op else key.op.removeprefix(".")
        return Place(subject, field), key.run
    return REP, attrgetter("event.rep_id")


for _plural, _kind in PASTS.items():
    _past(_plural, EVENT_MODELS[_kind])


@building("per_day", None, gives=list_of(NUMBER), says="how many of these events each day with any had",
          example="per_day(v for v in visits(last(90 * days)))")  # fmt: skip
def per_day(arguments: Sequence[Node], _options: dict[str, Node]) -> Node:
    """Events counted by day."""
    item: Kind | None = arguments[0].kind.item
    if item is None or item.model not in EVENT_MODELS.values():
        msg = f"{arguments[0].text} is no list of events: write for example v for v in visits(this_month)"
        raise CallError(msg)
    query = figures_over(arguments[0], needs_value=False)
    if query is not None:
        return figure(list_of(NUMBER), query, _days_of, arguments[0])
    listed = narrowed(arguments[0], "occurred_at")
    get = listed.run

    def run(frame: Frame) -> list[int] | None:
        events = get(frame)
        if events is None:
            return None
        return list(Counter(frame.world.time.day_of(event.occurred_at) for event in events).values())

    return node(list_of(NUMBER), run, [listed])


def _days_of(history: Any, query: Query, frame: Frame, key: str, since_us: int, until_us: int) -> list[int]:
    found: list[int] = history.per_day(query, frame, key, since_us, until_us)
    return found
