"""Lights worked out by hand from targets and figures, for boards that are to show some.

No code of the product's own lights is used. Elapsed is the share of calendar days, the bands are 20 % (red) and 5 %
(amber) below what is due, the forecast goes on at the present pace.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from clickhouse_connect.driver.client import Client

MILLIONTH = Decimal("0.000001")
RED, AMBER = Decimal("0.8"), Decimal("0.95")


def _state(share: Decimal | None) -> str:
    if share is None:
        return "grey"
    return "red" if share < RED else "amber" if share < AMBER else "green"


def _exact(value: Decimal | None) -> Decimal | None:
    return None if value is None else value.quantize(MILLIONTH)


def reading(row: dict[str, Any], today: date) -> dict[str, Any]:
    """One light of a row of `target_attainment`."""
    days = (row["period_end"] - row["period_start"]).days + 1
    passed = min(max((today - row["period_start"]).days + 1, 0), days)
    value, target = row["value"], row["target"]
    expected = target * passed / days
    pace = value / expected if value is not None and expected else None
    forecast = value * days / passed if value is not None and passed else None
    state = _state(pace)
    names = (
        "kpi_id",
        "period",
        "period_start",
        "period_end",
        "owner_level",
        "owner_id",
        "product_level",
        "product_key",
    )
    since = datetime.combine(today - timedelta(days=3), datetime.min.time(), UTC)
    return {name: row[name] for name in names} | {
        "state": state,
        "cause": "no_data" if state == "grey" else "pace",
        "since": since,
        "pending_state": state,
        "value": value,
        "target": target,
        "attainment": _exact(value / target) if value is not None and target else None,
        "elapsed": _exact(Decimal(passed) / days),
        "expected": _exact(expected),
        "pace": _exact(pace),
        "forecast": _exact(forecast),
        "forecast_low": _exact(forecast * Decimal("0.96")) if forecast is not None else None,
        "forecast_high": _exact(forecast * Decimal("1.04")) if forecast is not None else None,
        "pace_state": state,
        "period_state": "grey",
        "forecast_state": _state(forecast / target if forecast is not None and target else None),
        "policy_version": 1,
        "judged_at": since,
        "version": 1,
    }


def light_up(client: Client, today: date) -> list[dict[str, Any]]:
    """Fill `lights` and `light_changes` for the periods that run today; returns the lights."""
    answer = client.query(
        "SELECT * FROM target_attainment WHERE period_start <= {today:Date32} AND period_end >= {today:Date32}",
        parameters={"today": today},
    )
    lights = [reading(row, today) for row in answer.named_results()]
    _insert(client, "lights", lights)
    changes = [
        light | {"light_id": f"change-{number}", "previous_state": "green", "changed_at": light["since"]}
        for number, light in enumerate(lights)
        if light["state"] in {"red", "amber"}
    ]
    _insert(client, "light_changes", changes)
    return lights


def _insert(client: Client, table: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        client.insert(table, [list(row.values()) for row in rows], column_names=list(rows[0]))
