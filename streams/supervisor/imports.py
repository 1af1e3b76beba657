"""The imports of a run, one after the other in a thread, so that the workers stay watched meanwhile."""

from collections.abc import Sequence
from typing import Any

import structlog

from streams.importing import ImportJob, ImportSummary, Progress, run_import
from streams.settings import Settings
from streams.supervisor.background import Background

_log = structlog.get_logger("import")


class Imports(Background):
    """Runs the jobs in order and remembers what became of them.

    Attributes:
        done: summaries of the finished ones.
    """

    def __init__(self, jobs: Sequence[ImportJob], settings: Settings) -> None:
        super().__init__("imports")
        self.jobs = tuple(jobs)
        self.done: list[ImportSummary] = []
        self._file = ""
        self._settings = settings

    def work(self) -> None:
        """Run all jobs."""
        for job in self.jobs:
            self._file = self.status = job.file.name
            summary = run_import(job, self._settings, progress=self._progress)
            self.done.append(summary)
            _log.info("imported", **counts(summary))
            if summary.note:
                _log.warning(summary.note)

    def stopped(self) -> None:
        """Say how to go on."""
        _log.info("import stopped: run it again, what has arrived is not counted twice")

    def _progress(self, progress: Progress) -> None:
        self.check()
        share = f" {progress.done / progress.total:.0%}" if progress.total else ""
        note = f" ({progress.note})" if progress.note else ""
        self.status = f"import {self._file}{share}{note}"


def counts(summary: ImportSummary) -> dict[str, Any]:
    """Numbers of one import, for the log and for the summary of the run."""
    return {
        "kind": summary.kind,
        "file": str(summary.file),
        "rows": summary.rows,
        "sent": summary.accepted,
        "skipped": summary.skipped,
        "dead_letters": summary.dead_lettered,
        "reference_rows": sum(summary.reference_rows.values()),
        "seconds": round(summary.seconds, 3),
    }
