"""Runs that mostly wait, for a rebalance or for a dead worker's session to end, made side by side.

Each run has a stack to itself; stacks are used again. Only what the selected tests ask for is run.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue

import pytest
from engine_harness import Stack
from field_force import Company
from recovery_scenarios import Scenario, undisturbed
from result_tables import Tables

#: (scenario, company) -> its run.
Runs = dict[tuple[str, str], "Future[Tables]"]
CALM = undisturbed.__name__


@contextmanager
def under_way(
    request: pytest.FixtureRequest,
    stacks: Iterable[Callable[[], Stack]],
    scenarios: dict[str, Scenario],
    companies: dict[str, Company],
) -> Iterator[Runs]:
    """The runs that the selected tests of the module need, and the undisturbed one of each company among them.

    A test says what it needs by its parameters `name` (a scenario; undisturbed when left out) and `of` (a company).
    """
    free: SimpleQueue[Stack] = SimpleQueue()
    made = [make() for make in stacks]
    for stack in made:
        free.put(stack)

    def run(scenario: Scenario, company: Company) -> Tables:
        stack = free.get()
        try:
            return scenario(stack, company)
        finally:
            free.put(stack)

    with ThreadPoolExecutor(len(made)) as pool:
        try:
            every = {**scenarios, CALM: undisturbed}
            yield {(name, of): pool.submit(run, every[name], companies[of]) for name, of in _wanted(request)}
        finally:
            pool.shutdown(cancel_futures=True)
            for stack in made:
                stack.stop()


def _wanted(request: pytest.FixtureRequest) -> list[tuple[str, str]]:
    items = [item for item in request.session.items if item.path == request.path and isinstance(item, pytest.Function)]
    asked = [item.callspec.params for item in items if hasattr(item, "callspec") and "of" in item.callspec.params]
    calm = dict.fromkeys((CALM, each["of"]) for each in asked)
    return list(calm | dict.fromkeys((each.get("name", CALM), each["of"]) for each in asked))


def same_tables(runs: Runs, name: str, of: str) -> None:
    """Fail unless the disturbed run left the same tables as the undisturbed one."""
    found, calm = runs[name, of].result(), runs[CALM, of].result()
    assert found.differences(calm) == []
    assert found.digest == calm.digest
