"""What a worker process of the tests does: it is `pulse worker`, in a process that has its modules already.

Python's fork server loads them once; loading them takes longer than all the work most tests give a worker. `pulse up`
of the end-to-end tests starts its workers from nothing.
"""

import multiprocessing
import os
import sys
import threading
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["streams.cli.worker", "streams.worker"])
#: Two threads that look after the same dead process at once would each read a part of how it ended.
_ONE_AT_A_TIME = threading.Lock()


class WorkerProcess:
    """A process that runs `pulse worker`.

    Args:
        environment: all of its environment variables.
        log: file that takes what it says.
        folder: where it runs.
    """

    def __init__(self, environment: dict[str, str], log: Path, folder: Path) -> None:
        with _ONE_AT_A_TIME:
            self._process = _CONTEXT.Process(target=_run, args=(environment, str(log), str(folder)))
            self._process.start()
        self.pid = int(self._process.pid or 0)

    @property
    def exit_code(self) -> int | None:
        """What it exited with, minus the number of the signal that ended it; None while it runs."""
        with _ONE_AT_A_TIME:
            return self._process.exitcode


def _run(environment: dict[str, str], log: str, folder: str) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(number, target)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["pulse", "worker"]
    from streams.cli import main  # noqa: PLC0415 - the process that only starts it needs nothing of it

    main()
