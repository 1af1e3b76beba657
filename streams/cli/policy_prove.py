"""`pulse policy prove`: the rules on a simulated company with planted breaches, held against the labels."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from agents.progress.calendar import CompanyTime
from streams import compliance_policy
from streams import settings as settings_module
from streams.compliance_proof import Proof, prove, text_of
from streams.errors import InvalidError
from streams.simulator.company import SMALLEST
from streams.simulator.world import COMPANY_ZONE, Plan

#: One quarter, always the same, so that the table is.
START, END = date(2026, 7, 1), datetime(2026, 10, 1, tzinfo=COMPANY_ZONE)
#: Events of a representative in a quarter, a little less than there are.
_EVENTS_A_REP = 1_000
_REPS_A_ROUND = 20
_SHOWN = 20


def prove_rules(
    events: Annotated[int, typer.Option("--events", min=1, help="At least so many events of one quarter.")] = 200_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another seed is another company.")] = 1,
    out: Annotated[Path | None, typer.Option("--out", help="Write the table to this Markdown file.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--policies", help="Folder of the texts; PULSE_POLICIES when left out.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Prove the rules on a quarter with planted breaches.

    Rule by rule: planted, found, missed, false.
    """
    settings = settings_module.load()
    time = CompanyTime(settings.time_zone)
    pack = compliance_policy.load(folder or settings.policies, time)
    plan = plan_of(events, seed)
    with _progress(events) as tell:
        proof = prove(plan, pack, time, tell)
    if out is not None:
        out.write_text(text_of(proof, plan), encoding="utf-8")
    sys.stdout.write(_json(proof) if as_json else text_of(proof, plan))
    if not proof.holds:
        for what, found in proof.wrong[:_SHOWN]:
            sys.stderr.write(f"{what}: {' '.join(found)}\n")
        msg = f"{len(proof.wrong)} hits are not as planted: mend the rule, or the scene in streams/simulator"
        raise InvalidError(msg)


def plan_of(events: int, seed: int) -> Plan:
    """A quarter with at least so many events."""
    reps = max(SMALLEST, -(-events // _EVENTS_A_REP))
    return Plan(START, END, seed, reps, max(1, min(reps // _REPS_A_ROUND, 20)))


def _json(proof: Proof) -> str:
    lines = [{**line._asdict(), "recall": line.recall, "precision": line.precision} for line in proof.lines]
    return json.dumps({"events": proof.events, "holds": proof.holds, "rules": lines}, indent=2) + "\n"


@contextmanager
def _progress(events: int) -> Iterator[Callable[[int], None]]:
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    columns = (TextColumn("judging"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("judging", total=events)
        yield lambda done: bar.update(task, completed=min(done, events))
