"""`pulse policy submit|approve|reject compliance`, and what `diff` and `history` say of the rules of compliance."""

import json
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.progress.calendar import CompanyTime
from streams import compliance_policy, policies, references, rule_books, rule_diffs, rule_lifecycle, rule_log
from streams import settings as settings_module
from streams.errors import UnavailableError, UsageError
from streams.rule_changes import Bundle, Change
from streams.rule_diffs import ListChange, RuleChanges
from streams.settings import Settings
from streams.supervisor import reach

_SHORT_HASH = 12
_WIDE = 1_000_000
_MOST_CHARACTERS = 200

Data = Annotated[Path | None, typer.Option("--data", help="Folder that `pulse up` used.")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]
Folder = Annotated[Path | None, typer.Option("--policies", help="Folder of the texts; PULSE_POLICIES when left out.")]
Author = Annotated[str | None, typer.Option("--author", help="Who does it; you when left out.")]
Remark = Annotated[str, typer.Option("--remark", help="What is to be remembered.")]


class Which(StrEnum):
    """Policies that one person submits and another approves."""

    COMPLIANCE = "compliance"


Reviewed = Annotated[Which, typer.Argument(help="Which policy.")]
Number = Annotated[int, typer.Argument(metavar="VERSION", min=1, help="Number that `submit` gave it.")]


def register(group: typer.Typer) -> None:
    """Add the commands."""
    for command in (submit, approve, reject):
        group.command()(command)


def submit(
    which: Reviewed,
    author: Author = None,
    remark: Remark = "",
    folder: Folder = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Submit the rules of the folder. Everything is checked, their own tests too; somebody else then approves them."""
    settings = reach.announced(settings_module.load(), data)
    place, time = folder or settings.policies, CompanyTime(settings.time_zone)
    with reach.clickhouse(settings, data, writer=True) as client:
        change = rule_lifecycle.submit(client, place, time, author or policies.login(), remark)
    say(
        change,
        f"submitted version {change.name} with {counted(len(change.rules), 'rule')}, hash {change.hash}; "
        f"now somebody else: pulse policy approve compliance {change.name} --author NAME",
        as_json=as_json,
    )


def approve(
    which: Reviewed,
    version: Number,
    author: Author = None,
    remark: Remark = "",
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Put a submitted version into force. Whoever submitted it cannot; running workers adopt it within seconds."""
    settings = reach.announced(settings_module.load(), data)
    time = CompanyTime(settings.time_zone)
    with reach.clickhouse(settings, data, writer=True) as client:
        change = rule_lifecycle.approve(client, version, time, author or policies.login(), remark)
    announce(settings, change)
    say(change, f"version {version} is in force", as_json=as_json)


def reject(
    which: Reviewed,
    version: Number,
    remark: Annotated[str, typer.Option("--remark", help="Why.")],
    author: Author = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Turn a submitted version down. The remark says why, for whoever wrote it."""
    settings = reach.announced(settings_module.load(), data)
    with reach.clickhouse(settings, data, writer=True) as client:
        change = rule_lifecycle.reject(client, version, author or policies.login(), remark)
    say(change, f"version {version} is rejected", as_json=as_json)


def diff(folder: Path | None, data: Path | None, *, as_json: bool) -> None:
    """Say what the rules of a folder change against what is in force.

    Raises:
        PolicyError: the rules are wrong.
        UsageError: there are none, or those in force cannot be read.
    """
    settings = settings_module.load()
    place = folder or settings.policies
    texts = compliance_policy.read_texts(place)
    with reach.clickhouse(settings, data, writer=False) as client:
        now = rule_books.read(client)
    changes = rule_diffs.compare(now, texts, f"{place / compliance_policy.FOLDER}/", CompanyTime(settings.time_zone))
    if as_json:
        sys.stdout.write(_json({"in_force": now.state.in_force} | _as_json(changes)))
        return
    sys.stdout.writelines(f"{line}\n" for line in _lines(changes))
    waiting = now.state.open
    told = f"; version {waiting.number} waits to be approved and would be superseded" if waiting else ""
    if not now.state.in_force:
        sys.stdout.write(f"nothing is in force yet{told}\n")
    elif changes:
        sys.stdout.write(f"approving it replaces version {now.state.in_force}{told}\n")
    else:
        sys.stdout.write(f"version {now.state.in_force}, in force, says the same{told}\n")


def _lines(changes: RuleChanges) -> Iterator[str]:
    yield from (f"+ {name}" for name in changes.added)
    yield from (f"- {name}" for name in changes.removed)
    for name, fields in changes.changed.items():
        yield f"~ {name}"
        for change in fields:
            if change.field == "tests":
                yield f"    tests: {len(change.old or ())} → {len(change.new or ())}"
            else:
                yield f"    {change.field}: {_value(change.old)} → {_value(change.new)}"
    yield from map(_list_line, changes.lists)


def _list_line(one: ListChange) -> str:
    if one.is_gone:
        return f"- list {one.name} ({counted(len(one.removed), 'value')})"
    if one.is_new:
        return f"+ list {one.name} ({counted(len(one.added), 'value')})"
    ends = f"; {counted(one.edits, 'edit')} made since would count no longer" if one.edits else ""
    return f"~ list {one.name}: {len(one.added)} added, {len(one.removed)} removed{ends}"


def _value(value: Any) -> str:
    text = "(none)" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"


def _as_json(changes: RuleChanges) -> dict[str, Any]:
    return {
        "added": changes.added,
        "removed": changes.removed,
        "changed": {
            name: {change.field: {"old": change.old, "new": change.new} for change in fields}
            for name, fields in changes.changed.items()
        },
        "lists": [one._asdict() for one in changes.lists],
    }


def history(show: int | None, data: Path | None, *, as_json: bool) -> None:
    """List every submitted version, newest first, or print the files of one.

    Raises:
        UsageError: there is no such version.
    """
    with reach.clickhouse(settings_module.load(), data, writer=False) as client:
        bundles = rule_log.state(client).bundles
        if show is not None and show not in bundles:
            msg = f"there is no version {show}: `pulse policy history compliance` lists them"
            raise UsageError(msg)
        files = {} if show is None else rule_log.files_of(client, bundles[show].submitted)
    newest_first = list(bundles.values())[::-1]
    if show is not None and as_json:
        sys.stdout.write(_json(_summary(bundles[show]) | {"files": files}))
    elif show is not None:
        for name, text in files.items():
            sys.stdout.buffer.write(f"# ---- {compliance_policy.FOLDER}/{name}\n{text}".encode())
    elif as_json:
        sys.stdout.write(_json([_summary(bundle) for bundle in newest_first]))
    elif bundles:
        print_table(
            ("version", "state", "submitted (UTC)", "by", "decided (UTC)", "by", "rules", "remark", "hash"),
            map(_row, newest_first),
        )
    else:
        sys.stdout.write("nothing is submitted yet\n")


def _row(bundle: Bundle) -> tuple[str, ...]:
    submitted, decided = bundle.submitted, bundle.decided if bundle.status != "superseded" else None
    remarks = [change.remark for change in (submitted, decided) if change is not None and change.remark]
    return (
        str(bundle.number),
        _state(bundle),
        f"{submitted.at:%Y-%m-%d %H:%M:%S}",
        submitted.author,
        f"{decided.at:%Y-%m-%d %H:%M:%S}" if decided else "",
        decided.author if decided else "",
        str(len(submitted.rules)),
        "; ".join(remarks),
        submitted.hash[:_SHORT_HASH],
    )


def _state(bundle: Bundle) -> str:
    if bundle.status == "superseded" and bundle.decided is not None:
        return f"superseded by {bundle.decided.name}"
    return bundle.status


def _summary(bundle: Bundle) -> dict[str, Any]:
    return {
        "version": bundle.number,
        "state": bundle.status,
        "hash": bundle.submitted.hash,
        "rules": bundle.submitted.rules,
        "submitted": _step(bundle.submitted),
        "decided": None if bundle.decided is None else _step(bundle.decided),
    }


def _step(change: Change) -> dict[str, Any]:
    return {"kind": change.kind, "at": change.at.isoformat(), "author": change.author, "remark": change.remark}


# ------------------------------------------------------------- what the other commands on rules say alike


def announce(settings: Settings, change: Change) -> None:
    """Tell the workers; one that is not told looks by itself every few seconds."""
    if settings.redis_url is None:
        return
    try:
        references.announce(settings.redis_url, settings.group, change.version)
    except UnavailableError as error:
        sys.stderr.write(f"not announced, workers find it by themselves within seconds: {error}\n")


def say(change: Change, text: str, *, as_json: bool) -> None:
    """What was done, for a person or a script."""
    if as_json:
        about = {"change": change.version, "name": change.name, "hash": change.hash} | dict(change.detail)
        sys.stdout.write(_json(_step(change) | about))
    else:
        sys.stdout.write(f"{text}\n")


def print_table(names: tuple[str, ...], rows: Any, numbers: frozenset[str] = frozenset({"version", "rules"})) -> None:
    """A table of texts."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in names:
        table.add_column(name, justify="right" if name in numbers else "left")
    for row in rows:
        table.add_row(*map(Text, row))
    width = None if sys.stdout.isatty() else _WIDE
    Console(file=sys.stdout, width=width, highlight=False).print(table)


def counted(count: int, what: str) -> str:
    """A number of things.

    >>> counted(1, "rule"), counted(2, "rule")
    ('1 rule', '2 rules')
    """
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"
