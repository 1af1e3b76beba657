"""Questions to ClickHouse for people: only rows they may see, values always bound, pages by cursor."""

import base64
import binascii
import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from clickhouse_connect.driver.client import Client

from streams.clickhouse import translated
from streams.gateway.problems import ProblemError
from streams.gateway.rights import Individual, Reach

Row = dict[str, Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLAIN = re.compile(r"[^\x00-\x1f\ud800-\udfff]*")
#: Nodes at and below one, as in force today.
_NODES = """
    SELECT node_id FROM
    (
        SELECT node_id, argMax((team_id, region_id, company_id), effective_from) AS path
        FROM organisation_paths WHERE effective_from <= toDate32({today:String}) GROUP BY node_id
    )
    WHERE node_id = {node:String} OR {node:String} IN (path.1, path.2, path.3)"""
_REPS = f"SELECT rep_id FROM reps_today WHERE team_id IN ({_NODES})"


@dataclass
class Asked:
    """Conditions with the values they are bound to."""

    conditions: list[str] = field(default_factory=lambda: ["1"])
    values: dict[str, Any] = field(default_factory=dict)

    def add(self, condition: str, **values: Any) -> None:
        """One more condition."""
        self.conditions.append(condition)
        self.values |= values

    def equal(self, **columns: str | None) -> None:
        """Columns that must equal a value; None lets everything through."""
        for name, value in columns.items():
            if value is not None:
                self.add(f"{name} = {{{name}:String}}", **{name: value})

    @property
    def where(self) -> str:
        """The text after WHERE."""
        return " AND ".join(f"({condition})" for condition in self.conditions)


class Reading:
    """Reads with the read-only user; one client, used by several threads.

    Args:
        connect: opens a client; may raise UnavailableError.
        time_zone: of the company, for its today.
    """

    def __init__(self, connect: Callable[[], Client], time_zone: str) -> None:
        self._connect = connect
        self._zone = ZoneInfo(time_zone)
        self._client: Client | None = None
        self._lock = threading.Lock()

    def rows(self, statement: str, values: Mapping[str, Any] | None = None) -> list[Row]:
        """Rows by column, moments in UTC.

        Raises:
            UnavailableError: ClickHouse does not answer.
        """
        client = self.client()
        with translated():
            found: list[Row] = list(client.query(statement, dict(values or {})).named_results())
        return [{name: _utc(value) for name, value in row.items()} for row in found]

    def client(self) -> Client:
        """The connection, opened at the first call.

        Raises:
            UnavailableError: ClickHouse does not answer.
        """
        with self._lock:
            self._client = self._client or self._connect()
            return self._client

    def close(self) -> None:
        """Let go of the connection."""
        if self._client is not None:
            self._client.close()

    def today(self) -> str:
        """The company's day."""
        return datetime.now(self._zone).date().isoformat()

    def limit_to(self, asked: Asked, person: Individual, reach: Reach, column: str = "rep_id") -> None:
        """Leave only rows of representatives the person may see."""
        if reach == "own":
            asked.add(f"{column} = {{own:String}}", own=person.rep_id)
        elif reach == "tree":
            asked.add(f"{column} IN ({_REPS})", node=person.node, today=self.today())

    def limit_lights(self, asked: Asked, person: Individual, reach: Reach) -> None:
        """Leave only lights of representatives and nodes the person may see."""
        if reach == "own":
            asked.add("owner_level = 'rep' AND owner_id = {own:String}", own=person.rep_id)
        elif reach == "tree":
            asked.add(
                f"if(owner_level = 'rep', owner_id IN ({_REPS}), owner_id IN ({_NODES}))",
                node=person.node,
                today=self.today(),
            )

    def reps_below(self, node: str) -> frozenset[str]:
        """Representatives of a manager, as of today.

        Raises:
            UnavailableError: ClickHouse does not answer.
        """
        return frozenset(row["rep_id"] for row in self.rows(_REPS, {"node": node, "today": self.today()}))


def _utc(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


def milliseconds(moment: datetime) -> int:
    """Whole milliseconds since 1970, earlier moments negative."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000 + since.microseconds // 1_000


def since(asked: Asked, column: str, moment: datetime | None) -> None:
    """Leave only what is at `moment` or later."""
    if moment is not None:
        asked.add(
            f"{column} >= fromUnixTimestamp64Milli({{since:Int64}}, 'UTC')",
            since=milliseconds(moment.astimezone(UTC)),
        )


@dataclass(frozen=True)
class Order:
    """How a list is sorted, which makes every place in it unique.

    Attributes:
        columns: SQL of each part, with its ClickHouse type, as it is bound.
        names: columns of the row the parts come from.
        newest_first: descending.
    """

    columns: tuple[tuple[str, str], ...]
    names: tuple[str, ...]
    newest_first: bool = False

    def apply(self, asked: Asked, cursor: str | None, limit: int) -> str:
        """The text after WHERE up to the end; one row more than the page shows whether there is another page."""
        sign, word = ("<", "DESC") if self.newest_first else (">", "ASC")
        if cursor is not None:
            parts = _decoded(cursor, [kind for _, kind in self.columns])
            bound = ", ".join(_bound(kind, f"after{i}") for i, (_, kind) in enumerate(self.columns))
            asked.add(
                f"({', '.join(column for column, _ in self.columns)}) {sign} ({bound})",
                **{f"after{i}": part for i, part in enumerate(parts)},
            )
        order = ", ".join(f"{column} {word}" for column, _ in self.columns)
        return f"{asked.where} ORDER BY {order} LIMIT {limit + 1}"

    def page(self, rows: Sequence[Row], limit: int) -> tuple[Sequence[Row], str | None]:
        """The rows of the page and the cursor of the next one."""
        if len(rows) <= limit:
            return rows, None
        return rows[:limit], self.cursor_of(rows[limit - 1])

    def cursor_of(self, row: Mapping[str, Any]) -> str:
        """The place right after a row."""
        parts = [milliseconds(value) if isinstance(value := row[name], datetime) else str(value) for name in self.names]
        return base64.urlsafe_b64encode(json.dumps(parts, ensure_ascii=False).encode()).decode().rstrip("=")


def _bound(kind: str, name: str) -> str:
    return f"fromUnixTimestamp64Milli({{{name}:Int64}}, 'UTC')" if kind == "Int64" else f"{{{name}:String}}"


def _decoded(cursor: str, kinds: Sequence[str]) -> list[Any]:
    """The parts of a cursor, as many and of the kinds there must be.

    Raises:
        ProblemError: 422, it is none of ours.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        parts = json.loads(raw)
        fits = len(parts) == len(kinds) and all(map(_fits, parts, kinds))
    except (binascii.Error, ValueError, TypeError, RecursionError):
        fits = False
    if not fits:
        raise ProblemError(422, "cursor is none that was given out: leave it out to begin at the first page")
    return list(parts)


def _fits(part: Any, kind: str) -> bool:
    if kind == "Int64":
        return type(part) is int and abs(part) < 1 << 43
    return isinstance(part, str) and len(part) <= 500 and _PLAIN.fullmatch(part) is not None  # noqa: PLR2004


#: Alerts and cases: the newest first.
ALERTS = Order((("raised_at", "Int64"), ("alert_id", "String")), ("raised_at", "alert_id"), newest_first=True)
CASES = Order((("raised_at", "Int64"), ("case_id", "String")), ("raised_at", "case_id"), newest_first=True)
_LIGHT_KEY = ("kpi_id", "period", "period_start", "owner_level", "owner_id", "product_level", "product_key")
LIGHTS = Order(
    tuple(("toString(period_start)" if name == "period_start" else name, "String") for name in _LIGHT_KEY), _LIGHT_KEY
)
