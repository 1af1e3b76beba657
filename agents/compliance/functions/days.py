"""Days and times of day, in company time."""

from collections.abc import Sequence
from datetime import date, datetime, time
from typing import Any

from agents.compliance.functions.registry import CallError, asking, building, constant_of, function
from agents.compliance.kinds import CLOCK, DAY, MOMENT, NUMBER, TEXT, TRUTH, list_of, record_of
from agents.compliance.nodes import Frame, Node, constant
from schemas.reference import ReceptionWindow


@building("date", (TEXT,), gives=DAY, says="that day", example='date("2025-01-31")')
def date_(arguments: Sequence[Node], _options: dict[str, Node]) -> Node:
    """A day that is written out."""
    text = str(constant_of(arguments[0], 0))
    try:
        return constant(DAY, date.fromisoformat(text), f'date("{text}")')
    except ValueError:
        msg = f'{text!r} is no day: write date("2025-01-31")'
        raise CallError(msg) from None


@building("clock", (TEXT,), gives=CLOCK, says="that time of day", example='clock("09:00")')
def clock(arguments: Sequence[Node], _options: dict[str, Node]) -> Node:
    """A time of day that is written out."""
    text = str(constant_of(arguments[0], 0))
    try:
        found = time.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is not None:
        msg = f'{text!r} is no time of day: write clock("09:00")'
        raise CallError(msg)
    return constant(CLOCK, found, f'clock("{text}")')


@asking("day_of", (MOMENT,), gives=DAY, says="the company day of a moment", example="day_of(check_in_at)")
def day_of(frame: Frame, moment: datetime) -> date:
    """Company day of a moment."""
    return date.fromordinal(frame.world.time.day_of(moment))


@asking("time_of", (MOMENT,), gives=CLOCK, says="the time of day of a moment", example="time_of(check_in_at)")
def time_of(frame: Frame, moment: datetime) -> time:
    """Time of day of a moment in company time."""
    return moment.astimezone(frame.world.time.zone).time()


@function("weekday", (DAY,), gives=NUMBER, says="1 for Monday to 7 for Sunday", example="weekday(day)")
def weekday(day: date) -> int:
    """Number of the day of the week."""
    return day.isoweekday()


@asking("working_day", (DAY,), gives=TRUTH,
        says="whether the company works: the calendar's word, else Monday to Friday; missing in a year without one",
        example="working_day(day)")  # fmt: skip
def working_day(frame: Frame, day: date) -> bool | None:
    """Whether a day is a working day."""
    return frame.world.references.is_working_day(day)


@asking("within", (list_of(record_of(ReceptionWindow)),), (MOMENT,), gives=TRUTH,
        says="whether a moment lies in one of the windows, both ends included; missing without windows",
        example="within(institution.reception_windows, check_in_at)")  # fmt: skip
def within(frame: Frame, windows: Sequence[Any], moment: datetime) -> bool | None:
    """Whether a moment lies in a reception window."""
    if not windows:
        return None
    local = moment.astimezone(frame.world.time.zone)
    clock_time, weekday_number = local.time(), local.isoweekday()
    return any(weekday_number in one.weekdays and one.opens <= clock_time <= one.closes for one in windows)
