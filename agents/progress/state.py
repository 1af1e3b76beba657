"""The progress state of one shard: entities with their cells, ledgers, and what changed since the last checkpoint.

Pure: events and node messages in, changed cells and messages out. It reads no clock and no store; `now` comes in.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from agents.intake.directory import Directory, Path
from agents.progress.books import Books
from agents.progress.calendar import CompanyTime, month_start
from agents.progress.cells import MONTH, REP, ROLLING_LETTERS, TERRITORY, UNIT_OF_LETTER, Entity, Slot, blank, path_of
from agents.progress.groups import MICRO, NEWEST, ONCE_A_DAY, SHARED, Group, LedgerSpec, day_of
from agents.progress.ledger import Credit, Member, Report, see_first
from agents.progress.messages import MEMBER, SHARD, NodeMessage, check_message
from agents.progress.plan import KpiOutput, Plan
from agents.progress.standing import Standing
from schemas.policy import CalendarPeriod, Unit

#: Nothing is stale.
_FRESH: set[str] = set()
#: Cells or entries of one message: a broker takes a megabyte, and a cell may have a few hundred bytes.
_KEYS_PER_MESSAGE = 1_000


class Place(NamedTuple):
    """Where an event counts."""

    day: int
    path: Path
    month: str
    """Bucket of the calendar periods."""


class Addition(NamedTuple):
    """What one event adds to the cells of one group."""

    group: Group
    place: Place
    keys: list[str]
    values: list[tuple[int, Any, int]]


class Sighting(NamedTuple):
    """What one event enters into one ledger."""

    ledger: LedgerSpec
    day: int
    value: str
    keys: list[str]


class ProgressState:
    """All progress of one shard.

    Args:
        plan: the compiled KPI policy.
        directory: the reference data.
        time: company time.
    """

    def __init__(self, plan: Plan, directory: Directory, time: CompanyTime) -> None:
        self.plan = plan
        self.directory = directory
        self.time = time
        self.longest_days = _longest_days(plan.horizon)
        """Older days lie in no rolling window."""
        self.entities: dict[tuple[str, str], Entity] = {}
        self.members: dict[str, Member] = {}
        self.reports: dict[tuple[str, str, str], Report] = {}
        """Ledger reports of this shard's reps, by (rep, kpi, member)."""
        self.books = Books()
        self.standing = Standing(plan)
        self.changed_slots: set[Slot] = set()
        self.changed_members: set[str] = set()
        self.changed_reports: dict[tuple[str, str, str], set[str]] = {}
        """Changed entry keys by report."""
        self.dropped_slots: list[Slot] = []
        self.recalled: dict[tuple[Entity, KpiOutput, CalendarPeriod, int, str], None] = {}
        """Figures that stand in a table and must be written again, be they nothing."""
        self.speaking_next: set[str] = set()
        """Members whose credits are written with this checkpoint and told with the next."""
        self.stale_windows: dict[tuple[Entity, str], set[str] | None] = {}
        """Entities whose rolling windows of a letter must be computed anew, in order of arrival: the cell keys that
        changed in them, None for all."""

    # ------------------------------------------------------------------ events

    def add_event(self, kind: str, event: Any, now_buckets: dict[Unit, int]) -> None:
        """Enter one valid, new event into the cells and ledgers of its rep.

        Everything that can fail comes before anything changes: an event enters whole or not at all.
        """
        places: dict[str, Place | None] = {}
        additions = [self._addition(group, event, places) for group in self.plan.groups.get(kind, ())]
        sightings = [self._sighting(ledger, event) for ledger in self.plan.ledgers.get(kind, ())]
        call = self._call(event) if kind == "visit" and self.standing.lines else None
        entity = self.entity(REP if event.owner_field == "rep_id" else TERRITORY, event.owner)
        for addition in additions:
            if addition is not None:
                self._add(entity, addition, event, now_buckets)
        if call is not None:
            self.standing.call(self, event.rep_id, event.hcp_id, call)
        for sighting in sightings:
            if sighting is not None:
                self._see(sighting, event)

    def _addition(self, group: Group, event: Any, places: dict[str, Place | None]) -> Addition | None:
        name = group.date_field
        place = places[name] if name in places else places.setdefault(name, self._place(event, name))
        if place is None:
            return None
        values = group.values(event, self.directory, place.day)
        if not values:
            return None
        keys = group.keys(event, self.directory, place.day)
        if group.has_shares:
            values = [
                (index, group.shares(event, self.directory, place.day, value) if how == SHARED else value, how)
                for index, value, how in values
            ]
        return Addition(group, place, keys, values)

    def _place(self, event: Any, date_field: str) -> Place | None:
        day = day_of(event, date_field, self.time)
        if day is None:
            return None
        path = self._path(event, day)
        return Place(day, path, f"{MONTH}{month_start(day)}")

    def _path(self, event: Any, day: int) -> Path:
        if event.owner_field == "rep_id":
            return self.directory.path(event.rep_id, day)
        return self.directory.territory_path(event.owner, day)

    def _call(self, visit: Any) -> int | None:
        """Day of a visit that counts as a call on a professional."""
        day = self.time.day_of(visit.occurred_at)
        counts = self.plan.counts_as_call
        if visit.hcp_id is None or (counts is not None and not counts(visit, self.directory, day)):
            return None
        return day

    def _add(self, entity: Entity, addition: Addition, event: Any, now_buckets: dict[Unit, int]) -> None:
        group, (day, path, month) = addition.group, addition.place
        if group.day_names:
            self._once_a_day(addition, entity.id)
        if group.has_calendar:
            self._add_to_slot(entity.slot(month, path), addition, event)
        if not group.horizon or day < now_buckets["days"] - self.longest_days:
            return
        for unit, horizon in group.horizon.items():
            moment = getattr(event, group.date_field)
            number = self.time.bucket(unit, moment) if isinstance(moment, datetime) else day
            if number > now_buckets[unit] - horizon:
                letter = ROLLING_LETTERS[unit]
                self._add_to_slot(entity.slot(f"{letter}{number}", path), addition, event)
                self._note_stale(entity, letter, addition.keys)

    def _note_stale(self, entity: Entity, letter: str, keys: Iterable[str]) -> None:
        name = (entity, letter)
        stale = self.stale_windows.get(name, _FRESH)
        if stale is _FRESH:
            self.stale_windows[name] = set(keys)
        elif stale is not None:
            stale.update(keys)

    def _once_a_day(self, addition: Addition, owner: str) -> None:
        """Leave out of the addition the days that were seen before."""
        day, names = addition.place.day, addition.group.day_names
        book = (owner, month_start(day))
        addition.values[:] = [
            (index, value, how)
            for index, value, how in addition.values
            if how != ONCE_A_DAY or self.books.first_of_day(book, names[index], day)
        ]

    def _add_to_slot(self, slot: Slot, addition: Addition, event: Any) -> None:
        cells = slot.cells
        for key in addition.keys:
            cell = cells.get(key)
            if cell is None:
                group = addition.group
                cell = cells[key] = blank(group.width, self.plan.lasts[group.id])
            cell[0] += 1
            for index, value, how in addition.values:
                if how == SHARED:
                    cell[index] += value[key]
                elif how == NEWEST:
                    newest = [self.time.microseconds(event.occurred_at), event.event_id, value]
                    if cell[index] is None or newest > cell[index]:
                        cell[index] = newest
                else:
                    cell[index] += value
        slot.changed.update(addition.keys)
        self.changed_slots.add(slot)

    def _sighting(self, ledger: LedgerSpec, event: Any) -> Sighting | None:
        day = day_of(event, ledger.date_field, self.time)
        value = ledger.member(event, self.directory, day) if day is not None else None
        if day is None or value is None:
            return None
        return Sighting(ledger, day, value, ledger.keys(event, self.directory, day))

    def _see(self, sighting: Sighting, event: Any) -> None:
        ledger, day, value, keys = sighting
        name = (event.rep_id, ledger.kpi, value)
        report = self.reports.setdefault(name, {})
        if ledger.first_ever:
            at_us = self.time.microseconds(event.occurred_at)
            moved = {key for key in keys if see_first(report, key, day, at_us, event.event_id)}
        else:
            moved = self._see_plain(report, keys, event.rep_id, day)
        if moved:
            self.changed_reports.setdefault(name, set()).update(moved)

    def _see_plain(self, report: Report, keys: list[str], rep_id: str, day: int) -> set[str]:
        path = [list(node) for node in self.directory.path(rep_id, day)]
        entries = {f"{key}|{month_start(day)}|{path}": [1, key, month_start(day), path] for key in keys}
        moved = {name for name in entries if name not in report or not report[name][0]}  # new, or withdrawn
        report.update({name: entries[name] for name in moved})
        return moved

    # ------------------------------------------------------------- roll-up

    def take_message(self, message: NodeMessage, now_buckets: dict[Unit, int]) -> None:
        """Enter what a child said of itself; older than what is known, or the same, it changes nothing.

        Raises:
            ValueError: the message cannot have come from this engine; nothing was entered.
        """
        check_message(message, self.plan)
        if message["l"] == SHARD:
            return
        if message["l"] == MEMBER:
            member = self.member(message["p"])
            if member.take(message["c"], message["s"], message["x"]):
                self.changed_members.add(member.id)
            return
        letter, number = message["b"][0], int(message["b"][1:])
        unit = next((unit for unit, known in ROLLING_LETTERS.items() if known == letter), None)
        if unit is not None and number <= now_buckets[unit] - self.plan.horizon.get(unit, 0):
            return  # the window moved on while the message was under way
        entity = self.entity(message["l"], message["p"])
        slot = entity.slot(message["b"], path_of(message["u"]))
        if slot.take_child(message["c"], message["s"], message["x"], self.plan.lasts):
            self.changed_slots.add(slot)
            if unit is not None:
                self._note_stale(entity, letter, message["x"])

    def messages(self, stamp: int) -> Iterator[NodeMessage]:
        """What the parents must hear of the changes since the last checkpoint; keyed by `p`."""
        for name in sorted(self.changed_members):
            yield from self._credit(self.members[name], stamp)
        for slot in self.changed_slots:
            if slot.path:
                for portion in _portions(slot.changed):
                    yield _upward(slot, {key: slot.cells[key] for key in portion}, stamp)
        for (rep_id, kpi, value), keys in self.changed_reports.items():
            report = self.reports[rep_id, kpi, value]
            for named in _portions(keys):
                entries = {key: report[key] for key in named}
                yield {"l": MEMBER, "p": f"@{kpi}|{value}", "c": rep_id, "s": stamp, "x": entries}

    def _credit(self, member: Member, stamp: int) -> Iterator[NodeMessage]:
        spec = self.plan.by_kpi.get(member.kpi)
        due = member.due(spec, self.directory) if spec is not None else set()
        for credit, counts in member.next_credits(due):
            yield _credit_message(member, credit, [1, MICRO] if counts else [0, 0], stamp)
        if member.pending:
            self.speaking_next.add(member.id)

    def forget_older(self, stamp: int, is_child: Callable[[str], bool]) -> None:
        """Take back what some children said before `stamp`: they have lost their past and say everything again.

        Args:
            stamp: what was said at or after it stays.
            is_child: tells the children meant, by their own message keys.
        """
        for slot in _slots(self.entities.values()):
            for child in [child for child in slot.children if is_child(_key_of(child))]:
                self._forget_child(slot, child, stamp)
        for member in self.members.values():
            if member.forget_older(stamp, is_child):
                self.changed_members.add(member.id)

    def _forget_child(self, slot: Slot, child: str, stamp: int) -> None:
        said, lasts = slot.children[child], self.plan.lasts
        old = {key: key.partition("|")[0] for key, entry in said.items() if entry[0] < stamp}
        blanks = {key: blank(len(said[key]) - 1, lasts[group]) for key, group in old.items() if group in lasts}
        for key in old.keys() - blanks.keys():  # of a policy not heard of yet
            del said[key]
            slot.cells.pop(key, None)
            slot.changed.discard(key)
        if slot.take_child(child, stamp - 1, blanks, lasts) or len(blanks) < len(old):
            self.changed_slots.add(slot)
            if slot.bucket[0] in UNIT_OF_LETTER:
                self.stale_windows[slot.entity, slot.bucket[0]] = None

    # --------------------------------------------------------------- upkeep

    def learn(self, directory: Directory) -> None:
        """Go on with reference data that leaves the past alone; credits of reps not known before find their nodes."""
        unknown = directory.reps.keys() - self.directory.reps.keys()
        self.directory = directory
        self.changed_members |= {
            member.id for member in self.members.values() if not unknown.isdisjoint(member.reports)
        }

    def entity(self, level: str, entity_id: str) -> Entity:
        """The entity, made when missing."""
        found = self.entities.get((level, entity_id))
        if found is None:
            found = self.entities[level, entity_id] = Entity(level, entity_id)
        return found

    def member(self, name: str) -> Member:
        """The member with this message key (`@kpi|value`), made when missing."""
        found = self.members.get(name)
        if found is None:
            kpi, _, value = name[1:].partition("|")
            found = self.members[name] = Member(kpi, value)
        return found

    def now_buckets(self, now: datetime) -> dict[Unit, int]:
        """Running bucket of the day, and of every unit that rolling windows use."""
        units: set[Unit] = {"days", *self.plan.horizon}
        return {unit: self.time.bucket(unit, now) for unit in units}

    def mark_all(self) -> None:
        """Say everything again at the next checkpoint."""
        for entity in self.entities.values():
            for slot in _slots([entity]):
                slot.changed.update(slot.cells)
                self.changed_slots.add(slot)
            self.stale_windows |= {(entity, letter): None for letter in entity.rolling}
        for member in self.members.values():
            member.pending.update(member.told)
        self.changed_members.update(self.members)
        self.changed_reports = {name: set(report) for name, report in self.reports.items()}

    def settle(self) -> None:
        """Forget what changed: a checkpoint took it."""
        for slot in self.changed_slots:
            slot.changed = set()
        self.changed_slots = set()
        self.changed_members, self.speaking_next = self.speaking_next, set()
        self.changed_reports = {}
        self.dropped_slots, self.recalled = [], {}
        self.books.settle()


def _portions(keys: Iterable[str]) -> Iterator[list[str]]:
    """Keys in portions that fit into one message each."""
    waiting = list(keys)
    for start in range(0, len(waiting), _KEYS_PER_MESSAGE):
        yield waiting[start : start + _KEYS_PER_MESSAGE]


def _slots(entities: Iterable[Entity]) -> Iterator[Slot]:
    for entity in entities:
        for paths in entity.slots.values():
            yield from paths.values()


def _longest_days(horizon: dict[Unit, int]) -> int:
    per_day = {"days": 1, "hours": 24, "minutes": 1440}
    return max((length // per_day[unit] + 2 for unit, length in horizon.items()), default=0)


def _key_of(child: str) -> str:
    """Message key of a child: `rep|R1` is keyed by R1, a member by its whole name."""
    return child if child.startswith("@") else child.partition("|")[2]


def _upward(slot: Slot, cells: dict[str, Any], stamp: int) -> NodeMessage:
    parent, *tail = slot.path
    return {
        "l": parent.level,
        "p": parent.node_id,
        "c": f"{slot.entity.level}|{slot.entity.id}",
        "u": [list(node) for node in tail],
        "b": slot.bucket,
        "s": stamp,
        "x": cells,
    }


def _credit_message(member: Member, credit: Credit, vector: list[int], stamp: int) -> NodeMessage:
    return {
        "l": credit.level,
        "p": credit.entity_id,
        "c": member.id,
        "u": [],
        "b": credit.bucket,
        "s": stamp,
        "x": {f"@{member.kpi}|{credit.product_key}": vector},
    }
