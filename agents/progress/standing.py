"""Figures that stand without any event: call-plan lines and working days of every representative.

A target nobody visits must count, and so must a day on which nobody went out. The cells below a representative's month
are therefore worked out from reference data and books: whole when reference data comes in or a day begins, and by the
one line that changes when a call is made. They are ordinary cells: absolute, and added up the tree like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from operator import sub
from typing import TYPE_CHECKING, Any, NamedTuple

from agents.intake.directory import Directory, Path
from agents.progress.books import Book
from agents.progress.calendar import month_start
from agents.progress.cells import MONTH, REP, Slot
from agents.progress.filters import reader
from agents.progress.groups import ADDED, ALL, Group, Vector
from agents.progress.plan import Plan
from schemas.sources import CallLine, WorkingDay

if TYPE_CHECKING:
    from agents.progress.state import ProgressState

_DAYS_OF_LONGEST_MONTH = 31
_NO_BOOK = Book()


class _Subject(NamedTuple):
    """What filters on reference rows look at."""

    rep_id: str
    hcp_id: str | None


class Month(NamedTuple):
    """The month of a call-plan line."""

    first: int
    """Ordinal of its first day."""
    has_begun: bool


class Line(NamedTuple):
    """One call-plan line."""

    subject: _Subject
    directory: Directory
    month: Month
    traits: tuple[Any, ...]
    """What filters on reference rows read of it."""
    planned: int
    calls: int


class _Lines(NamedTuple):
    """The call-plan lines of one representative's month."""

    slot: Slot
    """Where they stand."""
    month: Month
    plan: dict[str, int]
    traits: dict[str, tuple[Any, ...]]
    """By professional, as far as they were asked for."""


_Steps = tuple[tuple[int, int], ...]


class Contributions:
    """What one record adds to the cell of a group; remembered, since records differ little.

    Args:
        group: of call-plan lines or working days.
    """

    def __init__(self, group: Group, names: Iterable[str]) -> None:
        self.group = group
        self.key = f"{group.id}|{ALL}"
        self._readers = [reader(name) for name in names]
        self._known: dict[tuple[Any, ...], Vector] = {}
        self.steps: dict[tuple[Any, ...], _Steps] = {}
        """What one call more adds, by traits, whether the month has begun, planned calls and calls before."""

    def traits(self, subject: _Subject, directory: Directory, day: int) -> tuple[Any, ...]:
        """What the filters read of the subject's reference rows."""
        return tuple([read(subject, directory, day) for read in self._readers])

    def of_line(self, line: Line) -> Vector:
        """The vector of one call-plan line; not to be changed by the caller."""
        name = (line.traits, line.month.has_begun, line.planned, line.calls)
        vector = self._known.get(name)
        if vector is None:
            vector = self._known[name] = self._line_vector(line)
        return vector

    def of_call(self, line: Line) -> _Steps:
        """(position, what is added) by one call more on a line."""
        old, new = self.of_line(line), self.of_line(line._replace(calls=line.calls + 1))
        steps = tuple((index, more) for index, more in enumerate(map(sub, new, old)) if more)
        self.steps[line.traits, line.month.has_begun, line.planned, line.calls] = steps
        return steps

    def _line_vector(self, line: Line) -> Vector:
        if not (line.planned or line.calls):
            return [0] * self.group.width
        record = CallLine(
            rep_id=line.subject.rep_id,
            hcp_id=line.subject.hcp_id or "",
            month=date.fromordinal(line.month.first),
            planned_calls=line.planned,
            calls=line.calls,
            until_today=line.month.has_begun,
        )
        return self._vector(record, line.directory, line.month.first)

    def of_day(self, subject: _Subject, directory: Directory, day: int, plan: Plan, *, until_today: bool) -> Vector:
        """The vector of one working day; not to be changed by the caller."""
        name = (*self.traits(subject, directory, day), until_today)
        vector = self._known.get(name)
        if vector is None:
            policy = plan.policy
            record = WorkingDay(
                rep_id=subject.rep_id,
                day=date.fromordinal(day),
                until_today=until_today,
                capacity_calls=policy.capacity.calls_per_day,
                cost=policy.costs.rep_day if policy.costs is not None else None,
            )
            vector = self._known[name] = self._vector(record, directory, day)
        return vector

    def _vector(self, record: Any, directory: Directory, day: int) -> Vector:
        vector = [1] + [0] * (self.group.width - 1)
        for index, value, how in self.group.values(record, directory, day):
            if how == ADDED:
                vector[index] += value
        return vector


class Standing:
    """The standing cells of one shard.

    Args:
        plan: the compiled policy.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.lines = [Contributions(g, plan.standing_names("call_plan")) for g in plan.groups.get("call_plan", ())]
        self.days = [Contributions(g, plan.standing_names("working_day")) for g in plan.groups.get("working_day", ())]
        self.reps: tuple[str, ...] = ()
        """Representatives of the shard."""
        self.today = 0
        """Ordinal of the day up to which working days have been; 0 before it is known."""
        self._months: dict[tuple[str, int], _Lines] = {}
        """By representative and month, once its lines are entered."""

    # --------------------------------------------------------------- reference data

    def adopt(self, state: ProgressState, reps: Iterable[str], today: int) -> None:
        """Work everything out from the reference data the state has now."""
        self.reps = tuple(reps)
        self.today = max(self.today, today)
        self._months.clear()
        if self.lines:
            plans = state.directory.standing.plans
            entered: dict[str, set[int]] = {rep_id: set(plans.get(rep_id, ())) for rep_id in self.reps}
            for rep_id, month in state.books.books:
                entered.setdefault(rep_id, set()).add(month)
            for rep_id, months in entered.items():
                for month in months | _months_with(state, rep_id, self.lines[0].key):
                    self._enter_lines(state, rep_id, month)
        self._enter_days(state, 0)

    def begin_day(self, state: ProgressState, today: int) -> None:
        """Count the working days up to `today`, and the plans of months that began."""
        if today <= self.today:
            return
        before, self.today = self.today, today
        for rep_id in self.reps if self.lines and before < month_start(today) else ():
            for month in state.directory.standing.plans.get(rep_id, ()):
                if before < month <= today:
                    self._enter_lines(state, rep_id, month)
        self._enter_days(state, month_start(before) if before else 0)

    def waits_for(self, today: int) -> bool:
        """Whether a day began that `begin_day` does not know."""
        return bool((self.days or self.lines) and self.reps) and today > self.today

    # -------------------------------------------------------------------- call plan

    def call(self, state: ProgressState, rep_id: str, hcp_id: str, day: int) -> None:
        """Enter one call into the book and the line it belongs to."""
        month = month_start(day)
        before = state.books.call((rep_id, month), hcp_id)
        lines = self._months.get((rep_id, month))
        if lines is None:
            self._enter_lines(state, rep_id, month)
            return
        slot, traits = lines.slot, lines.traits.get(hcp_id)
        if traits is None:
            traits = self._traits(state.directory, lines, rep_id, hcp_id)
        name = (traits, lines.month.has_begun, lines.plan.get(hcp_id, 0), before)
        for each in self.lines:
            steps = each.steps.get(name)
            if steps is None:
                steps = each.of_call(self._line(state.directory, lines, rep_id, hcp_id, before))
            cell = slot.cells.get(each.key)
            if cell is None:
                cell = slot.cells[each.key] = [0] * each.group.width
            for index, more in steps:
                cell[index] += more
            slot.changed.add(each.key)
        state.changed_slots.add(slot)

    def _traits(self, directory: Directory, lines: _Lines, rep_id: str, hcp_id: str) -> tuple[Any, ...]:
        found = self.lines[0].traits(_Subject(rep_id, hcp_id), directory, lines.month.first)
        lines.traits[hcp_id] = found
        return found

    def _line(self, directory: Directory, lines: _Lines, rep_id: str, hcp_id: str, calls: int) -> Line:
        traits = self._traits(directory, lines, rep_id, hcp_id)
        return Line(_Subject(rep_id, hcp_id), directory, lines.month, traits, lines.plan.get(hcp_id, 0), calls)

    def _enter_lines(self, state: ProgressState, rep_id: str, month: int) -> None:
        directory = state.directory
        calls = (state.books.get((rep_id, month)) or _NO_BOOK).calls
        plan = directory.standing.plan(rep_id, month)
        slot = state.entity(REP, rep_id).slot(f"{MONTH}{month}", home(directory, rep_id, month))
        lines = self._months[rep_id, month] = _Lines(slot, Month(month, month <= self.today), plan, {})
        found = [self._line(directory, lines, rep_id, hcp, calls.get(hcp, 0)) for hcp in {**plan, **calls}]
        for each in self.lines:
            _set(state, slot, each.key, _added([each.of_line(line) for line in found], each.group.width))

    # ----------------------------------------------------------------- working days

    def _enter_days(self, state: ProgressState, since: int) -> None:
        """Enter the working days of the months from `since` up to the running one, and as far as calls are planned."""
        if not self.days:
            return
        running = [month for month in state.directory.standing.months(self.today) if month >= since]
        for rep_id in self.reps:
            planned = state.directory.standing.plans.get(rep_id, ())
            entered = _months_with(state, rep_id, self.days[0].key)
            for month in {*running, *(month for month in {*planned, *entered} if month >= since)}:
                self._enter_month(state, rep_id, month)

    def _enter_month(self, state: ProgressState, rep_id: str, month: int) -> None:
        entity = state.entity(REP, rep_id)
        stretches = list(self._stretches(state.directory, rep_id, month))
        for each in self.days:
            vectors: dict[Path, Vector] = {}
            for path, first, due, ahead in stretches:
                of_day = [self._day(state, each, rep_id, first, until_today=is_due) for is_due in (True, False)]
                found = [due * begun + ahead * to_come for begun, to_come in zip(*of_day, strict=True)]
                vectors[path] = _added([vectors.get(path, found[:0]), found], each.group.width)
            paths = entity.slots.get(f"{MONTH}{month}", {})
            there = {path for path, slot in paths.items() if each.key in slot.cells}
            for path in {*there, *(path for path, vector in vectors.items() if any(vector))}:
                vector = vectors.get(path, [0] * each.group.width)
                _set(state, entity.slot(f"{MONTH}{month}", path), each.key, vector)

    def _day(self, state: ProgressState, each: Contributions, rep_id: str, day: int, *, until_today: bool) -> Vector:
        return each.of_day(_Subject(rep_id, None), state.directory, day, self._plan, until_today=until_today)

    def _stretches(self, directory: Directory, rep_id: str, month: int) -> Iterable[tuple[Path, int, int, int]]:
        """(place, first day, working days begun, working days ahead) of the stretches between changes in a month."""
        end = month_start(month + _DAYS_OF_LONGEST_MONTH)
        line = directory.reps.get(rep_id)
        starts = [month, *(day for day in directory.breaks if month < day < end)]
        for start, until in zip(starts, [*starts[1:], end], strict=True):
            rep = line.on(date.fromordinal(start)) if line is not None else None
            path = directory.path(rep_id, start)
            if rep is None or not path:
                continue
            first = max(start, rep.hired_on.toordinal() if rep.hired_on else start)
            last = min(until, rep.left_on.toordinal() + 1 if rep.left_on else until)
            middle = min(max(self.today + 1, first), last)
            days = directory.standing.working_days
            due, ahead = days(first, middle), days(middle, last)
            if due or ahead:
                yield path, start, due, ahead


def home(directory: Directory, rep_id: str, month: int) -> Path:
    """Where the call plan of a month stands: with the first team of the representative in it."""
    end = month_start(month + _DAYS_OF_LONGEST_MONTH)
    starts = [month, *(day for day in directory.breaks if month < day < end)]
    return next((path for start in starts if (path := directory.path(rep_id, start))), ())


def _months_with(state: ProgressState, rep_id: str, key: str) -> set[int]:
    """Months of which a representative has this cell."""
    entity = state.entities.get((REP, rep_id))
    if entity is None:
        return set()
    months = [(bucket, paths) for bucket, paths in entity.slots.items() if bucket[0] == MONTH]
    return {int(bucket[1:]) for bucket, paths in months if any(key in slot.cells for slot in paths.values())}


def _added(vectors: Sequence[Vector], width: int) -> Vector:
    return [sum(column) for column in zip(*(v for v in vectors if v), strict=True)] or [0] * width


def _set(state: ProgressState, slot: Slot, key: str, vector: Vector) -> None:
    """Put a cell in place of what was there; a cell of nothing is made only where something was."""
    old = slot.cells.get(key)
    if old == vector or (old is None and not any(vector)):
        return
    slot.cells[key] = vector
    slot.changed.add(key)
    state.changed_slots.add(slot)
