"""Alert lights on their way out and back: rows for ClickHouse, messages, the current ones in Redis, and the past."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

import orjson
import pyarrow as pa
from clickhouse_connect.driver.client import Client

from agents.progress.groups import micro
from agents.progress.lights import GREY, Light
from agents.progress.lights_board import Change, Reading
from agents.progress.lights_book import LightKey
from schemas.base import AMOUNT_PLACES
from streams.clickhouse import translated
from streams.columns import amounts, days

READINGS = "lights"
CHANGES = "light_changes"
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
    columns = zip(*map(_row, readings), strict=True)
    made = {name: _KINDS.get(name, pa.array)(values) for name, values in zip(_NAMES, columns, strict=True)}
    return made | {"version": pa.array([stamp] * len(readings), pa.uint64())}


def _moments(values: Iterable[int]) -> Any:
    return pa.array(values, _MOMENT)


_AMOUNTS = ("value", "target", "attainment", "elapsed", "expected", "pace", "forecast", "forecast_low", "forecast_high")
#: Columns of both tables that come from a reading, in the order of `_row`.
_NAMES = (
    *(*LightKey._fields, "period_end", "state", "cause", "since", "pending_state"),
    *(*_AMOUNTS, "pace_state", "period_state", "forecast_state", "changes", "policy_version", "judged_at"),
)
_KINDS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("period_start", "period_end"), days),
    **dict.fromkeys(("since", "judged_at"), _moments),
    **dict.fromkeys(_AMOUNTS, amounts),
    "changes": lambda values: pa.array(values, pa.uint32()),
    "policy_version": lambda values: pa.array(values, pa.uint64()),
}


def _row(reading: Reading) -> tuple[Any, ...]:
    """Values of every column but the version; days as ordinals, amounts in micro-units, moments in milliseconds."""
    light = reading.light
    return (
        *reading.key,
        reading.period_end,
        light.state,
        light.cause,
        light.since,
        reading.pending_state,
        *reading.numbers,
        *reading.verdicts,
        light.changes,
        reading.policy_version,
        reading.judged_at,
    )


def as_message(change: Change) -> bytes:
    """A change as it goes to the topic `lights`."""
    own = {"light_id": change.light_id, "previous_state": change.previous_state}
    return orjson.dumps(own | {"changed_at": _iso_moment(change.reading.light.since)} | _as_json(change.reading))


def current(readings: Iterable[Reading]) -> dict[str, bytes | None]:
    """Fields of the hash of current lights; None for those whose period is over."""
    return {
        current_field(reading.key): None if reading.is_over else orjson.dumps(_as_json(reading)) for reading in readings
    }


def current_field(key: LightKey) -> str:
    """Name of a light in the hash of current lights."""
    kpi_id, period, start, *names = key
    return orjson.dumps([kpi_id, period, _iso_day(start), *names]).decode()


def _as_json(reading: Reading) -> dict[str, Any]:
    """As people and programs read it: days and moments in ISO form, amounts as exact decimals."""
    told = dict(zip(_NAMES, _row(reading), strict=True))
    told["period_start"], told["period_end"] = _iso_day(reading.key.period_start), _iso_day(reading.period_end)
    told["since"], told["judged_at"] = _iso_moment(reading.light.since), _iso_moment(reading.judged_at)
    for name in _AMOUNTS:
        if (amount := told[name]) is not None:
            told[name] = f"{Decimal(amount).scaleb(-AMOUNT_PLACES):f}"
    return told


@lru_cache(1 << 10)
def _iso_day(ordinal: int) -> str:
    return date.fromordinal(ordinal).isoformat()


@lru_cache(1 << 10)
def _iso_moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")


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
