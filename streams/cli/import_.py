"""`pulse import`: a file of events or reference data, through a mapping, to where it belongs."""

import getpass
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from schemas.events import Event
from streams import importing
from streams import settings as settings_module
from streams.importing import ImportJob, ImportSummary, kind_of, run_import
from streams.importing.job import MODELS
from streams.supervisor import reach

Report = Callable[[importing.Progress], None]
_STAGES = {
    "copies": "comparing with files that came before",
    "reference": "reading reference rows",
    "rows": "importing",
}
_MEGABYTE = 1_000_000


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import")(import_file)


def import_file(  # noqa: PLR0913, PLR0917 - one parameter an option
    kind: Annotated[str, typer.Argument(help="sale, visit, payment, …, institution, rep, product, node, …")],
    file: Annotated[Path, typer.Argument(help=".csv, .tsv, .jsonl (each also .gz), .parquet or .xlsx")],
    mapping: Annotated[
        Path | None, typer.Option("--mapping", help="Mapping file, or the name of one in policies/mappings.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the first mapped rows and every problem; send nothing.")
    ] = False,
    rejected: Annotated[
        Path | None,
        typer.Option("--rejected", help="New file for the wrong rows: mend it and import it, nothing counts twice."),
    ] = None,
    as_new: Annotated[
        bool, typer.Option("--as-new", help="All rows are new, even if most of them came before in another file.")
    ] = False,
    author: Annotated[str | None, typer.Option("--author", help="Who publishes the reference data.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Folder of a running `pulse up`.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON on stdout.")] = False,
) -> None:
    """Import a file of events or reference data.

    Wrong rows go to the dead letters with their line and the reason; the rest is imported. The same file again changes
    nothing. To mend wrong rows: import once more with --rejected, mend the rows in that file, and import it.
    """
    job = ImportJob(kind_of(kind), file, mapping, author or _user())
    settings = settings_module.load()
    if not dry_run:
        settings = reach.running(settings, data)
    with _progress(file) as report:
        summary = run_import(job, settings, dry_run=dry_run, as_new=as_new, rejected=rejected, progress=report)
    if summary.note:
        sys.stderr.write(f"{summary.note}\n")
    sys.stdout.write(json.dumps(summary.as_dict(), ensure_ascii=False) + "\n" if as_json else describe(summary))
    if not summary.ok:
        raise typer.Exit(1)


def describe(summary: ImportSummary) -> str:
    """The summary as a person reads it."""
    lines = [*_previewed(summary), *_counted(summary), *_reasons(summary), *_next_steps(summary)]
    return "\n".join(lines) + "\n"


def _previewed(summary: ImportSummary) -> Iterator[str]:
    if not summary.dry_run:
        return
    if summary.first:
        yield f"the first {len(summary.first)} mapped rows:"
        yield from (f"  {json.dumps(row, ensure_ascii=False)}" for row in summary.first)
    if summary.problems:
        shown, count = len(summary.problems), summary.dead_lettered
        every = f"{count} problem{'' if count == 1 else 's'}"
        yield f"{every}:" if shown == count else f"the first {shown} of {every}:"
        yield from (f"  line {problem.line}: {problem.message}" for problem in summary.problems)


def _counted(summary: ImportSummary) -> Iterator[str]:
    sent, wrong = ("would be sent", "wrong") if summary.dry_run else ("sent", "wrong, set aside as dead letters")
    if not issubclass(MODELS[summary.kind], Event):
        sent = "would be published" if summary.dry_run else "published"
    skipped = f", {summary.skipped:,} left out by the mapping" if summary.skipped else ""
    yield f"{summary.file}: {summary.accepted:,} of {summary.rows:,} rows {sent} as {summary.kind}{skipped}"
    if summary.reference_rows:
        rows = ", ".join(f"{count:,} {kind}" for kind, count in summary.reference_rows.items())
        version = f" (version {summary.reference_version})" if summary.reference_version else ""
        yield f"reference rows: {rows}{version}"
    if summary.dead_lettered:
        yield f"{summary.dead_lettered:,} {wrong}"
    memory = f"{importing.peak_memory_bytes() / _MEGABYTE:,.0f} MB"
    yield f"{summary.seconds:,.1f} s, {summary.rows_per_s:,.0f} rows/s, peak memory {memory}"


def _reasons(summary: ImportSummary) -> Iterator[str]:
    for reason, entry in summary.reasons.items():
        yield f"  {entry.count:,} × {reason}"
        if not summary.dry_run:
            yield from (f"      line {problem.line}: {problem.message}" for problem in entry.examples)


def _next_steps(summary: ImportSummary) -> Iterator[str]:
    if summary.rejected is not None:
        yield f"the wrong rows are in {summary.rejected}: mend them there, then import that file in the same way"
    elif summary.dead_lettered:
        yield "to mend wrong rows: import once more with --rejected FILE, mend them in FILE, and import FILE"
    if summary.dry_run:
        return
    if summary.dead_lettered:
        yield "`pulse dead-letters list` shows the wrong rows"
    if summary.accepted and issubclass(MODELS[summary.kind], Event):
        yield "the workers check what was sent: `pulse dead-letters list` shows what they refuse"


@contextmanager
def _progress(file: Path) -> Iterator[Report]:
    if not sys.stderr.isatty():
        yield _notes()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield _bar(bar, bar.add_task(file.name, total=None))


def _bar(bar: Progress, task: Any) -> Report:
    def report(progress: importing.Progress) -> None:
        text = progress.note or f"{_STAGES[progress.stage]}: {progress.accepted:,} sent"
        if progress.dead_lettered:
            text += f", {progress.dead_lettered:,} wrong"
        bar.update(task, description=text, completed=progress.done, total=progress.total or None)

    return report


def _notes() -> Report:
    """Without a terminal only what the import waits for is said, once."""
    told: str | None = None

    def report(progress: importing.Progress) -> None:
        nonlocal told
        if progress.note and progress.note != told:
            sys.stderr.write(f"{progress.note}\n")
            sys.stderr.flush()
        told = progress.note

    return report


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "import"
