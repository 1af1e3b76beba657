"""A small Grafana: folders, data sources and boards over HTTP, with the answers its API documents."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "glsa_right"


@dataclass
class State:
    """What the server holds.

    Attributes:
        changes: method and path of every request that is no GET.
        provisioned: uids of boards that came from a file.
        role: Admin or Viewer, of the token.
        broken: whether it answers 500.
        silent: whether a change is answered with an empty 204.
    """

    folders: dict[str, dict[str, Any]] = field(default_factory=dict)
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    boards: dict[str, dict[str, Any]] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    provisioned: set[str] = field(default_factory=set)
    role: str = "Admin"
    broken: bool = False
    silent: bool = False


class _Handler(BaseHTTPRequestHandler):
    state: State

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _answer(self, code: int, body: Any) -> None:
        if self.state.silent and self.command == "PUT":
            code, body = 204, None
        data = b"" if code == 204 else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length) or b"null")
        if self.state.broken:
            return self._answer(500, {"message": "database is locked"})
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._answer(401, {"message": "Invalid API key"})
        if self.command != "GET":
            self.state.changes.append(f"{self.command} {self.path}")
            if self.state.role != "Admin":
                return self._answer(403, {"message": "You'll need additional permissions"})
        parts = self.path.removeprefix("/grafana/api/").split("/")
        return self._answer(*self._route(parts, body))

    do_GET = do_POST = do_PUT = _handle  # noqa: N815 (the names http.server looks for)

    def _route(self, parts: list[str], body: Any) -> tuple[int, Any]:
        kinds = {"folders": self._folders, "datasources": self._sources, "dashboards": self._boards}
        kind = kinds.get(parts[0])
        return kind(parts[1:], body) if kind else (404, {"message": "Not found"})

    def _folders(self, parts: list[str], body: Any) -> tuple[int, Any]:
        folders = self.state.folders
        if self.command == "GET":
            return _found(folders.get(parts[0]), "folder not found")
        if self.command == "POST" and body["uid"] in folders:
            return 409, {"message": "a folder with the same uid already exists"}
        if self.command == "PUT" and not body.get("overwrite"):
            return 412, {"message": "The folder has been changed by someone else"}
        uid = parts[0] if parts else body["uid"]
        folders[uid] = {"uid": uid, "title": body["title"], "version": 1}
        return 200, folders[uid]

    def _sources(self, parts: list[str], body: Any) -> tuple[int, Any]:
        sources = self.state.sources
        if self.command == "GET" and parts[0] == "uid":
            return _found(sources.get(parts[1]), "Data source not found")
        if self.command == "POST" and any(one["name"] == body["name"] for one in sources.values()):
            return 409, {"message": "data source with the same name already exists"}
        if self.command == "PUT" and parts[0] != "uid":
            return 403, {"message": "numeric ids are switched off"}
        sources[body["uid"]] = _without_secrets(body)
        return 200, {"message": "Datasource saved"}

    def _boards(self, parts: list[str], body: Any) -> tuple[int, Any]:
        if self.command == "POST" and parts == ["db"]:
            return self._save(body)
        board = self.state.boards.get(parts[1])
        meta = {"folderUid": self.state.places.get(parts[1])}
        return _found(board and {"dashboard": board, "meta": meta}, "Dashboard not found")

    def _save(self, body: dict[str, Any]) -> tuple[int, Any]:
        board, state = body["dashboard"], self.state
        uid = board["uid"]
        if uid in state.provisioned:
            return 400, {"message": "Cannot save provisioned dashboard"}
        if body["folderUid"] not in state.folders:
            return 404, {"message": "folder not found"}
        twin = any(
            other["title"] == board["title"] and key != uid and state.places[key] == body["folderUid"]
            for key, other in state.boards.items()
        )
        if twin:
            return 412, {
                "message": "A dashboard with the same name in the folder already exists",
                "status": "name-exists",
            }
        there = state.boards.get(uid)
        if there is not None and not body.get("overwrite"):
            return 412, {"message": "The dashboard has been changed by someone else", "status": "version-mismatch"}
        version = there["version"] + 1 if there else 1
        state.boards[uid] = board | {"id": len(state.boards) + 1, "version": version}
        state.places[uid] = body["folderUid"]
        return 200, {"status": "success", "uid": uid, "version": version}


def _found(thing: Any, message: str) -> tuple[int, Any]:
    return (200, thing) if thing else (404, {"message": message})


def _without_secrets(body: dict[str, Any]) -> dict[str, Any]:
    fields = dict.fromkeys(body.get("secureJsonData", {}), True)
    return {name: value for name, value in body.items() if name != "secureJsonData"} | {"secureJsonFields": fields}


@contextmanager
def fake_grafana() -> Iterator[tuple[str, State]]:
    """Its address (below a path, as behind a proxy) and what it holds."""
    state = State()
    handler = type("Handler", (_Handler,), {"state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/grafana/", state
        finally:
            server.shutdown()
            thread.join()
