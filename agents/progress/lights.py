"""An alert light: three tests of a figure against its target, combined, and a state that changes with deliberation.

Pure: (light, numbers, now, rules) in, light out. A light gets worse only after a worse colour lasted `pending`, and
better only after a better colour, by a margin, lasted `keep_firing`. It remembers since when each of its colours would
have been deserved, whatever it shows meanwhile, so that worse figures never give a better light.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Literal, NamedTuple

from agents.progress.groups import MICRO, micro
from agents.progress.pace import Numbers, times
from schemas.lights import Colour, LightRules
from schemas.policy import CalendarPeriod, Kpi

GREEN: Colour = "green"
AMBER: Colour = "amber"
RED: Colour = "red"
GREY: Colour = "grey"
NO_DATA = "no_data"
OVER = "over"
_RANKS: dict[str, int] = {GREEN: 0, AMBER: 1, RED: 2}
_COLOURS: tuple[Colour, ...] = (GREEN, AMBER, RED)
_GROWING = frozenset({"sum", "count", "distinct", "days"})
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class Rules:
    """The rules of one KPI in the engine's units: micro-units and milliseconds."""

    text: LightRules
    is_reversed: bool
    """Whether less is better."""
    accumulates: bool
    lower: int
    upper: int
    pace_from: int
    below: int
    period_from: int
    goal: int
    forecast_from: int
    half_width: int
    margin: int
    pending_ms: int
    keep_firing_ms: int
    no_data_ms: int

    @property
    def counts_from(self) -> time:
        """Company time from which a day counts as elapsed."""
        return self.text.day_counts_from


def compiled(rules: LightRules, kpi: Kpi) -> Rules:
    """The rules as they apply to a KPI."""
    accumulates = rules.accumulates if rules.accumulates is not None else kpi.aggregate in _GROWING
    return Rules(
        text=rules,
        is_reversed=kpi.direction == "down",
        accumulates=accumulates,
        lower=MICRO - micro(rules.pace.under),
        upper=MICRO + micro(rules.pace.over),
        pace_from=micro(rules.pace.from_elapsed),
        below=micro(rules.period.below),
        period_from=micro(rules.period.from_elapsed),
        goal=micro(rules.forecast.goal),
        forecast_from=micro(rules.forecast.from_elapsed),
        half_width=micro(rules.forecast.width),
        margin=micro(rules.recover_margin),
        pending_ms=rules.pending // _MILLISECOND,
        keep_firing_ms=rules.keep_firing // _MILLISECOND,
        no_data_ms=rules.no_data_after // _MILLISECOND,
    )


class Verdicts(NamedTuple):
    """What each test says alone; grey: silent."""

    pace: str
    period: str
    forecast: str


class Combined(NamedTuple):
    """What the tests say together, and which of them decided."""

    colour: Colour
    cause: str


def verdicts(seen: Numbers, period: CalendarPeriod | str, rules: Rules, margin: int = 0) -> Verdicts:
    """Judge the numbers by each test.

    Args:
        seen: the numbers.
        period: kind of the period.
        rules: of the KPI.
        margin: how far every threshold is moved to the strict side.
    """
    if seen.value is None or (rules.accumulates and not seen.elapsed):
        return Verdicts(GREY, GREY, GREY)
    pace = _pace(seen, rules, margin) if seen.elapsed >= rules.pace_from else GREY
    has_rule = period in rules.text.period.periods and seen.elapsed >= rules.period_from
    is_open = rules.forecast_from <= seen.elapsed < MICRO  # at the end there is nothing left to foretell
    forecast = _forecast(seen, rules, margin) if is_open else GREY
    return Verdicts(pace, _period(seen, rules, margin) if has_rule else GREY, forecast)


def _pace(seen: Numbers, rules: Rules, margin: int) -> str:
    value = _ahead(seen.value, seen.expected, rules)
    if value < times(seen.expected, rules.lower + margin):
        return rules.text.pace.under_is
    return OVER if value > times(seen.expected, rules.upper - margin) else GREEN


def _period(seen: Numbers, rules: Rules, margin: int) -> Colour:
    is_short = _ahead(seen.value, seen.expected, rules) < times(seen.expected, rules.below + margin)
    return RED if is_short else GREEN


def _forecast(seen: Numbers, rules: Rules, margin: int) -> Colour:
    if seen.low is None or seen.high is None:
        return GREY
    low, high = sorted((_ahead(seen.low, seen.target, rules), _ahead(seen.high, seen.target, rules)))
    goal = times(seen.target, rules.goal + margin)
    if high < goal:
        return rules.text.forecast.short_is
    return rules.text.forecast.uncertain_is if low < goal else GREEN


def _ahead(value: int | None, basis: int, rules: Rules) -> int:
    """A value on the scale where more is better: what lies below its basis by x counts as above it by x."""
    amount = value or 0
    return 2 * basis - amount if rules.is_reversed else amount


def combine(said: Verdicts, rules: Rules) -> Combined | None:
    """The tests together; None when all are silent.

    >>> from schemas.policy import Title
    >>> kpi = Kpi(id="visits", title=Title(zh="拜访", en="Visits"), source="visit", aggregate="count", unit="count")
    >>> combine(Verdicts("over", "red", "amber"), compiled(LightRules(), kpi))
    Combined(colour='red', cause='period')
    """
    colours = {test: _colour(getattr(said, test), rules) for test in rules.text.tests}
    spoken = [Combined(colour, test) for test, colour in colours.items() if colour != GREY]
    if not spoken:
        return None
    return spoken[0] if rules.text.combine == "first" else max(spoken, key=lambda item: _RANKS[item.colour])


def _colour(said: str, rules: Rules) -> Colour:
    if said == OVER:
        return rules.text.pace.over_is
    return next(colour for colour in (*_COLOURS, GREY) if colour == said)


class Light(NamedTuple):
    """What is remembered of a light; moments are milliseconds since 1970, None while a condition does not hold."""

    state: Colour
    cause: str
    since: int
    changes: int
    """How many times it has changed."""
    lit: int | None = None
    """When it left grey or got another target; for `pending` from then on it follows its figures at once."""
    amber_or_worse: int | None = None
    red: int | None = None
    amber_or_better: int | None = None
    green: int | None = None
    gone: int | None = None
    """Since when there is nothing to judge."""
    previous: Colour = GREY
    """State before the last change."""
    told: int = 0
    """Changes that were told; a change is told once a checkpoint holds it."""
    target: int | None = None
    policy: int | None = None
    """Version of the policy it was judged with."""


def unlit(now_ms: int) -> Light:
    """A light nothing is known of."""
    return Light(GREY, NO_DATA, now_ms, 0)


def measured(light: Light, target: int, policy: int, now_ms: int) -> Light:
    """The light held against a target and a policy; against others than before it begins anew to follow at once."""
    if light.state == GREY or (light.target, light.policy) == (target, policy):
        return light._replace(target=target, policy=policy)
    return light._replace(target=target, policy=policy, lit=now_ms)


class Judged(NamedTuple):
    """The colours of one look: by the thresholds themselves, and by those that must be passed to get better."""

    plain: Combined
    strict: Combined


def judged(seen: Numbers, period: CalendarPeriod | str, rules: Rules) -> tuple[Verdicts, Judged | None]:
    """Judge the numbers; None when there is nothing to judge."""
    said = verdicts(seen, period, rules)
    plain = combine(said, rules)
    strict = combine(verdicts(seen, period, rules, rules.margin), rules)
    return said, Judged(plain, strict) if plain is not None and strict is not None else None


def step(light: Light, look: Judged | None, now_ms: int, rules: Rules) -> Light:
    """The light after one more look; its `changes` is higher when it changed."""
    if look is None:
        return _without_data(light, now_ms, rules)
    held = _remembering(light, look, now_ms)
    wanted = _wanted(held, look, now_ms, rules)
    if wanted == light.state:
        cause = look.plain.cause if look.plain.colour == light.state else light.cause
        return held._replace(cause=cause)
    lit = now_ms if light.state == GREY else light.lit
    return _turned(held, wanted, look.plain.cause, now_ms)._replace(lit=lit)


def _turned(light: Light, state: Colour, cause: str, now_ms: int) -> Light:
    return light._replace(state=state, cause=cause, since=now_ms, changes=light.changes + 1, previous=light.state)


def _without_data(light: Light, now_ms: int, rules: Rules) -> Light:
    gone = light.gone if light.gone is not None else now_ms
    idle = light._replace(amber_or_worse=None, red=None, amber_or_better=None, green=None, gone=gone)
    if light.state == GREY or now_ms - gone < rules.no_data_ms:
        return idle
    return _turned(idle, GREY, NO_DATA, now_ms)._replace(lit=None)


def _remembering(light: Light, look: Judged, now_ms: int) -> Light:
    plain, strict = _RANKS[look.plain.colour], _RANKS[look.strict.colour]

    def since(known: int | None, *, holds: bool) -> int | None:
        return (known if known is not None else now_ms) if holds else None

    return light._replace(
        amber_or_worse=since(light.amber_or_worse, holds=plain >= _RANKS[AMBER]),
        red=since(light.red, holds=plain >= _RANKS[RED]),
        amber_or_better=since(light.amber_or_better, holds=strict <= _RANKS[AMBER]),
        green=since(light.green, holds=strict <= _RANKS[GREEN]),
        gone=None,
    )


def _wanted(held: Light, look: Judged, now_ms: int, rules: Rules) -> Colour:
    """The colour to show now."""
    if held.state == GREY or (held.lit is not None and now_ms - held.lit < rules.pending_ms):
        return look.plain.colour
    lasted = _lasting(now_ms)
    worse: tuple[tuple[Colour, int | None], ...] = ((RED, held.red), (AMBER, held.amber_or_worse))
    better: tuple[tuple[Colour, int | None], ...] = ((GREEN, held.green), (AMBER, held.amber_or_better))
    rank = _RANKS[held.state]
    for colour, moment in worse:
        if _RANKS[colour] > rank and lasted(moment, rules.pending_ms):
            return colour
    for colour, moment in better:
        if _RANKS[colour] < rank and lasted(moment, rules.keep_firing_ms):
            return colour
    return held.state


def _lasting(now_ms: int) -> Callable[[int | None, int], bool]:
    return lambda moment, length_ms: moment is not None and now_ms - moment >= length_ms


def pending_state(light: Light, look: Judged | None) -> Colour:
    """The colour the light turns to once that has lasted long enough; its own when none waits."""
    if look is None or light.state == GREY:
        return GREY
    rank = _RANKS[light.state]
    if _RANKS[look.plain.colour] > rank:
        return look.plain.colour
    return look.strict.colour if _RANKS[look.strict.colour] < rank else light.state


def due_ms(light: Light, rules: Rules) -> int | None:
    """When the light changes although no figure does; None when nothing waits."""
    if light.state == GREY:
        return None
    if light.gone is not None:
        return light.gone + rules.no_data_ms
    rank = _RANKS[light.state]
    waiting: list[tuple[Literal["pending", "keep"], int | None]] = []
    if rank < _RANKS[RED]:
        waiting += [("pending", light.red)]
    if rank < _RANKS[AMBER]:
        waiting += [("pending", light.amber_or_worse)]
    if rank > _RANKS[GREEN]:
        waiting += [("keep", light.green)]
    if rank > _RANKS[AMBER]:
        waiting += [("keep", light.amber_or_better)]
    lengths = {"pending": rules.pending_ms, "keep": rules.keep_firing_ms}
    return min((moment + lengths[kind] for kind, moment in waiting if moment is not None), default=None)
