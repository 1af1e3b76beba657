"""What holds for every test: a unit test reaches no service and does not see the settings of the machine it runs on."""

import os
import socket
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import settings

#: The same examples in every run, and no clock: a busy machine is no fault of the code.
settings.register_profile("pulse", deadline=None, derandomize=True)
settings.load_profile("pulse")
UNIT = Path(__file__).parent / "unit"


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
