"""Peak memory of the processes of a run."""

import resource
import sys
from collections.abc import Mapping
from pathlib import Path


class PeakMemory:
    """Remembers the highest resident size seen of each named process.

    The peaks are added as if they fell on one moment, so sums are upper bounds.
    """

    def __init__(self) -> None:
        self._peaks: dict[str, int] = {}

    def sample(self, processes: Mapping[str, int]) -> None:
        """Look at the processes: name -> pid."""
        for name, pid in processes.items():
            self._peaks[name] = max(self._peaks.get(name, 0), peak_bytes(pid))
        self._peaks["supervisor"] = own_peak_bytes()

    def total(self, prefix: str = "") -> int:
        """Bytes of all processes whose name starts so."""
        return sum(peak for name, peak in self._peaks.items() if name.startswith(prefix))


def peak_bytes(pid: int) -> int:
    """Highest resident size of a running process, bytes; 0 when the system does not tell."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(line.split()[1]) * 1024


def own_peak_bytes() -> int:
    """Highest resident size of this process, bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
