"""What an import did: counters, reasons with examples, speed and memory."""

import resource
import sys
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

_EXAMPLES = 5
_REASONS = 50
_OTHER = "other reasons"


@dataclass(frozen=True, slots=True)
class Problem:
    """One row that could not be used."""

    line: int
    message: str


@dataclass(slots=True)
class Reason:
    """How often something was wrong, with the first lines where it was."""

    count: int = 0
    examples: list[Problem] = field(default_factory=list)


@dataclass(slots=True)
class ImportSummary:
    """Counters of one import.

    Attributes:
        kind: what the rows became.
        file: what was read.
        dry_run: nothing was sent.
        rows: records read.
        accepted: events sent, or reference rows of a reference kind taken.
        skipped: rows the mapping leaves out.
        dead_lettered: records and reference rows that were wrong.
        reference_rows: reference rows by kind.
        reference_version: newest published version afterwards; None when none were published.
        reasons: what was wrong.
        problems: the first wrong rows, for a dry run.
        first: the first mapped events or rows, for a dry run.
        seconds: duration.
        note: what somebody should know about the file; None for nothing.
        rejected: file that the wrong rows were written to; None when there is none.
    """

    kind: str
    file: Path
    dry_run: bool = False
    rows: int = 0
    accepted: int = 0
    skipped: int = 0
    dead_lettered: int = 0
    reference_rows: dict[str, int] = field(default_factory=dict)
    reference_version: int | None = None
    reasons: dict[str, Reason] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    first: list[Any] = field(default_factory=list)
    seconds: float = 0.0
    note: str | None = None
    rejected: Path | None = None
    _started: float = field(default_factory=perf_counter, repr=False)

    @property
    def rows_per_s(self) -> float:
        """Records per second, reading and sending together."""
        return self.rows / self.seconds if self.seconds else 0.0

    @property
    def ok(self) -> bool:
        """Whether anything could be imported."""
        return self.accepted > 0

    def count(self, reason: str, problem: Problem) -> None:
        """Note one wrong row under its reason."""
        self.dead_lettered += 1
        if reason not in self.reasons and len(self.reasons) >= _REASONS:
            reason = _OTHER
        entry = self.reasons.setdefault(reason, Reason())
        entry.count += 1
        if len(entry.examples) < _EXAMPLES:
            entry.examples.append(problem)

    def finish(self) -> None:
        """Take the time."""
        self.seconds = perf_counter() - self._started

    def as_dict(self) -> dict[str, Any]:
        """The summary as plain values for JSON."""
        return {
            "kind": self.kind,
            "file": str(self.file),
            "dry_run": self.dry_run,
            "rows": self.rows,
            "sent": self.accepted,
            "skipped": self.skipped,
            "dead_lettered": self.dead_lettered,
            "reference_rows": self.reference_rows,
            "reference_version": self.reference_version,
            "reasons": [
                {"reason": reason, "count": entry.count, "examples": [_plain(one) for one in entry.examples]}
                for reason, entry in self.reasons.items()
            ],
            "problems": [_plain(problem) for problem in self.problems],
            "first": self.first,
            "note": self.note,
            "rejected": None if self.rejected is None else str(self.rejected),
            "seconds": round(self.seconds, 3),
            "rows_per_s": round(self.rows_per_s),
            "peak_memory_bytes": peak_memory_bytes(),
        }


def peak_memory_bytes() -> int:
    """Largest resident size of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _plain(problem: Problem) -> dict[str, Any]:
    return {"line": problem.line, "message": problem.message}
