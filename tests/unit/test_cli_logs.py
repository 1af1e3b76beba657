"""Log lines as text and as JSON; libraries come the same way."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from streams import logs
from streams.settings import Settings
from streams.supervisor.workers import level_of


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines_of(settings: Settings) -> list[str]:
    out = io.StringIO()
    logs.setup(settings, out, worker=3)
    structlog.get_logger("pulse").info("checkpoint written", shard=1, 语="中文")
    structlog.get_logger("pulse").debug("not shown")
    logging.getLogger("some.library").warning("slow %s", "disk")
    logging.getLogger("aiokafka").info("not shown")
    return out.getvalue().splitlines()


def test_text_lines() -> None:
    ours, library = lines_of(Settings(_env_file=None))
    assert level_of(ours) == "info"
    assert "checkpoint written" in ours
    assert ours.endswith("shard=1 worker=3 语=中文")
    assert level_of(library) == "warning"
    assert "slow disk" in library


def test_json_lines() -> None:
    ours, library = lines_of(Settings(log_json=True, _env_file=None))
    entry = json.loads(ours)
    assert entry["message"] == "checkpoint written"
    assert (entry["level"], entry["shard"], entry["worker"], entry["语"]) == ("info", 1, 3, "中文")
    assert json.loads(library)["message"] == "slow disk"
    assert level_of(library) == "warning"


def test_exceptions_stay_in_one_json_line() -> None:
    out = io.StringIO()
    logs.setup(Settings(log_json=True, _env_file=None), out)
    try:
        int("wrong")
    except ValueError:
        structlog.get_logger().exception("it failed")
    entry = json.loads(out.getvalue())
    assert "ValueError: invalid literal" in entry["exception"]
