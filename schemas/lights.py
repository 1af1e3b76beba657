"""The policy of alert lights: how a figure is judged against its target. The text of `policies/lights.yaml`."""

import re
from datetime import time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

from schemas.base import Model
from schemas.policy import CalendarPeriod

#: Colours of a light, the best first; grey: nothing to judge.
Colour = Literal["green", "amber", "red", "grey"]
TestName = Literal["pace", "period", "forecast"]

_DURATION = re.compile(r"(\d{1,5}) (second|minute|hour|day)s?")


def _parse_duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        return timedelta(**{f"{match[2]}s": int(match[1])})
    msg = f"{value!r} is no length of time: write for example 30 minutes, 2 hours or 1 day"
    raise ValueError(msg)


def _duration_text(value: timedelta) -> str:
    """As it is written in the policy, in the largest unit that needs no fraction."""
    seconds = int(value.total_seconds())
    units = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}
    unit, length = next((unit, length) for unit, length in units.items() if seconds % length == 0)
    count = seconds // length
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


_DurationText = Annotated[str, Field(pattern=f"^{_DURATION.pattern}$")]
#: A length of time, written like `2 hours`.
Duration = Annotated[
    timedelta,
    BeforeValidator(_parse_duration, json_schema_input_type=_DurationText),
    PlainSerializer(_duration_text, when_used="json"),
]


def _parse_clock(value: object) -> object:
    if isinstance(value, int):  # YAML reads 18:00 without quotes as a number of base 60
        hours, minutes = divmod(value, 60)
        return f"{hours:02}:{minutes:02}"
    return value


Clock = Annotated[
    time, BeforeValidator(_parse_clock, json_schema_input_type=Annotated[str, Field(pattern=r"^\d\d:\d\d$")])
]
#: A share: 0.2 is 20 %.
Share = Annotated[Decimal, Field(ge=0, le=1, decimal_places=6)]
Ratio = Annotated[Decimal, Field(ge=0, le=10, decimal_places=6)]


def _named_once(tests: tuple[TestName, ...]) -> tuple[TestName, ...]:
    if not tests or len(set(tests)) < len(tests):
        msg = "name at least one test, and each once: pace, period, forecast"
        raise ValueError(msg)
    return tests


class PaceRule(Model):
    """The figure against what is due by now: expected = target × elapsed, give or take a band (K6)."""

    under: Share = Decimal("0.2")
    """Below expected × (1 − under) the pace is too slow."""
    over: Ratio = Decimal("0.2")
    """Above expected × (1 + over) it is ahead of the band."""
    under_is: Literal["amber", "red"] = "red"
    """Colour of a pace that is too slow."""
    over_is: Literal["green", "amber"] = "green"
    """Colour of a pace ahead of the band; amber where too much is a fault of its own."""
    from_elapsed: Share = Decimal("0.1")
    """Share of the period before which the test is silent."""


class PeriodRule(Model):
    """The figure against a share of what is due by now, and at the end of the period of the target: red below."""

    below: Ratio = Decimal("0.8")
    """Red below this share of what is due."""
    periods: tuple[CalendarPeriod, ...] = ("quarter",)
    """Kinds of periods it holds for."""
    from_elapsed: Share = Decimal("0.1")
    """Share of the period before which the test is silent."""


class ForecastRule(Model):
    """The figure to be expected at the end of the period: red when even the upper end of its interval is short."""

    goal: Ratio = Decimal(1)
    """Share of the target the forecast is compared with."""
    short_is: Literal["amber", "red"] = "red"
    """Colour when the whole interval lies below the goal."""
    uncertain_is: Literal["green", "amber"] = "amber"
    """Colour when the interval contains the goal."""
    width: Share = Decimal("0.2")
    """Half of the interval as a share of what is still to come, until enough past forecasts are known."""
    at_least_errors: Annotated[int, Field(ge=5, le=10_000)] = 30
    """Past forecasts from which the interval is learned instead."""
    from_elapsed: Share = Decimal("0.2")
    """Share of the period before which the test is silent."""


class HistoryRule(Model):
    """The past periods that tell the season and how wrong forecasts were."""

    periods: Annotated[int, Field(ge=0, le=24)] = 4
    """How many past periods are looked at; 0: working days alone."""
    at_least: Annotated[int, Field(ge=1, le=24)] = 2
    """With fewer complete ones working days alone count."""


class LightRules(Model):
    """How the lights of one KPI, or of all, are judged."""

    tests: Annotated[tuple[TestName, ...], AfterValidator(_named_once)] = ("period", "forecast", "pace")
    """Tests in the order in which they are named as the cause."""
    combine: Literal["worst", "first"] = "worst"
    """worst: the worst colour of all tests; first: the first test that is not silent decides."""
    pace: PaceRule = PaceRule()
    period: PeriodRule = PeriodRule()
    forecast: ForecastRule = ForecastRule()
    history: HistoryRule = HistoryRule()
    accumulates: bool | None = None
    """Whether the figure grows through the period; when left out sums, counts and distinct counts do."""
    day_counts_from: Clock = time(18)
    """Company time from which a day counts as elapsed; \"00:00\": from its beginning."""
    recover_margin: Share = Decimal("0.02")
    """How far beyond a threshold a figure must come before the light gets better."""
    pending: Duration = timedelta(hours=1)
    """How long a worse state must last before the light shows it."""
    keep_firing: Duration = timedelta(hours=4)
    """How long a better state must last before the light shows it."""
    no_data_after: Duration = timedelta(days=1)
    """How long a figure must be gone before its light turns grey."""


class LightPolicy(Model):
    """The text of `policies/lights.yaml`."""

    defaults: LightRules = LightRules()
    """What holds for every KPI that does not say otherwise."""
    kpis: dict[str, LightRules] = Field(default_factory=dict)
    """What differs for a KPI: only the fields that are written replace those of `defaults`."""

    def of(self, kpi_id: str) -> LightRules:
        """The rules of a KPI, overrides applied field by field.

        >>> policy = LightPolicy.model_validate(
        ...     {"defaults": {"pace": {"under": 0.3, "over": 0.4}}, "kpis": {"visits": {"pace": {"over": 0.1}}}}
        ... )
        >>> policy.of("visits").pace.under, policy.of("visits").pace.over
        (Decimal('0.3'), Decimal('0.1'))
        """
        own = self.kpis.get(kpi_id)
        return self.defaults if own is None else _overridden(self.defaults, own)


def _overridden(base: Any, own: Any) -> Any:
    """`base` with the fields that were written in `own`, nested ones one by one."""
    update = {}
    for name in own.model_fields_set:
        value = getattr(own, name)
        update[name] = _overridden(getattr(base, name), value) if isinstance(value, Model) else value
    return base.model_copy(update=update)
