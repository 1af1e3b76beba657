"""Standard error as a person sees it: log lines that scroll and, on a terminal, one status line below them."""

import io
import shutil
import sys
import threading
from types import TracebackType
from typing import Self, TextIO

from rich.cells import cell_len, set_cell_size

_CLEAR = "\r\x1b[2K"


class Screen(io.TextIOBase):
    """A text stream that keeps a status line at the bottom of a terminal; safe for several threads.

    Args:
        out: where it all goes; stderr when left out.
    """

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._status = ""
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.show("")

    def isatty(self) -> bool:
        """Whether a person watches."""
        return self._out.isatty()

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str) -> int:
        """Write whole lines above the status line."""
        with self._lock:
            self._out.write(f"{_CLEAR if self._status else ''}{text}{self._status if text.endswith(chr(10)) else ''}")
            self._out.flush()
        return len(text)

    def flush(self) -> None:
        """Hand everything to the terminal."""
        self._out.flush()

    def show(self, status: str) -> None:
        """Replace the status line; without a terminal nothing is shown."""
        if not self.isatty():
            return
        width = shutil.get_terminal_size().columns - 1
        with self._lock:
            self._status = status if cell_len(status) <= width else set_cell_size(status, width)
            self._out.write(_CLEAR + self._status)
            self._out.flush()
