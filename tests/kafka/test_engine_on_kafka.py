"""The engine on a real Apache Kafka: every disturbance with several seeds, and those only a real broker has."""

from collections.abc import Iterator
from functools import cache

import pytest
import real_kafka
from engine_harness import Stack
from field_force import company
from oracle import expected
from recovery_scenarios import BROKER_SCENARIOS, SCENARIOS, undisturbed
from result_tables import Tables, mistakes

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]
EVENTS = 3000
SEEDS = (11, 12, 13)
ALL = SCENARIOS | BROKER_SCENARIOS

the_company = cache(company)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    if reason := real_kafka.available():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("engine")
    with real_kafka.running(folder / "kafka") as broker, Stack(folder, broker) as running:
        yield running


@pytest.fixture(scope="module")
def calm(stack: Stack) -> dict[int, Tables]:
    """What an undisturbed run leaves, by seed."""
    return {seed: undisturbed(stack, the_company(seed, EVENTS)) for seed in SEEDS}


@pytest.mark.parametrize("seed", SEEDS)
def test_an_undisturbed_run_on_kafka_equals_the_plain_loop(seed: int, calm: dict[int, Tables]) -> None:
    one = the_company(seed, EVENTS)
    assert mistakes(calm[seed], expected(one.messages, one.references)) == []


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", ALL)
def test_a_disturbed_run_on_kafka_leaves_the_same_tables(
    name: str, seed: int, stack: Stack, calm: dict[int, Tables]
) -> None:
    found = ALL[name](stack, the_company(seed, EVENTS))
    assert found.differences(calm[seed]) == []
    assert found.digest == calm[seed].digest
