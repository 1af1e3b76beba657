"""Reads past periods from ClickHouse: a KPI as SQL, its course by day, and its figures by owner and tenth of a period.

Only sums and counts of columns can be said in SQL this simply; other KPIs go by working days. A query may take ten
seconds and then counts as having found nothing: the season is a refinement, not worth a slow database.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import structlog
from clickhouse_connect.driver.client import Client

from agents.progress.calendar import EPOCH_ORDINAL, CompanyTime
from agents.progress.groups import micro
from agents.progress.lights_book import LightBook, Seasons
from agents.progress.pace import Curve
from agents.progress.seasons import Span, complete, forecast_errors, past_spans, season, tenths_of_days
from schemas.events import EVENT_MODELS
from schemas.measures import Condition
from schemas.policy import Kpi, KpiPolicy
from schemas.reference import REFERENCE_MODELS
from schemas.rows import EVENT_TABLES, REFERENCE_TABLES
from streams.clickhouse import translated
from streams.errors import InvalidError, UnavailableError

log = structlog.get_logger("lights")

_LONGEST_S = 10
#: Representatives whose forecasts are looked at; nodes are few.
_MOST_REPS = 300
_SETTINGS = {"join_use_nulls": 1, "max_execution_time": _LONGEST_S}


class Statement(NamedTuple):
    """A KPI in SQL: what stands after FROM, what is added up, which day decides, and the values it names."""

    source: str
    amount: str
    day: str
    where: str
    values: Mapping[str, Any]


@dataclass
class _Names:
    """Parameters handed out, and reference tables that must be joined."""

    values: dict[str, Any] = field(default_factory=dict)
    joined: set[str] = field(default_factory=set)

    def add(self, value: Any) -> str:
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f"%({name})s"


def compiled(kpi: Kpi, zone: str) -> Statement | None:
    """The KPI as SQL; None for what cannot be said.

    Args:
        kpi: a KPI.
        zone: company time.
    """
    if kpi.aggregate not in {"sum", "count"} or kpi.only is not None:
        return None
    if kpi.source not in EVENT_TABLES or "rep_id" not in EVENT_MODELS[kpi.source].model_fields:
        return None
    columns = {column.name: column.clickhouse_type for column in EVENT_TABLES[kpi.source].columns}
    if kpi.value is not None and kpi.value not in columns:
        return None
    names = _Names()
    tests = [_test(name, condition, columns, names) for name, condition in kpi.where.items()]
    if None in tests:
        return None
    amount = "toDecimal128(1, 6)" if kpi.value is None else f"event.{kpi.value}"
    day = "event.day" if kpi.date == "occurred_at" else _day(f"event.{kpi.date}", columns[kpi.date], zone)
    joins = "".join(_join(head, day) for head in sorted(names.joined))
    source = f"(SELECT * FROM {EVENT_TABLES[kpi.source].table} FINAL) AS event{joins}"
    return Statement(source, amount, day, " AND ".join(test or "" for test in tests) or "1", names.values)


def _day(column: str, kind: str, zone: str) -> str:
    return f"toDate32({column}, '{zone}')" if "DateTime" in kind else column


def _join(head: str, day: str) -> str:
    table = REFERENCE_TABLES[head]
    key = table.model.key_fields[0]
    return (
        f"\n    ASOF LEFT JOIN {table.table}_history AS {head}"
        f" ON {head}.{key} = event.{key} AND {day} >= {head}.effective_from"
    )


def _test(name: str, condition: Condition, columns: Mapping[str, str], names: _Names) -> str | None:
    head, dot, tail = name.partition(".")
    if dot:
        if head not in REFERENCE_MODELS or tail not in REFERENCE_TABLES[head].names:
            return None
        names.joined.add(head)
    elif name not in columns or columns[name].startswith("Array"):
        return None
    return " AND ".join(_checks(name if dot else f"event.{name}", condition, names))


def _checks(column: str, condition: Condition, names: _Names) -> Iterable[str]:
    if condition.present is not None:
        yield f"{column} IS {'NOT ' if condition.present else ''}NULL"
    if condition.in_ is not None:
        yield f"ifNull({column} IN {names.add(list(condition.in_))}, false)"
    if condition.not_in is not None:
        yield f"ifNull({column} NOT IN {names.add(list(condition.not_in))}, true)"
    bounds = {">": condition.above, ">=": condition.at_least, "<": condition.below, "<=": condition.at_most}
    for sign, bound in bounds.items():
        if bound is not None:
            yield f"ifNull({column} {sign} {names.add(bound)}, false)"


@dataclass(frozen=True)
class _Past:
    """One KPI and kind of period, with the past periods that lie within the data."""

    kpi: Kpi
    period: str
    statement: Statement
    spans: list[Span]


def load_seasons(client: Client, book: LightBook, kpis: KpiPolicy, now: datetime, company_time: CompanyTime) -> Seasons:
    """What past periods tell of the KPIs that have targets in running periods.

    Args:
        client: a reader, used by nobody else meanwhile.
        book: targets, rules and working days.
        kpis: the KPIs in force.
        now: the moment that decides which periods are past.
        company_time: days.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    today, zone = company_time.day_of(now), str(company_time.zone)
    wanted = sorted(book.running(today))
    by_id = {kpi.id: kpi for kpi in kpis.kpis}
    curves: dict[tuple[str, str], Curve] = {}
    errors: dict[tuple[str, str, str, int], tuple[int, ...]] = {}
    for kpi_id, period in wanted:
        try:
            past = _past(client, book, by_id[kpi_id], period, today, zone)
            if past is None:
                continue
            curve = _curve(client, book, past)
            found = _errors(client, book, past, curve)
        except (InvalidError, UnavailableError) as error:  # too long, or a column an older database has not
            _check_alive(client)
            log.warning("no season: working days do", kpi=kpi_id, period=period, error=str(error))
            continue
        if curve is not None:
            curves[kpi_id, period] = curve
        errors |= {(kpi_id, period, *key): tuple(values) for key, values in found.items()}
    return Seasons(curves, errors)


def _check_alive(client: Client) -> None:
    """Tell a query that took too long from a database that is away.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    with translated():
        client.command("SELECT 1")


def _past(client: Client, book: LightBook, kpi: Kpi, period: str, today: int, zone: str) -> _Past | None:
    rule = book.rules(kpi.id)
    statement = compiled(kpi, zone) if rule.accumulates else None
    if statement is None or not rule.text.history.periods:
        return None
    query = f"SELECT count(), toInt32(min({statement.day})) FROM {statement.source} WHERE {statement.where}"
    count, first = _rows(client, query, statement)[0]
    spans = past_spans(period, today, rule.text.history.periods)
    spans = complete(spans, first + EPOCH_ORDINAL, book.calendar) if count else []
    return _Past(kpi, period, statement, spans) if len(spans) >= rule.text.history.at_least else None


def _rows(client: Client, query: str, statement: Statement, **values: Any) -> Any:
    with translated():
        return client.query(query, {**statement.values, **values}, settings=_SETTINGS).result_rows


def _between(past: _Past) -> str:
    first, last = (edge - EPOCH_ORDINAL for edge in (past.spans[-1].first, past.spans[0].last))
    return f"{past.statement.where} AND toInt32({past.statement.day}) BETWEEN {first} AND {last}"


def _curve(client: Client, book: LightBook, past: _Past) -> Curve | None:
    said = past.statement
    query = (
        f"SELECT toInt32({said.day}) AS on_day, sum({said.amount}) FROM {said.source}"
        f" WHERE {_between(past)} GROUP BY on_day"
    )
    daily = {day + EPOCH_ORDINAL: _micro(amount) for day, amount in _rows(client, query, said)}
    at_least = book.rules(past.kpi.id).text.history.at_least
    return season(daily, past.spans, book.calendar, at_least)


def _errors(client: Client, book: LightBook, past: _Past, curve: Curve | None) -> dict[tuple[str, int], list[int]]:
    """Forecast errors by level of the owner and tenth of the period."""
    said, places = past.statement, tenths_of_days(past.spans, book.calendar)
    codes = {day: number * 100 + tenth for day, (number, tenth) in places.items()}
    owner_day = f"toInt32({said.day})"
    query = f"""
SELECT owner.1 AS level, owner.2 AS id, transform({owner_day}, %(days)s, %(codes)s, toInt64(-1)) AS code,
    sum({said.amount})
FROM {said.source}
    ASOF LEFT JOIN reps_history AS of_rep ON of_rep.rep_id = event.rep_id AND {said.day} >= of_rep.effective_from
    ASOF LEFT JOIN organisation_paths AS path
        ON path.node_id = of_rep.team_id AND {said.day} >= path.effective_from
ARRAY JOIN [('rep', event.rep_id), ('team', ifNull(path.team_id, '')), ('region', ifNull(path.region_id, '')),
    ('company', ifNull(path.company_id, ''))] AS owner
WHERE {_between(past)} AND owner.2 != '' AND code >= 0
    AND (level != 'rep' OR id IN (
        SELECT rep_id FROM (SELECT DISTINCT rep_id FROM reps) ORDER BY cityHash64(rep_id) LIMIT {_MOST_REPS}
    ))
GROUP BY level, id, code"""
    rows = _rows(client, query, said, days=[day - EPOCH_ORDINAL for day in codes], codes=list(codes.values()))
    by_level: dict[str, dict[tuple[str, int, int], int]] = defaultdict(dict)
    for level, owner, code, amount in rows:
        by_level[level][owner, *divmod(code, 100)] = _micro(amount)
    return {
        (level, tenth): errors
        for level, tenths in by_level.items()
        for tenth, errors in forecast_errors(tenths, past.spans, book.calendar, curve).items()
    }


def _micro(amount: Any) -> int:
    return micro(amount if isinstance(amount, Decimal) else float(amount))
