"""KPI values read off the cells: one row per KPI, period, entity and product key that changed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from agents.intake.directory import Path
from agents.progress.calendar import EPOCH_ORDINAL, period_start
from agents.progress.cells import MONTH, ROLLING_LETTERS, TERRITORY, UNIT_OF_LETTER, Entity, Slot
from agents.progress.groups import MICRO, Vector
from agents.progress.histogram import quantile
from agents.progress.plan import KpiOutput, Plan
from agents.progress.state import ProgressState
from schemas.policy import CalendarPeriod, Unit

_LEVEL_OF_PREFIX = {"a": "all", "l": "line", "p": "product"}
_MONTHS_OF = {"month": 1, "quarter": 3, "year": 12}
#: Rolling windows have no first day of their own; their rows stand under this one (1970-01-01).
ROLLING_START = EPOCH_ORDINAL


class CellRow(NamedTuple):
    """One KPI value; amounts in micro-units."""

    kpi_id: str
    period: str
    period_start: int
    """Ordinal of the first day."""
    level: str
    entity_id: str
    product_level: str
    product_key: str
    value: int | None
    """None where the denominator is nothing."""
    numerator: int
    denominator: int | None
    events: int
    expires_at: datetime | None
    """When a rolling value has become nothing without further word; None for calendar periods."""


def divide_half_even(numerator: int, denominator: int) -> int:
    """Quotient of two micro-unit amounts in micro-units, rounded half to even.

    >>> divide_half_even(1_000_000, 3_000_000), divide_half_even(5, 10_000_000), divide_half_even(-2_000_000, 3_000_000)
    (333333, 0, -666667)
    """
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    quotient, rest = divmod(numerator * MICRO, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and quotient & 1):
        quotient += 1
    return quotient


class _Spot(NamedTuple):
    """Where KPI values stand: everything that names a row but the KPI."""

    entity: Entity
    period: CalendarPeriod
    start: int
    product_key: str


def changed_rows(state: ProgressState) -> list[CellRow]:
    """Calendar rows of every cell that changed since the last checkpoint."""
    wanted: dict[_Spot, tuple[KpiOutput, ...]] = {}
    for slot in state.changed_slots:
        for spot, outputs in _spots(state.plan, slot):
            there = wanted.get(spot)  # months of one quarter, or before and after a transfer
            wanted[spot] = outputs if there is None or there is outputs else tuple(dict.fromkeys((*there, *outputs)))
    for entity, output, period, start, product_key in state.recalled:
        spot = _Spot(entity, period, start, product_key)
        wanted[spot] = tuple(dict.fromkeys((*wanted.get(spot, ()), output)))
    rows: list[CellRow] = []
    for spot, outputs in wanted.items():
        rows += _rows_at(state.plan, spot, outputs)
    return rows


def _spots(plan: Plan, slot: Slot) -> Iterator[tuple[_Spot, tuple[KpiOutput, ...]]]:
    entity, letter, start = slot.entity, slot.bucket[0], int(slot.bucket[1:])
    if letter in UNIT_OF_LETTER or entity.level == TERRITORY:
        return
    groups_of: dict[str, list[str]] = {}
    for key in slot.changed:
        group, _, product_key = key.partition("|")
        groups_of.setdefault(product_key, []).append(group)
    for product_key, groups in groups_of.items():
        for period, outputs in plan.shown(letter, frozenset(groups), _LEVEL_OF_PREFIX[product_key[0]]):
            yield _Spot(entity, period, period_start(period, start), product_key), outputs


def calendar_row(
    plan: Plan, entity: Entity, output: KpiOutput, period: CalendarPeriod, start: int, product_key: str
) -> CellRow:
    """The row of one KPI, entity, calendar period and product key, as its cells stand."""
    (row,) = _rows_at(plan, _Spot(entity, period, start, product_key), (output,))
    return row


def _rows_at(plan: Plan, spot: _Spot, outputs: Iterable[KpiOutput]) -> list[CellRow]:
    entity, period, start, product_key = spot
    totals = _Totals(plan, entity, product_key, _months(period, start), f"{period[0]}{start}")
    what = (period, start, *_whose(entity, product_key))
    make = CellRow._make
    return [make((output.kpi, *what, *figures(output, totals), None)) for output in outputs]


class _Totals(dict[str, Vector]):
    """Cells of one entity and product key added up over buckets, by group; each worked out when it is asked for.

    Args:
        plan: the compiled policy.
        entity: whose.
        product_key: product part of the cell keys.
        buckets: what is added up.
        of_ledgers: bucket of the cells of ledgers, which hold a whole period.
    """

    __slots__ = ("_buckets", "_entity", "_of_ledgers", "_plan", "_product_key")

    def __init__(
        self, plan: Plan, entity: Entity, product_key: str, buckets: Sequence[str], of_ledgers: str = ""
    ) -> None:
        self._plan, self._entity, self._product_key = plan, entity, product_key
        self._buckets, self._of_ledgers = buckets, of_ledgers

    def __missing__(self, group: str) -> Vector:
        plan, buckets = self._plan, self._buckets if group[0] != "@" else (self._of_ledgers,)
        name = f"{group}|{self._product_key}"
        vector = self[group] = self._entity.total(buckets, name, plan.widths[group], plan.lasts[group])
        return vector


@lru_cache(1 << 12)
def _months(period: CalendarPeriod, start: int) -> tuple[str, ...]:
    months, day = [], start
    for _ in range(_MONTHS_OF[period]):
        months.append(f"{MONTH}{day}")
        day = period_start("month", day + 31)
    return tuple(months)


class Figures(NamedTuple):
    """The numbers of one KPI value, in micro-units, and how many events made them."""

    value: int | None
    numerator: int
    denominator: int | None
    events: int


def figures(output: KpiOutput, totals: Mapping[str, Vector]) -> Figures:
    """Compute a KPI from the vectors of the groups it reads."""
    place = output.numerator
    above = totals[place.group]
    if output.is_plain:
        return Figures(above[place.index], above[place.index], None, above[0])
    if output.is_last:
        newest = above[place.index]
        return Figures(newest[2] if newest else None, newest[2] if newest else 0, None, above[0])
    if output.share:
        found = quantile(above[1:], output.share)
        return Figures(found, found or 0, None, above[0])
    if output.parts or output.denominator is None:
        return _weighted(output, totals, above[0])
    numerator, below = above[place.index], totals[output.denominator.group]
    denominator = below[output.denominator.index]
    value = divide_half_even(numerator, denominator) if denominator else None
    return Figures(value, numerator, denominator, above[0] + (below[0] if below is not above else 0))


def _weighted(output: KpiOutput, totals: Mapping[str, Vector], events: int) -> Figures:
    """Weighted mean of the ratios that have a denominator; the weights of the others do not count."""
    total, weights = Fraction(0), 0
    for weight, above, below in output.parts:
        if denominator := totals[below.group][below.index]:
            total += Fraction(weight * totals[above.group][above.index], denominator)
            weights += weight
    value = round(total / weights * MICRO) if weights else None  # a Fraction is rounded half to even
    return Figures(value, round(total), weights, events)


def _whose(entity: Entity, product_key: str) -> tuple[str, str, str, str]:
    """The columns of a row from `level` to `product_key`."""
    prefix, _, key = product_key.partition(":")
    return entity.level, entity.id, _LEVEL_OF_PREFIX[prefix], key


class RollingWindows:
    """Computes the rolling windows of a shard as time passes and events come.

    Args:
        state: the shard's progress.
    """

    def __init__(self, state: ProgressState) -> None:
        self._state = state
        self._now: dict[Unit, int] = {}

    def moved_on(self, now: datetime) -> bool:
        """Whether a bucket ended since the last look, with anything in it to fall out of a window, or a day began."""
        buckets = self._state.now_buckets(now)
        if self._state.standing.waits_for(buckets["days"]):
            return True
        changed = [unit for unit, number in buckets.items() if self._now.get(unit) != number]
        letters = [ROLLING_LETTERS[unit] for unit in changed]
        return any(entity.rolling.get(letter) for entity in self._state.entities.values() for letter in letters)

    def rows(self, now: datetime) -> list[CellRow]:
        """Rows of every window whose value is another than the one last written; expired buckets are dropped."""
        state = self._state
        buckets = state.now_buckets(now)
        state.standing.begin_day(state, buckets["days"])
        for unit, number in buckets.items():
            if unit in state.plan.horizon and self._now.get(unit) != number:
                letter = ROLLING_LETTERS[unit]
                state.stale_windows |= {(e, letter): None for e in state.entities.values() if e.rolling.get(letter)}
        self._now = buckets
        stale, state.stale_windows = state.stale_windows, {}
        rows: list[CellRow] = []
        for (entity, letter), keys in stale.items():
            unit = UNIT_OF_LETTER[letter]
            if unit in buckets:
                numbered = entity.rolling.get(letter)
                if numbered and entity.level != TERRITORY:
                    rows += self._of_entity(entity, _Buckets(letter, unit, numbered, buckets[unit]), keys)
                self._drop_expired(entity, unit, buckets[unit])
        return rows

    def _of_entity(self, entity: Entity, buckets: "_Buckets", keys: Iterable[str] | None) -> Iterator[CellRow]:
        """Rows of the windows of one entity and unit that read certain cells, None: any."""
        plan = self._state.plan
        totals_of: dict[tuple[str, int], _Totals] = {}
        for key in sorted(buckets.keys() if keys is None else keys):
            group, _, product_key = key.partition("|")
            whose = _whose(entity, product_key)
            windows = plan.in_windows(group, whose[2], buckets.unit)
            if not windows or not buckets.newest(key):
                continue
            for output, window, length, groups in windows:
                if (totals := totals_of.get((product_key, length))) is None:
                    live = buckets.names(length)
                    totals = totals_of[product_key, length] = _Totals(plan, entity, product_key, live)
                last = max([buckets.newest(f"{group}|{product_key}") for group in groups])
                found, name = figures(output, totals), (output.kpi, window, product_key)
                if entity.shown.get(name) != (found, last):
                    entity.shown[name] = (found, last)
                    # until then the row is right even if nobody is there to write the next one
                    expires_at = self._state.time.bucket_start(buckets.unit, last + length)
                    yield CellRow._make((output.kpi, window, ROLLING_START, *whose, *found, expires_at))

    def _drop_expired(self, entity: Entity, unit: Unit, now_bucket: int) -> None:
        letter = ROLLING_LETTERS[unit]
        oldest = now_bucket - self._state.plan.horizon.get(unit, 0)
        for number in [number for number in entity.rolling.get(letter, {}) if number <= oldest]:
            self._state.dropped_slots += entity.drop(letter, number)
        if not entity.rolling.get(letter):
            entity.shown = {name: found for name, found in entity.shown.items() if not name[1].endswith(unit)}


class _Buckets:
    """The rolling buckets of one entity and unit, as they stand.

    Args:
        letter: of the unit.
        unit: days, hours or minutes.
        numbered: their slots.
        now: number of the running one.

    Attributes:
        unit: the unit.
    """

    def __init__(self, letter: str, unit: Unit, numbered: Mapping[int, Mapping[Path, Slot]], now: int) -> None:
        self.unit, self._letter, self._numbered, self._now = unit, letter, numbered, now
        self._latest_first = sorted(numbered, reverse=True)
        self._newest: dict[str, int] = {}
        self._names: dict[int, list[str]] = {}

    def names(self, length: int) -> list[str]:
        """Names of those in the window of a length."""
        names = self._names.get(length)
        if names is None:
            now, letter = self._now, self._letter
            names = [f"{letter}{number}" for number in self._numbered if now - length < number <= now]
            self._names[length] = names
        return names

    def keys(self) -> set[str]:
        """Keys of all cells."""
        return {key for paths in self._numbered.values() for slot in paths.values() for key in slot.cells}

    def newest(self, key: str) -> int:
        """The newest that holds a cell, at most the running one; 0 where none does."""
        found = self._newest.get(key)
        if found is None:
            numbers = (n for n in self._latest_first if any(key in slot.cells for slot in self._numbered[n].values()))
            found = self._newest[key] = min(next(numbers, 0), self._now)
        return found
