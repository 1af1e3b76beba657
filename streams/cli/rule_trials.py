"""`pulse policy trial`: rules judged on live traffic without effect, beside those in force."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from agents.progress.calendar import CompanyTime
from streams import policies, rule_log, rule_trials
from streams import settings as settings_module
from streams.cli.rule_steps import AsJson, Author, Data, Remark, announce, counted, print_table, say
from streams.rule_changes import Trial
from streams.rule_trials import Compared
from streams.supervisor import reach

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the trial.")]
_EVERYWHERE = "(all)"


def register(group: typer.Typer) -> None:
    """Add the commands."""
    trials = typer.Typer(help="Try rules on live traffic without effect.", rich_markup_mode=None)
    for name, command in (("start", start), ("stop", stop), ("list", list_them), ("compare", compare)):
        trials.command(name)(command)
    group.add_typer(trials, name="trial")


def start(
    name: Name,
    source: Annotated[Path, typer.Option("--from", metavar="FOLDER|FILE", help="All rules, or a file with some.")],
    author: Author = None,
    remark: Remark = "",
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Try rules on live traffic. What they hit is written down beside the rules in force, and raises no alert."""
    settings = reach.announced(settings_module.load(), data)
    time = CompanyTime(settings.time_zone)
    with reach.clickhouse(settings, data, writer=True) as client:
        change = rule_trials.start(client, name, source, time, author or policies.login(), remark)
    announce(settings, change)
    say(change, f"{name} is on trial with {counted(len(change.rules), 'rule')}", as_json=as_json)


def stop(name: Name, author: Author = None, remark: Remark = "", as_json: AsJson = False, data: Data = None) -> None:
    """End a trial. What it hit is kept and can still be compared."""
    settings = reach.announced(settings_module.load(), data)
    with reach.clickhouse(settings, data, writer=True) as client:
        change = rule_trials.stop(client, name, author or policies.login(), remark)
    announce(settings, change)
    say(change, f"{name} is no longer on trial", as_json=as_json)


def list_them(as_json: AsJson = False, data: Data = None) -> None:
    """List the trials, those that are over too."""
    with reach.clickhouse(settings_module.load(), data, writer=False) as client:
        trials = rule_log.state(client).trials
    if as_json:
        found = [_as_json(name, trial) for name, trial in trials.items()]
        sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    elif trials:
        names = ("trial", "started (UTC)", "by", "stopped (UTC)", "by", "rules", "remark")
        print_table(names, (_row(name, trial) for name, trial in trials.items()))
    else:
        sys.stdout.write("nothing was on trial yet\n")


def _row(name: str, trial: Trial) -> tuple[str, ...]:
    started, stopped = trial
    ended = (f"{stopped.at:%Y-%m-%d %H:%M:%S}", stopped.author) if stopped else ("", "")
    return (name, f"{started.at:%Y-%m-%d %H:%M:%S}", started.author, *ended, str(len(started.rules)), started.remark)


def _as_json(name: str, trial: Trial) -> dict[str, Any]:
    started, stopped = trial
    return {
        "trial": name,
        "started_at": started.at.isoformat(),
        "author": started.author,
        "rules": started.rules,
        "hash": started.hash,
        "stopped_at": stopped.at.isoformat() if stopped else None,
        "remark": started.remark,
    }


def compare(
    name: Name,
    show: Annotated[bool, typer.Option("--samples/--no-samples", help="With events only one of the two hit.")] = True,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Compare the hits of a trial with those of the rules in force, per rule and region."""
    with reach.clickhouse(settings_module.load(), data, writer=False) as client:
        compared = rule_trials.compare(client, name)
        found = list(_samples(client, name, compared)) if show else []
    if as_json:
        content = {"trial": name, "rules": [one._asdict() for one in compared], "samples": [asdict(s) for s in found]}
        sys.stdout.write(json.dumps(content, ensure_ascii=False, indent=1, default=str) + "\n")
    elif compared:
        names = ("rule", "region", "both", "only in force", "only on trial")
        print_table(names, _rows(compared), frozenset(names[2:]))
        sys.stdout.writelines(f"{line}\n" for one in found for line in one.lines())
    else:
        sys.stdout.write(f"neither {name} nor the same rules in force have hit anything since it began\n")


def _rows(compared: Iterable[Compared]) -> Iterator[tuple[str, ...]]:
    by_rule: dict[str, list[Compared]] = {}
    for one in compared:
        by_rule.setdefault(one.rule_id, []).append(one)
    for rule_id, of_rule in by_rule.items():
        sums = (sum(numbers) for numbers in zip(*(one[2:] for one in of_rule), strict=True))
        yield rule_id, _EVERYWHERE, *map(str, sums)
        if len(of_rule) > 1 or of_rule[0].region_id:
            yield from (("", one.region_id or "(none)", *map(str, one[2:])) for one in of_rule)


@dataclass(frozen=True)
class _Samples:
    """Events of a rule that only one of the two hit."""

    rule_id: str
    hit_by: str
    events: list[dict[str, Any]]

    def lines(self) -> Iterator[str]:
        """As a person reads them."""
        yield f"{self.rule_id}, {'only in force' if self.hit_by == 'only_live' else 'only on trial'}, the newest:"
        for event in self.events:
            sentence = f": {event['message_en']}" if event["message_en"] else ""
            about = f"{event['subject_kind']} {event['subject_id']}"
            yield f"  {event['occurred_on']} {event['event_kind']} {event['event_id']}, {about}{sentence}"


def _samples(client: Any, name: str, compared: Iterable[Compared]) -> Iterator[_Samples]:
    for rule_id in dict.fromkeys(one.rule_id for one in compared):
        for hit_by in ("only_live", "only_trial"):
            events = [dict(event) for event in rule_trials.samples(client, name, rule_id, hit_by)]
            if events:
                yield _Samples(rule_id, hit_by, events)
