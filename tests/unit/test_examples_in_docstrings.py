"""The examples in docstrings say what the code does."""

import doctest
import importlib
import pkgutil

import pytest

import agents
import schemas

MODULES = sorted(
    module.name
    for package in (agents, schemas)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples() -> None:
    counts = {name: doctest.testmod(importlib.import_module(name)).attempted for name in MODULES}
    assert {"agents.progress.calculators", "agents.progress.histogram"} <= {n for n, count in counts.items() if count}
