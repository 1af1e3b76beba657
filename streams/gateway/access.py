"""Who asks, how often they may, and what they send: what every operation begins with."""

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.security import APIKeyHeader, HTTPAuthorizationCredentials, HTTPBearer

from streams.gateway.feed import Hub
from streams.gateway.ingest import Rules
from streams.gateway.keys import Keys
from streams.gateway.limits import RateLimit
from streams.gateway.problems import ProblemError
from streams.gateway.readiness import Readiness
from streams.gateway.reading import Reading
from streams.gateway.rights import Caller, Individual, System
from streams.gateway.rules import RulesInForce
from streams.gateway.sender import Sender
from streams.gateway.tokens import Tokens
from streams.gateway.trees import Trees

_bearer = HTTPBearer(auto_error=False, bearerFormat="JWT", scheme_name="person", description="Token of a person.")
_api_key = APIKeyHeader(name="X-API-Key", auto_error=False, scheme_name="system", description="Key of a system.")
#: Longest time the body of a request may take to arrive.
_BODY_S = 20.0
_WHO = 'Bearer realm="sfe-pulse", ApiKey realm="sfe-pulse"'


@dataclass(frozen=True)
class Bounds:
    """How much a request may bring.

    Attributes:
        body_bytes: largest body of a batch.
        event_bytes: largest single event.
        items: most events of a batch.
        events_per_request: so many events of a batch count as one request.
    """

    body_bytes: int
    event_bytes: int
    items: int
    events_per_request: int = 100


@dataclass(frozen=True)
class Parts:
    """What the operations work with."""

    tokens: Tokens
    keys: Keys
    limit: RateLimit
    bounds: Bounds
    rules: Rules
    sender: Sender
    reading: Reading
    hub: Hub
    in_force: RulesInForce
    readiness: Readiness
    trees: Trees
    heartbeat_s: float = 15.0


def parts_of(request: Request) -> Parts:
    """The parts of the application a request came to."""
    parts: Parts = request.app.state.parts
    return parts


PartsHere = Annotated[Parts, Depends(parts_of)]


async def caller(
    request: Request,
    parts: PartsHere,
    token: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    key: Annotated[str | None, Security(_api_key)],
) -> Caller:
    """Who asks.

    Raises:
        ProblemError: 401, nobody we know; 429, too often.
    """
    if token is None and key is None:
        _take(parts, f"address:{request.client.host if request.client else ''}")
        detail = "say who you are: people with Authorization: Bearer TOKEN, systems with X-API-Key: KEY"
        raise ProblemError(401, detail, headers={"WWW-Authenticate": _WHO})
    if token is not None and key is not None:
        raise ProblemError(401, "send a token or a key, not both", headers={"WWW-Authenticate": _WHO})
    try:
        found: Caller = parts.tokens.read(token.credentials) if token else await _system(parts, key or "")
    except ProblemError:
        _take(parts, f"address:{request.client.host if request.client else ''}")
        raise
    _take(parts, found.limited_as)
    return found


async def _system(parts: Parts, key: str) -> System:
    return await run_in_threadpool(parts.keys.find, key)


def _take(parts: Parts, name: str) -> None:
    if wait_s := parts.limit.wait_s(name):
        raise ProblemError(
            429, f"too many requests: wait {wait_s} s, and send events in batches", headers={"Retry-After": str(wait_s)}
        )


CallerHere = Annotated[Caller, Depends(caller)]


def person(found: CallerHere) -> Individual:
    """The person who asks.

    Raises:
        ProblemError: 403, it is a system.
    """
    if isinstance(found, System):
        raise ProblemError(403, "a key sends events and reads nothing: ask as a person, with a token")
    return found


def system(found: CallerHere) -> System:
    """The system that asks.

    Raises:
        ProblemError: 403, it is a person.
    """
    if isinstance(found, Individual):
        raise ProblemError(403, "events come from systems: send them with a key in X-API-Key")
    return found


PersonHere = Annotated[Individual, Depends(person)]
SystemHere = Annotated[System, Depends(system)]


def media_type_of(request: Request, allowed: tuple[str, ...]) -> str:
    """Media type of the body.

    Raises:
        ProblemError: 415, it is none of those, compressed, or not UTF-8.
    """
    kind, *parameters = [part.strip().lower() for part in request.headers.get("content-type", "").split(";")]
    charset = next((value for value in parameters if value.startswith("charset=")), "charset=utf-8").strip('"')
    is_plain = request.headers.get("content-encoding", "identity").lower() == "identity"
    if kind not in allowed or charset.replace('"', "") not in {"charset=utf-8", "charset=utf8"} or not is_plain:
        raise ProblemError(415, f"send the body as {' or '.join(allowed)}, in UTF-8 and not compressed")
    return kind


async def body_of(request: Request, most: int) -> bytes:
    """The body, read no further than allowed.

    Raises:
        ProblemError: 413, it is too large; 408, it does not arrive.
    """
    too_large = ProblemError(413, f"the body is larger than {most} bytes: send less at once")
    said = request.headers.get("content-length", "0")
    if said.isdigit() and len(said) < 20 and int(said) > most:  # noqa: PLR2004 - digits of 2^64
        raise too_large
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_BODY_S):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise too_large
                parts.append(part)
    except TimeoutError:
        raise ProblemError(408, f"the body did not arrive within {_BODY_S:.0f} s: send it again") from None
    return b"".join(parts)
