"""What the tables must hold: a plain loop over all messages, written to be read, not to be fast.

Nothing here is shared with the engine but the classes of the reference rows.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import oracle_work
from field_force import Message

from schemas.events import MODEL_OF_TOPIC
from schemas.reference import Institution, OrganisationNode, Product, Reference, Rep

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOTHING = Decimal(0)
CONFIRMED_WITHIN = timedelta(days=90)

Event = dict[str, Any]
#: (kpi, period, first day, rep, product level, product key)
Cell = tuple[str, str, date, str, str, str]
#: (kpi, period, first day, node, node level, product level, product key)
Total = tuple[str, str, date, str, str, str, str]


@dataclass
class Figures:
    """Numerator and denominator of one cell; only a ratio has a denominator."""

    numerator: Decimal = NOTHING
    denominator: Decimal = NOTHING
    events: int = 0

    def add(self, numerator: Decimal, denominator: Decimal) -> None:
        self.events += 1
        self.numerator += numerator
        self.denominator += denominator


@dataclass
class Expected:
    """Everything that can be said beforehand about one list of messages."""

    events: dict[str, dict[tuple[str, str], Event]]
    """Accepted events by topic and (message key, event id)."""
    dead: set[tuple[str, bytes]]
    """(topic, bytes) of what belongs in the dead letters."""
    conflicting: set[tuple[str, bytes]] = field(default_factory=set)
    """(topic, bytes) of other content under an id that is taken."""
    duplicates: int = 0
    kpi_cells: dict[Cell, Figures] = field(default_factory=lambda: defaultdict(Figures))
    node_totals: dict[Total, Figures] = field(default_factory=lambda: defaultdict(Figures))
    latencies: dict[tuple[Any, ...], list[float]] = field(default_factory=lambda: defaultdict(list))
    """Minutes by (period, first day, owner, level)."""
    segments: dict[tuple[Any, ...], dict[str, list[tuple[int, int]]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    """(capped, planned) calls by (period, first day, owner, level) and segment."""
    calls: list[tuple[date, str, str, int]] = field(default_factory=list)
    """First day of the month, representative, professional, calls."""


def expected(messages: Iterable[Message], references: Sequence[Reference]) -> Expected:
    """The figures of these messages, in this order, under these references."""
    company = Company(references)
    result = accept(messages, company)
    for sale in result.events["sales"].values():
        add_sale(result, company, sale)
    for visit in result.events["visits"].values():
        add_visit(result, company, visit)
    for payment in result.events["payments"].values():
        amount = Decimal(payment["amount"])
        add(result, company, payment, "collection_rate", due(payment), {("all", "")}, amount, NOTHING)
    add_new_accounts(result, company, list(result.events["sales"].values()))
    oracle_work.add_field_work(result, company)
    return result


# --- which messages count -------------------------------------------------------------------------------------------


def accept(messages: Iterable[Message], company: "Company") -> Expected:
    """The first event of each (key, id) counts; broken and unknown ones are dead letters."""
    result = Expected(events={topic: {} for topic in MODEL_OF_TOPIC}, dead=set())
    for message in messages:
        event = readable(message)
        if event is None or not company.knows(event):
            result.dead.add((message.topic, message.value))
            continue
        first = result.events[message.topic].setdefault((message.key, event["event_id"]), event)
        if first is event:
            continue
        if without_recording(first) == without_recording(event):
            result.duplicates += 1
        else:
            result.conflicting.add((message.topic, message.value))
    return result


def readable(message: Message) -> Event | None:
    """The JSON object, numbers kept exact; None when the schema refuses it."""
    try:
        MODEL_OF_TOPIC[message.topic].model_validate_json(message.value)
    except ValueError:
        return None
    event: Event = json.loads(message.value, parse_float=Decimal)
    return event


def without_recording(event: Event) -> Event:
    return {name: value for name, value in event.items() if name != "recorded_at"}


# --- who belongs where ----------------------------------------------------------------------------------------------


class Company:
    """Reference rows, looked up by walking over all that have the key."""

    def __init__(self, references: Sequence[Reference]) -> None:
        self.references = references
        self.names = {(type(row), row.key[0]) for row in references}
        self.rows: dict[tuple[type[Reference], str], list[Reference]] = defaultdict(list)
        for row in references:
            self.rows[type(row), row.key[0]].append(row)

    def knows(self, event: Event) -> bool:
        products = [detail["product_id"] for detail in event.get("details", ())]
        products += [event["product_id"]] if event.get("product_id") else []
        return (
            ("rep_id" not in event or (Rep, event["rep_id"]) in self.names)
            and ("institution_id" not in event or (Institution, event["institution_id"]) in self.names)
            and all((Product, product) in self.names for product in products)
        )

    def row(self, kind: type[Reference], key: str, day: date) -> Any:
        """The row in force on that day, or None."""
        rows = [row for row in self.rows[kind, key] if row.effective_from <= day]
        return max(rows, key=lambda row: row.effective_from, default=None)

    def ancestors(self, rep_id: str, day: date) -> list[OrganisationNode]:
        """Team, region, company above a rep on that day, as far as they exist."""
        rep = self.row(Rep, rep_id, day)
        above = []
        node_id = rep.team_id if rep else None
        while node_id:
            node = self.row(OrganisationNode, node_id, day)
            above.append(node)
            node_id = node.parent_id
        return above

    def line(self, product_id: str, day: date) -> str | None:
        product = self.row(Product, product_id, day)
        return product.line_id if product else None


# --- which figures --------------------------------------------------------------------------------------------------


def moment(event: Event) -> datetime:
    return datetime.fromisoformat(event["occurred_at"])


def company_day(event: Event) -> date:
    return moment(event).astimezone(SHANGHAI).date()


def due(event: Event) -> date:
    return date.fromisoformat(event["due_on"])


def periods(day: date) -> list[tuple[str, date]]:
    """Month, quarter and year a day belongs to, by their first days."""
    first_month_of_quarter = (day.month - 1) // 3 * 3 + 1
    return [
        ("month", date(day.year, day.month, 1)),
        ("quarter", date(day.year, first_month_of_quarter, 1)),
        ("year", date(day.year, 1, 1)),
    ]


def add(
    result: Expected,
    company: Company,
    event: Event,
    kpi: str,
    day: date,
    keys: set[tuple[str, str]],
    numerator: Decimal,
    denominator: Decimal = NOTHING,
) -> None:
    """Add to the periods of `day`, for the rep and for all nodes above it on that day.

    What is due belongs to whom the rep reports to on the due day: so a sale and its payment meet in one node.
    """
    above = company.ancestors(event["rep_id"], day)
    for period, start in periods(day):
        for level, key in keys:
            result.kpi_cells[kpi, period, start, event["rep_id"], level, key].add(numerator, denominator)
            for node in above:
                total = (kpi, period, start, node.node_id, node.level, level, key)
                result.node_totals[total].add(numerator, denominator)


def product_keys(company: Company, products: Iterable[str], day: date) -> set[tuple[str, str]]:
    """All, each product once, and each of their lines once."""
    products = set(products)
    lines = {company.line(product, day) for product in products}
    return {("all", "")} | {("product", product) for product in products} | {("line", line) for line in lines if line}


def add_sale(result: Expected, company: Company, sale: Event) -> None:
    day = company_day(sale)
    keys = product_keys(company, [sale["product_id"]], day)
    add(result, company, sale, "sales_amount", day, keys, Decimal(sale["amount"]))
    add(result, company, sale, "sales_quantity", day, keys, Decimal(sale["quantity"]))
    if sale.get("due_on"):
        add(result, company, sale, "collection_rate", due(sale), {("all", "")}, NOTHING, Decimal(sale["amount"]))


def add_visit(result: Expected, company: Company, visit: Event) -> None:
    day = company_day(visit)
    products = [detail["product_id"] for detail in visit.get("details", ())]
    add(result, company, visit, "visits", day, product_keys(company, products, day), Decimal(1))


def add_new_accounts(result: Expected, company: Company, sales: list[Event]) -> None:
    """An institution counts once, for the rep of its very first order, when a second order follows in time."""
    orders = [sale for sale in sales if sale["kind"] == "sale" and Decimal(sale["quantity"]) > 0]
    by_account: dict[tuple[str, str, str], list[Event]] = defaultdict(list)
    for order in orders:
        by_account[order["institution_id"], "all", ""].append(order)
        if line := company.line(order["product_id"], company_day(order)):
            by_account[order["institution_id"], "line", line].append(order)
    for (_, level, key), of_account in by_account.items():
        first = min(of_account, key=lambda order: (moment(order), order["event_id"]))
        day = company_day(first)
        if any(day < company_day(order) <= day + CONFIRMED_WITHIN for order in of_account):
            add(result, company, first, "new_accounts", day, {(level, key)}, Decimal(1))
