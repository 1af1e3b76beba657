"""The ClickHouse sink: rows of a checkpoint as Arrow blocks, one insert a table."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from agents.compliance.judge import Hit
from agents.progress.books import CallCount
from agents.progress.cells import REP
from agents.progress.lights_board import Change, Reading
from agents.progress.outputs import CellRow
from schemas.alerts import Alert
from schemas.outputs import DeadLetter
from schemas.rows import EVENT_TABLES, Row
from streams import alert_rows, dead_letters, lights
from streams.alert_rows import RuleCount, ShardTouch
from streams.clickhouse import translated
from streams.columns import LARGEST, amounts, days

_INSERT_SETTINGS = {"max_partitions_per_insert_block": 0}
_ROWS_PER_INSERT = 100_000


@dataclass
class Block:
    """What one checkpoint writes to ClickHouse."""

    events: dict[str, list[Row]] = field(default_factory=dict)
    """Rows by event kind, technical columns included."""
    cells: list[CellRow] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    lights: list[Reading] = field(default_factory=list)
    light_changes: list[Change] = field(default_factory=list)
    calls: list[CallCount] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    """Alerts of what acts at the intake, which no rule of the book hit."""
    touches: list[ShardTouch] = field(default_factory=list)
    rule_counts: list[RuleCount] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Rows in it."""
        rest: tuple[Sequence[Any], ...] = (self.cells, self.letters, self.lights, self.light_changes, self.calls)
        rest += (self.hits, self.alerts, self.touches, self.rule_counts)
        return sum(map(len, self.events.values())) + sum(map(len, rest))


def write(client: Client, block: Block, stamp: int) -> None:
    """Insert a block; doing it again changes nothing.

    Args:
        client: a writer.
        block: the rows.
        stamp: version of the KPI rows, milliseconds; a later one wins.

    Raises:
        UnavailableError: ClickHouse is away or busy; the same block may be written again.
        InvalidError: ClickHouse refuses the rows.
    """
    _write_rules(client, block, stamp)  # before the events: what stands there was judged and told
    for kind, rows in block.events.items():
        _insert(client, EVENT_TABLES[kind].table, event_table(kind, rows))
    at = datetime.fromtimestamp(stamp / 1000, UTC)
    reps = [row for row in block.cells if row.level == REP]
    nodes = [row for row in block.cells if row.level != REP]
    if reps:
        _insert(client, "kpi_cells", _cell_table(reps, {"rep_id": [row.entity_id for row in reps]}, stamp, at))
    if nodes:
        owner = {"node_id": [row.entity_id for row in nodes], "node_level": [row.level for row in nodes]}
        _insert(client, "node_totals", _cell_table(nodes, owner, stamp, at))
    if block.lights:
        _insert(client, lights.READINGS, lights.reading_table(block.lights, stamp))
    if block.light_changes:
        _insert(client, lights.CHANGES, lights.change_table(block.light_changes, stamp))
    if block.calls:
        _insert(client, "call_counts", _call_table(block.calls, stamp, at))
    if block.letters:
        with translated():
            dead_letters.store(client, block.letters)


def _write_rules(client: Client, block: Block, stamp: int) -> None:
    if raised := [*(hit.alert for hit in block.hits if hit.alert is not None), *block.alerts]:
        _insert(client, "alerts", alert_rows.alert_table(raised, stamp))
    if block.hits:
        _insert(client, "rule_hits", alert_rows.hit_table(block.hits, stamp))
    if block.touches:
        _insert(client, "touches", alert_rows.touch_table(block.touches))
    if block.rule_counts:
        _insert(client, "rule_counts", alert_rows.count_table(block.rule_counts, stamp))


def _insert(client: Client, table: str, data: Any) -> None:
    with translated():
        for start in range(0, data.num_rows, _ROWS_PER_INSERT):
            client.insert_arrow(table, data.slice(start, _ROWS_PER_INSERT), settings=_INSERT_SETTINGS)


def event_table(kind: str, rows: Sequence[Row]) -> Any:
    """Rows of an event kind, technical columns included, as the Arrow table that is inserted."""
    schema = EVENT_TABLES[kind].arrow_schema()
    columns = zip(zip(*rows, strict=True), schema, strict=True)
    arrays = [days(column) if field.name == "day" else pa.array(column, field.type) for column, field in columns]
    return pa.Table.from_arrays(arrays, schema=schema)


def _cell_table(rows: Sequence[CellRow], owner: dict[str, list[str]], stamp: int, at: datetime) -> Any:
    columns = {
        "kpi_id": pa.array([row.kpi_id for row in rows], pa.string()),
        "period": pa.array([row.period for row in rows], pa.string()),
        "period_start": days(row.period_start for row in rows),
        **{name: pa.array(values, pa.string()) for name, values in owner.items()},
        "product_level": pa.array([row.product_level for row in rows], pa.string()),
        "product_key": pa.array([row.product_key for row in rows], pa.string()),
        "value": amounts([row.value for row in rows]),
        "numerator": amounts([max(-LARGEST, min(row.numerator, LARGEST)) for row in rows]),
        "denominator": amounts([row.denominator for row in rows]),
        "events": pa.array([row.events for row in rows], pa.uint64()),
        "version": pa.array([stamp] * len(rows), pa.uint64()),
        "updated_at": pa.array([at] * len(rows), pa.timestamp("ms", tz="UTC")),
        "expires_at": pa.array([row.expires_at for row in rows], pa.timestamp("ms", tz="UTC")),
    }
    return pa.table(columns)


def _call_table(calls: Sequence[CallCount], stamp: int, at: datetime) -> Any:
    columns = {
        "month_start": days(call.month for call in calls),
        "rep_id": pa.array([call.rep_id for call in calls], pa.string()),
        "hcp_id": pa.array([call.hcp_id for call in calls], pa.string()),
        "calls": pa.array([call.calls for call in calls], pa.uint64()),
        "version": pa.array([stamp] * len(calls), pa.uint64()),
        "updated_at": pa.array([at] * len(calls), pa.timestamp("ms", tz="UTC")),
    }
    return pa.table(columns)
