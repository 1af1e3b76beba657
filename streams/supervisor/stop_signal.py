"""SIGINT and SIGTERM as something one can wait for."""

import os
import select
import signal
from types import FrameType, TracebackType
from typing import Any, Self


class StopSignal:
    """Counts requests to stop; inside its `with` block a signal interrupts nothing but `wait`.

    Attributes:
        count: signals so far; from the second on the person is impatient.
    """

    def __init__(self) -> None:
        self.count = 0
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._read)
        os.close(self._write)

    @property
    def requested(self) -> bool:
        """Whether somebody asked to stop."""
        return self.count > 0

    def wait(self, seconds: float) -> bool:
        """Wait for at most `seconds`; True as soon as somebody asked to stop."""
        if not self.requested:
            select.select([self._read], [], [], seconds)
        return self.requested

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        os.write(self._write, b"s")
