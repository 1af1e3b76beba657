"""The desk as a part of `pulse up`: one more child beside the workers."""

import sys
from contextlib import closing
from pathlib import Path

from streams import cases_view
from streams.clickhouse import connect
from streams.desk import audit
from streams.errors import UnavailableError
from streams.logs import Stream
from streams.settings import Settings
from streams.supervisor.services import environment
from streams.supervisor.workers import Worker

COMMAND = (sys.executable, "-m", "streams.cli", "desk")


def child(settings: Settings, folder: Path, loud: Stream) -> Worker:
    """The desk, not started yet.

    Args:
        settings: with the URLs of running services.
        folder: where its log is written.
        loud: where its warnings go.
    """
    made = Worker(0, environment(settings), folder, loud, COMMAND)
    made.name, made.log = "desk", folder / "desk.log"
    return made


def drained(settings: Settings) -> bool:
    """Whether every stored alert has its case; False while nobody can be asked."""
    try:
        with closing(connect(settings.clickhouse_url)) as client:
            return audit.count_unopened(client) == 0
    except UnavailableError:
        return False


def counts(settings: Settings) -> cases_view.Counts:
    """Alerts and open cases by colour.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    with closing(connect(settings.clickhouse_url)) as client:
        return cases_view.counts(client)
