"""What the engine wrote, in a form that can be compared: with another run, and with the plain loop of `oracle`."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from clickhouse_connect.driver.client import Client
from oracle import Expected, Figures
from oracle_work import QUANTILES, RATIOS, SUMS, nearest_rank, weighted

Row = tuple[Any, ...]
#: Raw table -> column that, with the event id, tells its events apart.
RAW_TABLES = {
    "visits": "rep_id",
    "sales": "rep_id",
    "payments": "rep_id",
    "activities": "rep_id",
    "surveys": "rep_id",
    "market": "territory_id",
}
#: KPIs that add up events one by one, so that the number of events is known too.
_ADDED_UP = ("sales_amount", "sales_quantity", "visits")
_OLD = (*_ADDED_UP, "collection_rate", "new_accounts")
KPIS = (*_OLD, *RATIOS[1:], *SUMS)
_SHOWN = 5

_FIGURES = "value, numerator, denominator, events"
#: KPIs whose credits move: one that was credited and moved on may leave a zero or nothing.
CREDITED = ("new_accounts", "new_drug_hospitals")
#: Rolling windows hang on the clock.
_KEPT = f"NOT startsWith(period, 'rolling') AND NOT (kpi_id IN {CREDITED} AND numerator = 0)"
STATEMENTS = {
    **{
        table: f"SELECT {key}, event_id, * EXCEPT (stream_partition, stream_offset) FROM {table} FINAL"
        for table, key in RAW_TABLES.items()
    },
    "kpi_cells": (
        f"SELECT kpi_id, period, period_start, rep_id, product_level, product_key, {_FIGURES}"
        f" FROM kpi_cells FINAL WHERE {_KEPT}"
    ),
    "node_totals": (
        f"SELECT kpi_id, period, period_start, node_id, node_level, product_level, product_key, {_FIGURES}"
        f" FROM node_totals FINAL WHERE {_KEPT}"
    ),
    "call_counts": "SELECT month_start, rep_id, hcp_id, calls FROM call_counts FINAL WHERE calls > 0",
    "alerts": (
        "SELECT alert_id, rule_id, subject_kind, subject_id, rep_id, event_kind, event_id, period_start, team_id,"
        " region_id FROM alerts FINAL"
    ),
    "rule_hits": "SELECT * EXCEPT (judged_at, version) FROM rule_hits FINAL",
    "touches": "SELECT * EXCEPT (stream_partition, stream_offset) FROM touches FINAL",
    "dead_letters": "SELECT topic, hex(raw) AS raw_hex, step, error_class FROM dead_letters FINAL",
}


@dataclass(frozen=True)
class Tables:
    """Sorted rows by table."""

    rows: dict[str, list[Row]]

    @property
    def digest(self) -> str:
        """Equal digests, equal tables."""
        return hashlib.sha256(repr(self.rows).encode()).hexdigest()

    def differences(self, other: "Tables") -> list[str]:
        """The first rows that only one of both has; empty when they are equal."""
        found = []
        for table, rows in self.rows.items():
            mine, theirs = _counted(rows), _counted(other.rows[table])
            found += _report(table, mine - theirs, theirs - mine)
        return found


def tables(client: Client) -> Tables:
    """All rows that must not depend on how a run went."""
    return Tables({table: _sorted(client.query(statement).result_rows) for table, statement in STATEMENTS.items()})


def mistakes(found: Tables, expected: Expected) -> list[str]:
    """Where the tables differ from the plain loop; empty when they agree digit by digit."""
    problems = []
    for table, events in expected.events.items():
        ids = _counted((row[0], row[1]) for row in found.rows[table])
        problems += _report(table, ids - set(_counted(events)), _counted(events) - ids)
    problems += _dead_letter_mistakes(found.rows["dead_letters"], expected)
    problems += _composed_mistakes(found, expected)
    calls, wanted = set(found.rows["call_counts"]), set(expected.calls)
    problems += _report("call_counts", calls - wanted, wanted - calls)
    problems += _figure_mistakes("kpi_cells", found.rows["kpi_cells"], 6, expected.kpi_cells)
    return problems + _figure_mistakes("node_totals", found.rows["node_totals"], 7, expected.node_totals)


def _dead_letter_mistakes(rows: Sequence[Row], expected: Expected) -> list[str]:
    found = {(topic, bytes.fromhex(raw)) for topic, raw, *_ in rows}
    return _report("dead_letters", found - expected.dead - expected.conflicting, expected.dead - found)


def _figure_mistakes(table: str, rows: Sequence[Row], width: int, expected: dict[Any, Figures]) -> list[str]:
    rows = [row for row in rows if row[0] in KPIS and (row[0] in _OLD or row[width + 1] or row[width + 2])]
    found = {row[:width]: row[width:] for row in rows}
    if len(found) != len(rows):
        return [f"{table}: a cell stands there twice"]
    # of the later KPIs a row of nothing over nothing may stand there or not
    kept = {key: each for key, each in expected.items() if key[0] in _OLD or each.numerator or each.denominator}
    wanted = {tuple(key): figures for key, figures in kept.items()}
    problems = _report(table, set(found) - set(wanted), set(wanted) - set(found))
    wrong = [
        f"{table} {key}: found {found[key]}, expected {figures}"
        for key, figures in wanted.items()
        if key in found and not _agrees(key, found[key], figures)
    ]
    return problems + wrong[:_SHOWN] + ([f"{table}: {len(wrong)} cells are wrong"] if wrong else [])


def _composed_mistakes(found: Tables, expected: Expected) -> list[str]:
    """Quantiles within 5 % (and what lies below 0.1 minutes is shown as 0), weighted means to six decimals."""
    shown: dict[str, dict[Row, Any]] = {}
    for kpi, period, start, rep, _, _, value, *_ in found.rows["kpi_cells"]:
        shown.setdefault(kpi, {})[period, start, rep, "rep"] = value
    for kpi, period, start, node, level, _, _, value, *_ in found.rows["node_totals"]:
        shown.setdefault(kpi, {})[period, start, node, level] = value
    problems = []
    for kpi, share in QUANTILES.items():
        values = {key: value for key, value in shown.get(kpi, {}).items() if value is not None}
        problems += _report("node_totals", set(values) - set(expected.latencies), set(expected.latencies) - set(values))
        for key in set(values) & set(expected.latencies):
            exact = nearest_rank(expected.latencies[key], share)
            if abs(float(values[key]) - exact) > max(0.05 * exact, 0.1):
                problems.append(f"node_totals: {kpi} {key}: found {values[key]}, expected {exact}")
    means = {key: weighted(parts) for key, parts in expected.segments.items()}
    values = {key: value for key, value in shown.get("segment_weighted_attainment", {}).items() if value is not None}
    problems += _report("node_totals", set(values) - set(means), set(means) - set(values))
    problems += [
        f"node_totals: segments {key}: found {values[key]}, expected {mean}"
        for key, mean in means.items()
        if key in values and abs(values[key] - Decimal(mean.numerator) / mean.denominator) > Decimal("0.0000005")
    ]
    return problems[:_SHOWN] + ([f"node_totals: {len(problems)} composed figures are wrong"] if problems else [])


def _agrees(key: Row, found: Row, expected: Figures) -> bool:
    value, numerator, denominator, events = found
    if numerator != expected.numerator or (denominator or 0) != expected.denominator:
        return False
    if key[0] in RATIOS:
        return bool(_ratio_agrees(value, expected))
    return bool(value == expected.numerator) and (key[0] not in _ADDED_UP or events == expected.events)


def _ratio_agrees(value: Decimal | None, expected: Figures) -> bool:
    if expected.denominator == 0:
        return value is None
    return value is not None and abs(value - expected.numerator / expected.denominator) <= Decimal("0.000001")


def _sorted(rows: Sequence[Row]) -> list[Row]:
    return sorted((tuple(row) for row in rows), key=repr)


def _counted(rows: Any) -> set[Any]:
    """Rows as a set in which a row that stands there twice has a second, marked entry."""
    seen: set[Any] = set()
    for row in rows:
        key = row if _hashable(row) else repr(row)
        seen.add((key, "twice") if key in seen else key)
    return seen


def _hashable(row: Any) -> bool:
    try:
        hash(row)
    except TypeError:
        return False
    return True


def _report(table: str, extra: set[Any], missing: set[Any]) -> list[str]:
    found = []
    if extra:
        found.append(f"{table}: {len(extra)} too many, such as {sorted(extra, key=repr)[:_SHOWN]}")
    if missing:
        found.append(f"{table}: {len(missing)} missing, such as {sorted(missing, key=repr)[:_SHOWN]}")
    return found
