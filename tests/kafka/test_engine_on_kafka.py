"""The engine on a real Apache Kafka: every disturbance with two seeds, and those only a real broker has."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

import pytest
import real_kafka
from engine_harness import Stack, wait_for
from field_force import company, flat_company
from oracle import expected
from recovery_scenarios import BROKER_SCENARIOS, SCENARIOS
from result_tables import mistakes
from side_by_side import CALM, Runs, same_tables, under_way

from streams.errors import UnavailableError
from streams.shards_view import ShardsView

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]
EVENTS = 2500
BROKERS = 3
COMPANIES = {"one": company(11, EVENTS), "two": company(12, EVENTS), "flat": flat_company(13, EVENTS)}
ALL = SCENARIOS | BROKER_SCENARIOS


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[real_kafka.RealKafka]]:
    if reason := real_kafka.available():
        pytest.skip(reason)
    with ExitStack() as running:
        yield [running.enter_context(real_kafka.running(tmp_path_factory.mktemp("kafka"))) for _ in range(BROKERS)]


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, brokers: list[real_kafka.RealKafka], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Runs]:
    """The runs of the selected tests, each broker serving one at a time."""
    stacks = [partial(Stack, tmp_path_factory.mktemp("engine"), broker) for broker in brokers]
    with under_way(request, stacks, ALL, COMPANIES) as found:
        yield found


@pytest.mark.parametrize("of", COMPANIES)
def test_an_undisturbed_run_on_kafka_equals_the_plain_loop(of: str, runs: Runs) -> None:
    wanted = expected(COMPANIES[of].messages, COMPANIES[of].references)
    assert mistakes(runs[CALM, of].result(), wanted) == []


@pytest.mark.parametrize(("name", "of"), [(name, ("two", "one")[number % 2]) for number, name in enumerate(ALL)])
def test_a_disturbed_run_on_kafka_leaves_the_same_tables(name: str, of: str, runs: Runs) -> None:
    same_tables(runs, name, of)


def test_progress_can_be_read_again_after_a_broker_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    if reason := real_kafka.available():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("view")
    with real_kafka.running(folder / "kafka") as broker, Stack(folder, broker) as stack:
        stack.prepare(COMPANIES["flat"])
        view = ShardsView(stack.settings)
        assert view.read().drained()
        broker.restart()

        def answers() -> bool:
            try:
                return view.read().drained()
            except UnavailableError:
                return False

        wait_for(answers, "the view to answer after the restart", 10)
        view.close()
