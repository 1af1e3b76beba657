"""The page's HTTP server: loopback only, GET only, no statement and no secret in any answer."""

from importlib.resources import files
from typing import Any

import structlog
from aiohttp import web

from grafana.links import uid_in
from grafana.preview.model import Shown, page_of
from grafana.preview.questions import Asked, Questions
from grafana.texts import LANGUAGES
from streams.errors import InvalidError, PulseError, UnavailableError, UsageError

HOST = "127.0.0.1"
_LOCAL_NAMES = {"127.0.0.1", "localhost", "[::1]"}
_PAGE = files("grafana.preview").joinpath("page")
_ASSETS = {
    "app.js": "text/javascript",
    "charts.js": "text/javascript",
    "format.js": "text/javascript",
    "style.css": "text/css",
}
#: Nothing but what the page brings along, and never within another page.
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_FIRST = "pulse-company"

_log = structlog.get_logger("boards")


class PreviewServer:
    """Serves boards.

    Args:
        boards: by uid.
        questions: answers them.
    """

    def __init__(self, boards: dict[str, Shown], questions: Questions) -> None:
        self._boards = boards
        self._questions = questions
        app = web.Application(middlewares=[_guarded])
        app.router.add_get("/", self._first)
        app.router.add_get("/health", self._health)
        app.router.add_get("/d/{uid}", self._page)
        app.router.add_get("/d/{uid}/{slug}", self._page)
        app.router.add_get("/assets/{name}", self._asset)
        app.router.add_get("/api/boards/{uid}", self._board)
        app.router.add_get("/api/boards/{uid}/variables", self._variables)
        app.router.add_get("/api/boards/{uid}/panels/{panel}", self._panel)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self, port: int) -> int:
        """Listen on the port, or on a free one when it is 0; returns the port.

        Raises:
            UsageError: the port is in use.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, HOST, port).start()
        except OSError as error:
            await self._runner.cleanup()
            msg = f"port {port} is in use: choose another with --port, or 0 for a free one"
            raise UsageError(msg) from error
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Listen no more."""
        await self._runner.cleanup()

    async def _first(self, request: web.Request) -> web.Response:
        language = _wanted_language(request.headers.get("Accept-Language", ""))
        address = f"/d/{uid_in(_FIRST, language)}"
        raise web.HTTPFound(address)

    async def _health(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "boards": len(self._boards)})

    async def _page(self, request: web.Request) -> web.Response:
        self._shown(request)
        text = _PAGE.joinpath("index.html").read_text("utf-8")
        return web.Response(text=text, content_type="text/html")

    async def _asset(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in _ASSETS:
            raise web.HTTPNotFound
        return web.Response(text=_PAGE.joinpath(name).read_text("utf-8"), content_type=_ASSETS[name])

    async def _board(self, request: web.Request) -> web.Response:
        shown = self._shown(request)
        try:
            quarters = await self._questions.quarters()
        except PulseError:  # the panels will say it
            quarters = []
        return web.json_response(page_of(self._boards, shown, quarters, self._questions.zone))

    async def _variables(self, request: web.Request) -> web.Response:
        shown = self._shown(request)
        return web.json_response(await self._questions.chosen(shown, _asked(request, shown)))

    async def _panel(self, request: web.Request) -> web.Response:
        shown = self._shown(request)
        number = request.match_info["panel"]
        panel = shown.panel(int(number)) if number.isdecimal() and len(number) < 6 else None  # noqa: PLR2004 (digits)
        if panel is None:
            raise web.HTTPNotFound
        return web.json_response(await self._questions.panel(shown, panel, _asked(request, shown)))

    def _shown(self, request: web.Request) -> Shown:
        shown = self._boards.get(request.match_info["uid"])
        if shown is None:
            raise web.HTTPNotFound
        return shown


def _asked(request: web.Request, shown: Shown) -> Asked:
    chosen = {name.removeprefix("var-"): value for name, value in request.query.items() if name.startswith("var-")}
    time = shown.json["time"]
    return Asked(chosen, request.query.get("from", time["from"]), request.query.get("to", time["to"]))


def _wanted_language(header: str) -> Any:
    """English for a browser that asks for it first, else the first language."""
    return "en" if header.lower().startswith("en") else LANGUAGES[0]


@web.middleware
async def _guarded(request: web.Request, handler: Any) -> web.StreamResponse:
    """Refuse names that are not this machine's (DNS rebinding), and turn errors into answers."""
    if request.host.rsplit(":", 1)[0] not in _LOCAL_NAMES:
        return web.json_response({"error": "this page answers on 127.0.0.1 alone"}, status=403, headers=_HEADERS)
    try:
        response: web.StreamResponse = await handler(request)
    except InvalidError as error:
        response = web.json_response({"error": str(error)}, status=400)
    except UnavailableError as error:
        response = web.json_response({"error": str(error)}, status=503)
    except web.HTTPException as error:
        error.headers.update(_HEADERS)
        raise
    except Exception:
        _log.exception("a question was not answered", path=request.path)
        response = web.json_response({"error": "the page failed; its log says why"}, status=500)
    response.headers.update(_HEADERS)
    return response
