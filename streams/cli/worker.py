"""`pulse worker`: one worker alone."""

import signal
import sys

import typer

from streams import logs, settings
from streams.supervisor.orphans import die_with_parent


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("worker")
    def worker() -> None:
        """Run one worker, until it is stopped.

        It reads the source topics, keeps the progress of its shards and writes checkpoints. Everything comes from
        PULSE_* variables; start as many as there are cores, the shards are shared out.
        """
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the worker itself listens
        die_with_parent()
        loaded = settings.load()
        logs.setup(loaded)
        from streams import worker as engine  # noqa: PLC0415 - Faust takes a second to load

        engine.run(loaded)
