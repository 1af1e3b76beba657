"""The simulation: days one after the other, events in the order in which they reach the company's systems."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from itertools import zip_longest

from schemas.reference import Reference
from streams.errors import UsageError
from streams.simulator import references
from streams.simulator.calendar import is_working_day
from streams.simulator.company import LARGEST, SMALLEST, build
from streams.simulator.engagement import Engagement
from streams.simulator.made import DAY_S, OFFSET_S, Made, Today, local_seconds
from streams.simulator.market import MarketReports
from streams.simulator.periods import quarter_of
from streams.simulator.planted_money import MONEY_PLAYS
from streams.simulator.planted_visits import LAST_DAY_PLAYS, LATE_PLAYS, VISIT_PLAYS
from streams.simulator.planting import Label, Planting, Play, Plays
from streams.simulator.sales import Trade
from streams.simulator.stories import Effects
from streams.simulator.targets import targets
from streams.simulator.visits import FieldWork

COMPANY_ZONE = timezone(timedelta(seconds=OFFSET_S))
DEFAULT_REPS = 200
MOST_BREACHES = 50
EARLIEST, LATEST = date(2000, 1, 1), date(2200, 1, 1)


@dataclass(frozen=True)
class Plan:
    """What to simulate.

    Attributes:
        start: first day.
        end: the moment up to which time is made to pass at once.
        seed: another seed is another company.
        reps: size of the company.
        breaches: how often each breach of a rule is planted in a quarter, by people of their own; 0: not at all.
    """

    start: date
    end: datetime
    seed: int = 1
    reps: int = DEFAULT_REPS
    breaches: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be simulated.

        Raises:
            UsageError: naming the option to change.
        """
        if not SMALLEST <= self.reps <= LARGEST:
            msg = f"a company of {self.reps} reps cannot be simulated: give {SMALLEST} to {LARGEST} with --reps"
            raise UsageError(msg)
        if not 0 <= self.breaches <= MOST_BREACHES:
            msg = f"{self.breaches} breaches of each rule cannot be planted: give 0 to {MOST_BREACHES} with --breaches"
            raise UsageError(msg)
        if not EARLIEST <= self.start <= self.last_day < LATEST:
            msg = f"{self.start} to {self.last_day} cannot be simulated: --from comes first, not before {EARLIEST}"
            raise UsageError(msg)

    @property
    def last_day(self) -> date:
        """The last day with a moment before `end`."""
        return (self.end.astimezone(COMPANY_ZONE) - timedelta(microseconds=1)).date()


def running_quarter(now: datetime) -> date:
    """First day of the quarter `now` lies in, by the company's clock."""
    return quarter_of(now.astimezone(COMPANY_ZONE).date())


def clock(moment: datetime) -> int:
    """The company's clock at that moment, in seconds; see `Made.at`."""
    return int(moment.timestamp()) + OFFSET_S


class Simulation:
    """A made-up company with its events.

    Args:
        plan: what to simulate.

    Attributes:
        company: who and where.
        trade: tells what sales are to be expected.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.company = build(plan.seed, plan.reps, plan.start.year)
        self._effects = Effects(self.company)
        self.trade = Trade(self.company, self._effects)
        self._engagement = Engagement(self.company)
        self._market = MarketReports(self.company, self._effects, self.trade)
        self._field = FieldWork(self.company, self._effects)
        plays = Plays((*_mixed(VISIT_PLAYS, MONEY_PLAYS),), LATE_PLAYS, LAST_DAY_PLAYS)
        self._planting = Planting(self.company, plan.breaches, plan.start, plays)
        self._later: dict[int, list[Made]] = defaultdict(list)

    def references(self, until: date | None = None) -> list[Reference]:
        """Reference rows from the plan's start to its end (or `until`); call plan and targets reach further."""
        start, end = self.plan.start, until or self.plan.last_day
        own = references.rows(self.company, start, end)
        planted = self._planting.rows(start, end)
        return [*own, *planted, *targets(self.company, self.trade, start, end)]

    def labels(self) -> list[Label]:
        """What must come of events under the rules, of those that have reached the company by the plan's end."""
        end = clock(self.plan.end)
        return [label for label in (*self._field.labels, *self._planting.labels) if label.at < end]

    def day(self, day: date) -> list[Made]:
        """What reaches the company on a day, in order; days are asked for one after the other."""
        today = Today(self.plan.seed, day)
        midnight = local_seconds(day)
        arrived = self._later.pop(midnight, [])
        for made in self._happening(today):
            if made.at < midnight + DAY_S:
                arrived.append(made)
            else:
                self._later[made.at // DAY_S * DAY_S].append(made)
        arrived.sort()
        return arrived

    def events(self) -> Iterator[Made]:
        """Everything from the plan's start to its end, in order. May be asked for once."""
        end, day = clock(self.plan.end), self.plan.start
        while local_seconds(day) < end:
            for made in self.day(day):
                if made.at >= end:
                    return
                yield made
            day += timedelta(days=1)

    def faked(self, team: int) -> list[str]:
        """Ids of the visits of a team that are made up, as far as they have reached the company."""
        end = clock(self.plan.end)
        return [event_id for at, event_id in self._field.faked[team] if at < end]

    def _happening(self, today: Today) -> Iterator[Made]:
        yield from self.trade.day(today)
        if is_working_day(today.day):
            yield from self._field.day(today)
            yield from self._engagement.day(today)
            yield from self._market.day(today)
            yield from self._planting.day(today)


def _mixed(one: Sequence[Play], other: Sequence[Play]) -> Iterator[Play]:
    """Both in turn, so that every week has some of each."""
    for pair in zip_longest(one, other):
        yield from (play for play in pair if play is not None)
