"""Grafana's HTTP API, as far as publishing needs it; the only place that knows the library grafana-api.

Six of the library's calls do not fit today's Grafana (numeric ids, empty answers), so paths and bodies are those of
Grafana's documentation and go through the library's request method, which brings authentication and errors.
"""

from typing import Any
from urllib.parse import quote, urlsplit

import requests
from grafana_api.grafana_api import GrafanaClientError, GrafanaException, GrafanaServerError, GrafanaUnauthorizedError
from grafana_api.grafana_face import GrafanaFace

from streams.errors import InvalidError, UnavailableError, UsageError

_NOT_FOUND, _FORBIDDEN, _CONFLICT, _PRECONDITION = 404, 403, 409, 412


class Grafana:
    """One Grafana.

    Args:
        url: its address, with the path it is served below, if any.
        token: of a service account with the role Admin.
        timeout_s: for one answer.

    Raises:
        UsageError: the address is none.
    """

    def __init__(self, url: str, token: str, timeout_s: float = 15.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            msg = "Grafana's address looks like https://grafana.example.com: set PULSE_GRAFANA_URL or --url"
            raise UsageError(msg)
        path = parts.path.strip("/")
        self._face = GrafanaFace(
            auth=token,
            host=parts.hostname,
            port=parts.port,
            protocol=parts.scheme,
            url_path_prefix=f"{path}/" if path else "",
            timeout=timeout_s,
        )

    def folder(self, uid: str) -> dict[str, Any] | None:
        """A folder; None when there is none."""
        return self._found("GET", f"/folders/{quote(uid)}")

    def create_folder(self, uid: str, title: str) -> None:
        """Make a folder."""
        self._asked("POST", "/folders", {"uid": uid, "title": title})

    def rename_folder(self, uid: str, title: str) -> None:
        """Give a folder another title, whoever changed it last."""
        self._asked("PUT", f"/folders/{quote(uid)}", {"title": title, "overwrite": True})

    def data_source(self, uid: str) -> dict[str, Any] | None:
        """A data source, without its secrets; None when there is none."""
        return self._found("GET", f"/datasources/uid/{quote(uid)}")

    def create_data_source(self, body: dict[str, Any]) -> None:
        """Make a data source."""
        self._asked("POST", "/datasources", body)

    def update_data_source(self, uid: str, body: dict[str, Any]) -> None:
        """Replace a data source; by uid, numeric ids are switched off in newer Grafanas."""
        self._asked("PUT", f"/datasources/uid/{quote(uid)}", body)

    def dashboard(self, uid: str) -> dict[str, Any] | None:
        """A board with its `meta`; None when there is none."""
        return self._found("GET", f"/dashboards/uid/{quote(uid)}")

    def save_dashboard(self, board: dict[str, Any], folder: str, message: str) -> None:
        """Make or replace a board."""
        body = {"dashboard": board, "folderUid": folder, "message": message, "overwrite": True}
        self._asked("POST", "/dashboards/db", body)

    def _found(self, method: str, path: str) -> dict[str, Any] | None:
        try:
            return self._asked(method, path)
        except _MissingError:
            return None

    def _asked(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One request.

        Raises:
            UnavailableError: no answer, or one of a Grafana that is not well.
            UsageError: the token does not suffice.
            InvalidError: Grafana refused the content.
        """
        try:
            answer: dict[str, Any] = getattr(self._face.api, method)(path, json=body)
        except GrafanaException as error:
            raise _translated(error, path) from error
        except ValueError as error:
            if isinstance(error, requests.exceptions.InvalidURL):
                msg = "Grafana's address is none: set PULSE_GRAFANA_URL or --url"
                raise UsageError(msg) from error
            return {}  # an empty answer: done, nothing to say
        except requests.exceptions.RequestException as error:
            msg = f"Grafana does not answer: {error.__class__.__name__}; is the address right?"
            raise UnavailableError(msg) from error
        return answer


class _MissingError(InvalidError):
    """What was asked for does not exist."""


def _translated(error: GrafanaException, path: str) -> Exception:
    text = " ".join(str(error.message).split())[:300]
    if isinstance(error, GrafanaUnauthorizedError):
        return UsageError("Grafana does not know the token: set PULSE_GRAFANA_TOKEN to one of a service account")
    if isinstance(error, GrafanaServerError):
        return UnavailableError(f"Grafana is not well: {text}")
    if isinstance(error, GrafanaClientError) and error.status_code == _FORBIDDEN:
        return UsageError(f"the token may not do {path}: give its service account the role Admin")
    if error.status_code == _NOT_FOUND:
        return _MissingError(f"Grafana has no {path}")
    if error.status_code in {_CONFLICT, _PRECONDITION}:
        return InvalidError(
            f"Grafana holds another thing of this name ({text}): rename or delete it, then publish again"
        )
    return InvalidError(f"Grafana refused {path}: {text}")
