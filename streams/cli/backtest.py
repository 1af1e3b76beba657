"""`pulse policy backtest`: the rules in force and drafts, held against stored history."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from agents.progress.calendar import CompanyTime
from streams import backtest_run
from streams import settings as settings_module
from streams.backtest import Count, Outcome, Sample
from streams.cli.rule_snoozes import day_of
from streams.cli.rule_steps import AsJson, Data, counted, print_table
from streams.supervisor import reach

_EVERYWHERE = "(all)"


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command("backtest")(backtest)


def backtest(
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="First company day: 2026-01-01.")],
    last: Annotated[str, typer.Option("--to", metavar="DAY", help="Last company day.")],
    against: Annotated[
        list[Path] | None,
        typer.Option(
            "--against",
            metavar="FILE|FOLDER",
            help="Draft: a file with some rules, or a folder with all. May be given several times.",
        ),
    ] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Hold the rules in force and drafts against stored history.

    Every event is judged by the code that judges it live, in the order of time. Nothing is written and no alert is
    raised. A draft shows the hits it gains and loses, per rule and region, with up to five events of each.
    """
    settings = settings_module.load()
    days = day_of(first, "--from"), day_of(last, "--to")
    time = CompanyTime(settings.time_zone)
    with reach.clickhouse(settings, data, writer=False) as client, _progress() as report:
        tested = backtest_run.run(client, time, *days, against or (), report=report)
    if as_json:
        outcomes = [_as_json(outcome, is_draft=bool(against)) for outcome in tested.outcomes.values()]
        content = {"from": str(days[0]), "to": str(days[1]), "events": tested.events}
        sys.stdout.write(json.dumps(content | {"outcomes": outcomes}, ensure_ascii=False, indent=1) + "\n")
        return
    for outcome in tested.outcomes.values():
        _print(outcome, is_draft=bool(against))
    sys.stdout.write(f"{counted(tested.events, 'event')} read, those before {days[0]} for the past alone\n")


def _print(outcome: Outcome, *, is_draft: bool) -> None:
    sys.stdout.write(f"draft {outcome.name} beside the rules in force\n" if is_draft else "the rules in force\n")
    names = ("rule", "region", "in force", "draft", "gained", "lost") if is_draft else ("rule", "region", "in force")
    rows = [row[: len(names)] for row in _rows(outcome)]
    if not rows:
        sys.stdout.write("nothing is hit\n\n")
        return
    print_table(names, rows, frozenset(names[2:]))
    for (rule_id, which), samples in sorted(outcome.samples.items()):
        sys.stdout.write(f"{rule_id}, {which}:\n")
        sys.stdout.writelines(f"{_line(sample)}\n" for sample in samples)
    for rule_id, number in sorted(outcome.not_applicable.items()):
        sys.stdout.write(f"{rule_id} could not be applied to {counted(number, 'event')}: something was missing\n")
    sys.stdout.write("\n")


def _rows(outcome: Outcome) -> Iterator[tuple[str, ...]]:
    for rule_id in sorted(outcome.regions):
        yield rule_id, _EVERYWHERE, *_numbers(outcome.total(rule_id))
        regions = outcome.regions[rule_id]
        for region in sorted(regions):
            if region or len(regions) > 1:
                yield "", region or "(none)", *_numbers(regions[region])


def _numbers(count: Count) -> tuple[str, ...]:
    return tuple(str(number) for number in (count.in_force, count.draft, count.gained, count.lost))


def _line(sample: Sample) -> str:
    about = f"{sample.event_kind} {sample.event_id} of {sample.rep_id}, {sample.subject_kind} {sample.subject_id}"
    return f"  {sample.day} {about}: {sample.sentences.get('en', '')}"


def _as_json(outcome: Outcome, *, is_draft: bool) -> dict[str, Any]:
    samples: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for (rule_id, which), found in outcome.samples.items():
        samples.setdefault(rule_id, {})[which] = [one._asdict() | {"day": str(one.day)} for one in found]
    rules = [
        {
            "rule": rule_id,
            "all": asdict(outcome.total(rule_id)),
            "regions": {region: asdict(count) for region, count in sorted(outcome.regions[rule_id].items())},
            "samples": samples.get(rule_id, {}),
        }
        for rule_id in sorted(outcome.regions)
    ]
    name = {"draft": outcome.name} if is_draft else {}
    return name | {"rules": rules, "not_applicable": dict(sorted(outcome.not_applicable.items()))}


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr; nothing where that is no terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _total: None
        return
    columns = (TextColumn("judging"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("judging", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
