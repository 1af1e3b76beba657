"""What lies around every request: an id, security headers, a time limit, and no traceback for strangers."""

import asyncio
import secrets
from collections.abc import Callable

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streams.gateway.problems import ProblemError, answer, broken, unavailable

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Strict-Transport-Security": "max-age=31536000",
}

_log = structlog.get_logger("gateway")


class Shell:
    """Wraps the application.

    Args:
        app: what answers.
        timeout_s: longest time to the end of an answer.
        endless: whether a path may take longer.
    """

    def __init__(self, app: ASGIApp, timeout_s: float, endless: Callable[[str], bool]) -> None:
        self._app = app
        self._timeout_s = timeout_s
        self._endless = endless

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        has_begun = False

        async def complete(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                _add_headers(message, request_id)
            await send(message)

        problem = await self._problem(scope, receive, complete)
        if problem is not None and not has_begun:
            await answer(problem, scope["path"], request_id)(scope, receive, complete)

    async def _problem(self, scope: Scope, receive: Receive, send: Send) -> ProblemError | None:
        """Run the application; what it did not answer itself."""
        try:
            async with asyncio.timeout(None if self._endless(scope["path"]) else self._timeout_s):
                await self._app(scope, receive, send)
        except TimeoutError:
            return unavailable(f"the request took longer than {self._timeout_s:.0f} s: ask for less, or again later")
        except Exception as error:  # whatever it is, the caller gets a problem and the log the traceback
            if isinstance(error, ProblemError):
                return error
            request_id = scope["state"]["request_id"]
            _log.exception("a request failed", path=scope["path"], request_id=request_id)
            return broken()
        return None


def _add_headers(message: Message, request_id: str) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("Cache-Control", "no-store")
    headers["X-Request-Id"] = request_id


def request_id_of(request: Request) -> str | None:
    """Id of the request that is being answered."""
    found = getattr(request.state, "request_id", None)
    return found if isinstance(found, str) else None
