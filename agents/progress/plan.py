"""A KPI policy compiled: groups and ledgers by kind of event, and how KPIs are read off the cells."""

import hashlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

import orjson

from agents.intake.directory import Directory
from agents.progress.calendar import CALENDAR_PERIODS
from agents.progress.derived import IN_MILLIONTHS, detail_weights
from agents.progress.filters import Predicate, both, compile_filter, compile_where, reader
from agents.progress.groups import (
    ADDED,
    MICRO,
    NEWEST,
    ONCE_A_DAY,
    SHARED,
    CompiledMeasure,
    Group,
    Histogram,
    LedgerSpec,
    Position,
    micro,
)
from agents.progress.reads import reference_fields
from schemas.measures import Filter, Measure, NamedFilter
from schemas.policy import CalendarPeriod, Kpi, KpiPolicy, Rolling, Unit
from schemas.sources import DETAILS_PDE

#: What a KPI says of itself without any figure hanging on it.
_WORDS = {"title", "description", "direction", "unit"}
#: Letter of the buckets that hold a month.
_MONTH = "m"


@dataclass(frozen=True, eq=False)
class KpiOutput:
    """How a KPI is read off the cells."""

    kpi: str
    numerator: Position
    denominator: Position | None
    levels: frozenset[str]
    periods: frozenset[str]
    windows: tuple[Rolling, ...] = ()
    is_last: bool = False
    is_ledger: bool = False
    share: int = 0
    """Of a quantile: the share of events in millionths."""
    parts: tuple[tuple[int, Position, Position], ...] = ()
    """Of a weighted KPI: weight in millionths, numerator and denominator."""

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Every group it reads, each once."""
        positions = (self.numerator, self.denominator, *(place for _, *pair in self.parts for place in pair))
        return tuple(dict.fromkeys(position.group for position in positions if position is not None))

    @cached_property
    def is_plain(self) -> bool:
        """Whether it is one position of one group and nothing else."""
        return not (self.is_last or self.share or self.parts or self.denominator)


class Shown(NamedTuple):
    """KPIs of one calendar period that read cells which changed."""

    period: CalendarPeriod
    outputs: tuple[KpiOutput, ...]


class WindowOutput(NamedTuple):
    """A KPI in one of its rolling windows."""

    output: KpiOutput
    name: str
    """Name of the window."""
    length: int
    """Units it is long."""
    groups: tuple[str, ...]
    """Groups the KPI reads, each once."""


class Plan:
    """A compiled policy.

    Attributes:
        groups: groups of an event kind.
        ledgers: distinct KPIs of an event kind.
        outputs: KPIs that read a group, by group id.
        by_id: the same by their ids.
        lasts: positions of a group that hold the newest value instead of a sum, by group id.
        horizon: longest rolling window by unit, in units.
        fingerprint: changes when stored cells no longer fit and must be rebuilt.
        reads: reference fields a filter on events looks into.
    """

    def __init__(self, policy: KpiPolicy) -> None:
        self.policy = policy
        self.groups: dict[str, list[Group]] = defaultdict(list)
        self.ledgers: dict[str, list[LedgerSpec]] = defaultdict(list)
        self.by_kpi: dict[str, LedgerSpec] = {}
        self.outputs: dict[str, list[KpiOutput]] = defaultdict(list)
        self.shown = lru_cache(1 << 12)(self._shown)
        self.in_windows = lru_cache(1 << 12)(self._in_windows)
        self._index: dict[tuple[int, str], int] = {}
        self._filters: dict[str, Predicate] = {}
        self.counts_as_call = self._predicate(policy.calls, {})
        pending = [(kpi, self._positions(kpi)) for kpi in policy.kpis if kpi.aggregate != "distinct"]
        for group in self.all_groups():
            group.close()
        for kpi, places in pending:
            self._add_output(kpi, [Position(group.id, index) for group, index in places])
        for kpi in policy.kpis:
            if kpi.aggregate == "distinct":
                self._add_ledger(kpi)
        self.by_id = {output.kpi: output for found in self.outputs.values() for output in found}
        self.lasts = {
            group.id: tuple(index for index, measure in enumerate(group.measures, 1) if measure.how == NEWEST)
            for group in self.all_groups()
        }
        self.widths = {group.id: group.width for group in self.all_groups()}
        for kpi_id in self.by_kpi:
            self.lasts[f"@{kpi_id}"], self.widths[f"@{kpi_id}"] = (), 2
        self.horizon: dict[Unit, int] = {}
        for group in self.all_groups():
            for unit, length in group.horizon.items():
                self.horizon[unit] = max(self.horizon.get(unit, 0), length)
        computed = policy.model_dump_json(exclude={"kpis": {"__all__": _WORDS}})
        self.fingerprint = hashlib.sha256(computed.encode()).hexdigest()[:16]
        self.reads = frozenset(reference_fields(policy))

    def all_groups(self) -> list[Group]:
        """Every group, in order of its event kind."""
        return [group for groups in self.groups.values() for group in groups]

    def _shown(self, bucket: str, groups: frozenset[str], level: str) -> tuple[Shown, ...]:
        """KPIs that read one of the groups in a kind of calendar bucket and are shown at a product level.

        Args:
            bucket: letter of the bucket. Cells stand in months, those of ledgers in a bucket of every period.
            groups: their ids.
            level: all, line or product.
        """
        found: list[Shown] = []
        for period in CALENDAR_PERIODS:
            outputs = {
                output: None
                for group in sorted(groups)
                for output in self.outputs.get(group, ())
                if level in output.levels
                and period in output.periods
                and bucket == (period[0] if output.is_ledger else _MONTH)
            }
            found += [Shown(period, tuple(outputs))] if outputs else []
        return tuple(found)

    def _in_windows(self, group: str, level: str, unit: Unit) -> tuple[WindowOutput, ...]:
        """KPIs that read a group in rolling windows of a unit and are shown at a product level."""
        return tuple(
            WindowOutput(output, window.name, window.length, output.groups)
            for output in self.outputs.get(group, ())
            if level in output.levels
            for window in output.windows
            if window.unit == unit
        )

    def standing_names(self, source: str) -> tuple[str, ...]:
        """Fields by which filters tell the records of a standing source apart, besides its numbers."""
        measures = [measure for kpi in self.policy.kpis for measure in kpi.measures() if measure.source == source]
        wheres = [measure.where for measure in measures]
        for only in (measure.only for measure in measures):
            wheres += [only.where, *only.unless] if only is not None else []
        names = dict.fromkeys(name for where in wheres for name in where)
        return tuple(name for name in names if "." in name or name in {"rep_id", "hcp_id"})

    def _positions(self, kpi: Kpi) -> list[tuple[Group, int]]:
        measures = list(kpi.measures())
        if kpi.aggregate == "mean":
            # the count behind a mean keeps `value`: it counts the events that carry one
            total = measures[0].model_copy(update={"aggregate": "sum"})
            measures = [total, total.model_copy(update={"aggregate": "count"})]
        return [self._place(kpi, measure) for measure in measures]

    def _place(self, kpi: Kpi, measure: Measure) -> tuple[Group, int]:
        name = orjson.dumps(measure.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS).decode()
        group = self._group(kpi, measure, name)
        group.levels |= {*kpi.dimensions}
        group.windows |= {period.name: period for period in kpi.periods if isinstance(period, Rolling)}
        group.has_calendar |= any(isinstance(period, str) for period in kpi.periods)
        index = self._index.get((id(group), name))
        if index is None:
            where = self._predicate(measure.only, measure.where)
            group.measures.append(CompiledMeasure(_how(measure), _value(measure, self.policy), where))
            group.names.append(name)
            index = self._index[id(group), name] = len(group.measures)
        return group, index

    def _group(self, kpi: Kpi, measure: Measure, name: str) -> Group:
        # a measure without products keeps to itself: it shall not be added up for every product of others
        dimensions = frozenset(kpi.dimensions)
        is_histogram = measure.aggregate == "quantile"
        form = name if is_histogram else ""
        for group in self.groups[measure.source]:
            if (group.date_field, group.dimensions, group.form) == (measure.date, dimensions, form):
                return group
        make = Histogram if is_histogram else Group
        self.groups[measure.source].append(make(measure.source, measure.date, dimensions, form))
        return self.groups[measure.source][-1]

    def _predicate(self, only: NamedFilter | None, where: Any) -> Predicate | None:
        named = None
        if only is not None:
            text = Filter.model_dump_json(only)
            named = self._filters.get(text) or self._filters.setdefault(text, compile_filter(only))
        return both(named, compile_where(where))

    def _add_output(self, kpi: Kpi, places: list[Position]) -> None:
        output = KpiOutput(
            kpi=kpi.id,
            numerator=places[0],
            denominator=places[1] if len(places) > 1 else None,
            levels=frozenset({"all", *kpi.dimensions}),
            periods=frozenset(period for period in kpi.periods if isinstance(period, str)),
            windows=tuple(period for period in kpi.periods if isinstance(period, Rolling)),
            is_last=kpi.aggregate == "last",
            share=round((kpi.q or 0) * MICRO),
            parts=tuple(
                (micro(part.weight), places[2 * number], places[2 * number + 1])
                for number, part in enumerate(kpi.parts)
            ),
        )
        for group in dict.fromkeys(place.group for place in places):
            self.outputs[group].append(output)

    def _add_ledger(self, kpi: Kpi) -> None:
        ledger = LedgerSpec(
            kpi=kpi.id,
            source=kpi.source or "",
            value=reader(kpi.value or ""),
            where=self._predicate(kpi.only, kpi.where),
            date_field=kpi.date,
            levels=frozenset({"all", *kpi.dimensions}),
            periods=tuple(period for period in kpi.periods if isinstance(period, str)),
            first_ever=kpi.first_ever is not None,
            confirmed_within_days=kpi.first_ever.confirmed_within_days if kpi.first_ever else None,
        )
        self.ledgers[ledger.source].append(ledger)
        self.by_kpi[kpi.id] = ledger
        group = f"@{kpi.id}"
        self.outputs[group].append(
            KpiOutput(kpi.id, Position(group, 1), None, ledger.levels, frozenset(ledger.periods), is_ledger=True)
        )


def _how(measure: Measure) -> int:
    if measure.value == DETAILS_PDE:
        return SHARED
    return {"last": NEWEST, "days": ONCE_A_DAY}.get(measure.aggregate, ADDED)


def _value(measure: Measure, policy: KpiPolicy) -> Callable[[Any, Directory, int], Any]:
    if measure.value is None:
        return lambda _event, _directory, _day: MICRO
    if measure.value == DETAILS_PDE:
        return detail_weights(policy.detail_weights)
    read = IN_MILLIONTHS.get(measure.value) or attrgetter(measure.value)
    is_count, is_micro = measure.aggregate == "count", measure.value in IN_MILLIONTHS

    def number(event: Any, _directory: Directory, _day: int) -> int | None:
        raw = read(event)
        if raw is None:
            return None
        if is_count:
            return MICRO
        return int(raw) if is_micro else micro(raw)

    return number
