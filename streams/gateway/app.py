"""The application: operations, what lies around them, and how errors are told."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from streams.errors import UnavailableError
from streams.gateway import commands, events, live, openapi, reads
from streams.gateway.access import Parts, PartsHere
from streams.gateway.examples import answered
from streams.gateway.feed import AlertFeed
from streams.gateway.problems import ProblemError, answer, broken, unavailable
from streams.gateway.shapes import Health, Readiness
from streams.gateway.shell import Shell, request_id_of


def create_app(parts: Parts, feed: AlertFeed, timeout_s: float = 30.0) -> ASGIApp:
    """The gateway.

    Args:
        parts: what the operations work with.
        feed: brings live alerts while the application runs.
        timeout_s: longest time of a request that ends.
    """
    app = skeleton(parts, feed)
    app.state.parts = parts
    return Shell(app, timeout_s, lambda path: path == live.PATH)


def skeleton(parts: Parts | None = None, feed: AlertFeed | None = None) -> FastAPI:
    """The operations, without what they work with: enough to describe them."""

    @asynccontextmanager
    async def running(_app: FastAPI) -> AsyncIterator[None]:
        parts_that_run = (feed, parts and parts.trees, parts and parts.in_force)
        tasks = [asyncio.create_task(part.run()) for part in parts_that_run if part]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    app = FastAPI(docs_url=None, redoc_url=None, lifespan=running, openapi_url="/openapi.json", redirect_slashes=False)
    app.openapi = lambda: openapi.document(app)  # type: ignore[method-assign]
    app.include_router(events.router())
    app.include_router(live.router())  # before /v1/alerts/{alert_id}
    app.include_router(commands.router())
    app.include_router(reads.routes)
    _add_health(app)
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    return app


def _add_health(app: FastAPI) -> None:
    @app.get("/healthz", tags=["health"], summary="Whether the process answers", responses=answered({"status": "ok"}))
    async def healthz() -> Health:
        """Without a token or key."""
        return Health(status="ok")

    @app.get(
        "/readyz",
        tags=["health"],
        summary="Whether the broker and ClickHouse answer",
        responses={
            **answered({"status": "ok", "broker": True, "clickhouse": True}),
            503: {"model": Readiness, "description": "One of them is away."},
        },
        response_model=Readiness,
    )
    def readyz(parts: PartsHere) -> JSONResponse:
        """Without a token or key; asked anew every two seconds at most."""
        found: Mapping[str, bool] = parts.readiness.look()
        is_ready = all(found.values())
        return JSONResponse({"status": "ok" if is_ready else "unavailable", **found}, 200 if is_ready else 503)


async def _problem(request: Request, error: Exception) -> Response:
    return answer(_as_problem(error), request.url.path, request_id_of(request))


def _as_problem(error: Exception) -> ProblemError:
    if isinstance(error, ProblemError):
        return error
    if isinstance(error, RequestValidationError):
        return _unfit(error)
    if isinstance(error, HTTPException):
        return ProblemError(error.status_code, _words(error), headers=error.headers)
    if isinstance(error, UnavailableError):
        return unavailable(f"{error}: ask again in a moment")
    return broken()


def _unfit(error: RequestValidationError) -> ProblemError:
    texts = [_mistake(item) for item in error.errors()]
    return ProblemError(422, texts[0] if len(texts) == 1 else f"{texts[0]}, and {len(texts) - 1} more", errors=texts)


def _mistake(item: Mapping[str, Any]) -> str:
    where = " ".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"{where} is not known: leave it out (docs/openapi.json lists what there is)"
    text = str(item["msg"]).removeprefix("Value error, ")
    return f"{where}: {text[:1].lower()}{text[1:]}"


def _words(error: HTTPException) -> str:
    if error.status_code == HTTPStatus.NOT_FOUND:
        return "there is nothing at this address: /openapi.json lists what there is"
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        return "this address is not asked like that: /openapi.json lists the methods"
    return str(error.detail)


_HANDLERS: dict[type[Exception], Any] = {
    ProblemError: _problem,
    RequestValidationError: _problem,
    HTTPException: _problem,
    UnavailableError: _problem,
    Exception: _problem,
}
