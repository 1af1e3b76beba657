"""Find the ClickHouse (and Kafka) a command means: the one that is set, of a running `pulse up`, or its files."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client

from streams.clickhouse import connect
from streams.errors import UnavailableError, UsageError
from streams.settings import Settings
from streams.supervisor.services import open_services, with_urls

_ANNOUNCED = "local.json"


@contextmanager
def clickhouse(settings: Settings, data: Path | None, *, writer: bool) -> Iterator[Client]:
    """A client for the time of a command.

    In this order: the URL in the settings; a running `pulse up` on `data`; a local ClickHouse on `data`, started for
    the command.

    Args:
        settings: of the command.
        data: folder of the local services; the one in the settings when left out.
        writer: whether the command writes.

    Raises:
        UsageError: the folder does not exist, holds nothing of ours, or is held by another process.
        UnavailableError: the ClickHouse that is set does not answer.
    """
    if settings.clickhouse_url is not None or (settings.clickhouse_reader_url is not None and not writer):
        client = _connect(settings, writer=writer)
    elif running := _running(settings, data, writer=writer):
        client = running
    else:
        with open_services(_at(settings, data), 0, ("clickhouse",)) as services:
            client = _connect(services.settings, writer=writer)
            try:
                yield client
            finally:
                client.close()
        return
    try:
        yield client
    finally:
        client.close()


def announced(settings: Settings, data: Path | None) -> Settings:
    """Settings completed by what a running `pulse up` on `data` announced; as they are when none runs."""
    return with_urls(settings, _local_json(data or settings.data))


def running(settings: Settings, data: Path | None) -> Settings:
    """Settings of a command that sends something: completed by a running `pulse up` on `data`.

    Raises:
        UsageError: `data` is named, but nothing runs there.
    """
    if data is None or settings.kafka_url is not None:
        return announced(settings, data)
    if not data.is_dir():
        msg = f"{data} is no folder: name the one a running `pulse up` uses with --data"
        raise UsageError(msg)
    if not (data / _ANNOUNCED).is_file():
        msg = f"no `pulse up` runs on {data}: start `pulse up --data {data}` first"
        raise UsageError(msg)
    return announced(settings, data)


def _at(settings: Settings, data: Path | None) -> Settings:
    folder = data or settings.data
    if not folder.is_dir():
        msg = f"{folder} is no folder: name the one `pulse up` used with --data"
        raise UsageError(msg)
    if not (folder / "clickhouse").is_dir():
        msg = f"{folder} holds no data of sfe-pulse: run `pulse up --data {folder}` first"
        raise UsageError(msg)
    return settings.model_copy(update={"data": folder})


def _connect(settings: Settings, *, writer: bool) -> Client:
    if writer or settings.clickhouse_reader_url is None:
        return connect(settings.clickhouse_url)
    return connect(settings.clickhouse_reader_url)


def _running(settings: Settings, data: Path | None, *, writer: bool) -> Client | None:
    """Client of a running `pulse up`; None when there is none, or only the traces of a killed one."""
    found = announced(settings, data)
    if found.clickhouse_url is None:
        return None
    try:
        return _connect(found, writer=writer)
    except UnavailableError:
        return None


def _local_json(folder: Path) -> dict[str, Any]:
    try:
        urls = json.loads((folder / _ANNOUNCED).read_text())
    except (OSError, ValueError):
        return {}
    return urls if isinstance(urls, dict) else {}
