"""Operations that change cases: each becomes a command, which the desk carries out."""

import uuid
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Path, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import ValidationError

from schemas.base import Id
from schemas.cases import Action, CaseCommand, Person
from streams.errors import UnavailableError
from streams.gateway.access import Parts, PartsHere, PersonHere, body_of, media_type_of
from streams.gateway.examples import ALERT_ID, COMMANDS
from streams.gateway.problems import ProblemError, not_there, unavailable
from streams.gateway.reading import Asked
from streams.gateway.rights import ACTIONS, Individual, Reach, check_may, check_sees
from streams.gateway.sender import Message
from streams.gateway.shapes import CommandAnswer, CommandBody
from streams.topics import COMMANDS as TOPIC

_JSON = "application/json"
_LARGEST = 100_000
#: Commands of one person with one Idempotency-Key are one command, whoever else uses the same key.
_NAMESPACE = uuid.UUID("6f1c1d0e-5c0b-4b61-9a5e-0d9b7c1a2f34")

CaseId = Annotated[str, Path(pattern="^[0-9a-f]{32}$", description="Identity of the case, which is its alert's.")]
IdempotencyKey = Annotated[
    Id | None, Header(description="The same key again is the same command: it is carried out once.")
]


def router() -> APIRouter:
    """One operation for each thing that can be done with a case."""
    routes = APIRouter(prefix="/v1/cases", tags=["cases"])
    for action in ACTIONS:
        example = {"command_id": "8d6f0a52-7a0c-4f0e-9c1d-2b8a4a6f1e33", "case_id": ALERT_ID, "action": action}
        routes.add_api_route(
            f"/{{case_id}}/{action}",
            _command(action),
            methods=["POST"],
            status_code=202,
            operation_id=f"{action}_case",
            summary=f"{action.replace('_', ' ').capitalize()} a case",
            description="Answered when the command is on its way; the timeline of the case says what became of it.",
            response_model=CommandAnswer,
            responses={202: {"content": {_JSON: {"example": example}}}},
            openapi_extra={"requestBody": _body(action)},
        )
    return routes


def _body(action: Action) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/CommandBody"}
    return {"required": True, "content": {_JSON: {"schema": schema, "example": COMMANDS[action]}}}


def _command(action: Action) -> Any:
    async def give(
        request: Request,
        parts: PartsHere,
        person: PersonHere,
        case_id: CaseId,
        idempotency_key: IdempotencyKey = None,
    ) -> Response:
        reach = check_sees(person, "cases")
        check_may(person, action)
        media_type_of(request, (_JSON,))
        body = _parsed(await body_of(request, _LARGEST))
        await _check_there(parts, person, reach, case_id)
        if body.other_case_id is not None:
            await _check_there(parts, person, reach, body.other_case_id)
        command = _made(action, case_id, person, body, idempotency_key)
        await _send(parts, command)
        told = {"command_id": command.command_id, "case_id": case_id, "action": action}
        return Response(orjson.dumps(told), 202, media_type=_JSON)

    return give


def _parsed(raw: bytes) -> CommandBody:
    try:
        return CommandBody.model_validate_json(raw)
    except ValidationError as error:
        raise _unfit(error) from None


def _made(
    action: Action, case_id: str, person: Individual, body: CommandBody, idempotency_key: str | None
) -> CaseCommand:
    """The command, with an identity that a repetition shares."""
    if idempotency_key is None:
        command_id = uuid.uuid4()
    else:
        command_id = uuid.uuid5(_NAMESPACE, f"{person.subject}\x1f{case_id}\x1f{action}\x1f{idempotency_key}")
    by = Person(person_id=person.person_id, role=person.role, name=person.name)
    try:
        return CaseCommand(
            command_id=str(command_id),
            case_id=case_id,
            action=action,
            by=by,
            at=datetime.now(UTC),
            **body.model_dump(exclude_none=True),
        )
    except ValidationError as error:
        raise _unfit(error) from None


def _unfit(error: ValidationError) -> ProblemError:
    found = error.errors(include_url=False, include_input=False)
    texts = [
        f"{'.'.join(map(str, item['loc'])) or 'body'}: {item['msg'].removeprefix('Value error, ')}" for item in found
    ]
    return ProblemError(422, f"the command is not complete: {texts[0]}", errors=texts)


async def _check_there(parts: Parts, person: Individual, reach: Reach, case_id: str) -> None:
    """A case is there as soon as its alert is: live, or in ClickHouse."""
    if (alert := parts.hub.recent.get(case_id)) is not None and reach != "tree":
        is_there = reach == "all" or alert.rep_id == person.rep_id
    else:
        is_there = await run_in_threadpool(_is_there, parts, person, reach, case_id)
    if not is_there:
        raise not_there(case_id, "case")


def _is_there(parts: Parts, person: Individual, reach: Reach, case_id: str) -> bool:
    if (alert := parts.hub.recent.get(case_id)) is not None and person.node is not None:
        return alert.rep_id in parts.reading.reps_below(person.node)
    asked = Asked()
    asked.equal(alert_id=case_id)
    parts.reading.limit_to(asked, person, reach)
    return bool(parts.reading.rows(f"SELECT 1 AS one FROM alert_log WHERE {asked.where} LIMIT 1", asked.values))


async def _send(parts: Parts, command: CaseCommand) -> None:
    message = Message(TOPIC, command.case_id, command.model_dump_json().encode())
    try:
        (refusal,) = await parts.sender.send([message])
    except UnavailableError as error:
        detail = f"the broker did not take the command ({error}): send it again with the same Idempotency-Key"
        raise unavailable(detail) from None
    if refusal is not None:
        raise ProblemError(413, refusal)
