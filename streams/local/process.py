"""The process of the local services: start all, say where they are, run until told to stop, close cleanly."""

import argparse
import asyncio
import contextlib
import importlib
import json
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from streams.errors import PulseError
from streams.local.folder import DataFolder
from streams.local.launch import SERVICES
from streams.local.sandbox import confine

_MEMORY_BYTES = 4 << 30
_CLOSE_S = 2.5
#: Each service loads only what it needs.
_MODULES = {
    "kafka": "streams.local.broker",
    "redis": "streams.local.redis_server",
    "clickhouse": "streams.local.clickhouse.server",
}
#: Services that live as long as this process.
_KEPT: list[Any] = []

Close = Callable[[], Coroutine[Any, Any, None]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run; ends the interpreter with 0 after a stop, 2 when the services cannot start as asked."""
    options = _options(arguments)
    try:
        folder = DataFolder(options.data)
        passwords = folder.credentials() if "clickhouse" in options.services else {}
        _load(options.services)
        confine(folder.path)
        asyncio.run(_run(folder, options, passwords))
    except PulseError as error:
        _complain(error, options.errors_on_stdout)
        _leave(2)
    _leave(0)


async def _run(folder: DataFolder, options: argparse.Namespace, passwords: dict[str, str]) -> None:
    stop = asyncio.Event()
    _stop_on_signals(stop)
    urls: dict[str, Any] = {}
    close: Close = _nothing
    if "kafka" in options.services:
        urls |= _start_kafka()
    if "redis" in options.services:
        urls |= _start_redis(options.redis_port)
    if "clickhouse" in options.services:
        found, close = await _start_clickhouse(folder.path / "clickhouse", options.clickhouse_port, passwords)
        urls |= found
    folder.announce(urls)
    if "kafka" in options.services:  # said by a broker that stays, not before the line that says why nothing started
        sys.stderr.write(f"{importlib.import_module(_MODULES['kafka']).LIMITS}\n")
    _say(urls)
    _stop_without_parent(stop)
    await stop.wait()
    with contextlib.suppress(TimeoutError):  # what is still open then is closed as a crash would: nothing is lost
        await asyncio.wait_for(close(), _CLOSE_S)
    folder.release()


def _load(services: Sequence[str]) -> None:
    """Import what the services need while all files can still be read."""
    for name in services:
        importlib.import_module(_MODULES[name])


def _start_kafka() -> dict[str, Any]:
    broker = importlib.import_module(_MODULES["kafka"])
    _KEPT.append(running := broker.LocalBroker())
    return {
        "kafka_url": running.url,
        "broker_partition_bytes": broker.PARTITION_BYTES,
        "assign_delay_s": broker.ASSIGN_DELAY_S,
    }


def _start_redis(port: int) -> dict[str, Any]:
    _KEPT.append(running := importlib.import_module(_MODULES["redis"]).LocalRedis(port))
    return {"redis_url": running.url}


async def _start_clickhouse(folder: Path, port: int, passwords: dict[str, str]) -> tuple[dict[str, Any], Close]:
    server = importlib.import_module(_MODULES["clickhouse"])
    running = server.LocalClickHouse(folder, port, passwords, _memory())
    await running.open()
    return running.urls(), running.close


async def _nothing() -> None:
    return


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m streams.local", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the database, the passwords and the lock")
    parser.add_argument("--services", type=_services, default=SERVICES, help="comma-separated: " + ",".join(SERVICES))
    parser.add_argument("--clickhouse-port", type=int, default=8123, help="loopback port; 0 takes a free one")
    parser.add_argument("--redis-port", type=int, default=0, help="loopback port; 0 takes a free one")
    parser.add_argument("--errors-on-stdout", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _services(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in SERVICES]
    if unknown or not names:
        msg = f"{text!r}: name some of {','.join(SERVICES)}"
        raise argparse.ArgumentTypeError(msg)
    return names


def _memory() -> int:
    return min(_MEMORY_BYTES, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


def _stop_without_parent(stop: asyncio.Event) -> None:
    """Stop when a pipe on stdin ends, as it does when the process that started this one dies."""
    mode = os.fstat(0).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return
    loop = asyncio.get_running_loop()

    def watch() -> None:
        while os.read(0, 4096):
            pass
        loop.call_soon_threadsafe(stop.set)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _complain(error: PulseError, on_stdout: bool) -> None:
    if on_stdout:
        _say({"error": str(error)})
    else:
        sys.stderr.write(f"{error}\n")


def _say(line: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody listens: the end of stdin says so too
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def _leave(code: int) -> None:
    """End without waiting for threads of connections that are still open."""
    sys.stderr.flush()
    os._exit(code)
