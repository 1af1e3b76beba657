"""Start the local services from another process, and stop them with it."""

import json
import select
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from streams.errors import UsageError

SERVICES: tuple[str, ...] = ("kafka", "redis", "clickhouse")
_START_S = 60


class LocalServices:
    """Running local services; leaves with the `with` block, with `stop()`, or with this process.

    Attributes:
        urls: what the services said at their start: `kafka_url`, `broker_partition_bytes`, `assign_delay_s`,
            `redis_url`, `clickhouse_url`, `clickhouse_reader_url`, as far as they were asked for.
        pid: of the process that runs them.
    """

    def __init__(self, process: "subprocess.Popen[str]", urls: dict[str, Any]) -> None:
        self._process = process
        self.urls = urls
        self.pid = process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def running(self) -> bool:
        """Whether the process still lives."""
        return self._process.poll() is None

    def stop(self, timeout_s: float = 10.0) -> None:
        """Close the services cleanly; a process that does not end in time is killed. A second call does nothing."""
        if self.running:
            self._process.terminate()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def start(
    data: Path,
    services: Iterable[str] = SERVICES,
    *,
    clickhouse_port: int = 8123,
    redis_port: int = 0,
    stderr: IO[Any] | None = None,
) -> LocalServices:
    """Start the named services in a process of their own and wait until they answer.

    Args:
        data: folder of the ClickHouse files, the passwords and the lock; made when missing.
        services: any of `SERVICES`.
        clickhouse_port: loopback port; 0 takes a free one.
        redis_port: loopback port; 0 takes a free one.
        stderr: where the process logs; this process' stderr when not given.

    Raises:
        UsageError: with the one line the process gave for not starting.
    """
    wanted = tuple(services)
    if unknown := [name for name in wanted if name not in SERVICES]:
        msg = f"there is no local service {unknown[0]!r}: name some of {', '.join(SERVICES)}"
        raise UsageError(msg)
    command = [
        *(sys.executable, "-m", "streams.local", "--errors-on-stdout", "--data", str(data)),
        *("--services", ",".join(wanted)),
        *("--clickhouse-port", str(clickhouse_port), "--redis-port", str(redis_port)),
    ]
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,  # Ctrl-C is for the caller, who may still need the services to stop in order
    )
    answer = _first_line(process)
    running = LocalServices(process, answer)
    if "error" in answer:
        running.stop(0 if running.running else 10)
        raise UsageError(answer["error"])
    return running


def _first_line(process: "subprocess.Popen[str]") -> dict[str, Any]:
    if process.stdout is None or not select.select([process.stdout], [], [], _START_S)[0]:
        return {"error": f"the local services did not start within {_START_S} s"}
    line = process.stdout.readline()
    if line.startswith("{"):
        answer: dict[str, Any] = json.loads(line)
        return answer
    return {"error": f"the local services ended at their start (exit {process.wait()}); their log says why"}
