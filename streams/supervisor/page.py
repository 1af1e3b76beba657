"""The page with the boards as a part of `pulse up`: one child, started again when it ends, never a reason to stop."""

import socket
import sys
import time
from pathlib import Path

import structlog

from streams.logs import Stream
from streams.settings import Settings
from streams.supervisor.services import environment
from streams.supervisor.workers import Worker, WorkerFailedError

_STOP_S = 3.0

_log = structlog.get_logger("supervisor")


class BoardsPage:
    """The child and where it listens.

    Args:
        settings: with the URLs of running services.
        folder: where its log is written.
        loud: where its warnings go.
    """

    def __init__(self, settings: Settings, folder: Path, loud: Stream) -> None:
        port = free_port(settings.boards_port)
        command = (sys.executable, "-m", "streams.cli", "boards", "preview", "--port", str(port))
        self.url = f"http://127.0.0.1:{port}/"
        self._child = Worker(0, environment(settings), folder, loud, command)
        self._child.name = "boards"
        self._child.log = folder / "boards.log"
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
            _log.warning("the page with the boards is off; everything else goes on", why=str(error))

    def processes(self) -> dict[str, int]:
        """Name -> pid while it runs."""
        return {} if self._child.pid is None else {"boards": self._child.pid}

    def stop(self) -> None:
        """End it."""
        self._child.terminate()
        if self._child.ended(_STOP_S) is None:
            self._child.kill()
            self._child.ended(_STOP_S)


def free_port(wanted: int) -> int:
    """The wanted loopback port, or a free one when it is taken or 0."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return 0
