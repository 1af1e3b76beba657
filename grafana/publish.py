"""Publish folders, the data source and all boards: what is there already and the same is left alone."""

import json
from collections.abc import Iterator
from typing import Any

from grafana.build import files
from grafana.client import Grafana
from grafana.company import company
from grafana.query import DATA_SOURCE_TYPE, DATA_SOURCE_UID
from grafana.texts import LANGUAGES, Language
from streams.clickhouse import parse_url
from streams.errors import UsageError
from streams.settings import Settings

FOLDERS: dict[Language, tuple[str, str]] = {
    "zh-CN": ("sfe-pulse", "sfe-pulse"),
    "en": ("sfe-pulse-en", "sfe-pulse (English)"),
}
#: Set by Grafana itself.
_GRAFANAS_OWN = ("id", "version")


def target_of(settings: Settings, url: str | None) -> Grafana:
    """The Grafana that is meant.

    Raises:
        UsageError: address or token are missing.
    """
    address = url or settings.grafana_url
    if address is None or settings.grafana_token is None:
        msg = "no Grafana is set: set PULSE_GRAFANA_URL (or --url) and PULSE_GRAFANA_TOKEN"
        raise UsageError(msg)
    return Grafana(address, settings.grafana_token.get_secret_value())


def publish_all(grafana: Grafana, settings: Settings, *, dry_run: bool = False) -> Iterator[str]:
    """Bring Grafana in step, one line a thing that is looked at.

    Args:
        grafana: where to.
        settings: ClickHouse as Grafana is to reach it (`clickhouse_reader_url`), and the time zone.
        dry_run: only say what would be done.

    Raises:
        UsageError: no reader is set, or the token does not suffice.
        UnavailableError: Grafana does not answer.
        InvalidError: Grafana refuses something.
    """
    source = data_source_body(settings)
    for language in LANGUAGES:
        yield f"folder {FOLDERS[language][1]}: {_folder(grafana, *FOLDERS[language], dry_run=dry_run)}"
    yield f"data source {source['name']}: {_data_source(grafana, source, dry_run=dry_run)}"
    for name, text in files(company(settings.time_zone, settings.policies)).items():
        board = json.loads(text)
        folder, _title = FOLDERS["en" if name.startswith("en/") else "zh-CN"]
        yield f"board {board['uid']}: {_board(grafana, board, folder, dry_run=dry_run)}"


def data_source_body(settings: Settings) -> dict[str, Any]:
    """The data source as Grafana stores it.

    Raises:
        UsageError: no read-only ClickHouse user is set.
    """
    if settings.clickhouse_reader_url is None:
        msg = "no read-only ClickHouse user is set: set PULSE_CLICKHOUSE_READER_URL as Grafana can reach it"
        raise UsageError(msg)
    found = parse_url(settings.clickhouse_reader_url.get_secret_value())
    return {
        "name": "sfe-pulse",
        "uid": DATA_SOURCE_UID,
        "type": DATA_SOURCE_TYPE,
        "access": "proxy",
        "jsonData": {
            "host": found["host"],
            "port": found["port"],
            "protocol": "http",
            "secure": found["secure"],
            "username": found["username"],
            "defaultDatabase": found["database"],
        },
        "secureJsonData": {"password": found["password"]},
    }


def _folder(grafana: Grafana, uid: str, title: str, *, dry_run: bool) -> str:
    there = grafana.folder(uid)
    if there is not None and there["title"] == title:
        return "unchanged"
    if not dry_run:
        if there is None:
            grafana.create_folder(uid, title)
        else:
            grafana.rename_folder(uid, title)
    return _said("create" if there is None else "rename", dry_run)


def _data_source(grafana: Grafana, body: dict[str, Any], *, dry_run: bool) -> str:
    there = grafana.data_source(body["uid"])
    if not dry_run:
        if there is None:
            grafana.create_data_source(body)
        else:
            grafana.update_data_source(body["uid"], body)  # the password cannot be compared, so it is sent again
    if there is None:
        return _said("create", dry_run)
    same = there.get("jsonData") == body["jsonData"] and there.get("type") == body["type"]
    return (
        "unchanged, password sent again" if same and not dry_run else "unchanged" if same else _said("update", dry_run)
    )


def _board(grafana: Grafana, board: dict[str, Any], folder: str, *, dry_run: bool) -> str:
    there = grafana.dashboard(board["uid"])
    if there is not None and _content(there["dashboard"]) == board and there["meta"].get("folderUid") == folder:
        return "unchanged"
    if not dry_run:
        grafana.save_dashboard(board, folder, "pulse boards publish")
    return _said("create" if there is None else "update", dry_run)


def _content(board: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in board.items() if name not in _GRAFANAS_OWN}


def _said(verb: str, dry_run: bool) -> str:
    return f"would {verb}" if dry_run else f"{verb}d"
