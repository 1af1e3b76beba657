"""What rules know besides the event: reference data, the past, named lists, company time."""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from agents.intake.directory import Directory, Timeline
from agents.progress.calendar import CompanyTime
from schemas.events import Event
from schemas.reference import Material, Reference

_SATURDAY = 5


class History(Protocol):
    """Events judged before, by whose they are; each once, however often it was delivered."""

    def events(self, kind: str, subject: str, key: str, since_us: int, until_us: int) -> Sequence[Any]:
        """Events of one subject with `since_us` <= occurred_at <= `until_us`, the oldest first.

        Args:
            kind: kind of event, for example `visit`.
            subject: `rep`, `hcp` or `institution`.
            key: its id.
            since_us: first moment, in microseconds since 1970: aware datetimes are ten times slower to compare.
            until_us: last moment.
        """


class MemoryHistory:
    """The past in memory, of every subject.

    Args:
        events: what has happened, in any order.
    """

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


def subjects(event: Any) -> Iterator[tuple[str, str]]:
    """Whose past an event belongs to: the representative's, every professional's and every institution's it names.

    A professional is concerned by being visited, asked, paid or among the attendees.
    """
    rep = getattr(event, "rep_id", None)
    if rep is not None:
        yield "rep", rep
    attendees = getattr(event, "attendees", ())
    payee = getattr(event, "payee_kind", None)
    hcps = [getattr(event, "hcp_id", None), *(person.hcp_id for person in attendees)]
    places = [getattr(event, "institution_id", None), *(person.institution_id for person in attendees)]
    if payee == "hcp":
        hcps.append(event.payee_id)
    elif payee == "institution":
        places.append(event.payee_id)
    for subject, keys in (("hcp", hcps), ("institution", places)):
        yield from ((subject, key) for key in dict.fromkeys(keys) if key is not None)


class References:
    """Reference data as rules ask for it.

    Args:
        rows: reference rows by kind.
        directory: the same rows as the engine holds them, where it has them.
    """

    def __init__(self, rows: Mapping[str, Sequence[Any]], directory: Directory | None = None) -> None:
        known = directory or Directory(rows)
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
        self._special = {row.day: row.is_working_day for row in rows.get("calendar_day", ())}
        self._years = {day.year for day in self._special}

    def row(self, table: str, key: str, day: date) -> Any:
        """The row of a rep, institution, product or hcp in force on a day; None where there is none."""
        line = self._tables[table].get(key)
        return line.on(day) if line is not None else None

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
