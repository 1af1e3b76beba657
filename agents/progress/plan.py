"""A KPI policy compiled to the additions one event causes.

Measures that read the same event kind and the same date field form a *group*. A cell holds the vector of one group:
position 0 counts the events that entered it, the others are the measures. Amounts are micro-units (value x 10^6) in
plain integers, so that no addition ever rounds. A group is named by what it holds: two policy versions in flight can
never mix up positions.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Context, Decimal
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

import orjson

from agents.intake.directory import Directory
from agents.progress.calendar import CALENDAR_PERIODS, CompanyTime
from agents.progress.derived import IN_MILLIONTHS, detail_weights
from agents.progress.filters import Predicate, both, compile_filter, compile_where, reader
from agents.progress.histogram import BINS, bin_of
from agents.progress.reads import reference_fields
from schemas.base import AMOUNT_PLACES
from schemas.measures import Filter, Measure, NamedFilter
from schemas.policy import CalendarPeriod, Kpi, KpiPolicy, Rolling, Unit
from schemas.sources import DETAILS_PDE

MICRO = 1_000_000  # 10 ** AMOUNT_PLACES
_EXACT = Context(prec=60)
#: What a KPI says of itself without any figure hanging on it.
_WORDS = {"title", "description", "direction", "unit"}

#: A cell: events counted, then one entry a measure. A `last` entry is [µs since 1970, event id, micro-units] or None.
Vector = list[Any]
#: How a value enters its position: added, as the newest, shared among products, or once a day.
ADDED, NEWEST, SHARED, ONCE_A_DAY = range(4)
#: Letter of the buckets that hold a month.
_MONTH = "m"
#: Cell keys are `<group>|a` (all products), `<group>|l:<line>` and `<group>|p:<product>`.
ALL = "a"
_ALL_ONLY, _KEYS_OF_ALL = frozenset({"all"}), [ALL]


def micro(value: Decimal | float) -> int:
    """Value in millionths, exact for a Decimal with at most six decimals."""
    if isinstance(value, Decimal):
        return int(_EXACT.scaleb(value, AMOUNT_PLACES))
    return round(value * MICRO)


@dataclass(frozen=True)
class CompiledMeasure:
    """One position of a group's vector."""

    how: int
    """ADDED, NEWEST, SHARED or ONCE_A_DAY."""
    value: Callable[[Any, Directory, int], Any]
    """Micro-units; where `how` is SHARED, those of its products by their number and place."""
    where: Predicate | None


@dataclass(frozen=True)
class Position:
    """Where a quantity stands: the group and the index in its vector."""

    group: str
    index: int


@dataclass(frozen=True, eq=False)
class KpiOutput:
    """How a KPI is read off the cells.

    Attributes:
        groups: every group it reads, each once.
        is_plain: whether it is one position of one group and nothing else.
    """

    groups: tuple[str, ...] = field(init=False)
    is_plain: bool = field(init=False)
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

    def __post_init__(self) -> None:
        positions = (self.numerator, self.denominator, *(place for _, *pair in self.parts for place in pair))
        groups = tuple(dict.fromkeys(position.group for position in positions if position is not None))
        is_plain = not (self.is_last or self.share or self.parts or self.denominator)
        object.__setattr__(self, "groups", groups)
        object.__setattr__(self, "is_plain", is_plain)


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


@dataclass
class Group:
    """The measures of one event kind whose period hangs on the same date field."""

    source: str
    date_field: str
    dimensions: frozenset[str] = frozenset()
    form: str = ""
    """What keeps a histogram apart: its measure."""
    names: list[str] = field(default_factory=list)
    measures: list[CompiledMeasure] = field(default_factory=list)
    levels: set[str] = field(default_factory=set)
    windows: dict[str, Rolling] = field(default_factory=dict)
    has_calendar: bool = False
    id: str = ""
    width: int = 1
    """Entries of a cell."""
    has_shares: bool = False
    day_names: dict[int, str] = field(default_factory=dict)
    """Names under which days are remembered, by position."""
    horizon: dict[Unit, int] = field(default_factory=dict)
    """Longest rolling window by unit, in units."""

    def close(self) -> None:
        """Give the group its name once all measures are in."""
        text = orjson.dumps([self.source, self.date_field, sorted(self.dimensions), self.form, self.names])
        self.id = f"{self.source}.{self.date_field}.{hashlib.sha256(text).hexdigest()[:8]}"
        self.width = len(self.measures) + 1
        self._total = f"{self.id}|{ALL}"
        self._only = [self._total]
        self.has_shares = any(measure.how == SHARED for measure in self.measures)
        once = [index for index, measure in enumerate(self.measures, 1) if measure.how == ONCE_A_DAY]
        self.day_names = {index: f"{self.id}.{index}" for index in once}
        for window in self.windows.values():
            self.horizon[window.unit] = max(self.horizon.get(window.unit, 0), window.length)

    def values(self, event: Any, directory: Directory, day: int) -> list[tuple[int, Any, int]]:
        """(position, micro-units, how they enter it) of every measure the event enters."""
        found: list[tuple[int, Any, int]] = []
        for index, measure in enumerate(self.measures, 1):
            if measure.where is not None and not measure.where(event, directory, day):
                continue
            value = measure.value(event, directory, day)
            if value is not None:
                found.append((index, value, measure.how))
        return found

    def keys(self, event: Any, directory: Directory, day: int) -> list[str]:
        """Keys of the cells the event enters; not to be changed by the caller."""
        if not self.dimensions:
            return self._only
        return directory.remembered(self.id, products_of(event), day, self._keys_of)

    def _keys_of(self, products: tuple[str, ...], directory: Directory, day: int) -> list[str]:
        return [f"{self.id}|{key}" for key in product_keys(products, self.levels, directory, day)]

    def shares(self, event: Any, directory: Directory, day: int, weights: Sequence[Sequence[int]]) -> dict[str, int]:
        """What each cell gets of a value that is shared among the products of an event."""
        products = products_of(event)
        row = weights[min(len(products), len(weights)) - 1]
        found: dict[str, int] = defaultdict(int, {self._total: sum(row)})
        for product, weight in zip(products, row, strict=False):
            found[f"{self.id}|p:{product}"] = weight
            if (line := directory.line_of(product, day)) is not None:
                found[f"{self.id}|l:{line}"] += weight
        return found


class Histogram(Group):
    """A group of one measure whose cells count events by the size of the value."""

    def close(self) -> None:
        """Give the group its name and the width of a histogram."""
        super().close()
        self.width = BINS + 1

    def values(self, event: Any, directory: Directory, day: int) -> list[tuple[int, Any, int]]:
        """One event in the bin of its value."""
        return [(1 + bin_of(value), 1, ADDED) for _, value, _ in super().values(event, directory, day)]


@dataclass(frozen=True)
class LedgerSpec:
    """A distinct KPI: values are remembered one by one instead of being added up."""

    kpi: str
    source: str
    value: Callable[[Any, Directory, int], Any]
    where: Predicate | None
    date_field: str
    levels: frozenset[str]
    periods: tuple[CalendarPeriod, ...]
    first_ever: bool
    confirmed_within_days: int | None

    def member(self, event: Any, directory: Directory, day: int) -> str | None:
        """The value the event puts into the ledger; None when it puts none."""
        if self.where is not None and not self.where(event, directory, day):
            return None
        value = self.value(event, directory, day)
        return None if value is None else str(value)

    def keys(self, event: Any, directory: Directory, day: int) -> list[str]:
        """Product part of the entries the event makes; not to be changed by the caller."""
        if self.levels == _ALL_ONLY:
            return _KEYS_OF_ALL
        return directory.remembered(self.levels, products_of(event), day, self._keys_of)

    def _keys_of(self, products: tuple[str, ...], directory: Directory, day: int) -> list[str]:
        return product_keys(products, self.levels, directory, day)


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


def day_of(event: Any, date_field: str, company_time: CompanyTime) -> int | None:
    """Ordinal of the company day a date field names; None when the field is empty."""
    value = getattr(event, date_field)
    if isinstance(value, datetime):
        return company_time.day_of(value)
    return value.toordinal() if isinstance(value, date) else None


def products_of(event: Any) -> tuple[str, ...]:
    """Products an event is about, each once, in order."""
    match event.kind_name:
        case "visit":
            return tuple(dict.fromkeys(item.product_id for item in event.details))
        case "activity":
            return tuple(dict.fromkeys(event.product_ids))
    product: str | None = event.product_id
    return (product,) if product is not None else ()


def cell_key(product_level: str, product_key: str) -> str:
    """Product part of a cell key: `a` for all, `l:<line>` or `p:<product>`."""
    return ALL if product_level == "all" else f"{product_level[0]}:{product_key}"


def product_keys(
    products: Sequence[str], levels: frozenset[str] | set[str], directory: Directory, day: int
) -> list[str]:
    """Product part of the cells an event enters that is about these products: `a`, they and their lines, each once."""
    keys = [ALL]
    if "product" in levels:
        keys += [f"p:{product}" for product in products]
    if "line" in levels:
        lines = dict.fromkeys(directory.line_of(product, day) for product in products)
        keys += [f"l:{line}" for line in lines if line is not None]
    return keys
