"""The imports of a run, one after the other in a thread, so that the workers stay watched meanwhile."""

import threading
from collections.abc import Sequence
from typing import Any

import structlog

from streams.importing import ImportJob, ImportSummary, Progress, run_import
from streams.settings import Settings

_log = structlog.get_logger("import")


class StoppedError(Exception):
    """Raised inside an import that is to end early."""


class Imports(threading.Thread):
    """Runs the jobs in order and remembers what became of them.

    Attributes:
        done: summaries of the finished ones.
        error: what ended the series early, if anything did.
        status: what is going on, for a status line.
    """

    def __init__(self, jobs: Sequence[ImportJob], settings: Settings) -> None:
        super().__init__(name="imports", daemon=True)
        self.jobs = tuple(jobs)
        self.done: list[ImportSummary] = []
        self.error: Exception | None = None
        self.status = ""
        self._file = ""
        self._settings = settings
        self._stop_asked = threading.Event()

    def run(self) -> None:
        """Run all jobs."""
        try:
            for job in self.jobs:
                self._file = self.status = job.file.name
                summary = run_import(job, self._settings, progress=self._progress)
                self.done.append(summary)
                _log.info("imported", **counts(summary))
        except StoppedError:
            _log.info("import stopped: run it again, what has arrived is not counted twice")
        except Exception as error:  # handed to the main thread, which raises it
            self.error = error
        finally:
            self.status = ""

    def stop(self, timeout_s: float = 5.0) -> None:
        """End early; a read that hangs is left behind."""
        self._stop_asked.set()
        if self.is_alive():
            self.join(timeout_s)

    def _progress(self, progress: Progress) -> None:
        if self._stop_asked.is_set():
            raise StoppedError
        share = f" {progress.done / progress.total:.0%}" if progress.total else ""
        note = f" ({progress.note})" if progress.note else ""
        self.status = f"import {self._file}{share}{note}"


def counts(summary: ImportSummary) -> dict[str, Any]:
    """Numbers of one import, for the log and for the summary of the run."""
    return {
        "kind": summary.kind,
        "file": str(summary.file),
        "rows": summary.rows,
        "accepted": summary.accepted,
        "skipped": summary.skipped,
        "dead_letters": summary.dead_lettered,
        "reference_rows": sum(summary.reference_rows.values()),
        "seconds": round(summary.seconds, 3),
    }
