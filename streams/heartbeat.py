"""A worker's heartbeat in ClickHouse: lag and late checkpoints for boards and alert rules that read nothing else."""

import asyncio
import os
import socket
from datetime import UTC, datetime
from typing import Any

import structlog
from clickhouse_connect.driver.client import Client

from streams.clickhouse import connect, translated
from streams.errors import PulseError
from streams.metrics import Metrics
from streams.settings import Settings

EVERY_S = 5.0
TABLE = "worker_status"
#: A worker that is told to stop has ten seconds in all.
_TIMEOUT_S = 3.0

_log = structlog.get_logger("heartbeat")


def name_of_worker(settings: Settings) -> str:
    """Host and port of the metrics, the same again after a crash; the process number where any port may be taken."""
    return f"{socket.gethostname()}:{settings.metrics_port or os.getpid()}"


def row(metrics: Metrics, worker: str, now: datetime, *, stopped: bool = False) -> dict[str, Any]:
    """What the worker says of itself, by column."""
    health = metrics.health(now.timestamp())
    last = health["last_checkpoint"]
    return {
        "at": now,
        "worker": worker,
        "shards": health["shards"],
        "lag": max(health["lag"], 0),
        "messages": _sum(metrics.events),
        "held": health["held"],
        "waiting_rows": health["waiting_rows"],
        "dead_letters": _sum(metrics.dead_letters),
        "seconds_since_round": health["seconds_since_last_round"],
        "last_checkpoint": None if last is None else datetime.fromtimestamp(last, UTC),
        "stopped": stopped,
    }


def _sum(counter: Any) -> int:
    samples = next(iter(counter.collect())).samples
    return int(sum(sample.value for sample in samples if sample.name.endswith("_total")))


async def beat(settings: Settings, metrics: Metrics, every_s: float = EVERY_S) -> None:
    """Write a row again and again, and one that says goodbye when cancelled.

    A heartbeat that cannot be written is left out: whoever misses it sees just that.
    """
    worker = name_of_worker(settings)
    client: Client | None = None
    try:
        while True:
            client = await asyncio.to_thread(_write, client, settings, row(metrics, worker, datetime.now(UTC)))
            await asyncio.sleep(every_s)
    finally:
        if client is not None:
            goodbye = row(metrics, worker, datetime.now(UTC), stopped=True)
            await asyncio.to_thread(_write, client, settings, goodbye)


def _write(client: Client | None, settings: Settings, values: dict[str, Any]) -> Client | None:
    """The client that wrote it; None when ClickHouse is away."""
    try:
        client = client or connect(settings.clickhouse_url, timeout_s=_TIMEOUT_S)
        with translated():
            client.insert(TABLE, [list(values.values())], column_names=list(values))
    except PulseError as error:
        _log.debug("no heartbeat", error=str(error))
        return None
    return client
