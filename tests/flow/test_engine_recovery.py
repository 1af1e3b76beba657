"""The engine on the local services: what it writes equals a plain loop, however the run is disturbed.

A run mostly waits, for a rebalance or for a dead worker's session to end; so all runs that the selected tests need are
made side by side, each on services of its own.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from engine_harness import Stack
from field_force import Company, company, flat_company
from oracle import expected
from recovery_scenarios import SCENARIOS, Scenario, undisturbed
from result_tables import Tables, mistakes

pytestmark = pytest.mark.timeout(240)
EVENTS = 1000
SIDE_BY_SIDE = 4
#: Each scenario is run with the company of one seed; the undisturbed run of a seed is made once.
COMPANIES = {"one": company(1, EVENTS), "two": company(2, EVENTS), "flat": flat_company(3, EVENTS)}
DISTURBED = [(name, ("one", "two")[number % 2]) for number, name in enumerate(SCENARIOS)]

#: (scenario, company) -> its run.
Runs = dict[tuple[str, str], "Future[Tables]"]


def run(folder: Path, scenario: Scenario, of: Company) -> Tables:
    folder.mkdir()
    with Stack(folder) as stack:
        return scenario(stack, of)


@pytest.fixture(scope="module")
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """The runs of the selected tests, under way."""
    items = [item for item in request.session.items if item.path == request.path and isinstance(item, pytest.Function)]
    wanted = [(item.callspec.params.get("name", "undisturbed"), item.callspec.params["of"]) for item in items]
    calm = dict.fromkeys(("undisturbed", of) for _, of in wanted)
    folder = tmp_path_factory.mktemp("engine")
    scenarios = {"undisturbed": undisturbed, **SCENARIOS}
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        yield {
            (name, of): pool.submit(run, folder / f"{name}-{of}", scenarios[name], COMPANIES[of])
            for name, of in calm | dict.fromkeys(wanted)
        }
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("of", COMPANIES)
def test_an_undisturbed_run_equals_the_plain_loop(of: str, runs: Runs) -> None:
    wanted = expected(COMPANIES[of].messages, COMPANIES[of].references)
    assert mistakes(runs["undisturbed", of].result(), wanted) == []


@pytest.mark.parametrize(("name", "of"), DISTURBED)
def test_a_disturbed_run_leaves_the_same_tables(name: str, of: str, runs: Runs) -> None:
    found, calm = runs[name, of].result(), runs["undisturbed", of].result()
    assert found.differences(calm) == []
    assert found.digest == calm.digest
