"""What a worker says of itself in ClickHouse."""

import asyncio
import contextlib
import os
import socket
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from streams import heartbeat
from streams.errors import UnavailableError
from streams.metrics import Metrics
from streams.settings import Settings

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Client:
    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.away = False
        self.tries = 0

    def insert(self, table: str, rows: list[list[Any]], column_names: list[str]) -> None:
        self.tries += 1
        if self.away:
            raise OSError
        assert table == "worker_status"
        self.rows += [dict(zip(column_names, row, strict=True)) for row in rows]


def test_a_row_holds_the_metrics() -> None:
    metrics = Metrics()
    metrics.started = NOW.timestamp() - 3
    metrics.events.labels("visits").inc(40)
    metrics.events.labels("sales").inc(2)
    metrics.dead_letters.labels("decode").inc(5)
    metrics.lag.labels("visits").set(7)
    metrics.lag.labels("sales").set(4)
    metrics.shards.set(3)
    metrics.held.set(1)
    metrics.waiting_rows.set(9)
    metrics.checkpointed(NOW)

    assert heartbeat.row(metrics, "here:1", NOW) == {
        "at": NOW,
        "worker": "here:1",
        "shards": 3,
        "lag": 11,
        "messages": 42,
        "held": 1,
        "waiting_rows": 9,
        "dead_letters": 5,
        "seconds_since_round": 3.0,
        "last_checkpoint": NOW,
        "stopped": False,
    }


def test_a_worker_that_starts_again_on_its_port_keeps_its_name() -> None:
    fixed = Settings(_env_file=None, metrics_port=9464)  # type: ignore[call-arg]
    free = Settings(_env_file=None)  # type: ignore[call-arg]

    assert heartbeat.name_of_worker(fixed) == f"{socket.gethostname()}:9464"
    assert heartbeat.name_of_worker(free) == f"{socket.gethostname()}:{os.getpid()}"


async def test_it_goes_on_while_clickhouse_is_away_and_says_goodbye(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    client.away = True

    def connect(*_: Any, **__: Any) -> Client:
        return client

    monkeypatch.setattr(heartbeat, "connect", connect)
    settings = Settings(_env_file=None, clickhouse_url=SecretStr("http://x"))  # type: ignore[call-arg]
    beating = asyncio.create_task(heartbeat.beat(settings, Metrics(), every_s=0.001))
    while client.tries < 3:
        await asyncio.sleep(0)
    client.away = False
    while len(client.rows) < 2:
        await asyncio.sleep(0)
    beating.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await beating

    assert [row["stopped"] for row in client.rows[:-1]] == [False] * (len(client.rows) - 1)
    assert client.rows[-1]["stopped"] is True


async def test_a_clickhouse_that_is_not_there_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = 0

    def connect(*_: Any, **__: Any) -> None:
        nonlocal tries
        tries += 1
        raise UnavailableError

    monkeypatch.setattr(heartbeat, "connect", connect)
    beating = asyncio.create_task(heartbeat.beat(Settings(), Metrics(), every_s=0.001))
    while tries < 3:
        await asyncio.sleep(0)
    assert not beating.done()
    beating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await beating
