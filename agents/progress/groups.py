"""Groups: the measures that one event enters together, and the keys of the cells it enters.

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
from typing import Any

import orjson

from agents.intake.directory import Directory
from agents.progress.calendar import CompanyTime
from agents.progress.filters import Predicate
from agents.progress.histogram import BINS, bin_of
from schemas.base import AMOUNT_PLACES
from schemas.policy import CalendarPeriod, Rolling, Unit

MICRO = 1_000_000  # 10 ** AMOUNT_PLACES
_EXACT = Context(prec=60)
#: A cell: events counted, then one entry a measure. A `last` entry is [µs since 1970, event id, micro-units] or None.
Vector = list[Any]
#: How a value enters its position: added, as the newest, shared among products, or once a day.
ADDED, NEWEST, SHARED, ONCE_A_DAY = range(4)
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
