"""Import: files of events and reference data, mapped, checked and sent."""

from streams.importing.job import ImportJob, kind_of, parse_import_argument
from streams.importing.run import Progress, run_import
from streams.importing.summary import ImportSummary, peak_memory_bytes

__all__ = [
    "ImportJob",
    "ImportSummary",
    "Progress",
    "kind_of",
    "parse_import_argument",
    "peak_memory_bytes",
    "run_import",
]
