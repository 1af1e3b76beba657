"""The pharma sales lines through `pulse up`, read back with `pulse sql`, and added up by a plain loop over the file."""

import calendar
import csv
import gzip
from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from commands import MAPPING, Result, pulse, pulse_inside

from streams import local

MONTHS = list(calendar.month_name)
YEAR_TEAM = """
    SELECT toYear(period_start) AS year, node_name AS team, value FROM kpi_progress_by_node
    WHERE kpi_id = '{kpi}' AND period = 'year' AND node_level = 'team' AND product_level = 'all'
    ORDER BY year, team"""
QUARTER_COUNTRY_TEAM_LINE = """
    SELECT year, toQuarter(quarter_start) AS quarter, country, team_name AS team, line_name AS line,
           sum(amount) AS money
    FROM sales_lines GROUP BY ALL ORDER BY ALL"""
LINE = """
    SELECT toYear(period_start) AS year, toQuarter(period_start) AS quarter, node_name AS team,
           product_name AS line, value
    FROM kpi_progress_by_node
    WHERE kpi_id = 'sales_amount' AND period = 'quarter' AND node_level = 'team' AND product_level = 'line'
    ORDER BY year, quarter, team, line"""
TOTAL = "SELECT count() AS lines, sum(amount) AS money, countIf(quantity < 0) AS returns FROM sales_lines"


def import_of(file: Path) -> tuple[str, str]:
    return "--import", f"sales={file}:{MAPPING}"


def drained(data: Path, file: Path, *arguments: object, timeout_s: float = 200, **settings: str) -> Result:
    result = pulse(
        *("up", "--json", "--data", data, "--clickhouse-port", 0, "--no-simulate", *import_of(file)),
        *("--exit-when-drained", *arguments),
        timeout_s=timeout_s,
        **settings,
    )
    assert result.code == 0, result.err
    return result


def rows(data: Path, statement: str, ask: Callable[..., Result] = pulse) -> list[tuple[Any, ...]]:
    result = ask("sql", statement, "--data", data, "--format", "json")
    assert result.code == 0, result.err
    return [tuple(row.values()) for row in result.json]


def figures(data: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Everything the tests compare, digit by digit."""
    asked = {
        "total": TOTAL,
        "amount": YEAR_TEAM.format(kpi="sales_amount"),
        "quantity": YEAR_TEAM.format(kpi="sales_quantity"),
        "lines": LINE,
        "detail": QUARTER_COUNTRY_TEAM_LINE,
    }
    with local.start(data, ["clickhouse"], clickhouse_port=0):  # one start for all of the questions
        return {name: rows(data, statement, pulse_inside) for name, statement in asked.items()}


def plain_loop(file: Path) -> dict[str, list[tuple[Any, ...]]]:
    """The same figures by adding up the file."""
    keys = ("amount", "quantity", "lines", "detail")
    sums: dict[str, dict[tuple[Any, ...], Decimal]] = {key: defaultdict(Decimal) for key in keys}
    lines, money, returns = 0, Decimal(0), 0
    with gzip.open(file, "rt", newline="") if file.suffix == ".gz" else file.open(newline="") as source:
        for row in csv.DictReader(source):
            amount, quantity = Decimal(row["Sales"]), Decimal(row["Quantity"])
            year, quarter = int(row["Year"]), (MONTHS.index(row["Month"]) + 2) // 3
            team, line = row["Sales Team"], row["Product Class"]
            lines, money, returns = lines + 1, money + amount, returns + (quantity < 0)
            sums["amount"][year, team] += amount
            sums["quantity"][year, team] += quantity
            sums["lines"][year, quarter, team, line] += amount
            sums["detail"][year, quarter, row["Country"], team, line] += amount
    tables = {name: [(*key, plain(table[key])) for key in sorted(table)] for name, table in sums.items()}
    return {"total": [(lines, plain(money), returns)], **tables}


def plain(value: Decimal) -> str:
    """As ClickHouse writes it: no trailing zeros, no exponent."""
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text
