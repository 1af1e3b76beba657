"""The engine on the local services: what it writes equals a plain loop, however the run is disturbed."""

import os
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from engine_harness import Stack, Worker
from field_force import company, flat_company
from oracle import expected
from recovery_scenarios import EXIT_S, SCENARIOS
from result_tables import mistakes
from side_by_side import CALM, Runs, same_tables, under_way

pytestmark = pytest.mark.timeout(240)
EVENTS = 600
STACKS = 4
COMPANIES = {"one": company(1, EVENTS), "two": company(2, EVENTS), "flat": flat_company(3, EVENTS)}
#: Each scenario is run with one of the companies.
DISTURBED = [(name, ("one", "two")[number % 2]) for number, name in enumerate(SCENARIOS)]


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """The runs of the selected tests."""
    stacks = [partial(Stack, tmp_path_factory.mktemp("engine")) for _ in range(STACKS)]
    with under_way(request, stacks, SCENARIOS, COMPANIES) as found:
        yield found


@pytest.mark.parametrize("of", COMPANIES)
def test_an_undisturbed_run_equals_the_plain_loop(of: str, runs: Runs) -> None:
    wanted = expected(COMPANIES[of].messages, COMPANIES[of].references)
    assert mistakes(runs[CALM, of].result(), wanted) == []


@pytest.mark.parametrize(("name", "of"), DISTURBED)
def test_a_disturbed_run_leaves_the_same_tables(name: str, of: str, runs: Runs) -> None:
    same_tables(runs, name, of)


def test_a_worker_that_never_got_an_answer_ends_in_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        urls = {"KAFKA_URL": f"127.0.0.1:{port}", "REDIS_URL": f"redis://127.0.0.1:{port}"}
        urls["CLICKHOUSE_URL"] = f"http://127.0.0.1:{port}/pulse"
        environment = {"PATH": os.environ["PATH"], **{f"PULSE_{name}": url for name, url in urls.items()}}
        worker = Worker(environment, tmp_path / "worker.log")
        silent.settimeout(60)
        silent.accept()[0].close()  # it is starting
        _, seconds = worker.terminate()
        assert seconds < EXIT_S, worker.tail()
