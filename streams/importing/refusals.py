"""What becomes of the wrong rows of an import: counted, told, set aside, and kept for a file of rejects."""

from datetime import UTC, datetime

from schemas.outputs import DeadLetter
from streams.dead_letters import letter_id
from streams.errors import InvalidError
from streams.importing.ids import CONTENT_DIGITS
from streams.importing.plan import Plan
from streams.importing.records import BadRecord, Record
from streams.importing.rejects import ROW, Origin, Reject
from streams.importing.summary import ImportSummary, Problem
from streams.importing.validation import reason_of

_LETTERS = 500
_PROBLEMS = 100


class Refusals:
    """Takes wrong rows.

    Args:
        plan: of the import.
        summary: counts them.
        keep: whether they are wanted as rejects.
    """

    def __init__(self, plan: Plan, summary: ImportSummary, *, keep: bool) -> None:
        self._plan = plan
        self._summary = summary
        self._keep = keep
        self._letters: list[DeadLetter] = []
        self._rejects: dict[int, Reject] = {}

    def add(self, record: Record | BadRecord, message: str, topic: str) -> None:
        """Take one row, or the reference row in it, that is wrong."""
        problem = Problem(record.line, message)
        self._summary.count(reason_of(message), problem)
        if self._summary.dry_run:
            if len(self._summary.problems) < _PROBLEMS:
                self._summary.problems.append(problem)
            if not self._keep:
                return
        letter = self._letter(record, message, topic)
        if not self._summary.dry_run:
            self._letters.append(letter)
        if self._keep:
            self._reject(record, message, letter.dead_letter_id)

    def letters(self, *, only_full: bool) -> list[DeadLetter]:
        """Letters to be stored now; they are forgotten here."""
        if only_full and len(self._letters) < _LETTERS:
            return []
        letters, self._letters = self._letters, []
        return letters

    @property
    def rejects(self) -> list[Reject]:
        """The wrong rows, each once, in the order of the file."""
        return [self._rejects[line] for line in sorted(self._rejects)]

    def _letter(self, record: Record | BadRecord, message: str, topic: str) -> DeadLetter:
        raw = record.raw if isinstance(record, BadRecord) else self._plan.source.raw(record)
        content = self._plan.context.content
        return DeadLetter(
            dead_letter_id=letter_id("import", topic, content, record.line, raw),
            at=datetime.now(UTC),
            origin="import",
            topic=topic,
            file=str(self._plan.job.file),
            line=record.line,
            raw=raw,
            step="import",
            error_class="InvalidError",
            message=message,
        )

    def _reject(self, record: Record | BadRecord, message: str, letter: str) -> None:
        known = self._rejects.get(record.line)
        before: tuple[str, ...]
        if known is None:
            origin, reason, before = self._origin(record), message, ()
        else:
            origin, reason = known.origin, f"{known.reason}; {message}"
            before = () if origin is None else origin.letters
        kept = None if origin is None else Origin(origin.line, origin.content, (*before, letter))
        self._rejects[record.line] = Reject(kept, " ".join(reason.split()), record)

    def _origin(self, record: Record | BadRecord) -> Origin | None:
        if not self._plan.source.holds_rejects:
            return Origin(record.line, self._plan.context.content[:CONTENT_DIGITS])
        return origin_of(self._plan, record)


def origin_of(plan: Plan, record: Record | BadRecord) -> Origin | None:
    """The origin a row of a file of rejects names; None when it was changed."""
    if isinstance(record, BadRecord):
        return Origin.found_in(record.raw)
    try:
        return Origin.parse(plan.source.cell(ROW)(record.values))
    except InvalidError:
        return None
