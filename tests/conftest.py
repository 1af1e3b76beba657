"""What holds for every test: a unit test reaches no service and does not see the settings of the machine it runs on."""

import os
import socket
from pathlib import Path
from typing import Any, NoReturn

import data_folders
import pytest
from hypothesis import settings

#: The same examples in every run, and no clock: a busy machine is no fault of the code.
settings.register_profile("pulse", deadline=None, derandomize=True)
settings.load_profile("pulse")
TESTS = Path(__file__).parent
UNIT = TESTS / "unit"
#: What takes longest begins first, so that no process is left alone with it at the end; then folder by folder.
LONGEST = ("flow/test_engine_recovery.py", "e2e/test_up.py", "e2e/test_targets_cli.py", "sql/test_boards_sql.py")
FOLDERS = ("flow", "e2e", "sql", "contracts", "unit")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files, each of which runs as it is, from the longest to the shortest."""
    items.sort(key=lambda item: _rank(item.path.relative_to(TESTS)))


def _rank(file: Path) -> tuple[int, int]:
    long = LONGEST.index(name) if (name := file.as_posix()) in LONGEST else len(LONGEST)
    return long, FOLDERS.index(file.parts[0]) if file.parts[0] in FOLDERS else len(FOLDERS)


@pytest.fixture(scope="session", autouse=True)
def _folders_of_the_run(tmp_path_factory: pytest.TempPathFactory) -> None:
    data_folders.share(tmp_path_factory)


@pytest.fixture
def network() -> None:
    """Asked for by a unit test that may open connections, to a server it started itself."""


@pytest.fixture(autouse=True)
def _unit_tests_stay_inside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails a test under tests/unit when it connects anywhere; takes PULSE_* variables away from it."""
    if not request.path.is_relative_to(UNIT):
        return
    for name in [name for name in os.environ if name.startswith("PULSE_")]:
        monkeypatch.delenv(name)
    if "network" not in request.fixturenames:
        monkeypatch.setattr(socket.socket, "connect", _refuse)
        monkeypatch.setattr(socket.socket, "connect_ex", _refuse)


def _refuse(_socket: socket.socket, address: Any) -> NoReturn:
    pytest.fail(
        f"a unit test tried to connect to {address!r}: pass the client in, ask for the fixture `network`, "
        "or move the test to tests/contracts, tests/flow or tests/e2e"
    )
