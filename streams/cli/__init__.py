"""The `pulse` command: one file a command, loaded when it is asked for."""

import os
import sys
from importlib import import_module
from typing import Any

import typer

from streams.errors import PulseError, UsageError
from streams.settings import names_set, unknown_names

#: Command name -> module in this package; each module offers `register(app: typer.Typer) -> None`.
COMMANDS: dict[str, str] = {
    "up": "up",
    "import": "import_",
    "sql": "sql",
    "dead-letters": "dead_letters",
    "simulate": "simulate",
    "targets": "targets",
    "lights": "lights",
    "quarantine": "quarantine",
    "alerts": "alerts",
    "cases": "cases",
    "audit": "audit",
    "boards": "boards",
    "gateway": "gateway",
    "worker": "worker",
    "desk": "desk",
    "migrate": "migrate",
    "policy": "policy",
    "topics": "topics",
    "delivery": "delivery",
}
#: What the command-line library raises for wrong options and arguments.
_OptionError: type[Exception] = typer.BadParameter.__mro__[1]
_USAGE = 2
_INTERRUPTED = 130


def build(only: str | None = None) -> typer.Typer:
    """The command line with all commands, or with one of them."""
    app = typer.Typer(name="pulse", add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

    @app.callback()
    def root(debug: bool = typer.Option(False, "--debug", help="Show tracebacks.")) -> None:
        """Real-time monitoring of pharmaceutical sales forces."""

    for name, module in COMMANDS.items():
        if only is None or name == only:
            import_module(f"streams.cli.{module}").register(app)
    return app


def main() -> None:
    """Entry point: one line per error, 1 when the thing asked for failed, 2 for wrong usage."""
    raise SystemExit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit status; `--debug` lets exceptions through."""
    wanted = next((argument for argument in arguments if not argument.startswith("-")), None)
    if wanted in COMMANDS:
        sys.stderr.writelines(f"{line}\n" for line in unknown_names(names_set()))
    try:
        command = typer.main.get_command(build(wanted if wanted in COMMANDS else None))
        result = command.main(arguments or ["--help"], prog_name="pulse", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        return _INTERRUPTED
    except Exception as error:
        if "--debug" in arguments:
            raise
        return _report(error)
    return result if isinstance(result, int) else 0


def _report(error: Exception) -> int:
    """Say in one line what went wrong and return the exit status."""
    if isinstance(error, BrokenPipeError):  # the reader has seen enough: `pulse sql … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    sys.stderr.write(f"pulse: {_line(error)}\n")
    return _USAGE if isinstance(error, (UsageError, _OptionError)) else 1


def _line(error: Any) -> str:
    if isinstance(error, PulseError):
        return str(error)
    if not isinstance(error, _OptionError):
        return f"unexpected {type(error).__name__}: {' '.join(str(error).split())}; --debug shows where"
    context: Any = getattr(error, "ctx", None)
    message = " ".join(error.format_message().split()).rstrip(".")  # type: ignore[attr-defined]
    message = message.replace(": Value error, ", ": ")
    return f"{message[:1].lower()}{message[1:]}: `{context.command_path if context else 'pulse'} --help` shows how"
