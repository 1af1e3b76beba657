"""Statements as the ClickHouse plugin of Grafana sends them: variables and macros expanded.

The plugin does this on Grafana's side; the preview page has to do the same for the same SQL. Variables come first, as
Grafana's browser part inserts them, then macros, as the plugin's server part does.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from streams.errors import InvalidError

_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}")
_MACRO = re.compile(r"\$__(\w+)")
#: Steps of a time axis, seconds; Grafana rounds an interval to one of these.
_STEPS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1_200, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400)
_WEEK_S, _POINTS = 604_800, 200


@dataclass(frozen=True)
class TimeRange:
    """What is looked at.

    Attributes:
        start_ms: first millisecond since 1970.
        end_ms: last millisecond since 1970.
        interval_s: width of a step on the time axis, seconds.
    """

    start_ms: int
    end_ms: int
    interval_s: int

    @classmethod
    def between(cls, start: datetime, end: datetime) -> "TimeRange":
        """A range with the step that gives about 200 points."""
        start_ms, end_ms = int(start.timestamp() * 1_000), int(end.timestamp() * 1_000)
        wanted = (end_ms - start_ms) / 1_000 / _POINTS
        return cls(start_ms, end_ms, next((step for step in _STEPS if step >= wanted), _WEEK_S))


def quoted(value: str) -> str:
    """A ClickHouse string literal; unlike Grafana's `sqlstring` it escapes backslashes, too."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def expand(sql: str, shown: TimeRange, variables: Mapping[str, str]) -> str:
    r"""The statement that reaches ClickHouse.

    Args:
        sql: with `${name:sqlstring}` and `$__macros`.
        shown: time range and step.
        variables: name -> value.

    Raises:
        InvalidError: a variable has no value, or a macro is unknown or lacks its column.

    >>> expand("SELECT ${a:sqlstring}, $__interval_s", TimeRange(0, 1000, 5), {"a": "it's"})
    "SELECT 'it''s', 5"
    """
    return _with_macros(_VARIABLE.sub(lambda found: _inserted(found, variables), sql), shown)


def _inserted(found: re.Match[str], variables: Mapping[str, str]) -> str:
    name, form = found[1], found[2]
    if name not in variables:
        msg = f"variable {name} has no value: choose one"
        raise InvalidError(msg)
    if form not in {"sqlstring", "singlequote"}:
        msg = f"variable {name} is to be inserted as {form or 'bare text'}: write ${{{name}:sqlstring}}"
        raise InvalidError(msg)
    return quoted(variables[name])


def _with_macros(sql: str, shown: TimeRange) -> str:
    parts: list[str] = []
    at = 0
    while found := _MACRO.search(sql, at):
        macro = _MACROS.get(found[1])
        if macro is None:
            msg = f"macro $__{found[1]} is unknown: take one of {', '.join(f'$__{name}' for name in _MACROS)}"
            raise InvalidError(msg)
        arguments, end = _arguments(sql, found.end())
        if len(arguments) != macro.arguments:
            msg = f"macro $__{found[1]} takes {macro.arguments} arguments and has {len(arguments)}"
            raise InvalidError(msg)
        parts += [sql[at : found.start()], macro.text(shown, *arguments)]
        at = end
    return "".join((*parts, sql[at:]))


def _arguments(sql: str, start: int) -> tuple[list[str], int]:
    """Arguments in the parentheses at `start`, and where they end; none when there is no parenthesis."""
    if sql[start : start + 1] != "(":
        return [], start
    depth, begin, found = 0, start + 1, []
    for at in range(start, len(sql)):
        depth += {"(": 1, ")": -1}.get(sql[at], 0)
        if (sql[at] == "," and depth == 1) or depth == 0:
            found.append(sql[begin:at].strip())
            begin = at + 1
        if depth == 0:
            return [argument for argument in found if argument], at + 1
    msg = f"parenthesis is never closed: {sql[start : start + 40]}"
    raise InvalidError(msg)


@dataclass(frozen=True)
class _Macro:
    arguments: int
    text: Callable[..., str]


def _second(ms: int) -> str:
    return f"toDateTime({ms // 1_000})"


def _millisecond(ms: int) -> str:
    return f"fromUnixTimestamp64Milli({ms})"


def _day(ms: int) -> str:
    return f"toDate('{datetime.fromtimestamp(ms / 1_000, UTC):%Y-%m-%d}')"


def _between(column: str, shown: TimeRange, form: Callable[[int], str]) -> str:
    return f"{column} >= {form(shown.start_ms)} AND {column} <= {form(shown.end_ms)}"


def _day_and_time(shown: TimeRange, day: str, time: str) -> str:
    return f"({_between(day, shown, _day)}) AND ({_between(time, shown, _second)})"


_MACROS: dict[str, _Macro] = {
    "fromTime": _Macro(0, lambda shown: _second(shown.start_ms)),
    "toTime": _Macro(0, lambda shown: _second(shown.end_ms)),
    "fromTime_ms": _Macro(0, lambda shown: _millisecond(shown.start_ms)),
    "toTime_ms": _Macro(0, lambda shown: _millisecond(shown.end_ms)),
    "timeFilter": _Macro(1, lambda shown, column: _between(column, shown, _second)),
    "timeFilter_ms": _Macro(1, lambda shown, column: _between(column, shown, _millisecond)),
    "dateFilter": _Macro(1, lambda shown, column: _between(column, shown, _day)),
    "dateTimeFilter": _Macro(2, _day_and_time),
    "dt": _Macro(2, _day_and_time),
    "timeInterval": _Macro(
        1, lambda shown, column: f"toStartOfInterval(toDateTime({column}), INTERVAL {shown.interval_s} second)"
    ),
    "timeInterval_ms": _Macro(
        1,
        lambda shown, column: (
            f"toStartOfInterval(toDateTime64({column}, 3), INTERVAL {shown.interval_s * 1_000} millisecond)"
        ),
    ),
    "interval_s": _Macro(0, lambda shown: str(shown.interval_s)),
}
