"""The lights of one shard: which must be looked at, what they show, and what of that is new."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import orjson

from agents.progress.calendar import CALENDAR_PERIODS, CompanyTime
from agents.progress.lights import GREY, Judged, Light, Verdicts, due_ms, judged, measured, pending_state, step, unlit
from agents.progress.lights_book import LightBook, LightKey, empty_book
from agents.progress.outputs import CellRow
from agents.progress.pace import Numbers, counted_day, last_day, numbers
from schemas.lights import Colour

#: A checkpoint field that begins like this holds a light.
FIELD_PREFIX = '["l",'
#: Messages unread from which figures are half of what they will be.
_PILED_UP = 200
#: Totals are through to the company by then.
_CLIMB = timedelta(seconds=3)
#: Reads a figure of a shard: the KPI row of a light, None when its owner has none.
ReadRow = Callable[[LightKey], CellRow | None]


class Reading(NamedTuple):
    """A light as it stands; amounts and shares in micro-units, moments in milliseconds since 1970."""

    key: LightKey
    period_end: int
    """Ordinal of the last day."""
    is_over: bool
    light: Light
    pending_state: Colour
    numbers: Numbers
    verdicts: Verdicts
    policy_version: int
    judged_at: int


class Change(NamedTuple):
    """A light that turned."""

    light_id: str
    previous_state: Colour
    reading: Reading


class LightOutput(NamedTuple):
    """What a checkpoint has to say of the lights."""

    readings: list[Reading]
    """Lights of which any number or state is another than the one last written."""
    changes: list[Change]
    """Changes that the checkpoint before holds; a change that a crash undid is never told."""
    fields: dict[str, bytes]
    """Of the checkpoint."""


def light_id(key: LightKey, number: int) -> str:
    """Identity of a light's change number `number`.

    The colour is not part of it: after a crash the same change may be found with more events and another colour, and
    then replaces what was said before.
    """
    return hashlib.sha256(orjson.dumps([*key, number])).hexdigest()[:32]


def field_of(key: LightKey) -> str:
    """Name of a light's checkpoint field."""
    return orjson.dumps(["l", *key]).decode()


class LightBoard:
    """The lights of one shard.

    Args:
        book: what they are judged with.
        company_time: days and periods.
        holds: tells whether an owner belongs to the shard.

    Attributes:
        lights: what is remembered, by light.
        is_company_behind: whether any shard that may have something to say still reads what piled up; until none does,
            no light is lit for the first time.
    """

    def __init__(self, book: LightBook, company_time: CompanyTime, holds: Callable[[str], bool]) -> None:
        self.lights: dict[LightKey, Light] = {}
        self.is_company_behind = False
        self._behind_until: datetime | None = None
        self._lags: dict[str, int] = {}
        self._holds = holds
        self._shown: dict[LightKey, Reading] = {}
        self._due: dict[LightKey, int] = {}
        self._untold: dict[LightKey, Change | None] = {}
        self._seen_days: tuple[int, ...] | None = None
        self._left_unlit = False
        self._time = company_time
        self.adopt(book)

    def adopt(self, book: LightBook) -> None:
        """Judge with another book from now on; everything is looked at once more."""
        self._book = book
        self._mine = [key for key in book.goals if self._holds(key.owner_id)]
        self._untold = {key: change for key, change in self._untold.items() if change is not None or key in book.goals}
        self._seen_days = None

    def note_lag(self, topic: str, messages: int) -> None:
        """Hear how much of a topic the shard has still to read."""
        self._lags[topic] = messages

    def note_company(self, now: datetime, *, is_behind: bool) -> None:
        """Hear whether any shard still reads what piled up; what they found takes a moment more to climb."""
        if is_behind:
            self._behind_until = now + _CLIMB
        self.is_company_behind = self._behind_until is not None and now < self._behind_until

    @property
    def is_behind(self) -> bool:
        """Whether the shard still reads what piled up."""
        return sum(self._lags.values()) >= _PILED_UP

    # ------------------------------------------------------------- the past

    def restore(self, fields: dict[str, bytes]) -> None:
        """Take what a checkpoint kept of lights out of its fields."""
        for name in [name for name in fields if name.startswith(FIELD_PREFIX)]:
            key = LightKey(*orjson.loads(name)[1:])
            self.lights[key] = Light(*orjson.loads(fields.pop(name)))
        self._find_untold()

    def take_past(self, lights: Mapping[LightKey, Light]) -> None:
        """Go on from what was last written of lights, where no checkpoint is left."""
        self.lights = {key: light for key, light in lights.items() if self._holds(key.owner_id)}
        self._find_untold()

    def _find_untold(self) -> None:
        """Changes a crash left untold are told at the next look, with its numbers; without a target there is none."""
        goals = self._book.goals
        self._untold = {key: None for key, light in self.lights.items() if light.told < light.changes and key in goals}

    def take_over(self, other: "LightBoard") -> None:
        """Go on from the lights of another board."""
        self.lights, self._lags, self._untold = other.lights, other._lags, other._untold  # noqa: SLF001 - its own kind

    @property
    def untold(self) -> int:
        """Changes that the next checkpoint tells, and one more while lights wait to be lit."""
        return len(self._untold) + self._left_unlit

    # ------------------------------------------------------------ the look

    def due(self, now: datetime) -> bool:
        """Whether time alone may change a light."""
        if not self._mine:
            return False
        if self._untold or (self._left_unlit and not self.is_company_behind):
            return True
        if self._seen_days != self._book.counted_days(now, self._time):
            return True
        now_ms = _milliseconds(now)
        return any(moment <= now_ms for moment in self._due.values())

    def snapshot(self, rows: Iterable[CellRow], read: ReadRow, now: datetime, *, everything: bool) -> LightOutput:
        """Look at the lights whose figure changed, and at those that time may change.

        Args:
            rows: KPI rows that changed.
            read: reads the row of a light that is not among them.
            now: moment of the checkpoint.
            everything: whether all fields are wanted, not only the changed ones.
        """
        output = LightOutput([], [], {})
        self._tell(output)
        measured_kpis = self._book.kpis
        changed = {
            LightKey._make(row[:7]): row
            for row in rows
            if row.kpi_id in measured_kpis and row.period in CALENDAR_PERIODS
        }
        for key in self._to_look_at(changed, now):
            self._look(key, changed[key] if key in changed else read(key), now, output)
        if everything:
            output.fields.update({field_of(key): orjson.dumps([*light]) for key, light in self.lights.items()})
        return output

    def _tell(self, output: LightOutput) -> None:
        """Tell the changes that are in the checkpoint by now."""
        for change in list(self._untold.values()):
            if change is not None:
                self._told(change, output)

    def _told(self, change: Change, output: LightOutput) -> None:
        key = change.reading.key
        output.changes.append(change)
        self.lights[key] = light = self.lights[key]._replace(told=change.reading.light.changes)
        output.fields[field_of(key)] = orjson.dumps([*light])
        del self._untold[key]

    def _to_look_at(self, changed: Iterable[LightKey], now: datetime) -> list[LightKey]:
        goals, now_ms = self._book.goals, _milliseconds(now)
        keys = {key: None for key in changed if key in goals}
        keys |= {key: None for key, moment in self._due.items() if moment <= now_ms and key in goals}
        days = self._book.counted_days(now, self._time)
        if self._seen_days is None or (self._left_unlit and not self.is_company_behind):
            keys |= dict.fromkeys(self._mine)
        elif self._seen_days != days:
            oldest = min(self._seen_days)
            keys |= {key: None for key in self._mine if last_day(key.period, key.period_start) >= oldest}
        self._seen_days, self._left_unlit = days, self._left_unlit and self.is_company_behind
        return list(keys)

    def _look(self, key: LightKey, row: CellRow | None, now: datetime, output: LightOutput) -> None:
        book, company_time = self._book, self._time
        today, end = company_time.day_of(now), last_day(key.period, key.period_start)
        goal = book.goal(key, today)
        if goal is None:
            return
        rules, now_ms = book.rules(key.kpi_id), _milliseconds(now)
        through = counted_day(now, rules.counts_from, company_time)
        elapsed = book.elapsed(key.kpi_id, key.period, key.period_start, through)
        width = book.width(key.kpi_id, key.period, key.owner_level, elapsed)
        value = row.value if row is not None and row.events else None
        seen = numbers(value, goal, elapsed, width, accumulates=rules.accumulates)
        said, look = judged(seen, key.period, rules)
        before = self.lights.get(key)
        reading = Reading(key, end, end < today, before or unlit(now_ms), GREY, seen, said, book.version, now_ms)
        if key in self._untold:
            self._told(_change(reading), output)
            before = self.lights[key]
        light = measured(before or unlit(now_ms), goal, book.version, now_ms)
        after = step(light, self._held_back(before, look), now_ms, rules)
        self._note_due(key, due_ms(after, rules))
        self.lights[key] = after
        self._say(reading._replace(light=after, pending_state=pending_state(after, look)), before, output)

    def _held_back(self, before: Light | None, look: Judged | None) -> Judged | None:
        """No first colour from half of the events."""
        if look is not None and self.is_company_behind and (before is None or before.state == GREY):
            self._left_unlit = True
            return None
        return look

    def _note_due(self, key: LightKey, moment: int | None) -> None:
        if moment is None:
            self._due.pop(key, None)
        else:
            self._due[key] = moment

    def _say(self, reading: Reading, before: Light | None, output: LightOutput) -> None:
        key, light = reading.key, reading.light
        if light != before:
            output.fields[field_of(key)] = orjson.dumps([*light])
        shown = self._shown.get(key)
        if shown is None or _content(shown) != _content(reading):
            self._shown[key] = reading
            output.readings.append(reading)
        if light.changes > light.told:
            self._untold[key] = _change(reading)


def _change(reading: Reading) -> Change:
    light = reading.light
    return Change(light_id(reading.key, light.changes), light.previous, reading)


def _content(reading: Reading) -> tuple[object, ...]:
    """What is worth a new row: all that is written but the moment of the look."""
    light = reading.light
    shown = (light.state, light.cause, light.since, light.changes, reading.pending_state, reading.is_over)
    return (*shown, reading.numbers, reading.verdicts, reading.policy_version)


def _milliseconds(now: datetime) -> int:
    return CompanyTime.microseconds(now) // 1000


def no_lights() -> LightBoard:
    """The board of a shard that judges nothing."""
    return LightBoard(empty_book(), CompanyTime("UTC"), lambda _owner: False)
