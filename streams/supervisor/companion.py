"""A child beside the workers: started again when it ends, and never a reason for `pulse up` to stop."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from streams.logs import Stream
from streams.supervisor.workers import Worker, WorkerFailedError

_STOP_S = 4.0

_log = structlog.get_logger("supervisor")


class Companion:
    """The child.

    Args:
        name: of the process; names its log.
        command: what is run.
        environment: its variables.
        folder: where its log is written.
        loud: where its warnings go.
    """

    def __init__(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path, loud: Stream
    ) -> None:
        self.name = name
        self._child = Worker(0, environment, folder, loud, command)
        self._child.name = name
        self._child.log = folder / f"{name}.log"
        self._given_up = False

    def start(self) -> None:
        """Start it."""
        self._child.start()

    def look(self) -> None:
        """Start it again when it ended; give up, and say so once, when that does not help."""
        if self._given_up:
            return
        try:
            self._child.look(time.monotonic())
        except WorkerFailedError as error:
            self._given_up = True
            _log.warning(f"the {self.name} is off; everything else goes on", why=str(error))

    def processes(self) -> dict[str, int]:
        """Name -> pid while it runs."""
        return {} if self._child.pid is None else {self.name: self._child.pid}

    def stop(self) -> None:
        """End it."""
        self._child.terminate()
        if self._child.ended(_STOP_S) is None:
            self._child.kill()
            self._child.ended(_STOP_S)
