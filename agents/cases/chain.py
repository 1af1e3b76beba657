"""The hash chain of the audit trail: how a row is sealed, and how a whole chain is checked.

The hash of a row is the SHA-256 of its canonical JSON: every field that has a value, but `hash`, names in alphabetical
order, no blanks, UTF-8, moments in UTC with six decimals. Fields without a value are left out, so that a field added
later does not change the hash of older rows. It covers `previous_hash`, so a row cannot change without all that follow.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from agents.cases.deciding import Content
from schemas.cases import CaseEvent

#: `previous_hash` of the first row.
FIRST = "0" * 64


@dataclass(frozen=True)
class Head:
    """The end of a chain.

    Attributes:
        number: of the last row; 0 for a chain without rows.
        hash: of the last row.
        recorded_at: of the last row.
    """

    number: int = 0
    hash: str = FIRST
    recorded_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)


def canonical(event: CaseEvent) -> bytes:
    """What the hash is taken of."""
    fields = event.model_dump(exclude={"hash"}, exclude_none=True)
    return json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_moment).encode()


def _moment(value: Any) -> str:
    if not isinstance(value, datetime):
        msg = f"{type(value).__name__} has no canonical form"
        raise TypeError(msg)
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def hash_of(event: CaseEvent) -> str:
    """SHA-256 of a row, 64 hex digits."""
    return hashlib.sha256(canonical(event)).hexdigest()


def sealed(content: Content, chain: int, head: Head, now: datetime) -> CaseEvent:
    """The row that follows `head`; its time never runs backwards within the chain."""
    recorded_at = max(now.astimezone(UTC), head.recorded_at)
    place = {"chain": chain, "number": head.number + 1, "previous_hash": head.hash, "recorded_at": recorded_at}
    event = CaseEvent.model_validate({**content, **place, "hash": FIRST})
    return event.model_copy(update={"hash": hash_of(event)})


def head_after(event: CaseEvent) -> Head:
    """The head of a chain whose last row this is."""
    return Head(event.number, event.hash, event.recorded_at)


@dataclass
class Checked:
    """What the check of one chain found.

    Attributes:
        chain: which one.
        head: last row up to which everything holds.
        rows: rows looked at.
        broken_at: number of the first row that does not hold; None when all do.
        fault: what is wrong there.
        found: hashes among those looked for that rows of the part that holds have.
    """

    chain: int
    head: Head = field(default_factory=Head)
    rows: int = 0
    broken_at: int | None = None
    fault: str = ""
    found: set[str] = field(default_factory=set)


class Checker:
    """Checks chains row by row, in the order the rows are kept in.

    Args:
        wanted: hashes of heads noted earlier; those met are kept in `found`.
    """

    def __init__(self, wanted: Iterable[str] = ()) -> None:
        self._wanted = frozenset(wanted)
        self.chains: dict[int, Checked] = {}

    def add(self, event: CaseEvent) -> None:
        """Look at one more row."""
        checked = self.chains.setdefault(event.chain, Checked(event.chain))
        checked.rows += 1
        if checked.broken_at is not None:
            if checked.fault.startswith("missing") and event.number == checked.broken_at:
                checked.fault = f"reordered: row {event.number} stands behind later ones"
            return
        if fault := _fault(checked.head, event):
            checked.fault = fault
            checked.broken_at = min(event.number, checked.head.number + 1)
            return
        checked.head = head_after(event)
        if event.hash in self._wanted:
            checked.found.add(event.hash)

    def unmet(self) -> set[str]:
        """Noted heads that no chain holds: it was cut off, or written anew."""
        return set(self._wanted).difference(*(checked.found for checked in self.chains.values()))


def _fault(head: Head, event: CaseEvent) -> str:
    expected = head.number + 1
    if event.number > expected:
        until = f" to {event.number - 1}" if event.number - 1 > expected else ""
        return f"missing: row {expected}{until} is not there"
    if event.number < expected:
        return f"inserted: there is another row {event.number}"
    if hash_of(event) != event.hash:
        return f"changed: row {event.number} does not have the hash it says"
    if event.previous_hash != head.hash:
        return f"inserted: row {event.number} does not follow the row before it"
    return ""
