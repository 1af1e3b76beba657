"""A company of eight representatives in two teams, its messages one by one, and changes to it while the engine runs."""

import json
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from field_force import Message
from simulated_engine import SimulatedEngine

from agents.progress.groups import MICRO
from agents.progress.plan import Plan
from schemas.policy import KpiPolicy
from schemas.reference import Institution, OrganisationNode, Product, Reference, Rep
from streams import policies
from streams.engine.opening import Company

SHIPPED = policies.load(Path(__file__).parents[2] / "policies")
PARTITIONS = 3
REFERENCES: list[Reference] = [
    OrganisationNode(node_id="C", name="C", level="company"),
    OrganisationNode(node_id="N", name="N", level="region", parent_id="C"),
    OrganisationNode(node_id="T1", name="T1", level="team", parent_id="N"),
    OrganisationNode(node_id="T2", name="T2", level="team", parent_id="N"),
    *(Rep(rep_id=f"R{n}", name=f"R{n}", team_id="T1") for n in range(1, 9)),
    *(Institution(institution_id=f"H{n}", name=f"H{n}", country="CN") for n in range(1, 5)),
    Product(product_id="P1", name="P1", line_id="A"),
    Product(product_id="P2", name="P2", line_id="A"),
]


def policy(*kpis: str) -> KpiPolicy:
    """A policy of KPIs in YAML, without their titles."""
    texts = [{"title": {"zh": "指标", "en": "KPI"}, **yaml.safe_load(text)} for text in kpis]
    return KpiPolicy.model_validate({"kpis": texts})


def with_rows(*rows: Reference) -> list[Reference]:
    """The company's reference rows with some replaced or added."""
    names = {(row.kind_name, row.key, row.effective_from) for row in rows}
    return [row for row in REFERENCES if (row.kind_name, row.key, row.effective_from) not in names] + list(rows)


def sale(event_id: str, when: str, rep_id: str = "R1", **changes: Any) -> Message:
    """A sale of 100 by R1 at H1, at a local time in 2026 such as `02-03`."""
    values = {"institution_id": "H1", "product_id": "P1", "quantity": "1", "amount": "100", **changes}
    return _message("sales", event_id, when, rep_id, values)


def visit(event_id: str, when: str, rep_id: str = "R1", **changes: Any) -> Message:
    """A visit of R1 to H1."""
    return _message("visits", event_id, when, rep_id, {"institution_id": "H1", "check_in_at": _at(when), **changes})


def activity(event_id: str, when: str, rep_id: str = "R1", **changes: Any) -> Message:
    """A meal for 50."""
    return _message("activities", event_id, when, rep_id, {"kind": "meal", "amount": "50", **changes})


def market_report(event_id: str, when: str, territory: str) -> Message:
    """February's sales of P1 in a territory: ours 10, the market's 40."""
    values = {"kind": "volume", "product_id": "P1", "period_from": "2026-02-01", "period_to": "2026-02-28"}
    values |= {"own_volume": "10", "market_volume": "40", "territory_id": territory}
    envelope = {"event_id": event_id, "occurred_at": _at(when), "source": "panel"}
    return Message("market", territory, json.dumps(envelope | values).encode())


def _message(topic: str, event_id: str, when: str, rep_id: str, values: dict[str, Any]) -> Message:
    envelope = {"event_id": event_id, "occurred_at": _at(when), "source": "erp", "rep_id": rep_id}
    return Message(topic, rep_id, json.dumps(envelope | values).encode())


def _at(when: str) -> str:
    return f"2026-{when}{'' if 'T' in when else 'T10:00:00'}+08:00"


def engine(kpis: KpiPolicy, messages: Iterable[Message], references: list[Reference] = REFERENCES) -> SimulatedEngine:
    """The engine with the messages waiting."""
    return SimulatedEngine(kpis, references, list(messages), PARTITIONS, 1)


def drained(kpis: KpiPolicy, *messages: Message) -> SimulatedEngine:
    """The engine with the messages taken."""
    one = engine(kpis, messages)
    one.drain()
    return one


def then(one: SimulatedEngine, *messages: Message) -> None:
    """More messages come and are taken."""
    for message in messages:
        one.send(message.topic, message.key, message.value)
    one.drain()


def adopt_policy(one: SimulatedEngine, kpis: KpiPolicy, order: Iterable[int] | None = None) -> None:
    """Another policy while the engine works: every shard is checkpointed, then computed anew from its old self."""
    one.plan = Plan(kpis)
    one.company = Company(one.plan, 2, one.company.directory, one.company.time)
    for number in order if order is not None else list(one.owned):
        one.checkpoint(number)
        one.owned[number] = one.opener.rebuilt(number, "token", one.company, one.owned[number])


def figure(one: SimulatedEngine, kpi: str, month: str, level: str, entity: str, *key: str) -> Decimal | None:
    """A monthly figure as ClickHouse would hold it; `month` such as `02`."""
    start = date.fromisoformat(f"2026-{month}-01").toordinal()
    found = one.tableau.cells.get((kpi, "month", start, level, entity, *(key or ("all", ""))))
    return None if found is None or found[1].value is None else Decimal(found[1].value) / MICRO


def letters(one: SimulatedEngine) -> list[tuple[str, str]]:
    """Step and error class of every dead letter."""
    return [(step, name) for _, _, step, name in one.tableau.letters.values()]
