"""`pulse desk`: the desk alone."""

import signal
import sys
from typing import Annotated

import typer

from streams import logs, settings
from streams.desk.alive import is_alive
from streams.errors import UnavailableError
from streams.supervisor.orphans import die_with_parent


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command("desk")
    def desk(
        check: Annotated[
            bool, typer.Option("--check", help="Only say whether a desk runs; exit 1 when none does.")
        ] = False,
    ) -> None:
        """Keep the cases and tell people, until it is stopped.

        It opens a case for every alert, answers the commands and writes the audit trail. Everything comes from PULSE_*
        variables; several desks share the cases out, one is enough.
        """
        if check:
            _check()
            return
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the desk itself listens
        die_with_parent()
        loaded = settings.load()
        logs.setup(loaded)
        from streams.desk import process  # noqa: PLC0415 - Faust takes a second to load

        process.run(loaded)


def _check() -> None:
    if not is_alive(settings.load()):
        msg = "no desk has given a sign of life in the last 10 s: look at its log, or start `pulse desk`"
        raise UnavailableError(msg)
    sys.stdout.write("a desk runs\n")
