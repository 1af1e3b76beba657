"""What a conflict is about: the event that counts, beside the one with the same identity that was refused."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from clickhouse_connect.driver.client import Client
from pydantic import ValidationError

from schemas.events import MODEL_OF_TOPIC, Event
from schemas.outputs import DeadLetter
from schemas.rows import EVENT_TABLES
from streams.clickhouse import translated

#: Class of the errors of the step `dedupe`.
ERROR_CLASS = "ConflictError"
#: No part of an event's content, or not kept, so that nobody can tell whether it differs.
_BESIDE = frozenset({"recorded_at", "check_in", "check_out"})


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that two events with the same identity hold differently; values as JSON."""

    field: str
    refused: Any
    counts: Any


@dataclass(frozen=True, slots=True)
class Conflict:
    """The event that counts and what it says differently.

    Attributes:
        place: where it was read, like `sales[3]@1042`.
        differences: in the order of the model; empty when the first event was corrected meanwhile.
    """

    place: str
    differences: tuple[Difference, ...]


def explain(client: Client, letter: DeadLetter) -> Conflict | None:
    """What the letter of a conflict differs in; None for other letters, and when the first event is not at hand.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    model = MODEL_OF_TOPIC.get(letter.topic)
    if letter.error_class != ERROR_CLASS or model is None:
        return None
    try:
        refused = model.model_validate_json(letter.raw)
    except ValidationError:
        return None
    row = _first(client, refused)
    if row is None:
        return None
    counts = EVENT_TABLES[model.kind_name].to_event(row)
    place = f"{letter.topic}[{row['stream_partition']}]@{row['stream_offset']}"
    return Conflict(place, tuple(_differences(refused, counts)))


def _first(client: Client, event: Event) -> dict[str, Any] | None:
    table = EVENT_TABLES[event.kind_name].table
    statement = (
        f"SELECT * FROM {table} WHERE {event.owner_field} = {{owner:String}} AND event_id = {{event_id:String}} "
        "ORDER BY stream_offset LIMIT 1"
    )
    with translated():
        result = client.query(statement, parameters={"owner": event.owner, "event_id": event.event_id}, tz_mode="aware")
    return next(iter(result.named_results()), None)


def _differences(refused: Event, counts: Event) -> list[Difference]:
    ours, theirs = _fields(refused), _fields(counts)
    names = [name for name in ours if getattr(refused, name) != getattr(counts, name)]
    return [Difference(name, ours[name], theirs[name]) for name in names]


def _fields(event: Event) -> dict[str, Any]:
    """The content as JSON values; figures without the zeros a table adds to them."""
    amounts = {name: value for name, value in event if isinstance(value, Decimal)}
    plain = {name: format(value.normalize(), "f") for name, value in amounts.items()}
    return {**event.model_dump(mode="json", exclude={*_BESIDE}), **plain}
