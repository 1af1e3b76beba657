"""What a run did, as text for a person and as JSON for a script."""

from dataclasses import dataclass, field
from typing import Any

from streams import cases_view
from streams.lights_view import Counts
from streams.shards_view import Progress

_MIB = 1 << 20


@dataclass(frozen=True)
class Summary:
    """Figures of one `pulse up`."""

    progress: Progress
    """Of the workers, since the start."""
    seconds: float
    """From the start of the imports until everything was in a checkpoint."""
    workers_peak_bytes: int
    """Sum of the workers' peaks."""
    total_peak_bytes: int
    """Sum of the peaks of all processes, local services among them."""
    restarts: int = 0
    """Worker crashes that were mended."""
    reference_rows: int = 0
    """Rows published as reference data."""
    file_dead_letters: int = 0
    """Rows of files that never became an event."""
    open_letters: int | None = None
    """Dead letters that wait for somebody, of this run and before; None when nobody could be asked."""
    imports: list[dict[str, Any]] = field(default_factory=list)
    lights: Counts = field(default_factory=lambda: Counts({}, {}))
    """Alert lights by colour."""
    alerts: cases_view.Counts = field(default_factory=lambda: cases_view.Counts({}, {}))
    """Alerts, and cases that are not closed, by colour."""

    @property
    def dead_letters(self) -> int:
        """Events and rows set aside."""
        return self.progress.dead_letters + self.file_dead_letters

    @property
    def events_per_s(self) -> float:
        """Accepted events by second."""
        return self.progress.total_accepted / self.seconds if self.seconds > 0 else 0.0

    def as_json(self) -> dict[str, Any]:
        """One object with every figure."""
        return {
            "event": "summary",
            "accepted": self.progress.accepted,
            "accepted_total": self.progress.total_accepted,
            "duplicates": self.progress.duplicates,
            "conflicts": self.progress.conflicts,
            "dead_letters": self.dead_letters,
            "dead_letters_open": self.open_letters,
            "held": self.progress.held,
            "reference_rows": self.reference_rows,
            "alerts": self.alerts.alerts,
            "cases_open": self.alerts.open,
            "lights": self.lights.running,
            "lights_over": self.lights.over,
            "seconds": round(self.seconds, 3),
            "events_per_s": round(self.events_per_s, 1),
            "workers_peak_bytes": self.workers_peak_bytes,
            "total_peak_bytes": self.total_peak_bytes,
            "worker_restarts": self.restarts,
            "imports": self.imports,
        }

    def as_text(self) -> str:
        """Lines for a person."""
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in self.progress.accepted.items())
        rows = [
            ("accepted", f"{self.progress.total_accepted:,}{f' ({kinds})' if kinds else ''}"),
            ("duplicates", f"{self.progress.duplicates:,}"),
            ("conflicts", f"{self.progress.conflicts:,}"),
            ("dead letters", f"{self.dead_letters:,}{self._open()}"),
            *([("reference rows", f"{self.reference_rows:,}")] if self.reference_rows else []),
            ("time", f"{self.seconds:.1f} s, {self.events_per_s:,.0f} events/s"),
            ("peak memory", f"{_mib(self.workers_peak_bytes)} workers, {_mib(self.total_peak_bytes)} in all"),
        ]
        named = zip(("lights", "lights, over", "alerts", "open cases"), (*self.lights, *self.alerts), strict=True)
        for name, counted in named:
            if counted:
                rows.append((name, ", ".join(f"{count:,} {state}" for state, count in counted.items())))
        if self.progress.held:
            rows.append(("waiting", f"{self.progress.held:,} for reference data"))
        if self.restarts:
            rows.append(("restarts", f"{self.restarts} after a worker crashed"))
        return "\n".join(f"{name:<15} {text}" for name, text in rows)

    def _open(self) -> str:
        """What `pulse dead-letters list` shows: letters of earlier runs and of `pulse import` beside this run too."""
        if not self.dead_letters and not self.open_letters:
            return ""
        waiting = "" if self.open_letters is None else f", {self.open_letters:,} open in all"
        return f" in this run{waiting}: `pulse dead-letters list` shows them"


def _mib(size: int) -> str:
    return f"{size / _MIB:,.0f} MiB"
