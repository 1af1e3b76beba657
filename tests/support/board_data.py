"""A simulated quarter in ClickHouse for the boards, with figures and lights worked out by plain loops."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import light_rows
import pyarrow as pa
from board_cases import Cases, store_cases
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr
from simulated_quarter import START, Quarter, quarter

from schemas.events import EVENT_MODELS
from schemas.reference import OrganisationNode, Product, Reference, Rep
from schemas.rows import EVENT_TABLES
from streams.references import publish
from streams.simulator.world import COMPANY_ZONE

LAST_DAY = date(2026, 9, 30)
_BEAT = ["at", "worker", "shards", "lag", "messages", "seconds_since_round"]
#: Owner level and id, product level and key.
Cell = tuple[str, str, str, str]


@dataclass
class BoardData:
    """What was put in, and what follows from it.

    Attributes:
        quarter: the simulation.
        figures: sales of the quarter by owner and product.
        lights: as inserted, by owner and product.
        paths: rep -> team, region, company.
        url: of the writer, where a test sets it.
        cases: alerts and what people did with them.
    """

    quarter: Quarter
    figures: dict[Cell, Decimal]
    lights: dict[Cell, dict[str, Any]]
    paths: dict[str, tuple[str, str, str]]
    products: dict[str, Product]
    nodes: dict[str, OrganisationNode] = field(default_factory=dict)
    reps: dict[str, Rep] = field(default_factory=dict)
    url: SecretStr | None = None
    cases: Cases | None = None

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Events of a kind with their company day as `day`."""
        return [event | {"day": company_day(event)} for event in self.quarter.events[kind]]


def company_day(event: dict[str, Any]) -> date:
    """Day of an event in company time."""
    return datetime.fromisoformat(event["occurred_at"]).astimezone(COMPANY_ZONE).date()


def fill(client: Client, reps: int = 12) -> BoardData:
    """Fill an empty migrated database."""
    made = quarter(7, reps)
    publish(client, made.references, "ops")
    for kind, events in made.events.items():
        store(client, kind, events)
    of_kind: dict[type, list[Any]] = defaultdict(list)
    for row in made.references:
        of_kind[type(row)].append(row)
    nodes = {row.node_id: row for row in of_kind[OrganisationNode]}
    people = {row.rep_id: row for row in of_kind[Rep]}
    products = {row.product_id: row for row in of_kind[Product]}
    paths = {rep.rep_id: _path(rep, nodes) for rep in people.values() if rep.role != "manager"}
    figures = _figures(made, paths, products)
    _store_figures(client, figures)
    lights = {
        (row["owner_level"], row["owner_id"], row["product_level"], row["product_key"]): row
        for row in light_rows.light_up(client, LAST_DAY)
        if row["kpi_id"] == "sales_amount"
    }
    _store_calls(client, made)
    store_heartbeats(client)
    _store_letter(client)
    cases = store_cases(client, made, paths)
    return BoardData(made, figures, lights, paths, products, nodes, people, cases=cases)


def _path(rep: Reference, nodes: dict[str, OrganisationNode]) -> tuple[str, str, str]:
    found, node = {}, nodes.get(rep.team_id or "")  # type: ignore[attr-defined] # a rep
    while node is not None:
        found[node.level] = node.node_id
        node = nodes.get(node.parent_id or "")
    return found.get("team", ""), found.get("region", ""), found.get("company", "")


def _figures(
    made: Quarter, paths: dict[str, tuple[str, str, str]], products: dict[str, Product]
) -> dict[Cell, Decimal]:
    figures: dict[Cell, Decimal] = Counter()  # type: ignore[assignment] # of Decimals
    for sale in made.events["sale"]:
        team, region, company = paths[sale["rep_id"]]
        product = products[sale["product_id"]]
        amount = Decimal(str(sale["amount"]))
        for owner in (("rep", sale["rep_id"]), ("team", team), ("region", region), ("company", company)):
            for level, key in (("all", ""), ("line", product.line_id or ""), ("product", product.product_id)):
                figures[*owner, level, key] += amount
    return dict(figures)


def store(client: Client, kind: str, events: list[dict[str, Any]]) -> None:
    table = EVENT_TABLES[kind]
    schema = table.arrow_schema()
    models = [EVENT_MODELS[kind].model_validate(event) for event in events]
    rows = [
        (*table.to_row(model), company_day(event), 1, 0, number, [])
        for number, (model, event) in enumerate(zip(models, events, strict=True))
    ]
    arrays = [pa.array(values, type=part.type) for values, part in zip(zip(*rows, strict=True), schema, strict=True)]
    client.insert_arrow(table.table, pa.Table.from_arrays(arrays, schema=schema))


def _store_figures(client: Client, figures: dict[Cell, Decimal]) -> None:
    now = datetime.now(UTC)
    for table, is_rep in (("kpi_cells", True), ("node_totals", False)):
        rows = [
            {"kpi_id": "sales_amount", "period": "quarter", "period_start": START}
            | ({"rep_id": owner} if is_rep else {"node_id": owner, "node_level": level})
            | {"product_level": product_level, "product_key": key, "value": value, "numerator": value}
            | {"events": 1, "version": 1, "updated_at": now}
            for (level, owner, product_level, key), value in figures.items()
            if (level == "rep") is is_rep
        ]
        client.insert(table, [list(row.values()) for row in rows], column_names=list(rows[0]))


def _store_calls(client: Client, made: Quarter) -> None:
    """Visits on a professional by month, all of them valid."""
    calls = Counter(
        (company_day(visit).replace(day=1), visit["rep_id"], visit["hcp_id"])
        for visit in made.events["visit"]
        if visit.get("hcp_id")
    )
    now = datetime.now(UTC)
    names = ["month_start", "rep_id", "hcp_id", "calls", "version", "updated_at"]
    client.insert("call_counts", [[*key, count, 1, now] for key, count in calls.items()], column_names=names)


def beat(client: Client, lag: int) -> None:
    """One more heartbeat of a third worker."""
    now = datetime.now(UTC)
    client.insert("worker_status", [[now, "c:3", 4, lag, 1, 0.5]], column_names=_BEAT)


def store_heartbeats(client: Client) -> None:
    """Heartbeats of two workers over the last five minutes."""
    now = datetime.now(UTC)
    names = ["at", "worker", "shards", "lag", "messages", "held", "waiting_rows", "dead_letters"]
    names += ["seconds_since_round", "last_checkpoint", "stopped"]
    rows = [
        [now - timedelta(seconds=5 * age), worker, 4, lag, 1000 - age, 0, 0, 0, 0.5 + lag, now, False]
        for worker, lag in (("a:1", 7), ("b:2", 5))
        for age in range(60)
    ]
    client.insert("worker_status", rows, column_names=names)


def _store_letter(client: Client) -> None:
    now = datetime.now(UTC)
    letter = {"dead_letter_id": "d1", "at": now, "origin": "stream", "topic": "visits", "raw": "{", "raw_size": 1}
    letter |= {"step": "decode", "error_class": "InvalidError", "message": "no JSON", "status": "open", "version": 1}
    client.insert("dead_letters", [list(letter.values())], column_names=list(letter))
