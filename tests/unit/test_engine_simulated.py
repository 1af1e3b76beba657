"""Exactness by simulation: random schedules with crashes between any two steps give the plain loop's tables."""

from datetime import date
from pathlib import Path

import pytest
from field_force import Company, company
from oracle import expected
from result_tables import mistakes
from simulated_engine import SimulatedEngine

from schemas.policy import KpiPolicy
from schemas.reference import CalendarDay, CallPlan, Hcp, Reference, Rep
from streams import policies
from streams.topics import NODES, SHARD_TOPICS

POLICY = policies.load(Path(__file__).parents[2] / "policies")
CRASHES = ("before", "after rows", "after messages")


def run(one: Company, seed: int, policy: KpiPolicy = POLICY, *, losses: bool = True) -> SimulatedEngine:
    """A random schedule over all messages, then everything to its end."""
    engine = SimulatedEngine(policy, one.references, one.messages, 3, seed)
    rng = engine.rng
    for _ in range(120):
        number = rng.randrange(3)
        chance = rng.random()
        if chance < 0.6:
            engine.take(number, rng.choice(SHARD_TOPICS), rng.randint(1, 60))
        elif chance < 0.8:
            engine.checkpoint(number)
        elif chance < 0.96 or not losses:
            engine.checkpoint(number, rng.choice(CRASHES))
        elif chance < 0.975:
            engine.lose_shard(number)
        elif chance < 0.99:
            engine.set_back(number)
        else:
            engine.lose_redis()
    engine.drain()
    return engine


@pytest.mark.parametrize("seed", range(4))
def test_any_schedule_with_crashes_and_losses_gives_the_plain_loop(seed: int) -> None:
    one = company(seed, 400)
    engine = run(one, seed)
    assert mistakes(engine.tableau.tables(), expected(one.messages, one.references)) == []


def test_nothing_is_left_to_say_after_the_end() -> None:
    one = company(1, 200)
    engine = run(one, 1)
    before = {place: len(log) for place, log in engine.log.items()}
    engine.drain()
    assert {place: len(log) for place, log in engine.log.items() if place[0] == NODES} == {
        place: count for place, count in before.items() if place[0] == NODES
    }


@pytest.mark.parametrize("seed", range(3))
def test_a_changed_organisation_rewrites_the_past(seed: int) -> None:
    one = company(seed, 300)
    engine = run(one, seed, losses=False)
    engine.adopt(moved(one.references), 2)
    engine.drain()
    assert_equal(engine, one, moved(one.references))


def assert_equal(engine: SimulatedEngine, one: Company, references: list[Reference]) -> None:
    """The plain loop's figures; what was withdrawn stands there as zero."""
    found, wanted = engine.tableau.tables(), expected(one.messages, references)
    for name in ("kpi_cells", "node_totals"):
        found.rows[name] = [row for row in found.rows[name] if row[-1] or row[-3]]
    wanted.kpi_cells = {key: figures for key, figures in wanted.kpi_cells.items() if figures.events}
    wanted.node_totals = {key: figures for key, figures in wanted.node_totals.items() if figures.events}
    assert mistakes(found, wanted) == []


def moved(references: list[Reference]) -> list[Reference]:
    """Every rep in the next team, from the beginning."""
    teams = sorted({row.team_id for row in references if isinstance(row, Rep) and row.team_id})
    return [
        row.model_copy(update={"team_id": teams[(teams.index(row.team_id) + 1) % len(teams)]})
        if isinstance(row, Rep) and row.team_id
        else row
        for row in references
    ]


@pytest.mark.parametrize("seed", range(3))
def test_an_organisation_changed_while_no_worker_ran_rewrites_the_past(seed: int) -> None:
    one = company(seed, 300)
    engine = run(one, seed, losses=False)
    engine.adopt_while_down(moved(one.references), 2)
    engine.drain()
    assert_equal(engine, one, moved(one.references))


def planned_otherwise(references: list[Reference]) -> list[Reference]:
    """Other call plans and segments, another holiday, somebody who left: everybody stays where they are."""
    rows: list[Reference] = []
    for number, row in enumerate(references):
        if isinstance(row, CallPlan) and number % 3 == 0:
            rows.append(row.model_copy(update={"planned_calls": (row.planned_calls + number) % 5}))
        elif isinstance(row, Hcp) and number % 2:
            rows.append(row.model_copy(update={"segment": "B"}))
        elif isinstance(row, Rep) and row.rep_id == "R03":
            rows.append(row.model_copy(update={"hired_on": date(2025, 1, 10), "left_on": date(2025, 2, 20)}))
        else:
            rows.append(row)
    rows.append(CallPlan(rep_id="R05", hcp_id="D01", planned_calls=7, effective_from=date(2025, 5, 1)))
    return [*rows, CalendarDay(day=date(2025, 3, 3), is_working_day=False, name="厂休")]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("running", [True, False])
def test_another_call_plan_rewrites_what_hangs_on_it(seed: int, running: bool) -> None:
    one = company(seed, 300)
    engine = run(one, seed, losses=False)
    others = planned_otherwise(one.references)
    (engine.adopt_running if running else engine.adopt_while_down)(others, 2)
    engine.lose_worker(1)
    engine.drain()
    assert_equal(engine, one, others)
    assert expected(one.messages, others).node_totals != expected(one.messages, one.references).node_totals


def test_a_kpi_that_is_dropped_and_one_that_is_added_while_no_worker_ran() -> None:
    one = company(3, 300)
    few = POLICY.model_copy(update={"kpis": tuple(kpi for kpi in POLICY.kpis if kpi.id != "new_accounts")})
    engine = run(one, 3, few, losses=False)
    engine.change_policy_while_down(POLICY)
    engine.drain()
    assert mistakes(engine.tableau.tables(), expected(one.messages, one.references)) == []


def test_more_partitions_keep_every_figure() -> None:
    one = company(4, 300)
    engine = run(one, 4, losses=False)
    engine.repartition(5)
    engine.drain()
    assert mistakes(engine.tableau.tables(), expected(one.messages, one.references)) == []
