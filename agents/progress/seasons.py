"""What past periods tell: the course of a figure through its period, and how wrong forecasts on the way were."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from agents.progress.groups import MICRO
from agents.progress.lights_book import TENTHS, tenth_of
from agents.progress.pace import Curve, WorkingCalendar, curve_of, divided, interpolated, last_day, mean_curve
from schemas.reference import period_days

#: Figure of an owner in one tenth of one past period, by (owner, number of the period, tenth).
Tenths = Mapping[tuple[str, int, int], int]


class Span(NamedTuple):
    """First and last day of a past period, as ordinals."""

    first: int
    last: int


def past_spans(period: str, today: int, count: int) -> list[Span]:
    """The `count` periods before the one that holds `today`, the newest first.

    >>> spans = past_spans("quarter", date(2018, 5, 17).toordinal(), 2)
    >>> [str(date.fromordinal(day)) for span in spans for day in span]
    ['2018-01-01', '2018-03-31', '2017-10-01', '2017-12-31']
    """
    spans: list[Span] = []
    day = date.fromordinal(today)
    for _ in range(count):
        before = period_days(period, day)[0].toordinal() - 1
        day = period_days(period, date.fromordinal(before))[0]
        spans.append(Span(day.toordinal(), last_day(period, day.toordinal())))
    return spans


def complete(spans: Iterable[Span], first_data: int, calendar: WorkingCalendar) -> list[Span]:
    """The periods that lie wholly within the data: it begins on their first working day or before."""
    return [span for span in spans if first_data <= calendar.days(*span)[0]]


def season(daily: Mapping[int, int], spans: Sequence[Span], calendar: WorkingCalendar, at_least: int) -> Curve | None:
    """The mean course of past periods; None where fewer than `at_least` of them have a figure."""
    found = (curve_of(daily, calendar.days(*span), *span) for span in spans)
    curves = [curve for curve in found if curve is not None]
    return mean_curve(curves) if len(curves) >= at_least else None


def tenths_of_days(spans: Sequence[Span], calendar: WorkingCalendar) -> dict[int, tuple[int, int]]:
    """Number of the period and tenth of its working days that each day lies in; a day off lies with the one before."""
    found = {}
    for number, span in enumerate(spans):
        for day in range(span.first, span.last + 1):
            share = calendar.share(*span, day)
            found[day] = (number, max(share - 1, 0) * TENTHS // MICRO)
    return found


def forecast_errors(
    tenths: Tenths, spans: Sequence[Span], calendar: WorkingCalendar, curve: Curve | None
) -> dict[int, list[int]]:
    """How far the rest of past periods was from what their pace had promised.

    Args:
        tenths: figures of owners of one level.
        spans: the past periods.
        calendar: working days.
        curve: the season; None for working days alone.

    Returns:
        Rest ÷ rest that was expected, ascending, by the tenth of the period that had elapsed.
    """
    owners = {(owner, number) for owner, number, _ in tenths}
    elapsed = [_elapsed_after(span, calendar, curve) for span in spans]
    errors: dict[int, list[int]] = defaultdict(list)
    for owner, number in sorted(owners):
        amounts = [tenths.get((owner, number, tenth), 0) for tenth in range(TENTHS)]
        for tenth, share in enumerate(elapsed[number]):
            value, rest = sum(amounts[: tenth + 1]), sum(amounts[tenth + 1 :])
            promised = divided(value * (MICRO - share), share) if share else 0
            if value > 0 and promised > 0:
                errors[tenth_of(share)].append(divided(max(rest, 0) * MICRO, promised))
    return {tenth: sorted(found) for tenth, found in errors.items()}


def _elapsed_after(span: Span, calendar: WorkingCalendar, curve: Curve | None) -> list[int]:
    """Elapsed share at the end of each tenth of the working days."""
    days = calendar.days(*span)
    shares = [divided(len(days) * (tenth + 1) // TENTHS * MICRO, len(days)) for tenth in range(TENTHS)]
    return [interpolated(curve, share) if curve is not None else share for share in shares]
