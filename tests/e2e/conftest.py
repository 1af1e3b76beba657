"""What the tests of the command line share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import data_folders
import pytest
from commands import Up, background, write_sample


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Callable[..., Up]]:
    """Starts `pulse up --json` in the background; ends it after the test."""
    with background(tmp_path) as start:
        yield start


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with empty tables."""
    return data_folders.migrated(tmp_path_factory.mktemp("migrated"))


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hundredth of the pharma data."""
    return write_sample(tmp_path_factory.mktemp("sample") / "sales.csv")
