"""Operations that take events."""

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from schemas.events import EVENT_MODELS
from streams.errors import UnavailableError
from streams.gateway.access import Parts, PartsHere, SystemHere, body_of, media_type_of
from streams.gateway.examples import EVENTS
from streams.gateway.ingest import Checked, check
from streams.gateway.problems import ProblemError, unavailable
from streams.gateway.rights import System
from streams.gateway.shapes import BatchAnswer, EventAnswer
from streams.gateway.splitting import items_of_lines, items_of_list

_JSON, _LINES = "application/json", "application/x-ndjson"
Operation = Callable[[Request, Parts, System], Awaitable[Response]]


def router() -> APIRouter:
    """Two operations for each kind of event."""
    routes = APIRouter(prefix="/v1/events", tags=["events"])
    for kind in EVENT_MODELS:
        routes.add_api_route(
            f"/{kind}",
            _one(kind),
            methods=["POST"],
            status_code=202,
            operation_id=f"send_{kind}",
            summary=f"Send one {kind}",
            description="Answered when the broker has the event. The same event sent again changes nothing: the engine "
            "knows it by kind, representative and event_id.",
            response_model=EventAnswer,
            responses={202: {"content": {_JSON: {"example": _accepted(kind)}}}},
            openapi_extra={"requestBody": _body(_JSON, _reference(kind), EVENTS[kind])},
        )
        routes.add_api_route(
            f"/{kind}/batch",
            _batch(kind),
            methods=["POST"],
            status_code=202,
            operation_id=f"send_{kind}_batch",
            summary=f"Send several {kind} events",
            description="A JSON array, or one event a line. Every event has its own result: one that is refused stops "
            "no other. Answered when the broker has all that were accepted; on 503 send the same batch again.",
            response_model=BatchAnswer,
            responses={202: {"content": {_JSON: {"example": _batch_answer(kind)}}}},
            openapi_extra={"requestBody": _batch_body(kind)},
        )
    return routes


def _one(kind: str) -> Any:
    async def send_one(request: Request, parts: PartsHere, sender: SystemHere) -> Response:
        _check_kind(kind, sender)
        media_type_of(request, (_JSON,))
        raw = await body_of(request, parts.bounds.event_bytes)
        checked = await _sent(parts, check(kind, [raw], sender, parts.rules))
        (result,) = checked.results
        if result.status == "refused":
            raise ProblemError(422, result.message or "the event was refused")
        return _answer({"status": result.status, "event_id": result.event_id})

    return send_one


def _batch(kind: str) -> Any:
    async def send_batch(request: Request, parts: PartsHere, sender: SystemHere) -> Response:
        _check_kind(kind, sender)
        split = items_of_list if media_type_of(request, (_JSON, _LINES)) == _JSON else items_of_lines
        body = await body_of(request, parts.bounds.body_bytes)
        items = await run_in_threadpool(split, body, parts.bounds.items)
        parts.limit.charge(sender.limited_as, len(items) / parts.bounds.events_per_request)
        checked = await run_in_threadpool(check, kind, items, sender, parts.rules)
        return _answer(_told(await _sent(parts, checked)))

    return send_batch


def _check_kind(kind: str, sender: System) -> None:
    if kind not in sender.kinds:
        allowed = ", ".join(sorted(sender.kinds))
        raise ProblemError(403, f"the key {sender.name} does not send {kind} events: it sends {allowed}")


async def _sent(parts: Parts, checked: Checked) -> Checked:
    try:
        return checked.with_refusals(await parts.sender.send(checked.messages))
    except UnavailableError as error:
        detail = f"the broker did not take the events ({error}): send the same request again"
        raise unavailable(detail) from None


def _told(checked: Checked) -> dict[str, Any]:
    statuses = [result.status for result in checked.results]
    return {
        "accepted": statuses.count("accepted"),
        "duplicates": statuses.count("duplicate"),
        "refused": statuses.count("refused"),
        "results": [result.as_json(index) for index, result in enumerate(checked.results)],
    }


def _answer(content: Any) -> Response:
    return Response(orjson.dumps(content), 202, media_type=_JSON)


def _reference(kind: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{EVENT_MODELS[kind].__name__}"}


def _body(media_type: str, schema: dict[str, Any], example: Any) -> dict[str, Any]:
    return {"required": True, "content": {media_type: {"schema": schema, "example": example}}}


def _batch_body(kind: str) -> dict[str, Any]:
    array = _body(_JSON, {"type": "array", "items": _reference(kind)}, [EVENTS[kind]])
    text = f"{orjson.dumps(EVENTS[kind]).decode()}\n"
    array["content"] |= _body(_LINES, {"type": "string", "description": "One event a line."}, text)["content"]
    return array


def _accepted(kind: str) -> dict[str, Any]:
    return {"status": "accepted", "event_id": EVENTS[kind]["event_id"]}


def _batch_answer(kind: str) -> dict[str, Any]:
    refused = {"status": "refused", "step": "decode", "message": f"not a valid {kind}: event_id: the field is missing"}
    results = [{"index": 0, **_accepted(kind)}, {"index": 1, "event_id": None, **refused}]
    return {"accepted": 1, "duplicates": 0, "refused": 1, "results": results}
