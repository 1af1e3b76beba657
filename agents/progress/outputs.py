"""KPI values read off the cells: one row per KPI, period, entity and product key that changed."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from agents.intake.directory import Path
from agents.progress.calendar import EPOCH_ORDINAL, period_start
from agents.progress.cells import MONTH, ROLLING_LETTERS, TERRITORY, UNIT_OF_LETTER, Entity, Slot
from agents.progress.histogram import quantile
from agents.progress.plan import MICRO, KpiOutput, Plan, Position, Vector
from agents.progress.state import ProgressState
from schemas.policy import CalendarPeriod, Rolling, Unit

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
    wanted: dict[_Spot, dict[KpiOutput, None]] = {}
    for slot in state.changed_slots:
        for spot, outputs in _spots(state.plan, slot):
            if (there := wanted.get(spot)) is None:
                wanted[spot] = dict.fromkeys(outputs)
            else:
                there.update(dict.fromkeys(outputs))
    for entity, output, period, start, product_key in state.recalled:
        wanted.setdefault(_Spot(entity, period, start, product_key), {})[output] = None
    return [row for spot, outputs in wanted.items() for row in _rows_at(state.plan, spot, outputs)]


def _spots(plan: Plan, slot: Slot) -> Iterator[tuple[_Spot, Sequence[KpiOutput]]]:
    letter, start = slot.bucket[0], int(slot.bucket[1:])
    if letter in UNIT_OF_LETTER or slot.entity.level == TERRITORY:
        return
    for key in slot.changed:
        group, _, product_key = key.partition("|")
        for period, outputs in plan.shown(group, _LEVEL_OF_PREFIX[product_key[0]]):
            if outputs[0].is_ledger:
                if period[0] == letter:
                    yield _Spot(slot.entity, period, start, product_key), outputs
            elif letter == MONTH:
                yield _Spot(slot.entity, period, period_start(period, start), product_key), outputs


def calendar_row(
    plan: Plan, entity: Entity, output: KpiOutput, period: CalendarPeriod, start: int, product_key: str
) -> CellRow:
    """The row of one KPI, entity, calendar period and product key, as its cells stand."""
    (row,) = _rows_at(plan, _Spot(entity, period, start, product_key), (output,))
    return row


def _rows_at(plan: Plan, spot: _Spot, outputs: Iterable[KpiOutput]) -> Iterator[CellRow]:
    entity, period, start, product_key = spot
    months = _months(period, start)
    known: dict[str, Vector] = {}  # many KPIs read the same cell

    def read(position: Position) -> Vector:
        group = position.group
        if (vector := known.get(group)) is None:
            buckets = months if group[0] != "@" else (f"{period[0]}{start}",)
            name = f"{group}|{product_key}"
            vector = known[group] = entity.total(buckets, name, plan.widths[group], plan.lasts[group])
        return vector

    for output in outputs:
        yield _row(entity, product_key, (output.kpi, period, start), figures(output, read))


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


def figures(output: KpiOutput, read: Callable[[Position], Vector]) -> Figures:
    """Compute a KPI from the vectors that `read` gives for its positions."""
    above = read(output.numerator)
    if output.is_last:
        newest = above[output.numerator.index]
        return Figures(newest[2] if newest else None, newest[2] if newest else 0, None, above[0])
    if output.share:
        found = quantile(above[1:], output.share)
        return Figures(found, found or 0, None, above[0])
    if output.parts:
        return _weighted(output, read, above[0])
    numerator = above[output.numerator.index]
    if output.denominator is None:
        return Figures(numerator, numerator, None, above[0])
    below = above if output.denominator.group == output.numerator.group else read(output.denominator)
    denominator = below[output.denominator.index]
    value = divide_half_even(numerator, denominator) if denominator else None
    return Figures(value, numerator, denominator, above[0] + (below[0] if below is not above else 0))


def _weighted(output: KpiOutput, read: Callable[[Position], Vector], events: int) -> Figures:
    """Weighted mean of the ratios that have a denominator; the weights of the others do not count."""
    total, weights = Fraction(0), 0
    for weight, above, below in output.parts:
        if denominator := read(below)[below.index]:
            total += Fraction(weight * read(above)[above.index], denominator)
            weights += weight
    value = round(total / weights * MICRO) if weights else None  # a Fraction is rounded half to even
    return Figures(value, round(total), weights, events)


def _row(
    entity: Entity,
    product_key: str,
    period: tuple[str, str, int],
    found: Figures,
    expires_at: datetime | None = None,
) -> CellRow:
    prefix, _, key = product_key.partition(":")
    value, numerator, denominator, events = found
    level = _LEVEL_OF_PREFIX[prefix]
    return CellRow(
        *period, entity.level, entity.id, level, key, value, numerator, denominator, events, expires_at=expires_at
    )


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
        for entity, letter in stale:
            unit = UNIT_OF_LETTER[letter]
            if unit in buckets:
                rows += self._of_entity(entity, unit, buckets[unit])
                self._drop_expired(entity, unit, buckets[unit])
        return rows

    def _of_entity(self, entity: Entity, unit: Unit, now_bucket: int) -> Iterable[CellRow]:
        if entity.level == TERRITORY:
            return
        newest = _newest_buckets(entity.rolling.get(ROLLING_LETTERS[unit], {}), now_bucket)
        for key in sorted(newest):
            group, _, product_key = key.partition("|")
            for output in self._state.plan.outputs.get(group, ()):
                if _LEVEL_OF_PREFIX[product_key[0]] in output.levels:
                    for window in output.windows:
                        if window.unit == unit:
                            yield from self._window(entity, output, window, product_key, now_bucket, newest)

    def _window(
        self,
        entity: Entity,
        output: KpiOutput,
        window: Rolling,
        product_key: str,
        now_bucket: int,
        newest: dict[str, int],
    ) -> Iterable[CellRow]:
        plan = self._state.plan
        letter = ROLLING_LETTERS[window.unit]
        live = [f"{letter}{n}" for n in entity.rolling[letter] if now_bucket - window.length < n <= now_bucket]

        def read(position: Position) -> Vector:
            width = plan.widths[position.group]
            return entity.total(live, f"{position.group}|{product_key}", width, plan.lasts[position.group])

        last = max(newest.get(f"{group}|{product_key}", 0) for group in _groups_of(output))
        found = figures(output, read)
        name = (output.kpi, window.name, product_key)
        if entity.shown.get(name) == (found, last):
            return
        entity.shown[name] = (found, last)
        # until then the row is right even if nobody is there to write the next one
        expires_at = self._state.time.bucket_start(window.unit, last + window.length)
        yield _row(entity, product_key, (output.kpi, window.name, ROLLING_START), found, expires_at)

    def _drop_expired(self, entity: Entity, unit: Unit, now_bucket: int) -> None:
        letter = ROLLING_LETTERS[unit]
        oldest = now_bucket - self._state.plan.horizon.get(unit, 0)
        for number in [number for number in entity.rolling.get(letter, {}) if number <= oldest]:
            self._state.dropped_slots += entity.drop(letter, number)
        if not entity.rolling.get(letter):
            entity.shown = {name: found for name, found in entity.shown.items() if not name[1].endswith(unit)}


@lru_cache(1 << 10)
def _groups_of(output: KpiOutput) -> tuple[str, ...]:
    """Every group a KPI reads, each once."""
    positions = [output.numerator, output.denominator, *(place for _, *pair in output.parts for place in pair)]
    return tuple(dict.fromkeys(position.group for position in positions if position is not None))


def _newest_buckets(numbered: Mapping[int, Mapping[Path, Slot]], now_bucket: int) -> dict[str, int]:
    """The newest bucket up to now that holds a cell, by cell key."""
    newest: dict[str, int] = {}
    for number, paths in numbered.items():
        for slot in paths.values():
            for key in slot.cells:
                newest[key] = max(newest.get(key, 0), min(number, now_bucket))
    return newest
