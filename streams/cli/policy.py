"""`pulse policy`: check the policy of KPIs or of lights, compare it with what is published, publish it, look back."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams import light_policy, policies, references
from streams import settings as settings_module
from streams.cli import (
    compliance,
    delivery,
    policy_prove,
    rule_lists,
    rule_snoozes,
    rule_steps,
    rule_trials,
)
from streams.errors import InvalidError, UnavailableError, UsageError
from streams.policies import Mistake, PolicyError, Version
from streams.policy_changes import Change, Changes, compare, compare_lights
from streams.settings import Settings
from streams.supervisor import reach

_SHORT_HASH = 12
_WIDE = 1_000_000

Data = Annotated[Path | None, typer.Option("--data", help="Folder that `pulse up` used.")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]
Folder = Annotated[Path | None, typer.Option("--policies", help="Folder of the texts; PULSE_POLICIES when left out.")]


class Name(StrEnum):
    """Policies there are."""

    KPIS = policies.KPIS
    LIGHTS = policies.LIGHTS


Which = Annotated[Name, typer.Argument(help="Which policy.")]


class Stored(StrEnum):
    """Policies with versions in ClickHouse."""

    KPIS = policies.KPIS
    LIGHTS = policies.LIGHTS
    COMPLIANCE = "compliance"


class Checked(StrEnum):
    """Policies that can be checked; compliance is submitted and approved, delivery is read from its file."""

    KPIS = policies.KPIS
    LIGHTS = policies.LIGHTS
    COMPLIANCE = "compliance"
    DELIVERY = "delivery"


OfStored = Annotated[Stored, typer.Argument(metavar="[kpis|lights|compliance]", help="Which policy.")]


@dataclass(frozen=True)
class Kind:
    """What differs between the policies."""

    file: str
    title: str
    parse: Callable[[str, str], Any]
    compare: Callable[[Any, Any], Changes]


KINDS = {
    Name.KPIS: Kind(policies.KPI_FILE, "KPI policy", policies.parse, compare),
    Name.LIGHTS: Kind(policies.LIGHT_FILE, "light policy", policies.parse_lights, compare_lights),
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Check, compare, publish and test policies.", rich_markup_mode=None)
    for command in (check, diff, publish, history):
        group.command()(command)
    group.command("test")(compliance.try_rules)
    group.command("prove")(policy_prove.prove_rules)
    for part in (rule_steps, rule_lists, rule_snoozes, rule_trials):
        part.register(group)
    app.add_typer(group, name="policy")


def check(
    checked: Annotated[
        Checked, typer.Argument(metavar="[kpis|lights|compliance|delivery]", help="Which policy.")
    ] = Checked.KPIS,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Say every mistake in the policy, with file, line and column."""
    if checked is Checked.COMPLIANCE:
        compliance.check(folder or settings_module.load().policies, as_json=as_json)
        return
    if checked is Checked.DELIVERY:
        delivery.check(folder or settings_module.load().policies, as_json=as_json)
        return
    name = Name(checked)
    kind = KINDS[name]
    path = (folder or settings_module.load().policies) / kind.file
    text = policies.read(path.parent, kind.file)
    mistakes: tuple[Mistake, ...] = ()
    kpis = 0
    try:
        kpis = len(_parsed(name, text, path).kpis)
    except PolicyError as error:
        mistakes = error.mistakes
    if as_json:
        sys.stdout.write(_json({"file": str(path), "kpis": kpis, "mistakes": [asdict(item) for item in mistakes]}))
    else:
        sys.stdout.writelines(f"{mistake}\n" for mistake in mistakes)
    if mistakes:
        msg = f"{path} has {_counted(len(mistakes), 'mistake')}: mend what is listed and check again"
        raise InvalidError(msg)
    if not as_json:
        own = " with own rules" if name is Name.LIGHTS else ""
        sys.stdout.write(f"{path} is right: {_counted(kpis, 'KPI')}{own}\n")


def diff(which: OfStored = Stored.KPIS, folder: Folder = None, as_json: AsJson = False, data: Data = None) -> None:
    """Compare the policy with what is published, field by field."""
    if which is Stored.COMPLIANCE:
        rule_steps.diff(folder, data, as_json=as_json)
        return
    name = Name(which)
    settings = settings_module.load()
    text, policy = _read(name, settings, folder)
    with reach.clickhouse(settings, data, writer=False) as client:
        newest = policies.newest(client, name)
    changes = KINDS[name].compare(_content(name, newest), policy)
    same = newest is not None and newest.hash == policies.digest_of(text)
    if as_json:
        sys.stdout.write(_json({"published": newest.version if newest else 0, "same": same} | _as_json(changes)))
    else:
        sys.stdout.writelines(f"{line}\n" for line in _lines(changes))
        sys.stdout.write(f"{_verdict(name, newest, changes, same=same)}\n")


def publish(
    name: Which = Name.KPIS,
    author: Annotated[str | None, typer.Option("--author", help="Who publishes; you when left out.")] = None,
    effective_from: Annotated[
        str | None,
        typer.Option("--effective-from", help="Moment it applies from, for the record: 2024-04-01[T09:00]. Not ahead."),
    ] = None,
    folder: Folder = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Publish the policy, when it differs. Running workers adopt it within about a second.

    Figures of the whole past are computed anew with other KPIs, whatever --effective-from says; lights are judged anew.
    """
    settings = reach.announced(settings_module.load(), data)
    text, _policy = _read(name, settings, folder)
    moment = None if effective_from is None else moment_of(effective_from, ZoneInfo(settings.time_zone))
    with reach.clickhouse(settings, data, writer=True) as client:
        before = policies.newest_version(client, name)
        version = policies.publish(client, text, policy=name, author=author, effective_from=moment)
    is_new = version != before
    is_announced = is_new and _announce(settings, version)
    digest = policies.digest_of(text)
    if as_json:
        sys.stdout.write(_json({"version": version, "hash": digest, "new": is_new, "announced": is_announced}))
    else:
        what = f"published version {version}" if is_new else f"version {version} is this text already"
        sys.stdout.write(f"{what}, hash {digest}\n")


def history(
    which: OfStored = Stored.KPIS,
    show: Annotated[int | None, typer.Option("--show", metavar="VERSION", help="Print the text of this one.")] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """List the published versions. Newest first; or print the text of one."""
    if which is Stored.COMPLIANCE:
        rule_steps.history(show, data, as_json=as_json)
        return
    name = Name(which)
    with reach.clickhouse(settings_module.load(), data, writer=False) as client:
        found = policies.history(client, name)
    if show is not None:
        _show(found, show, as_json=as_json)
    elif as_json:
        sys.stdout.write(_json([_summary(version) for version in found]))
    elif found:
        _print_table(found)
    else:
        sys.stdout.write("nothing is published yet\n")


def moment_of(text: str, zone: ZoneInfo) -> datetime:
    """A moment as a person writes it; without an offset it is company time.

    Raises:
        UsageError: it is none.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        msg = f"{text!r} is no moment: write 2024-04-01 or 2024-04-01T09:00+08:00"
        raise UsageError(msg) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)


def _read(name: Name, settings: Settings, folder: Path | None) -> tuple[str, Any]:
    path = (folder or settings.policies) / KINDS[name].file
    text = policies.read(path.parent, path.name)
    return text, _parsed(name, text, path)


def _parsed(name: Name, text: str, path: Path) -> Any:
    return light_policy.check(text, path) if name is Name.LIGHTS else policies.parse(text, str(path))


def _content(name: Name, version: Version | None) -> Any:
    kind = KINDS[name]
    return None if version is None else kind.parse(version.text, f"published {kind.title} {version.version}")


def _announce(settings: Settings, version: int) -> bool:
    """Tell the workers; one that is not told looks by itself every few seconds."""
    if settings.redis_url is None:
        return False
    try:
        references.announce(settings.redis_url, settings.group, version)
    except UnavailableError as error:
        sys.stderr.write(f"not announced, workers find it by themselves within seconds: {error}\n")
        return False
    return True


def _lines(changes: Changes) -> list[str]:
    lines = [f"+ {name}" for name in changes.added] + [f"- {name}" for name in changes.removed]
    for name, fields in changes.changed.items():
        lines += [f"~ {name}", *(f"    {_field(change)}" for change in fields)]
    return lines


def _field(change: Change) -> str:
    return f"{change.field}: {_value(change.old)} → {_value(change.new)}"


def _value(value: Any) -> str:
    return "(none)" if value is None else json.dumps(value, ensure_ascii=False)


def _verdict(name: Name, newest: Version | None, changes: Changes, *, same: bool) -> str:
    if newest is None:
        command = "pulse policy publish" if name is Name.KPIS else f"pulse policy publish {name}"
        return f"nothing is published yet: `{command}` makes this version 1"
    if same:
        return f"version {newest.version} is this text"
    if name is Name.LIGHTS:
        return f"publishing replaces version {newest.version}: every light is judged anew, no figure is"
    if changes.computed_anew:
        return f"publishing replaces version {newest.version}: every shard is computed anew from ClickHouse"
    return f"publishing replaces version {newest.version}: no figure hangs on what differs, nothing is computed anew"


def _as_json(changes: Changes) -> dict[str, Any]:
    return {
        "added": changes.added,
        "removed": changes.removed,
        "changed": {
            name: {change.field: {"old": change.old, "new": change.new} for change in fields}
            for name, fields in changes.changed.items()
        },
        "computed_anew": changes.computed_anew,
    }


def _show(found: Sequence[Version], wanted: int, *, as_json: bool) -> None:
    version = next((item for item in found if item.version == wanted), None)
    if version is None:
        msg = f"there is no version {wanted}: `pulse policy history` lists them"
        raise UsageError(msg)
    if as_json:
        sys.stdout.write(_json(_summary(version) | {"text": version.text}))
    else:
        sys.stdout.buffer.write(version.text.encode())


def _summary(version: Version) -> dict[str, Any]:
    return {
        "version": version.version,
        "hash": version.hash,
        "effective_from": version.effective_from.isoformat(),
        "published_at": version.published_at.isoformat(),
        "author": version.author,
    }


def _print_table(found: Sequence[Version]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("version", "published (UTC)", "applies from (UTC)", "author", "hash"):
        table.add_column(name, justify="right" if name == "version" else "left")
    for item in found:
        moments = (f"{moment:%Y-%m-%d %H:%M:%S}" for moment in (item.published_at, item.effective_from))
        table.add_row(*map(Text, (str(item.version), *moments, item.author, item.hash[:_SHORT_HASH])))
    width = None if sys.stdout.isatty() else _WIDE
    Console(file=sys.stdout, width=width, highlight=False).print(table)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"
