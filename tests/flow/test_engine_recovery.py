"""The engine on the local services: what it writes equals a plain loop, however the run is disturbed."""

from collections.abc import Iterator
from functools import cache

import pytest
from engine_harness import Stack
from field_force import company
from oracle import expected
from recovery_scenarios import SCENARIOS, undisturbed
from result_tables import Tables, mistakes

EVENTS = 1200
#: Each scenario is run with the company of one seed; the undisturbed run of a seed is made once.
SEEDS = (1, 2)

the_company = cache(company)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("engine")) as running:
        yield running


@pytest.fixture(scope="module")
def calm(stack: Stack) -> dict[int, Tables]:
    """What an undisturbed run leaves, by seed."""
    return {seed: undisturbed(stack, the_company(seed, EVENTS)) for seed in SEEDS}


@pytest.mark.parametrize("seed", SEEDS)
def test_an_undisturbed_run_equals_the_plain_loop(seed: int, calm: dict[int, Tables]) -> None:
    one = the_company(seed, EVENTS)
    assert mistakes(calm[seed], expected(one.messages, one.references)) == []


@pytest.mark.parametrize(
    ("name", "seed"), [(name, SEEDS[number % len(SEEDS)]) for number, name in enumerate(SCENARIOS)]
)
def test_a_disturbed_run_leaves_the_same_tables(name: str, seed: int, stack: Stack, calm: dict[int, Tables]) -> None:
    found = SCENARIOS[name](stack, the_company(seed, EVENTS))
    assert found.differences(calm[seed]) == []
    assert found.digest == calm[seed].digest
