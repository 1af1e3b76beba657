"""Alert lights read back from ClickHouse, for people and summaries."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from clickhouse_connect.driver.client import Client

from streams.clickhouse import translated

#: Colours, the worst first.
STATES = ("red", "amber", "green", "grey")
#: A light, or a change of one, by column.
Shown = Mapping[str, Any]

_RANK = "indexOf(['red', 'amber', 'green', 'grey'], state)"
_LIGHTS = f"""
    SELECT * FROM lights_now
    WHERE period_start <= %(day)s AND period_end >= %(day)s
        AND (%(kpi)s = '' OR kpi_id = %(kpi)s)
        AND (%(owner)s = '' OR owner_id = %(owner)s)
        AND (%(product)s = '' OR (%(product)s = '-' AND product_level = 'all') OR product_key = %(product)s)
        AND (%(period)s = '' OR period = %(period)s)
        AND (%(state)s = '' OR state = %(state)s)
        AND (%(level)s = '' OR owner_level = %(level)s)
    ORDER BY {_RANK}, kpi_id, period, indexOf(['company', 'region', 'team', 'rep'], owner_level),
        product_level, product_key, pace, owner_id"""
_KEY = ("kpi_id", "period", "period_start", "owner_level", "owner_id", "product_level", "product_key")
_CHANGES = f"""
    SELECT light_id, changed_at, previous_state, state, cause, value, target, elapsed, pace, forecast, policy_version
    FROM light_history
    WHERE {" AND ".join(f"{name} = %({name})s" for name in _KEY)}
    ORDER BY changes DESC"""
_COUNTS = "SELECT period_end < %(day)s AS is_over, state, count() FROM lights FINAL GROUP BY is_over, state"


@dataclass(frozen=True)
class Asked:
    """Which lights; an empty text lets everything through."""

    day: date
    """Lights of periods that hold it."""
    kpi: str = ""
    owner: str = ""
    product: str = ""
    """Product or line; `-` for lights of all products."""
    period: str = ""
    state: str = ""
    level: str = ""


def today(time_zone: str) -> date:
    """The company's day."""
    return datetime.now(ZoneInfo(time_zone)).date()


def lights(client: Client, asked: Asked) -> list[Shown]:
    """Lights with names, the worst first.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    return _named(client, _LIGHTS, {name: str(value) for name, value in asdict(asked).items()})


def changes(client: Client, light: Shown) -> list[Shown]:
    """What a light was before, the newest change first.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    return _named(client, _CHANGES, {name: str(light[name]) for name in _KEY})


class Counts(NamedTuple):
    """Lights by colour, the worst first."""

    running: dict[str, int]
    over: dict[str, int]
    """Of periods that are over."""


def counts(client: Client, day: date) -> Counts:
    """How many lights there are, of periods that hold `day` and of earlier ones.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    with translated():
        rows = client.query(_COUNTS, {"day": day.isoformat()}).result_rows
    found = {(bool(is_over), state): count for is_over, state, count in rows}
    return Counts(
        *({state: found[is_over, state] for state in STATES if (is_over, state) in found} for is_over in (False, True))
    )


def _named(client: Client, statement: str, values: Mapping[str, str]) -> list[Shown]:
    with translated():
        rows: list[dict[str, Any]] = list(client.query(statement, dict(values)).named_results())
    return [{name: _utc(value) for name, value in row.items()} for row in rows]


def _utc(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value
