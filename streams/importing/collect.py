"""Reference rows collected from a file: each once, contradictions named, the first one wins."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from schemas.reference import Reference
from streams.errors import InvalidError
from streams.importing.plan import Rows
from streams.importing.records import Record
from streams.importing.validation import Validator


class Collector:
    """Takes records and keeps the different reference rows in them."""

    def __init__(self) -> None:
        self._found: dict[tuple[Any, ...], tuple[Reference, int]] = {}
        self._seen: dict[int, set[Any]] = defaultdict(set)
        self._validators: dict[int, Validator] = {}

    @property
    def rows(self) -> list[Reference]:
        """The rows found, in the order of their first line."""
        return [row for row, _line in self._found.values()]

    def counts(self) -> dict[str, int]:
        """Rows by kind."""
        counts: dict[str, int] = {}
        for row in self.rows:
            counts[row.kind_name] = counts.get(row.kind_name, 0) + 1
        return counts

    def take_derived(self, entries: tuple[Rows, ...], record: Record) -> Iterator[tuple[Rows, InvalidError]]:
        """Rows that ride along in a record; yields what is wrong with it. A row without its key is simply not there."""
        for entry in entries:
            if entry.key is not None:
                seen = self._seen[id(entry)]
                key = entry.key(record.values)
                if key in seen:
                    continue
                seen.add(key)
            try:
                self._derive(entry, record)
            except InvalidError as error:
                yield entry, error

    def _derive(self, entry: Rows, record: Record) -> None:
        if entry.skip is not None and entry.skip(record.values):
            return
        fields = entry.build(record.values, record.line)
        keys: tuple[str, ...] = getattr(entry.model, "key_fields", ())
        if all(name in fields for name in keys):
            self.add(self._validator(entry).one(fields), record.line)

    def add(self, row: Reference, line: int) -> bool:
        """Keep a row; False when it is already there.

        Raises:
            InvalidError: another row of the same key and date says something else.
        """
        key = (row.kind_name, row.key, row.effective_from)
        known = self._found.setdefault(key, (row, line))
        if known[0] is row:
            return True
        if known[0] == row:
            return False
        differing = [name for name in type(row).model_fields if getattr(row, name) != getattr(known[0], name)]
        name = differing[0]
        msg = (
            f"{row.kind_name} {' '.join(row.key)!r} contradicts line {known[1]}: {name} is {getattr(row, name)!r} "
            f"there {getattr(known[0], name)!r}; the first one is kept"
        )
        raise InvalidError(msg)

    def _validator(self, entry: Rows) -> Validator:
        found = self._validators.get(id(entry))
        if found is None:
            found = self._validators[id(entry)] = Validator(entry.model, entry.labels)
        return found
