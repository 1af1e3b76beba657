"""`pulse simulate`: a made-up company, sent to the services or written to files."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from streams import settings as settings_module
from streams.errors import UsageError
from streams.simulator import files
from streams.simulator.run import LiveRun, Told
from streams.simulator.world import COMPANY_ZONE, DEFAULT_REPS, Plan, Simulation, clock, running_quarter
from streams.supervisor import reach

Report = Callable[[int, int, str | None], None]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("simulate")(simulate)


def simulate(  # noqa: PLR0913, PLR0917 - one parameter an option
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed is another company.")] = 1,
    reps: Annotated[int, typer.Option("--reps", help="Representatives in the company.")] = DEFAULT_REPS,
    start: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="First day; the running quarter's when left out.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last day; until now when left out.")] = None,
    speed: Annotated[
        float | None,
        typer.Option("--speed", min=0.01, help="Go on after that, so many times faster than the clock."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write files to this folder; send nothing.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Folder of a running `pulse up`.")] = None,
    breaches: Annotated[
        int, typer.Option("--breaches", metavar="N", help="Break every compliance rule N times a quarter, labelled.")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="What was done as JSON on stdout.")] = False,
) -> None:
    """Make up a field force. The past as fast as possible, then in step with the clock until Ctrl-C.

    Given --to, it ends there unless --speed is given. The same seed, size and days always give the same events.
    """
    if out is not None and speed is not None:
        msg = "files are written at once: leave --speed or --out out"
        raise UsageError(msg)
    plan = replace(plan_of(start, to, seed=seed, reps=reps, now=datetime.now(UTC)), breaches=breaches)
    with _progress(plan) as report:
        if out is not None:
            done = files.write(Simulation(plan), out, lambda count, at: report(count, at, None))
        else:
            plan = not_ahead(plan, datetime.now(UTC))
            settings = reach.running(settings_module.load(), data)
            live = LiveRun(plan, settings, _teller(report), speed=1.0 if to is None and speed is None else speed)
            done = _until_interrupted(live)
    where = f"written to {out}" if out is not None else "sent"
    sys.stdout.write(json.dumps(done) + "\n" if as_json else _described(done, where))


def plan_of(start: str | None, to: str | None, *, seed: int, reps: int, now: datetime) -> Plan:
    """The plan somebody means: from the running quarter's first day until now, unless days are named.

    Raises:
        UsageError: a day is not understood, or the days and the size do not go together.
    """
    end = now if to is None else _midnight(_day(to, "--to") + timedelta(days=1))
    first = running_quarter(min(now, end - timedelta(seconds=1))) if start is None else _day(start, "--from")
    return Plan(first, end, seed, reps)


def not_ahead(plan: Plan, now: datetime) -> Plan:
    """The plan, ending now when it would end later today: the engine refuses events of the future.

    Raises:
        UsageError: it ends on a later day.
    """
    if plan.last_day > now.astimezone(COMPANY_ZONE).date():
        msg = f"{plan.last_day} lies ahead, and events of the future are refused: leave --to out, or add --out"
        raise UsageError(msg)
    return replace(plan, end=min(plan.end, now))


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        msg = f"{option} {text!r} is no day: write it like 2026-10-01"
        raise UsageError(msg) from None


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=COMPANY_ZONE)


def _until_interrupted(live: LiveRun) -> Counter[str]:
    try:
        return live.run().sent
    except KeyboardInterrupt:
        if not live.told.is_live:
            raise
        return live.told.sent


def _described(done: Counter[str], where: str) -> str:
    return f"{', '.join(f'{count:,} {kind}' for kind, count in sorted(done.items()))} {where}\n"


def _teller(report: Report) -> Callable[[Told], None]:
    return lambda told: report(told.sent.total(), told.at, told.note)


@contextmanager
def _progress(plan: Plan) -> Iterator[Report]:
    if not sys.stderr.isatty():
        yield _notes()
        return
    begin, end = clock(_midnight(plan.start)), clock(plan.end)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("simulating", total=max(1, end - begin))

        def report(count: int, at: int, note: str | None) -> None:
            description = note or f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} {count:,} events"
            bar.update(task, description=description, completed=min(at, end) - begin)

        yield report


def _notes() -> Report:
    """Without a terminal only what is waited for is said, once."""
    told: str | None = None

    def report(_count: int, _at: int, note: str | None) -> None:
        nonlocal told
        if note and note != told:
            sys.stderr.write(f"{note}\n")
            sys.stderr.flush()
        told = note

    return report
