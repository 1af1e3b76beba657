"""Lights through crashes and losses: every number from the final figures, every change told once under its own id."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from field_force import REPS, TEAMS, Company, Message, company
from simulated_engine import CELL_KEY, SimulatedEngine
from test_engine_simulated import moved

from agents.progress.groups import MICRO
from agents.progress.lights_board import Reading, light_id
from agents.progress.lights_book import LightKey
from schemas.lights import LightPolicy
from schemas.reference import Reference, Target
from streams import policies
from streams.topics import SHARD_TOPICS

POLICY = policies.load(Path(__file__).parents[2] / "policies")
#: The last event lies on the evening of the 8th of March: 42 of 58 working days of the quarter have passed, for seven
#: weekdays were holidays and one Sunday was worked.
NOW = datetime(2025, 3, 9, 4, tzinfo=UTC)
CRASHES = ("before", "after rows", "after messages")
QUARTER = date(2025, 1, 1)
LIGHTS = LightPolicy.model_validate(
    {"defaults": {"recover_margin": 0, "pending": "1 minute", "keep_firing": "1 minute", "no_data_after": "1 minute"}}
)


def targets() -> list[Reference]:
    owners = [("company", "C"), ("region", "N"), ("region", "S"), *(("team", team) for team in TEAMS)]
    owners += [("rep", rep) for rep in REPS]
    goals = {"sales_amount": 60_000, "visits": 9, "new_accounts": 3, "collection_rate": Decimal("0.7")}
    rows: list[Reference] = []
    for kpi, goal in goals.items():
        for period, start in (("quarter", QUARTER), ("quarter", date(2024, 10, 1)), ("month", date(2025, 3, 1))):
            for level, owner in owners:
                rows.append(_target(kpi, goal * (5 if level == "company" else 2), period, start, level, owner))
    rows.append(_target("sales_amount", 9_000, "quarter", QUARTER, "team", "T1", line="L1"))
    return rows


def _target(kpi: str, goal: object, period: str, start: date, level: str, owner: str, line: str = "") -> Target:
    fields = {"kpi_id": kpi, "period": period, "period_start": start, "owner_level": level, "owner_id": owner}
    product = {"product_level": "line", "product_key": line} if line else {}
    return Target.model_validate(fields | product | {"value": goal})


def run(one: Company, seed: int) -> SimulatedEngine:
    """A random schedule with crashes and losses, then everything to its end."""
    engine = SimulatedEngine(POLICY, [*one.references, *targets()], one.messages, 3, seed, now=NOW, lights=LIGHTS)
    rng = engine.rng
    for _ in range(80):
        number, chance = rng.randrange(3), rng.random()
        if chance < 0.6:
            engine.take(number, rng.choice(SHARD_TOPICS), rng.randint(1, 60))
        elif chance < 0.75:
            engine.checkpoint(number)
        elif chance < 0.94:
            engine.checkpoint(number, rng.choice(CRASHES))
        elif chance < 0.97:
            engine.lose_shard(number)
        else:
            engine.lose_redis()
    engine.drain()
    engine.drain()
    return engine


@pytest.fixture(scope="module", params=range(4))
def engine(request: pytest.FixtureRequest) -> SimulatedEngine:
    return run(company(request.param, 400), request.param)


def elapsed_of(reading: Reading) -> Fraction:
    passed = {("quarter", QUARTER): (42, 58), ("month", date(2025, 3, 1)): (5, 21)}
    return Fraction(*passed.get((reading.key.period, date.fromordinal(reading.key.period_start)), (1, 1)))


def test_every_target_has_its_light(engine: SimulatedEngine) -> None:
    assert len(engine.tableau.lights) == len(targets())
    assert {reading.light.state for reading in engine.tableau.lights.values()} >= {"green", "red", "grey"}


def test_every_number_follows_from_the_final_figure(engine: SimulatedEngine) -> None:
    for key, reading in engine.tableau.lights.items():
        cell = engine.tableau.cells.get(tuple(key)[:CELL_KEY], (0, None))[1]
        value = cell.value if cell is not None and cell.events else None
        seen, share = reading.numbers, Fraction(round(elapsed_of(reading) * MICRO), MICRO)
        assert (seen.value, seen.elapsed) == (value, share * MICRO)
        growing = key.kpi_id != "collection_rate"
        assert seen.expected == (round(seen.target * share) if growing else seen.target)
        if value is None:
            continue
        assert seen.attainment == round(Fraction(value * MICRO, seen.target))
        assert seen.pace == round(Fraction(value * MICRO, seen.expected))
        assert seen.forecast == (value + round(value * (1 - share) / share) if growing else value)


def test_the_state_is_what_the_final_numbers_deserve(engine: SimulatedEngine) -> None:
    for key, reading in engine.tableau.lights.items():
        seen, share = reading.numbers, elapsed_of(reading)
        if seen.value is None or seen.pace is None or seen.low is None or seen.high is None:
            assert reading.light.state == "grey"
            continue
        is_red = seen.pace < MICRO * 8 // 10 or (share < 1 and seen.high < seen.target)
        colour = "red" if is_red else "amber" if share < 1 and seen.low < seen.target else "green"
        assert share >= Fraction(1, 5)
        assert reading.light.state == colour, key
        assert reading.pending_state == colour


def test_every_change_is_told_once_and_the_last_one_is_the_state(engine: SimulatedEngine) -> None:
    told = engine.tableau.light_changes
    expected_ids = {
        light_id(key, number)
        for key, reading in engine.tableau.lights.items()
        for number in range(1, reading.light.changes + 1)
    }
    assert told.keys() == expected_ids
    for key, reading in engine.tableau.lights.items():
        if reading.light.changes:
            last = told[light_id(key, reading.light.changes)]
            assert (last.reading.light.state, last.reading.light.since) == (reading.light.state, reading.light.since)
        else:
            assert reading.light.state == "grey"


def test_changes_follow_one_another(engine: SimulatedEngine) -> None:
    for key, reading in engine.tableau.lights.items():
        state = "grey"
        for number in range(1, reading.light.changes + 1):
            change = engine.tableau.light_changes[light_id(key, number)]
            assert (change.previous_state, change.reading.light.changes) == (state, number)
            state = change.reading.light.state


def test_a_restart_says_nothing_anew(engine: SimulatedEngine) -> None:
    changes, lights = dict(engine.tableau.light_changes), shown(engine)
    engine.owned = {number: engine.open(number) for number in engine.owned}
    engine.drain()
    assert engine.tableau.light_changes == changes
    assert shown(engine) == lights


@pytest.mark.parametrize("seed", range(2))
def test_a_changed_organisation_keeps_the_lights_and_their_count(seed: int) -> None:
    one = company(seed, 300)
    engine = run(one, seed)
    before = {key: item.light.changes for key, item in engine.tableau.lights.items()}
    engine.adopt([*moved(one.references), *targets()], 2)
    engine.drain()
    engine.drain()
    turned = 0
    for key, item in engine.tableau.lights.items():
        assert item.light.changes >= before[key]
        assert all(light_id(key, number) in engine.tableau.light_changes for number in range(1, item.light.changes + 1))
        turned += item.light.changes > before[key]
    assert turned


def shown(engine: SimulatedEngine) -> dict[LightKey, tuple[object, ...]]:
    """State and numbers of every light."""
    found = engine.tableau.lights.items()
    return {key: (item.light.state, item.light.since, item.light.changes, item.numbers) for key, item in found}


def test_a_change_that_a_crash_undid_is_never_told() -> None:
    """The first event alone turns the light red, and a crash undoes that; with the second it is green."""
    one = company(0, 60)
    sales = [sale("E1", "1"), sale("E2", "100")]
    target = _target("sales_amount", 100, "month", date(2025, 3, 1), "rep", "R02")
    engine = SimulatedEngine(POLICY, [*one.references, target], sales, 1, 0, now=NOW, lights=LIGHTS)
    engine.checkpoint(0)
    engine.take(0, "sales", 1)
    engine.checkpoint(0, "after messages")
    (undone,) = engine.tableau.lights.values()
    assert undone.light.state == "red"
    engine.take(0, "sales", 2)
    engine.drain()
    (reading,) = engine.tableau.lights.values()
    (change,) = engine.tableau.light_changes.values()
    assert (reading.light.state, change.reading.light.state, change.previous_state) == ("green", "green", "grey")


def sale(event_id: str, amount: str) -> Message:
    event = {"event_id": event_id, "occurred_at": "2025-03-04T10:00:00+08:00", "source": "crm", "rep_id": "R02"}
    event |= {"institution_id": "H001", "product_id": "P1", "quantity": "1", "amount": amount, "kind": "sale"}
    return Message("sales", "R02", json.dumps(event).encode())
