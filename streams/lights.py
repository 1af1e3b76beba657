"""Alert lights on their way out and back: rows for ClickHouse, messages, the current ones in Redis, and the past."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from agents.progress.lights import GREY, Light
from agents.progress.lights_board import Change, Reading
from agents.progress.lights_book import LightKey
from agents.progress.plan import micro
from schemas.base import AMOUNT_PLACES
from streams.amounts import amounts
from streams.clickhouse import translated

READINGS = "lights"
CHANGES = "light_changes"
_EPOCH_ORDINAL = 719_163
_MOMENT = pa.timestamp("ms", tz="UTC")
_PAST = """
    SELECT kpi_id, period, period_start, owner_level, owner_id, product_level, product_key,
        light.state, light.cause, toUnixTimestamp64Milli(light.since), light.changes, light.target,
        light.policy_version, told.previous, told.number
    FROM (SELECT * FROM lights FINAL) AS light
    LEFT JOIN
    (
        SELECT kpi_id, period, period_start, owner_level, owner_id, product_level, product_key,
            max(changes) AS number, argMax(state, changes) AS previous
        FROM light_changes FINAL
        GROUP BY kpi_id, period, period_start, owner_level, owner_id, product_level, product_key
    ) AS told USING (kpi_id, period, period_start, owner_level, owner_id, product_level, product_key)
    SETTINGS join_use_nulls = 0"""


def reading_table(readings: Sequence[Reading], stamp: int) -> Any:
    """Rows of the table `lights`."""
    return pa.table(_columns(readings, stamp))


def change_table(changes: Sequence[Change], stamp: int) -> Any:
    """Rows of the table `light_changes`."""
    own = {
        "light_id": pa.array([change.light_id for change in changes], pa.string()),
        "previous_state": pa.array([change.previous_state for change in changes], pa.string()),
        "changed_at": pa.array([change.reading.light.since for change in changes], _MOMENT),
    }
    return pa.table(own | _columns([change.reading for change in changes], stamp))


def _columns(readings: Sequence[Reading], stamp: int) -> dict[str, Any]:
    rows = [_values(reading) for reading in readings]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    made = {name: _KINDS[name](values) if name in _KINDS else pa.array(values) for name, values in columns.items()}
    return made | {"version": pa.array([stamp] * len(rows), pa.uint64())}


def _days(values: Iterable[int]) -> Any:
    return pa.array([value - _EPOCH_ORDINAL for value in values], pa.int32()).cast(pa.date32())


def _moments(values: Iterable[int]) -> Any:
    return pa.array(values, _MOMENT)


_NUMBERS = ("value", "target", "attainment", "elapsed", "expected", "pace", "forecast", "forecast_low", "forecast_high")
_KINDS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("period_start", "period_end"), _days),
    **dict.fromkeys(("since", "judged_at"), _moments),
    **dict.fromkeys(_NUMBERS, amounts),
    "changes": lambda values: pa.array(values, pa.uint32()),
    "policy_version": lambda values: pa.array(values, pa.uint64()),
}


def _values(reading: Reading) -> dict[str, Any]:
    """Name and value of every column but the version; days as ordinals, amounts in micro-units, moments in ms."""
    key, light, said = reading.key, reading.light, reading.verdicts
    return {
        "kpi_id": key.kpi_id,
        "period": key.period,
        "period_start": key.period_start,
        "period_end": reading.period_end,
        "owner_level": key.owner_level,
        "owner_id": key.owner_id,
        "product_level": key.product_level,
        "product_key": key.product_key,
        "state": light.state,
        "cause": light.cause,
        "since": light.since,
        "pending_state": reading.pending_state,
        **dict(zip(_NUMBERS, reading.numbers, strict=True)),
        "pace_state": said.pace,
        "period_state": said.period,
        "forecast_state": said.forecast,
        "changes": light.changes,
        "policy_version": reading.policy_version,
        "judged_at": reading.judged_at,
    }


def as_message(change: Change) -> bytes:
    """A change as it goes to the topic `lights`."""
    own = {"light_id": change.light_id, "previous_state": change.previous_state}
    changed_at = _told("since", change.reading.light.since)
    return orjson.dumps(own | {"changed_at": changed_at} | _as_json(change.reading))


def current(readings: Iterable[Reading]) -> dict[str, bytes | None]:
    """Fields of the hash of current lights; None for those whose period is over."""
    return {
        current_field(reading.key): None if reading.is_over else orjson.dumps(_as_json(reading)) for reading in readings
    }


def current_field(key: LightKey) -> str:
    """Name of a light in the hash of current lights."""
    return orjson.dumps([_told(name, value) for name, value in key._asdict().items()]).decode()


def _as_json(reading: Reading) -> dict[str, Any]:
    return {name: _told(name, value) for name, value in _values(reading).items()}


def _told(name: str, value: Any) -> Any:
    """A value as people and programs read it: days and moments in ISO form, amounts as exact decimals."""
    if name in {"period_start", "period_end"}:
        return date.fromordinal(value).isoformat()
    if name in {"since", "judged_at"}:
        return datetime.fromtimestamp(value / 1000, UTC).isoformat(timespec="milliseconds")
    if name in _NUMBERS and value is not None:
        return f"{Decimal(value).scaleb(-AMOUNT_PLACES):f}"
    return value


def stored(client: Client) -> dict[LightKey, Light]:
    """The lights as they were last written.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    with translated():
        rows = client.query(_PAST).result_rows
    found = {}
    for kpi_id, period, start, *names, state, cause, since, changes, target, policy, previous, told in rows:
        key = LightKey(kpi_id, period, start.toordinal(), *names)
        lit = None if state == GREY else 0
        light = Light(state, cause, since, changes, lit, previous=previous or GREY, told=told)
        found[key] = light._replace(target=micro(target), policy=policy)
    return found
