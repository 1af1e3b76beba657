"""A child that never outlives its supervisor, even when that is killed with -9."""

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time

#: Process id of the supervisor, in the environment of its children.
PARENT_VARIABLE = "PULSE_PARENT_PID"
_PR_SET_PDEATHSIG = 1
_LOOK_EVERY_S = 0.5


def die_with_parent() -> None:
    """Arrange for this process to be killed when its supervisor ends; does nothing without one.

    Killing is safe: what is not in a checkpoint is read again. Must run in the main thread, early.
    """
    named = os.environ.pop(PARENT_VARIABLE, "")
    if not named.isdigit():
        return
    parent = int(named)
    if not _asked_kernel():
        threading.Thread(target=_watch, args=(parent,), name="parent-watch", daemon=True).start()
    if os.getppid() != parent:  # gone before the kernel was asked
        os._exit(1)


def _asked_kernel() -> bool:
    """Whether Linux will send SIGKILL when the parent's main thread ends."""
    if not sys.platform.startswith("linux"):
        return False
    with contextlib.suppress(OSError, AttributeError):
        return bool(ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0)
    return False


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    os._exit(1)
