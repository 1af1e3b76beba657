"""`pulse policy list`: named lists that rules look into, edited without a new version of the rules."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from streams import policies, rule_books, rule_lists
from streams import settings as settings_module
from streams.cli.rule_steps import AsJson, Author, Data, announce, counted, print_table, say
from streams.errors import UsageError
from streams.rule_changes import Change
from streams.rule_lists import Edit, values_in
from streams.supervisor import reach

Values = Annotated[list[str] | None, typer.Argument(metavar="[VALUE]...", help="Values.")]
File = Annotated[Path | None, typer.Option("--file", help="A file with one value in every line.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with the edit.")]
Which = Annotated[str, typer.Argument(metavar="LIST", help="Name of the list.")]


def register(group: typer.Typer) -> None:
    """Add the commands."""
    lists = typer.Typer(help="Show and edit the named lists that rules look into.", rich_markup_mode=None)
    for command in (show, add, remove):
        lists.command()(command)
    group.add_typer(lists, name="list")


def show(
    name: Annotated[str | None, typer.Argument(metavar="[LIST]", help="Name of one; all when left out.")] = None,
    history: Annotated[bool, typer.Option("--history", help="Who edited it, when and why, instead.")] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Print the values of a list, or how many every list has."""
    with reach.clickhouse(settings_module.load(), data, writer=False) as client:
        texts = rule_books.read(client)
    lists, edits = texts.lists, texts.state.edits
    if name is not None and name not in lists:
        msg = f"there is no list {name} in force: there is {', '.join(lists) or 'none'}"
        raise UsageError(msg)
    if history:
        _print_edits([edit for one in edits if name in {None, one} for edit in edits[one]], as_json=as_json)
    elif as_json:
        found = {one: list(values.values()) for one, values in lists.items() if name in {None, one}}
        sys.stdout.write(json.dumps(found, ensure_ascii=False, indent=1) + "\n")
    elif name is not None:
        sys.stdout.writelines(f"{value}\n" for value in lists[name].values())
    else:
        rows = ((one, str(len(values)), str(len(edits.get(one, ())))) for one, values in lists.items())
        print_table(("list", "values", "edits"), rows, frozenset({"values", "edits"}))


def add(
    name: Which,
    reason: Reason,
    values: Values = None,
    file: File = None,
    author: Author = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Add values to a list. They count for every event that is judged from now on."""
    _edit("added", name, _given(values, file), author, reason, data, as_json=as_json)


def remove(
    name: Which,
    reason: Reason,
    values: Values = None,
    file: File = None,
    author: Author = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Remove values from a list. They count for no event that is judged from now on."""
    _edit("removed", name, _given(values, file), author, reason, data, as_json=as_json)


def _given(values: list[str] | None, file: Path | None) -> list[str]:
    found = [*(values or ()), *(values_in(file) if file is not None else ())]
    if not found:
        msg = "no value is given: write them after the name of the list, or name a file with --file"
        raise UsageError(msg)
    return found


def _edit(
    what: str, name: str, values: list[str], author: str | None, reason: str, data: Path | None, *, as_json: bool
) -> None:
    if not reason.strip():
        msg = "an edit needs a reason, for whoever asks later: say why with --reason"
        raise UsageError(msg)
    settings = reach.announced(settings_module.load(), data)
    edit = rule_lists.add if what == "added" else rule_lists.remove
    with reach.clickhouse(settings, data, writer=True) as client:
        done = edit(client, name, values, author or policies.login(), reason)
    if done.change is not None:
        announce(settings, done.change)
        say(done.change, _told(what, name, done.change, done), as_json=as_json)
    else:
        sys.stdout.write("{}\n" if as_json else f"{name} has all of them already: nothing is changed\n")


def _told(what: str, name: str, change: Change, done: Edit) -> str:
    number = len(change.detail.get("add", change.detail.get("remove", ())))
    there = f", {done.skipped} were there" if done.skipped else ""
    return f"{what} {counted(number, 'value')}{there}: {name} has {done.values:,} (change {change.version})"


def _print_edits(edits: list[Change], *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps([_as_json(one) for one in edits], ensure_ascii=False, indent=1) + "\n")
        return
    rows = ((str(e.version), e.name, _signed(e), f"{e.at:%Y-%m-%d %H:%M:%S}", e.author, e.remark) for e in edits)
    print_table(("version", "list", "values", "at (UTC)", "author", "reason"), rows)


def _signed(edit: Change) -> str:
    added, removed = edit.detail.get("add", ()), edit.detail.get("remove", ())
    return ", ".join([*(f"+{value}" for value in added), *(f"-{value}" for value in removed)])


def _as_json(edit: Change) -> dict[str, Any]:
    about = {"change": edit.version, "list": edit.name, "at": edit.at.isoformat()}
    return about | {"author": edit.author, "reason": edit.remark} | dict(edit.detail)
