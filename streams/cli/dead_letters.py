"""`pulse dead-letters`: look at what could not be used, and send it again once it is mended."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from clickhouse_connect.driver.client import Client
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.outputs import DeadLetter
from streams import conflicts, dead_letters, replay
from streams import settings as settings_module
from streams.conflicts import Conflict
from streams.dead_letters import SHORT_ID, Summary
from streams.errors import InvalidError, UsageError
from streams.supervisor import reach

_ALL = 1_000_000_000
_WIDE = 1_000_000
_MESSAGE_SHOWN = 100

Data = Annotated[Path | None, typer.Option("--data", help="Folder that `pulse up` used.")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]
Topic = Annotated[str | None, typer.Option("--topic", help="Only those of this topic.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Look at what could not be used, and send it again.", rich_markup_mode=None)
    group.command("list")(list_letters)
    group.command("show")(show)
    group.command("replay")(replay_letters)
    app.add_typer(group, name="dead-letters")


def list_letters(
    topic: Topic = None,
    status: Annotated[str, typer.Option("--status", help="open, replayed or all.")] = "open",
    step: Annotated[str | None, typer.Option("--step", help="Only those refused by this step.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 100,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """List dead letters, newest first."""
    if status not in {*dead_letters.VERSIONS, "all"}:
        msg = f"there is no status {status!r}: take open, replayed or all"
        raise UsageError(msg)
    wanted = None if status == "all" else status
    with reach.clickhouse(settings_module.load(), data, writer=False) as client:
        _check(client, topic, step)
        found = dead_letters.find(client, status=wanted, topic=topic, step=step, limit=limit)
    if as_json:
        sys.stdout.write(json.dumps([_summary(item) for item in found], ensure_ascii=False, indent=1) + "\n")
    elif found:
        _print_table(found)
    else:
        sys.stdout.write(f"no {'' if status == 'all' else status + ' '}dead letters\n")


def show(
    letter: Annotated[str, typer.Argument(metavar="ID", help="Its id, or the beginning of it.")],
    raw: Annotated[bool, typer.Option("--raw", help="Write the bytes as they came, and nothing else.")] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Show everything about one dead letter."""
    with reach.clickhouse(settings_module.load(), data, writer=False) as client:
        found = dead_letters.get(client, letter)
        conflict = conflicts.explain(client, found)
    if raw:
        sys.stdout.buffer.write(found.raw)
        return
    fields = details(found)
    if as_json:
        told = None if conflict is None else asdict(conflict)
        sys.stdout.write(json.dumps({**fields, "conflict": told}, ensure_ascii=False, indent=1) + "\n")
        return
    width = max(map(len, fields))
    for name, value in fields.items():
        if value is not None and name != "raw":
            sys.stdout.write(f"{name:<{width}}  {value}\n")
    if conflict is not None:
        sys.stdout.writelines(f"{line}\n" for line in _explained(conflict))
    content = fields["raw"].rstrip("\r\n") if fields["raw"] is not None else "(the message had no value)"
    sys.stdout.write(f"\n{content}\n")


def _explained(conflict: Conflict) -> Iterator[str]:
    yield f"\nthe event that counts was read at {conflict.place}"
    for item in conflict.differences:
        counts, refused = (json.dumps(value, ensure_ascii=False) for value in (item.counts, item.refused))
        yield f"  {item.field}: {counts} counts, {refused} was refused"
    if not conflict.differences:
        yield "  both say the same by now"


def replay_letters(
    letters: Annotated[list[str] | None, typer.Argument(metavar="ID…", help="Ids, or their beginnings.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All open ones.")] = False,
    topic: Topic = None,
    again: Annotated[bool, typer.Option("--again", help="Also those that were replayed before.")] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Send dead letters to their topics again. Byte for byte; they are marked as replayed."""
    if bool(letters) == everything:
        msg = "name the dead letters, or take --all: `pulse dead-letters list` shows them"
        raise UsageError(msg)
    if topic is not None and not everything:
        msg = "--topic goes with --all"
        raise UsageError(msg)
    settings = reach.running(settings_module.load(), data)
    if settings.kafka_url is None:
        msg = "no Kafka to send them to: start `pulse up`, or set PULSE_KAFKA_URL"
        raise UsageError(msg)
    with reach.clickhouse(settings, data, writer=True) as client:
        _check(client, topic, None)
        ids = letters or [
            item.dead_letter_id for item in dead_letters.find(client, status="open", topic=topic, limit=_ALL)
        ]
        outcome = replay.replay(client, settings.kafka_url, ids, again=again)
    _report(outcome, as_json)


def _check(client: Client, topic: str | None, step: str | None) -> None:
    if topic is not None:
        dead_letters.check_name(client, "topic", topic)
    if step is not None:
        dead_letters.check_name(client, "step", step)


def _report(outcome: replay.Outcome, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({"replayed": outcome.replayed, "refused": outcome.refused}) + "\n")
    else:
        for letter_id, reason in outcome.refused.items():
            sys.stderr.write(f"{letter_id[:SHORT_ID]}  {reason}\n")
        sys.stdout.write(f"replayed {len(outcome.replayed)}, left {len(outcome.refused)}\n")
    if outcome.refused:
        count = len(outcome.refused)
        msg = f"{count} dead letter{' was' if count == 1 else 's were'} not sent again: the reasons stand above"
        raise InvalidError(msg)


def details(letter: DeadLetter) -> dict[str, Any]:
    """All fields as text; bytes as text where they are, else in hex."""
    fields = letter.model_dump(mode="python")
    raw, is_text = readable(letter.raw)
    fields |= {
        "at": letter.at.isoformat(),
        "key": None if letter.key is None else readable(letter.key)[0],
        "raw_size": len(letter.raw),
        "raw_encoding": "utf-8" if is_text else "hex",
    }
    del fields["raw"]
    return {**fields, "raw": None if dead_letters.value_of(letter) is None else raw}


def readable(data: bytes) -> tuple[str, bool]:
    """Bytes as text and True, or in hex and False."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data.hex(" ", 2), False
    if all(sign.isprintable() or sign in "\r\n\t" for sign in text):
        return text, True
    return data.hex(" ", 2), False


def _summary(item: Summary) -> dict[str, Any]:
    fields = {name: getattr(item, name) for name in Summary.__slots__}
    return {**fields, "at": item.at.isoformat()}


def _print_table(found: Sequence[Summary]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("id", "time (UTC)", "from", "event", "step", "message"):
        table.add_column(name, no_wrap=name == "id", overflow="fold")
    for item in found:
        message = " ".join(item.message.split())
        if len(message) > _MESSAGE_SHOWN:
            message = message[: _MESSAGE_SHOWN - 1] + "…"
        moment = f"{item.at:%Y-%m-%d %H:%M:%S}"
        event_id = item.event_id or ""
        table.add_row(*map(Text, (item.dead_letter_id[:SHORT_ID], moment, item.place, event_id, item.step, message)))
    width = None if sys.stdout.isatty() else _WIDE
    Console(file=sys.stdout, width=width, highlight=False).print(table)
