"""What rules know besides the event: reference data, the past, named lists, company time."""

from bisect import bisect_left, bisect_right, insort
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

from agents.compliance.arithmetic import EXACT
from agents.compliance.places import professionals
from agents.compliance.selections import Slots
from agents.intake.directory import Directory, Timeline
from agents.progress.calendar import CompanyTime
from schemas.events import Event
from schemas.reference import Material, Reference

if TYPE_CHECKING:
    from agents.compliance.nodes import Frame
    from agents.compliance.selections import Query

_SATURDAY = 5


class History(Protocol):
    """Events judged before, by whose they are; each once, however often it was delivered."""

    keeps_events: bool
    """Whether whole events can be shown as reasons."""

    def picked(self, query: "Query", frame: "Frame", key: str, since_us: int, until_us: int) -> Sequence[Any]:
        """Events a query asks for, with `since_us` <= occurred_at <= `until_us`, the oldest first.

        The event of the frame is never among them. What is given has the fields at least that the query names.

        Args:
            query: which events of which subject.
            frame: the event that asks.
            key: id of the subject.
            since_us: first moment, in microseconds since 1970: aware datetimes are ten times slower to compare.
            until_us: last moment.
        """

    def counted(self, query: "Query", frame: "Frame", key: str, since_us: int, until_us: int) -> int:
        """How many events that are."""

    def summed(
        self, query: "Query", frame: "Frame", key: str, since_us: int, until_us: int
    ) -> tuple[int | Decimal, int]:
        """What they add up to, and how many there are."""

    def per_day(self, query: "Query", frame: "Frame", key: str, since_us: int, until_us: int) -> list[int]:
        """How many there are on each company day with any, the first day first."""


class MemoryHistory:
    """The past in memory, of every subject and with whole events: the plain way, for tests and what is small.

    Args:
        events: what has happened, in any order.
    """

    keeps_events = True

    def __init__(self, events: Sequence[Event] = ()) -> None:
        self._lines: dict[tuple[str, str, str], tuple[list[int], list[Event]]] = defaultdict(lambda: ([], []))
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        """Put an event into the past."""
        moment = CompanyTime.microseconds(event.occurred_at)
        for subject, key in subjects(event):
            moments, events = self._lines[event.kind_name, subject, key]
            index = bisect_right(moments, moment)
            moments.insert(index, moment)
            events.insert(index, event)

    def events(self, kind: str, subject: str, key: str, since_us: int, until_us: int) -> Sequence[Any]:
        """Events of one subject in a stretch of time, the oldest first."""
        line = self._lines.get((kind, subject, key))
        if line is None:
            return ()
        moments, events = line
        return events[bisect_left(moments, since_us) : bisect_right(moments, until_us)]

    def picked(self, query: "Query", frame: "Frame", key: str, since_us: int, until_us: int) -> Sequence[Any]:
        """Events a query asks for."""
        found = self.events(query.kind, query.selection.subject, key, since_us, until_us)
        event, selection, holder = frame.event, query.selection, Slots()
        if event.kind_name == query.kind:  # the identity of an event, of one kind: decision 5
            own, rep = event.event_id, event.rep_id
            found = [past for past in found if past.event_id != own or past.rep_id != rep]
        wanted = [group(frame) for group in query.groups]
        if None in wanted:
            return []
        kept = []
        for past in found:
            setattr(holder, selection.slot, past)
            if selection.picks(holder) and [group(holder) for group in selection.groups] == wanted:
                kept.append(past)
        return kept

    def counted(self, query: "Query", frame: "Frame", key: str, since_us: int, until_us: int) -> int:
        """How many events that are."""
        return len(self.picked(query, frame, key, since_us, until_us))

    def summed(
        self, query: "Query", frame: "Frame", key: str, since_us: int, until_us: int
    ) -> tuple[int | Decimal, int]:
        """What they add up to, and how many there are."""
        found, holder, added = self.picked(query, frame, key, since_us, until_us), Slots(), Decimal(0)
        value = query.selection.value
        if value is not None:
            for holder.item0 in found:
                added = EXACT.add(added, value(holder))
        return added if found else 0, len(found)

    def per_day(self, query: "Query", frame: "Frame", key: str, since_us: int, until_us: int) -> list[int]:
        """How many there are on each company day with any."""
        found = self.picked(query, frame, key, since_us, until_us)
        return list(Counter(frame.world.time.day_of(event.occurred_at) for event in found).values())


def subjects(event: Any) -> Iterator[tuple[str, str]]:
    """Whose past an event belongs to: the representative's, every professional's it names, and the institution's.

    A professional is concerned by being visited, asked, paid or among the attendees.
    """
    fields = event.__dict__  # asking a model for a field it does not have takes a microsecond
    rep, institution = fields.get("rep_id"), fields.get("institution_id")
    if rep is not None:
        yield "rep", rep
    yield from (("hcp", key) for key in professionals(event))
    if institution is not None:
        yield "institution", institution


class References:
    """Reference data as rules ask for it.

    Args:
        rows: reference rows by kind.
        directory: the same rows as the engine holds them, where it has them.

    Attributes:
        directory: the same.
    """

    def __init__(self, rows: Mapping[str, Sequence[Any]], directory: Directory | None = None) -> None:
        self.directory = known = directory or Directory(rows)
        self._tables: dict[str, Mapping[str, Timeline[Any]]] = {
            "rep": known.reps,
            "institution": known.institutions,
            "product": known.products,
            "hcp": known.hcps,
        }
        self._materials = _timelines(rows.get("material", ()))
        self._registered: dict[tuple[str, ...], list[date]] = defaultdict(list)
        for row in rows.get("registration", ()):
            insort(self._registered[row.key], row.effective_from)
        self.is_on_label = lru_cache(1 << 14)(self._is_on_label)
        self._special = {row.day: row.is_working_day for row in rows.get("calendar_day", ())}
        self._years = {day.year for day in self._special}

    def row(self, table: str, key: str, day: date) -> Any:
        """The row of a rep, institution, product or hcp in force on a day; None where there is none."""
        line = self._tables[table].get(key)
        return line.on(day) if line is not None else None

    def _is_on_label(self, product_id: str, indication: str, day: date) -> bool | None:
        """Whether a label names an indication on a day, blanks around it aside; None for an unknown product."""
        product = self.row("product", product_id, day)
        if product is None:
            return None
        wanted = indication.strip()
        labels = [label for label in product.labels if label.indication.strip() == wanted]
        return any(holds(label.valid_from, label.valid_to, day) for label in labels)

    def material(self, material_id: str, version: str, day: date) -> Material | None:
        """One version of a material as it stood on a day."""
        line = self._materials.get((material_id, version))
        return line.on(day) if line is not None else None

    def registered_on(self, rep_id: str, institution_id: str, day: date) -> date | None:
        """Last day up to `day` on which a representative registered at an institution."""
        days = self._registered.get((rep_id, institution_id), [])
        index = bisect_right(days, day)
        return days[index - 1] if index else None

    def is_working_day(self, day: date) -> bool | None:
        """Monday to Friday, corrected by the calendar; None for a year without one."""
        if day.year not in self._years:
            return None
        return bool(self._special.get(day, day.weekday() < _SATURDAY))


def holds(first: date | None, last: date | None, day: date) -> bool:
    """Whether a day lies in a period; open where an end is not given."""
    return (first is None or first <= day) and (last is None or day <= last)


def _timelines(rows: Sequence[Reference]) -> dict[tuple[str, ...], Timeline[Any]]:
    grouped: dict[tuple[str, ...], list[Any]] = defaultdict(list)
    for row in rows:
        grouped[row.key].append(row)
    return {key: Timeline(of_key) for key, of_key in grouped.items()}


@dataclass(frozen=True)
class World:
    """All that a rule may ask."""

    references: References
    history: History
    time: CompanyTime
    lists: Mapping[str, frozenset[str]]
    """Named lists."""
