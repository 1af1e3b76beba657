"""`pulse up`: everything that runs, in one command."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from streams import logs
from streams import settings as settings_module
from streams.errors import UsageError
from streams.importing import parse_import_argument
from streams.supervisor.run import Options, Run, Running, describe, started
from streams.supervisor.screen import Screen
from streams.supervisor.simulating import UP_REPS, ongoing
from streams.supervisor.stop_signal import StopSignal
from streams.supervisor.summary import Summary


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("up")(up)


def up(  # noqa: PLR0913, PLR0917 - one parameter an option
    data: Annotated[Path | None, typer.Option("--data", help="Folder of the local services.")] = None,
    simulate: Annotated[
        bool | None,
        typer.Option("--simulate/--no-simulate", help="Make events up; on unless something is imported."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed is another made-up company.")] = 1,
    reps: Annotated[int, typer.Option("--reps", help="Representatives in the made-up company.")] = UP_REPS,
    speed: Annotated[
        float | None,
        typer.Option("--speed", min=0.01, help="Simulate today anew, so many times faster than the clock."),
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, max=256, help="Worker processes.")] = 1,
    imports: Annotated[
        list[str] | None,
        typer.Option("--import", metavar="KIND=FILE[:MAPPING]", help="Import a file; may be given several times."),
    ] = None,
    exit_when_drained: Annotated[
        bool, typer.Option("--exit-when-drained", help="End when everything is processed.")
    ] = False,
    clickhouse_port: Annotated[
        int, typer.Option("--clickhouse-port", min=0, max=65_535, help="Of the local ClickHouse; 0: a free one.")
    ] = 8123,
    boards: Annotated[bool, typer.Option("--boards/--no-boards", help="Serve the boards as a page.")] = True,
    gateway: Annotated[bool, typer.Option("--gateway/--no-gateway", help="Serve the HTTP interface.")] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON lines on stdout: one at the start, one at the end.")
    ] = False,
) -> None:
    """Run services, workers, imports and simulation.

    Kafka, Redis and ClickHouse are started on this machine as far as they are not set (PULSE_KAFKA_URL, …).

    Ends with Ctrl-C, or by itself with --exit-when-drained.
    """
    settings = settings_module.load()
    if data is not None:
        settings = settings.model_copy(update={"data": data})
    jobs = tuple(parse_import_argument(text) for text in imports or ())
    for job in jobs:
        if not job.file.is_file():
            msg = f"{job.file} is no file: mend --import {job.kind}=…"
            raise UsageError(msg)
    wanted = simulate if simulate is not None else not jobs
    simulation = ongoing(seed=seed, reps=reps, speed=speed, now=datetime.now(UTC)) if wanted else None
    options = Options(workers, jobs, exit_when_drained, clickhouse_port, simulation, boards, gateway)
    with StopSignal() as stop, Screen() as screen:
        logs.setup(settings, screen)
        summary = Run(settings, options, stop, screen, _announcer(as_json, screen)).run()
    _print(summary, as_json)


def _announcer(as_json: bool, screen: Screen) -> Callable[[Running], None]:
    def announce(running: Running) -> None:
        rows = describe(running)
        screen.show("")
        if as_json:
            sys.stdout.write(json.dumps(started(running)) + "\n")
        else:
            sys.stdout.write("sfe-pulse is running; Ctrl-C ends it\n")
            sys.stdout.writelines(f"  {name:<11} {text}\n" for name, text in rows)
        sys.stdout.flush()

    return announce


def _print(summary: Summary, as_json: bool) -> None:
    text = json.dumps(summary.as_json(), ensure_ascii=False) if as_json else summary.as_text()
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
