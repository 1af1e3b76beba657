"""Errors as the caller sees them: RFC 9457 problem details, one sentence that says what to do."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from pydantic import BaseModel, Field
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
#: What a caller is asked to wait when a service is away.
RETRY_S = 5


class ProblemDetails(BaseModel):
    """An error, after RFC 9457."""

    type: str = "about:blank"
    title: str
    """Name of the status."""
    status: int
    detail: str
    """What is wrong and what to do."""
    instance: str | None = None
    """Path that was asked for."""
    request_id: str | None = None
    """The same as in the header X-Request-Id and in the log."""
    errors: list[str] = Field(default_factory=list)
    """Every mistake found, where there are several."""


class ProblemError(Exception):
    """A request that ends with a problem.

    Args:
        status: of the answer.
        detail: one sentence: what is wrong and what to do.
        headers: of the answer.
        errors: every single mistake, when there are several.
    """

    def __init__(
        self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, errors: Sequence[str] = ()
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.errors = tuple(errors)


def unavailable(detail: str) -> ProblemError:
    """A service is away; the same request may succeed later."""
    return ProblemError(503, detail, headers={"Retry-After": str(RETRY_S)})


def broken() -> ProblemError:
    """Our own fault; the log has the traceback, and the answer the request's id."""
    return ProblemError(500, "something went wrong on our side: name the request_id to operations")


def not_there(name: str, what: str) -> ProblemError:
    """There is none, or none that the caller may know of: both look alike."""
    return ProblemError(404, f"there is no {what} {name} that you may see: check the id")


def answer(problem: ProblemError, path: str, request_id: str | None) -> Response:
    """The answer to a request that ends with `problem`."""
    content: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "instance": path,
        "request_id": request_id,
        "errors": list(problem.errors),
    }
    return Response(orjson.dumps(content, default=str), problem.status, problem.headers, MEDIA_TYPE)
