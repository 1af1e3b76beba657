"""What lights are judged with, of one moment: rules, targets, working days and the season. Never changed, replaced."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from agents.progress.calendar import CompanyTime
from agents.progress.groups import MICRO, micro
from agents.progress.lights import Rules, compiled
from agents.progress.pace import (
    Curve,
    Width,
    WorkingCalendar,
    counted_day,
    interpolated,
    last_day,
    learned_width,
    width_of,
)
from schemas.lights import LightPolicy
from schemas.policy import CalendarPeriod, KpiPolicy
from schemas.reference import CalendarDay, Target

#: Forecast errors are kept by tenths of the period.
TENTHS = 10


class LightKey(NamedTuple):
    """Which light; the first seven fields of the KPI row it reads."""

    kpi_id: str
    period: CalendarPeriod
    period_start: int
    """Ordinal of the first day."""
    owner_level: str
    owner_id: str
    product_level: str
    product_key: str


class Goal(NamedTuple):
    """A target and the ordinal of the day from which it is in force."""

    effective_from: int
    value: int


#: Past rests ÷ what was expected of them, ascending, by KPI, kind of period, level of the owner and tenth elapsed.
Errors = Mapping[tuple[str, str, str, int], tuple[int, ...]]


@dataclass(frozen=True)
class Seasons:
    """What past periods tell: their course, and how wrong forecasts were."""

    curves: Mapping[tuple[str, str], Curve] = field(default_factory=dict)
    """By KPI and kind of period."""
    errors: Errors = field(default_factory=dict)


class LightBook:
    """Everything a light is judged with besides its figure.

    Args:
        policy: the policy of lights.
        version: its version; 0 for the built-in defaults.
        kpis: the policy of KPIs.
        targets: every target that was published.
        days: days that differ from the usual week.
        seasons: what past periods tell.

    Attributes:
        version: of the policy.
        goals: targets by light, in the order in which they come into force.
        kpis: KPIs with a target.
    """

    def __init__(
        self,
        policy: LightPolicy,
        version: int,
        kpis: KpiPolicy,
        targets: Iterable[Target] = (),
        days: Iterable[CalendarDay] = (),
        seasons: Seasons | None = None,
    ) -> None:
        self.policy = policy
        self.version = version
        self.seasons = seasons or Seasons()
        self.calendar = WorkingCalendar({row.day.toordinal(): row.is_working_day for row in _in_order(days)})
        self._rules = {kpi.id: compiled(policy.of(kpi.id), kpi) for kpi in kpis.kpis}
        self._starts = sorted({rules.counts_from for rules in self._rules.values()})
        self.goals = {key: goals for key, goals in _goals(targets).items() if key.kpi_id in self._rules}
        self.kpis = frozenset(key.kpi_id for key in self.goals)
        self.elapsed = lru_cache(1 << 14)(self._elapsed)
        self.width = lru_cache(1 << 14)(self._width)

    def with_seasons(self, seasons: Seasons) -> "LightBook":
        """The same with another past."""
        fresh = object.__new__(LightBook)
        fresh.__dict__.update(self.__dict__ | {"seasons": seasons})
        fresh.elapsed = lru_cache(1 << 14)(fresh._elapsed)
        fresh.width = lru_cache(1 << 14)(fresh._width)
        return fresh

    def running(self, today: int) -> set[tuple[str, str]]:
        """KPIs and kinds of periods with a target in a period that holds `today`."""
        return {
            (key.kpi_id, key.period)
            for key in self.goals
            if key.period_start <= today <= last_day(key.period, key.period_start)
        }

    def rules(self, kpi_id: str) -> Rules:
        """Rules of a KPI that has targets."""
        return self._rules[kpi_id]

    def counted_days(self, now: datetime, company_time: CompanyTime) -> tuple[int, ...]:
        """The last day that counts as elapsed, for each time of day from which one counts, and today at last.

        All that lights read off the clock, waiting times apart, hangs on these days.
        """
        days = [counted_day(now, start, company_time) for start in self._starts]
        return (*days, company_time.day_of(now))

    def goal(self, key: LightKey, today: int) -> int | None:
        """The target in force; None before the period or its first target begins."""
        if key.period_start > today:
            return None
        return next((goal.value for goal in reversed(self.goals[key]) if goal.effective_from <= today), None)

    def _elapsed(self, kpi_id: str, period: str, start: int, through: int) -> int:
        """Share of a period that has passed at the end of the day `through`: seasonal, or by working days."""
        share = self.calendar.share(start, last_day(period, start), through)
        curve = self.seasons.curves.get((kpi_id, period))
        return interpolated(curve, share) if curve is not None and self._rules[kpi_id].accumulates else share

    def _width(self, kpi_id: str, period: str, level: str, elapsed: int) -> Width:
        """Interval of the forecast's rest: learned from past forecasts, or as the policy sets it."""
        rules = self._rules[kpi_id]
        errors = self.seasons.errors.get((kpi_id, period, level, tenth_of(elapsed)), ())
        if len(errors) < rules.text.forecast.at_least_errors or not rules.accumulates:
            return width_of(rules.half_width)
        return learned_width(errors)


def empty_book() -> LightBook:
    """A book without KPIs, so without lights."""
    return LightBook(LightPolicy(), 0, KpiPolicy(kpis=()))


def tenth_of(elapsed: int) -> int:
    """The tenth of a period that an elapsed share lies in, 0 to 9."""
    return min(elapsed * TENTHS // MICRO, TENTHS - 1)


def key_of(target: Target) -> LightKey:
    """The light of a target."""
    return LightKey(
        target.kpi_id,
        target.period,
        target.period_start.toordinal(),
        target.owner_level,
        target.owner_id,
        target.product_level,
        target.product_key,
    )


def _goals(targets: Iterable[Target]) -> dict[LightKey, tuple[Goal, ...]]:
    found: dict[LightKey, list[Goal]] = defaultdict(list)
    for target in targets:
        found[key_of(target)].append(Goal(target.effective_from.toordinal(), micro(target.value)))
    return {key: tuple(sorted(goals)) for key, goals in found.items()}


def _in_order(days: Iterable[Any]) -> list[Any]:
    return sorted(days, key=lambda row: row.effective_from)
