"""An import from the first line to the summary."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
from pydantic_core import to_json

from schemas.events import Event
from schemas.reference import Reference
from streams.errors import InvalidError
from streams.importing import rejects
from streams.importing.collect import Collector
from streams.importing.copies import ImportedFile, check_copy, sketch
from streams.importing.job import ImportJob
from streams.importing.plan import Plan, prepare
from streams.importing.records import BadRecord, Record
from streams.importing.refusals import Refusals, origin_of
from streams.importing.sinks import NoSink, ServiceSink, Sink
from streams.importing.summary import ImportSummary
from streams.importing.validation import Validator
from streams.settings import Settings

_BATCH = 1_000
_FIRST = 5


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is.

    Attributes:
        stage: `copies`, `reference` or `rows`.
        done: bytes or rows read in this stage.
        total: bytes or rows of the file.
        accepted: events sent or rows taken so far.
        dead_lettered: wrong rows so far.
        note: what it waits for; None while it goes on.
    """

    stage: str
    done: int
    total: int
    accepted: int
    dead_lettered: int
    note: str | None = None


Report = Callable[[Progress], None]


def run_import(
    job: ImportJob,
    settings: Settings,
    *,
    dry_run: bool = False,
    as_new: bool = False,
    rejected: Path | None = None,
    progress: Report | None = None,
    sink: Sink | None = None,
) -> ImportSummary:
    """Import one file: reference rows first, then the rows themselves; wrong rows go to the dead letters.

    Args:
        job: what to import.
        settings: where the services are.
        dry_run: map and check everything, send nothing, need no service.
        as_new: send the rows even if most of them came before in another file and their ids depend on the file.
        rejected: new file for the wrong rows, to be mended and imported by itself; written when there are any.
        progress: told how far it is after every batch; an exception it raises stops the import.
        sink: where everything goes; default the services of `settings`.

    Raises:
        UsageError: file or mapping cannot be used as asked.
        InvalidError: the file is empty or damaged, or all of its first rows are wrong.
        UnavailableError: a service is away; the same import may be repeated, nothing is counted twice.
    """
    if rejected is not None:
        rejects.check_target(rejected, job.file)
    run = _Run(prepare(job, settings), settings, progress, dry_run=dry_run, keep_rejects=rejected is not None)
    run.sink = sink or (NoSink() if dry_run else ServiceSink(settings, run.wait))
    try:
        run.all(as_new=as_new)
    finally:
        run.sink.close()
    if rejected is not None and (rows := run.refusals.rejects):
        rejects.write(rejected, run.plan.source.rejects(rows))
        run.summary.rejected = rejected
    return run.summary


class _Run:
    """One import under way."""

    sink: Sink

    def __init__(
        self, plan: Plan, settings: Settings, progress: Report | None, *, dry_run: bool, keep_rejects: bool
    ) -> None:
        self.plan = plan
        self.summary = ImportSummary(plan.job.kind, plan.job.file, dry_run=dry_run)
        self._settings = settings
        self._report = progress
        self._stage = "rows"
        self._collector = Collector()
        self.refusals = Refusals(plan, self.summary, keep=keep_rejects)
        self._settled: list[str] = []
        self._bad_rows = 0
        self._file: ImportedFile | None = None

    def all(self, *, as_new: bool) -> None:
        """Every stage in order."""
        if self.plan.ids_depend_on_file and not self.summary.dry_run:
            self._look_for_copies(as_new=as_new)
        if issubclass(self.plan.job.model, Event):
            self._stage = "reference"
            if self.plan.reference:
                self._derive()
                self._publish()
            self._stage = "rows"
            self._events(self.plan.job.model.topic)
        else:
            self._reference_file()
            self._publish()
        self.sink.finish()
        self._store()
        if self._settled and not self.summary.dry_run:
            self.sink.settle(self._settled)
        self.summary.finish()
        if not self.summary.rows:
            msg = f"{self.plan.job.file} has no rows below its header: nothing to import"
            raise InvalidError(msg)

    def wait(self, note: str | None) -> None:
        """Pass on what the import waits for."""
        self._tell(note)

    def _look_for_copies(self, *, as_new: bool) -> None:
        """Refuse a changed copy of an imported file before any of its rows is sent."""
        kind, self._stage = self.plan.job.kind, "copies"
        known = self.sink.files_before(kind)
        rows = sketch(self._fingerprints())
        self._file = ImportedFile(kind, self.plan.context.content, str(self.plan.job.file), rows, datetime.now(UTC))
        self.summary.note = check_copy(self._file, known, as_new=as_new)

    def _fingerprints(self) -> Iterator[bytes]:
        fingerprint = self.plan.source.fingerprint
        for batch in self._batches():
            yield from (fingerprint(record) for record in batch if isinstance(record, Record))
            self._tell()

    def _derive(self) -> None:
        for batch in self._batches():
            for record in batch:
                if isinstance(record, Record):
                    self._take_derived(record)
            self._tell()

    def _take_derived(self, record: Record) -> None:
        for entry, error in self._collector.take_derived(self.plan.reference, record):
            self.refusals.add(record, str(error), entry.model.kind_name)

    def _publish(self) -> None:
        self.summary.reference_rows = self._collector.counts()
        if rows := self._collector.rows:
            self.summary.reference_version = self.sink.publish(rows, self.plan.job.author)

    def _events(self, topic: str) -> None:
        validator = Validator(self.plan.rows.model, self.plan.rows.labels)
        for batch in self._batches():
            records, rows = self._mapped(batch)
            events = validator.many(rows)
            self._send(topic, list(zip(records, events, strict=True)))
            self._tell()
            self._stop_if_all_wrong()
            self._store(only_full=True)

    def _mapped(self, batch: Sequence[Record | BadRecord]) -> tuple[list[Record], list[dict[str, Any]]]:
        """Records of the batch that are wanted and can be mapped, and their fields."""
        build, skip = self.plan.rows.build, self.plan.rows.skip
        records: list[Record] = []
        rows: list[dict[str, Any]] = []
        self.summary.rows += len(batch)
        for record in batch:
            if isinstance(record, BadRecord):
                self._settle(record)
                self._bad(record, record.reason)
                continue
            try:
                if skip is not None and skip(record.values):
                    self.summary.skipped += 1
                    continue
                self._settle(record)
                rows.append(build(record.values, record.line))
                records.append(record)
            except InvalidError as error:
                self._bad(record, str(error))
        return records, rows

    def _settle(self, record: Record | BadRecord) -> None:
        """The row of a file of rejects comes again: the letters of its first coming have done their work."""
        if self.plan.source.holds_rejects and (origin := origin_of(self.plan, record)) is not None:
            self._settled += origin.letters

    def _send(self, topic: str, pairs: Sequence[tuple[Record, Any]]) -> None:
        messages: list[tuple[Event, bytes]] = []
        for record, event in pairs:
            if isinstance(event, InvalidError):
                self._bad(record, str(event))
                continue
            value = to_json(event, exclude_none=True)
            if len(value) > self._settings.max_event_bytes:
                limit = self._settings.max_event_bytes
                reason = f"the event has more than {limit} bytes (PULSE_MAX_EVENT_BYTES): shorten its texts"
                self._bad(record, reason)
                continue
            messages.append((event, value))
        if messages:
            if self._file is not None:  # before the first row is on its way: an import may be broken off
                self.sink.remember(self._file)
                self._file = None
            self.sink.send(topic, messages)
            self._accepted([value for _event, value in messages])

    def _reference_file(self) -> None:
        validator = Validator(self.plan.rows.model, self.plan.rows.labels)
        for batch in self._batches():
            records, rows = self._mapped(batch)
            for record, row in zip(records, validator.many(rows), strict=True):
                self._take_row(record, row)
                if self.plan.reference:
                    self._take_derived(record)
            self._tell()
            self._stop_if_all_wrong()

    def _take_row(self, record: Record, row: Reference | InvalidError) -> None:
        try:
            if isinstance(row, InvalidError):
                raise row
            self._collector.add(row, record.line)
        except InvalidError as error:
            self._bad(record, str(error))
        else:
            self._accepted([to_json(row, exclude_none=True)] if len(self.summary.first) < _FIRST else [b"{}"])

    def _accepted(self, values: Sequence[bytes]) -> None:
        if self.summary.dry_run and len(self.summary.first) < _FIRST:
            self.summary.first += [orjson.loads(value) for value in values[: _FIRST - len(self.summary.first)]]
        self.summary.accepted += len(values)

    def _bad(self, record: Record | BadRecord, message: str) -> None:
        self._bad_rows += 1
        self.refusals.add(record, message, getattr(self.plan.job.model, "topic", self.plan.job.kind))

    def _stop_if_all_wrong(self) -> None:
        limit = self._settings.dead_letter_limit
        if self.summary.accepted or self.summary.dry_run or self._bad_rows < limit:
            return
        reason = max(self.summary.reasons.items(), key=lambda item: item[1].count)[0]
        msg = (
            f"all of the first {self._bad_rows} rows of {self.plan.job.file} are wrong, so none was sent or set aside: "
            f"{reason}; try the mapping with --dry-run"
        )
        raise InvalidError(msg)

    def _store(self, *, only_full: bool = False) -> None:
        if only_full and not self.summary.accepted:
            return
        if letters := self.refusals.letters(only_full=only_full):
            self.sink.store(letters)

    def _batches(self) -> Iterator[list[Record | BadRecord]]:
        records = self.plan.source.records()
        while batch := list(islice(records, _BATCH)):
            yield batch

    def _tell(self, note: str | None = None) -> None:
        if self._report is not None:
            done, total = self.plan.source.position()
            summary = self.summary
            self._report(Progress(self._stage, done, total, summary.accepted, summary.dead_lettered, note))
