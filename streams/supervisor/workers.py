"""The `pulse worker` children: started, watched, started again after a crash, stopped."""

import contextlib
import os
import re
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import structlog

from streams.errors import PulseError
from streams.logs import Stream
from streams.supervisor.orphans import PARENT_VARIABLE

COMMAND = (sys.executable, "-m", "streams.cli", "worker")
#: A worker checkpoints and leaves within 10 s; the rest is for a loaded machine.
STOP_S = 15.0
#: Exit status of a worker that cannot run as it is set up: starting it again changes nothing.
_USAGE = 2
_KEPT_LINES = 12
_LOG_BYTES = 50_000_000
_ENTRY = re.compile(r'^\d{4}-\d\d-\d\dT\S+\s+\[?(\w+)|^\{.*"level": ?"(\w+)"')
_LOUD = {"warning", "error", "critical"}
_PLAIN = re.compile(r"\x1b\[[\d;]*m")

_log = structlog.get_logger("supervisor")


class WorkerFailedError(PulseError):
    """A worker cannot be kept running; the message ends with its last words."""


class Restarts:
    """When a crashed worker may start again: after 0.5, 1, 2, 4 s; never after `limit` crashes within `window_s`."""

    def __init__(self, limit: int = 5, window_s: float = 60.0, first_delay_s: float = 0.5) -> None:
        self._limit = limit
        self._window_s = window_s
        self._first_delay_s = first_delay_s
        self._crashes: deque[float] = deque()

    def delay_s(self, now_s: float) -> float | None:
        """Note a crash at `now_s` and say how long to wait; None: give up."""
        self._crashes.append(now_s)
        while self._crashes[0] < now_s - self._window_s:
            self._crashes.popleft()
        if len(self._crashes) >= self._limit:
            return None
        return float(self._first_delay_s * 2 ** (len(self._crashes) - 1))


class LogFile:
    """A log that keeps its last `limit` to twice `limit` bytes; a full disk loses lines and stops nothing.

    Args:
        path: where it is; the part before moves to `<path>.1`.
        limit: bytes after which a new part begins.
    """

    def __init__(self, path: Path, limit: int = _LOG_BYTES) -> None:
        self._path = path
        self._limit = limit
        self._out: IO[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def write(self, line: bytes) -> None:
        """Append a line at once."""
        with contextlib.suppress(OSError):
            if self._out is None:
                self._out = self._path.open("ab")
            self._out.write(line)
            self._out.flush()
            if self._out.tell() >= self._limit:
                self._close()
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))

    def _close(self) -> None:
        if self._out is not None:
            with contextlib.suppress(OSError):
                self._out.close()
            self._out = None


class LogPump(threading.Thread):
    """Copies a child's stderr to its log file, and its warnings and errors to the supervisor's."""

    def __init__(self, name: str, source: IO[bytes], file: Path, loud: Stream) -> None:
        super().__init__(name=f"{name}-log", daemon=True)
        self._source = source
        self._file = file
        self._loud = loud
        self.last: deque[str] = deque(maxlen=_KEPT_LINES)

    def run(self) -> None:
        """Copy until the child closes its end."""
        level = ""
        with self._source, LogFile(self._file) as log:
            for raw in self._source:
                log.write(raw)
                line = _PLAIN.sub("", raw.decode(errors="replace"))
                self.last.append(line.rstrip("\n"))
                level = level_of(line) or level
                if level in _LOUD:
                    self._loud.write(line)


def level_of(line: str) -> str | None:
    """Level of a log entry; None for a line that goes on with the entry before it."""
    match = _ENTRY.match(line)
    return (match[1] or match[2]).lower() if match else None


class Worker:
    """One child and its restarts.

    Args:
        index: 0, 1, …; names the log file.
        environment: variables of the child.
        folder: where `worker-N.log` is written.
        loud: where warnings and errors go.
        command: what is run.
    """

    def __init__(
        self,
        index: int,
        environment: Mapping[str, str],
        folder: Path,
        loud: Stream,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self.name = f"worker-{index}"
        self.log = folder / f"{self.name}.log"
        self.restarts = 0
        self._command = command
        self._environment = {**environment, PARENT_VARIABLE: str(os.getpid())}
        self._loud = loud
        self._policy = Restarts()
        self._process: subprocess.Popen[bytes] | None = None
        self._pump: LogPump | None = None
        self._due_s: float | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Start the child, in a process group of its own: a terminal's Ctrl-C reaches the supervisor alone."""
        self._due_s = None
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            process_group=0,
        )
        if self._process.stderr is None:
            return
        self._pump = LogPump(self.name, self._process.stderr, self.log, self._loud)
        self._pump.start()

    def look(self, now_s: float) -> None:
        """Start it again when it crashed and its back-off is over.

        Raises:
            WorkerFailedError: it crashed too often, or cannot run as it is set up.
        """
        if self._due_s is not None:
            if now_s >= self._due_s:
                self.restarts += 1
                self.start()
            return
        code = self._process.poll() if self._process is not None else None
        if code is None:
            return
        delay_s = self._policy.delay_s(now_s) if code != _USAGE else None
        if delay_s is None:
            raise WorkerFailedError(self._last_words(code))
        _log.warning("worker crashed, starting it again", worker=self.name, exit=code, in_s=delay_s)
        self._due_s = now_s + delay_s

    def terminate(self) -> None:
        """Ask it to checkpoint and leave."""
        self._due_s = None
        if self.pid is not None and self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        """End it at once; what is not in a checkpoint will be read again."""
        self._due_s = None
        if self.pid is not None and self._process is not None:
            self._process.kill()

    def ended(self, timeout_s: float) -> int | None:
        """Exit status, waited for at most `timeout_s`; None while it still runs. 0 when it was not running."""
        if self._process is None:
            return 0
        try:
            code = self._process.wait(max(0.0, timeout_s))
        except subprocess.TimeoutExpired:
            return None
        if self._pump is not None:
            self._pump.join(1.0)
        return code

    def _last_words(self, code: int) -> str:
        if self._pump is not None:
            self._pump.join(1.0)
        lines = [line for line in (self._pump.last if self._pump else ()) if line.strip()]
        why = "cannot run" if code == _USAGE else "crashed too often"
        return "\n".join([f"{self.name} {why} (exit {code}); the end of {self.log}:", *(f"  {line}" for line in lines)])


class WorkerPool:
    """All workers of a run."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self.workers = tuple(workers)

    @property
    def restarts(self) -> int:
        """Crashes that were mended."""
        return sum(worker.restarts for worker in self.workers)

    def start(self) -> None:
        """Start all of them."""
        for worker in self.workers:
            worker.start()

    def look(self, now_s: float) -> None:
        """Start crashed ones again.

        Raises:
            WorkerFailedError: one cannot be kept running.
        """
        for worker in self.workers:
            worker.look(now_s)

    def processes(self) -> dict[str, int]:
        """Name -> pid of those that run."""
        return {worker.name: worker.pid for worker in self.workers if worker.pid is not None}

    def stop(self, impatient: Callable[[], bool], timeout_s: float = STOP_S) -> list[str]:
        """Ask all to leave, wait, kill the rest; names of those that did not leave cleanly."""
        running = set(self.processes())
        for worker in self.workers:
            worker.terminate()
        deadline_s = time.monotonic() + timeout_s
        failed = []
        for worker in self.workers:
            code = worker.ended(0.0)
            while code is None and time.monotonic() < deadline_s and not impatient():
                code = worker.ended(0.1)
            if code is None:
                worker.kill()
                code = worker.ended(5.0)
            if code != 0 and worker.name in running:
                failed.append(worker.name)
        return failed
