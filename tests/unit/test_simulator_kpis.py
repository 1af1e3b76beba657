"""Every KPI of the policy at the end of a simulated quarter: the stream equals a plain loop over the raw events."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from field_force import Message
from oracle import expected
from result_tables import Tables, mistakes
from simulated_engine import SimulatedEngine

from schemas.events import EVENT_MODELS
from schemas.reference import CalendarDay, Reference
from streams import policies
from streams.simulator.world import COMPANY_ZONE, Plan, Simulation

POLICY = policies.load(Path(__file__).parents[2] / "policies")
PLAN = Plan(date(2025, 7, 1), datetime(2025, 10, 1, tzinfo=COMPANY_ZONE), 7, 8)
#: All days with a calendar lie in the past, on every machine.
NOW, LAST_YEAR = datetime(2026, 1, 10, 4, tzinfo=UTC), 2025


def simulated() -> tuple[list[Message], list[Reference]]:
    simulation = Simulation(PLAN)
    messages = [Message(EVENT_MODELS[made.kind].topic, made.key, made.value) for made in simulation.events()]
    references = [
        row for row in simulation.references() if not (isinstance(row, CalendarDay) and row.day.year > LAST_YEAR)
    ]
    return messages, references


def run(messages: list[Message], references: list[Reference], partitions: int) -> Tables:
    engine = SimulatedEngine(POLICY, references, messages, partitions, 1, now=NOW)
    engine.drain()
    return engine.tableau.tables()


@pytest.fixture(scope="module")
def tables() -> Tables:
    return run(*simulated(), 3)


def test_every_kpi_equals_a_plain_loop(tables: Tables) -> None:
    messages, references = simulated()
    assert mistakes(tables, expected(messages, references)) == []
    assert {kpi.id for kpi in POLICY.kpis} == {row[0] for row in tables.rows["node_totals"] if row[-1]}


def test_the_same_seed_gives_the_same_tables_on_any_number_of_shards(tables: Tables) -> None:
    assert run(*simulated(), 2).differences(tables) == []
