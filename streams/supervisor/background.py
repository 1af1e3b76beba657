"""Work beside the supervisor: a thread that can be asked to stop and hands its error to the main thread."""

import threading
from abc import abstractmethod
from typing import ClassVar


class StoppedError(Exception):
    """Raised inside work that is to end early."""


class Background(threading.Thread):
    """A thread that works while the workers are watched.

    Attributes:
        error: what ended it early, if anything did.
        status: what is going on, for a status line.
    """

    #: What `check` raises and `run` takes for an orderly end.
    stop_error: ClassVar[type[Exception]] = StoppedError

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.error: Exception | None = None
        self.status = ""
        self._stop_asked = threading.Event()

    @abstractmethod
    def work(self) -> None:
        """Do everything; calls `check` now and then."""

    def stopped(self) -> None:
        """Called when the work ended because it was asked to."""

    def run(self) -> None:
        """Work to the end, or to the first error."""
        try:
            self.work()
        except self.stop_error:
            self.stopped()
        except Exception as error:  # handed to the main thread, which raises it
            self.error = error
        finally:
            self.status = ""

    def check(self) -> None:
        """Go on, or not.

        Raises:
            Exception: `stop_error`, when it was asked to stop.
        """
        if self._stop_asked.is_set():
            raise self.stop_error

    def stop(self, timeout_s: float = 5.0) -> None:
        """End early; a call that hangs is left behind."""
        self._stop_asked.set()
        if self.is_alive():
            self.join(timeout_s)
