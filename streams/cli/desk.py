"""`pulse desk`: the desk alone."""

import signal
import sys

import typer

from streams import logs, settings
from streams.supervisor.orphans import die_with_parent


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("desk")
    def desk() -> None:
        """Keep the cases, until it is stopped.

        It opens a case for every alert, answers the commands and writes the audit trail. Everything comes from PULSE_*
        variables; several desks share the cases out, one is enough.
        """
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the desk itself listens
        die_with_parent()
        loaded = settings.load()
        logs.setup(loaded)
        from streams.desk import process  # noqa: PLC0415 - Faust takes a second to load

        process.run(loaded)
