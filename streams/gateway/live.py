"""The operation that streams live alerts."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from schemas.base import Id
from schemas.compliance import Colour
from streams.gateway.access import Parts, PartsHere, PersonHere
from streams.gateway.problems import ProblemError
from streams.gateway.reading import Asked, milliseconds
from streams.gateway.rights import Individual, Reach, check_sees
from streams.gateway.shapes import AlertShown, Shape
from streams.gateway.stream import EventStream, lines, place_of

PATH = "/v1/alerts/stream"
#: Alerts of several workers do not come in the order they were raised in; so much is sent again.
_OVERLAP_MS = 5_000
_MOST_MISSED = 10_000
_EXAMPLE = (
    'retry: 3000\n: connected\n\nid: 1772415000000-5f1d…\nevent: alert\ndata: {"alert_id":"5f1d…","rule_id":"R01"}\n\n'
)

LastEventId = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        max_length=100,
        description="`id` of the last alert received: what was missed comes first.",
    ),
]


class StreamAsked(Shape):
    """Which alerts."""

    colour: Colour | None = None
    rule: Id | None = None
    region: Id | None = None


async def stream(
    parts: PartsHere,
    person: PersonHere,
    asked: Annotated[StreamAsked, Query()],
    last_event_id: LastEventId = None,
) -> EventStream:
    """Alerts as they are raised, as server-sent events, until you leave or your token expires.

    A comment line comes every 15 s. An alert may come twice after a pause; `alert_id` tells. Who reads too slowly is
    let go with a comment line, and comes back with Last-Event-ID.
    """
    reach = check_sees(person, "alerts")
    place = place_of(last_event_id) if last_event_id else None
    node = person.node if reach == "tree" else None
    if node is not None:
        await parts.trees.watch(node)
    try:
        listener = parts.hub.listen(person.subject, _wants(parts, person, reach, asked))
    except ProblemError:
        _leave_tree(parts, node)
        raise

    def ended() -> None:
        parts.hub.leave(listener)
        _leave_tree(parts, node)

    try:
        missed = await _missed(parts, person, reach, asked, place) if place else []
    except BaseException:
        ended()
        raise
    content = lines(listener, missed, until_s=person.expires_s, heartbeat_s=parts.heartbeat_s)
    return EventStream(content, ended)


def _leave_tree(parts: Parts, node: str | None) -> None:
    if node is not None:
        parts.trees.leave(node)


def _wants(parts: Parts, person: Individual, reach: Reach, asked: StreamAsked) -> Callable[[AlertShown], bool]:
    def wants(alert: AlertShown) -> bool:
        if reach == "own" and alert.rep_id != person.rep_id:
            return False
        if reach == "tree" and not parts.trees.holds(person.node or "", alert.rep_id):
            return False
        return (
            asked.colour in {None, alert.colour}
            and asked.rule in {None, alert.rule_id}
            and asked.region in {None, alert.region_id}
        )

    return wants


async def _missed(
    parts: Parts, person: Individual, reach: Reach, asked: StreamAsked, place: tuple[int, str]
) -> list[AlertShown]:
    """What was raised since: from ClickHouse, and what it does not have yet from memory; the oldest first."""
    from_ms, last_id = place[0] - _OVERLAP_MS, place[1]
    wanted = Asked()
    wanted.equal(colour=asked.colour, rule_id=asked.rule, region_id=asked.region)
    wanted.add("raised_at >= fromUnixTimestamp64Milli({from_ms:Int64}, 'UTC')", from_ms=from_ms)
    parts.reading.limit_to(wanted, person, reach)
    statement = f"SELECT * FROM alert_log WHERE {wanted.where} ORDER BY raised_at, alert_id LIMIT {_MOST_MISSED + 1}"
    rows = await run_in_threadpool(parts.reading.rows, statement, wanted.values)
    if len(rows) > _MOST_MISSED:
        detail = f"more than {_MOST_MISSED} alerts were missed: read GET /v1/alerts, then listen without Last-Event-ID"
        raise ProblemError(422, detail)
    wants = _wants(parts, person, reach, asked)
    found = {alert.alert_id: alert for alert in (AlertShown.of_row(row).without_others for row in rows)}
    for alert in list(parts.hub.recent.values()):
        if milliseconds(alert.raised_at) >= from_ms and wants(alert):
            found.setdefault(alert.alert_id, alert)
    found.pop(last_id, None)
    return sorted(found.values(), key=lambda alert: (alert.raised_at, alert.alert_id))


def router() -> APIRouter:
    """The one operation."""
    routes = APIRouter(tags=["alerts"])
    routes.add_api_route(
        PATH,
        stream,
        methods=["GET"],
        summary="Live alerts",
        operation_id="stream_alerts",
        response_class=StreamingResponse,
        response_model=None,
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}}}},
    )
    return routes
