"""Macros and variables expand as the ClickHouse plugin expands them; Grafana's moments mean what they mean there."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from grafana.macros import TimeRange, expand, quoted
from grafana.times import moment
from streams.errors import InvalidError

#: 2024-02-29 12:00:00.500 to 2024-03-01 12:00:00.750, in steps of half an hour.
SHOWN = TimeRange(1_709_208_000_500, 1_709_294_400_750, 1800)
SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 24, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("macro", "expected"),
    [
        ("$__fromTime", "toDateTime(1709208000)"),
        ("$__toTime", "toDateTime(1709294400)"),
        ("$__fromTime_ms", "fromUnixTimestamp64Milli(1709208000500)"),
        ("$__toTime_ms", "fromUnixTimestamp64Milli(1709294400750)"),
        ("$__timeFilter(at)", "at >= toDateTime(1709208000) AND at <= toDateTime(1709294400)"),
        (
            "$__timeFilter_ms(at)",
            "at >= fromUnixTimestamp64Milli(1709208000500) AND at <= fromUnixTimestamp64Milli(1709294400750)",
        ),
        ("$__dateFilter(day)", "day >= toDate('2024-02-29') AND day <= toDate('2024-03-01')"),
        (
            "$__dateTimeFilter(day, at)",
            "(day >= toDate('2024-02-29') AND day <= toDate('2024-03-01')) AND "
            "(at >= toDateTime(1709208000) AND at <= toDateTime(1709294400))",
        ),
        (
            "$__dt(day, at)",
            "(day >= toDate('2024-02-29') AND day <= toDate('2024-03-01')) AND "
            "(at >= toDateTime(1709208000) AND at <= toDateTime(1709294400))",
        ),
        ("$__timeInterval(at)", "toStartOfInterval(toDateTime(at), INTERVAL 1800 second)"),
        ("$__timeInterval_ms(at)", "toStartOfInterval(toDateTime64(at, 3), INTERVAL 1800000 millisecond)"),
        ("$__interval_s", "1800"),
        ("$__timeFilter(f(at, 'x'))", None),
        ("toDate($__toTime, 'UTC') = 1", "toDate(toDateTime(1709294400), 'UTC') = 1"),
        ("$__timeFilter(toTimeZone(at,", None),
        ("$__interval_s + $__interval_s", "1800 + 1800"),
    ],
)
def test_macros(macro: str, expected: str | None) -> None:
    if expected is not None:
        assert expand(macro, SHOWN, {}) == expected
        return
    if macro.endswith("'x'))"):
        assert expand(macro, SHOWN, {}).startswith("f(at, 'x') >= toDateTime(")
        return
    with pytest.raises(InvalidError, match="never closed"):
        expand(macro, SHOWN, {})


@pytest.mark.parametrize(
    ("sql", "complaint"),
    [
        ("$__conditionalAll(a, $b)", r"macro \$__conditionalAll is unknown: take one of \$__fromTime"),
        ("$__timeFilter", r"takes 1 arguments and has 0"),
        ("$__timeFilter(a, b)", r"takes 1 arguments and has 2"),
        ("${rep:sqlstring}", "variable rep has no value: choose one"),
        ("${node}", r"inserted as bare text: write \$\{node:sqlstring\}"),
        ("${node:csv}", "inserted as csv"),
    ],
)
def test_what_cannot_be_expanded_is_refused(sql: str, complaint: str) -> None:
    with pytest.raises(InvalidError, match=complaint):
        expand(sql, SHOWN, {"node": "T1"})


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        ("T1", "'T1'"),
        ("it's", "'it''s'"),
        ("\\' OR 1 --", "'\\\\'' OR 1 --'"),
        ("", "''"),
        ("$__toTime", "'$__toTime'"),
    ],
)
def test_a_value_cannot_leave_its_quotes(value: str, literal: str) -> None:
    assert quoted(value) == literal


@pytest.mark.parametrize(
    ("hours", "step_s"), [(1, 20), (6, 120), (24, 600), (168, 3_600), (24 * 92, 43_200), (24 * 3650, 604_800)]
)
def test_a_range_has_about_two_hundred_steps(hours: int, step_s: int) -> None:
    shown = TimeRange.between(datetime.fromtimestamp(0, UTC), datetime.fromtimestamp(hours * 3600, UTC))

    assert shown.interval_s == step_s


@pytest.mark.parametrize(
    ("text", "ends", "expected"),
    [
        ("now", False, "2026-11-24T19:30:00+08:00"),
        ("now-24h", False, "2026-11-23T19:30:00+08:00"),
        ("now-30m", False, "2026-11-24T19:00:00+08:00"),
        ("now/d", False, "2026-11-24T00:00:00+08:00"),
        ("now/d", True, "2026-11-24T23:59:59.999000+08:00"),
        ("now/w", False, "2026-11-23T00:00:00+08:00"),
        ("now/M", True, "2026-11-30T23:59:59.999000+08:00"),
        ("now/fQ", False, "2026-10-01T00:00:00+08:00"),
        ("now/fQ", True, "2026-12-31T23:59:59.999000+08:00"),
        ("now-1Q/fQ", False, "2026-07-01T00:00:00+08:00"),
        ("now-1Q/fQ", True, "2026-09-30T23:59:59.999000+08:00"),
        ("now-1y/fy", False, "2025-01-01T00:00:00+08:00"),
        ("now-9M", False, "2026-02-24T19:30:00+08:00"),
        ("1790784000000", False, "2026-10-01T00:00:00+08:00"),
    ],
)
def test_moments(text: str, ends: bool, expected: str) -> None:
    assert moment(text, NOW, SHANGHAI, ends=ends).isoformat() == expected


def test_a_month_back_from_a_day_it_does_not_have_is_its_end() -> None:
    at = datetime(2026, 3, 31, 4, tzinfo=UTC)

    assert moment("now-1M", at, SHANGHAI).date().isoformat() == "2026-02-28"


@pytest.mark.parametrize("text", ["", "yesterday", "now+1h", "now-1x", "now/q", "2026-01-01", "1e9", "now-99999h"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match="is no time"):
        moment(text, NOW, SHANGHAI)
