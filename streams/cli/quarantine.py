"""`pulse quarantine`: keys, what was set aside, opening it on record, and releasing what was taken wrongly."""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.console import Console
from rich.table import Table

from schemas.quarantine import QuarantinedEvent
from streams import quarantine
from streams import settings as settings_module
from streams.cli.sql import complaints
from streams.errors import InvalidError, UsageError
from streams.releasing import Outcome, Release, Released
from streams.settings import Settings
from streams.supervisor import reach

#: Characters of an id that lists show and commands accept.
_SHORT_ID = 12
_WIDE = 1_000_000

Data = Annotated[Path | None, typer.Option("--data", help="Folder that a running `pulse up` uses.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Content that was set aside, encrypted (R06).", rich_markup_mode=None)
    group.command("keygen")(keygen)
    group.command("list")(list_)
    group.command("open")(open_)
    group.command("release")(release)
    app.add_typer(group, name="quarantine")


def keygen(
    folder: Annotated[Path, typer.Argument(help="Where the two files go; best a medium of compliance alone.")],
) -> None:
    """Make a pair of keys: the private one stays with compliance, workers get the public one."""
    private, public = quarantine.make_keys(folder)
    sys.stdout.write(
        f"private key: {private} (for compliance alone; without it nothing can be opened)\n"
        f"public key:  {public} (set PULSE_QUARANTINE_KEY_FILE to it, or PULSE_QUARANTINE_KEY to its text)\n"
    )


def list_(as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False, data: Data = None) -> None:
    """List what was set aside, without its content."""
    events = list(quarantine.read(_kafka(reach.running(settings_module.load(), data))))
    if as_json:
        rows = [
            event.model_dump(mode="json", exclude={"sealed"}) | {"kept": event.sealed is not None} for event in events
        ]
        sys.stdout.write(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
        return
    table = Table(box=box.SIMPLE, pad_edge=False)
    for name in ("id", "set aside", "place", "source", "rep", "event", "found in", "content"):
        table.add_column(name)
    for event in events:
        table.add_row(*_cells(event))
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDE)
    console.print(table if events else "nothing was set aside")


def open_(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids as `list` shows them.")],
    private_key: Annotated[Path, typer.Option("--private-key", help="File with the private key.")],
    author: Annotated[str, typer.Option("--author", help="Who opens it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why it is opened, for example the number of the case.")],
    data: Data = None,
) -> None:
    """Show the content of what was set aside. Who opens what and why is written down first."""
    person, why = _named(author, reason, "an opening")
    settings = reach.running(settings_module.load(), data)
    wanted = list(_wanted(ids, list(quarantine.read(_kafka(settings)))))
    contents = [quarantine.opened(event, private_key) for event in wanted]
    with reach.clickhouse(settings, data, writer=True) as client:
        for event in wanted:
            quarantine.record_opening(client, event, person, why, datetime.now(UTC))
    for event, content in zip(wanted, contents, strict=True):
        sys.stdout.write(f"{event.quarantine_id} {event.topic}[{event.partition}]@{event.offset}\n")
        sys.stdout.write(content.decode("utf-8", "backslashreplace") + "\n")


def release(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Ids as `list` shows them.")],
    private_key: Annotated[Path, typer.Option("--private-key", help="File with the private key.")],
    by: Annotated[str, typer.Option("--by", "--author", help="Who releases it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why it had been taken wrongly.")],
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
    data: Data = None,
) -> None:
    """Send what was taken wrongly to its topic again. Only what the guard in force lets through; on record first."""
    person, why = _named(by, reason, "a release")
    settings = reach.running(settings_module.load(), data)
    wanted = list(_wanted(ids, list(quarantine.read(_kafka(settings)))))
    with reach.clickhouse(settings, data, writer=True) as client, complaints():
        outcome = Release(client, settings, person, why, datetime.now(UTC)).run(wanted, private_key)
    _report(outcome, as_json=as_json)


def _report(outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        rows = [one._asdict() for one in outcome.released]
        sys.stdout.write(json.dumps({"released": rows, "refused": outcome.refused}) + "\n")
    else:
        for one in outcome.released:
            sys.stdout.write(f"{one.quarantine_id[:_SHORT_ID]}  sent to {one.topic}; {_of_case(one)}\n")
        for name, why in outcome.refused.items():
            sys.stderr.write(f"{name[:_SHORT_ID]}  {why}\n")
        sys.stdout.write(f"released {len(outcome.released)}, left {len(outcome.refused)}\n")
    if outcome.refused:
        msg = f"{len(outcome.refused)} of them stay in quarantine: the reasons stand above"
        raise InvalidError(msg)


def _of_case(one: Released) -> str:
    if one.case_id is None:
        return "no case tells of it"
    case = one.case_id[:_SHORT_ID]
    return f"case {case} is to be closed as a false alarm" if one.closes else f"case {case} was closed before"


def _named(person: str, reason: str, what: str) -> tuple[str, str]:
    """Who and why, without blanks around."""
    if not person.strip() or not reason.strip():
        msg = f"{what} needs an author and a reason: name both"
        raise UsageError(msg)
    return person.strip(), reason.strip()


def _cells(event: QuarantinedEvent) -> Iterator[str]:
    yield event.quarantine_id[:_SHORT_ID]
    yield event.at.strftime("%Y-%m-%d %H:%M:%S")
    yield f"{event.topic}[{event.partition}]@{event.offset}"
    yield from (one or "" for one in (event.source, event.rep_id, event.event_id))
    yield event.how
    yield "sealed" if event.sealed is not None else "not kept"


def _wanted(ids: list[str], events: list[QuarantinedEvent]) -> Iterator[QuarantinedEvent]:
    for wanted in dict.fromkeys(ids):
        found = [event for event in events if wanted and event.quarantine_id.startswith(wanted.lower())]
        if len(found) != 1:
            what = "nothing in quarantine has" if not found else f"{len(found)} events in quarantine have"
            msg = f"{what} the id {wanted}: `pulse quarantine list` shows them"
            raise UsageError(msg)
        yield found[0]


def _kafka(settings: Settings) -> str:
    if settings.kafka_url is None:
        msg = "no broker is set and no `pulse up` runs: start it, or set PULSE_KAFKA_URL"
        raise UsageError(msg)
    return settings.kafka_url
