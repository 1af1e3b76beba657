"""`pulse delivery`: try a recipient's channels, see who was told of what, take up again what was given up."""

import asyncio
import json
import secrets
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.delivery.pacing import Outcome
from agents.delivery.wording import notice_of, trial
from schemas.delivery import OUTBOX, Delivery, DeliveryPolicy, Notice, Status
from streams import policies
from streams import settings as settings_module
from streams.delivery import policy as delivery_policy
from streams.delivery import table
from streams.delivery.channels import OUTBOX_FILE, Channels, environment
from streams.delivery.queue import Queue
from streams.errors import InvalidError, UsageError
from streams.policies import Mistake, PolicyError
from streams.settings import Settings
from streams.supervisor import reach

_WIDE = 1_000_000
_STATUSES: tuple[str, ...] = Status.__args__  # type: ignore[attr-defined] # of a Literal

Data = Annotated[Path | None, typer.Option("--data", help="Folder that `pulse up` used.")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]
Folder = Annotated[Path | None, typer.Option("--policies", help="Folder of the texts; PULSE_POLICIES when left out.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="See who was told of which alert, and try the ways there.", rich_markup_mode=None)
    group.command("test")(try_recipient)
    group.command("log")(log)
    group.command("retry")(retry)
    app.add_typer(group, name="delivery")


def check(folder: Path, *, as_json: bool) -> None:
    """Say every mistake in the policy of delivery, and which channels are not set up on this machine.

    Raises:
        InvalidError: there are some.
        UsageError: there is no such policy.
    """
    path = folder / delivery_policy.FILE
    text = policies.read(folder, delivery_policy.FILE)
    mistakes: tuple[Mistake, ...] = ()
    policy: DeliveryPolicy | None = None
    try:
        policy = delivery_policy.check(text, str(path))
    except PolicyError as error:
        mistakes = error.mistakes
    recipients = len(policy.recipients) if policy else 0
    missing = Channels(policy, folder, environment()).missing if policy else {}
    if as_json:
        content = {"file": str(path), "recipients": recipients, "mistakes": [asdict(one) for one in mistakes]}
        sys.stdout.write(_json({**content, "not_set_up": missing}))
    else:
        sys.stdout.writelines(f"{mistake}\n" for mistake in mistakes)
    if mistakes:
        msg = f"{path} has {_counted(len(mistakes), 'mistake')}: mend what is listed and check again"
        raise InvalidError(msg)
    if not as_json:
        sys.stdout.write(f"{path} is right: {_counted(recipients, 'recipient')}\n")
        sys.stdout.writelines(f"channel {name} is not set up: {why}\n" for name, why in missing.items())


def try_recipient(
    recipient: Annotated[str, typer.Argument(metavar="RECIPIENT", help="As named in policies/delivery.yaml.")],
    folder: Folder = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Send a trial message to a recipient, on each channel. Exit status 1 when one did not take it."""
    settings = settings_module.load()
    policy = delivery_policy.load(folder or settings.policies)
    if recipient not in policy.recipients:
        msg = f"there is no recipient {recipient}: there is {', '.join(policy.recipients)}"
        raise UsageError(msg)
    place = data or settings.data
    results = asyncio.run(_tried(policy, recipient, place))
    if as_json:
        sys.stdout.write(_json({"recipient": recipient, "channels": results}))
    else:
        sys.stdout.writelines(f"{name}: {result}\n" for name, result in results.items())
        if OUTBOX in results:
            sys.stdout.write(f"the outbox is {place / OUTBOX_FILE}: nothing left this machine on this channel\n")
    if wrong := [name for name, result in results.items() if result.startswith("failed")]:
        msg = f"{', '.join(wrong)} did not take the message: the reason stands above"
        raise InvalidError(msg)


async def _tried(policy: DeliveryPolicy, recipient: str, data: Path) -> dict[str, str]:
    """What happened on each channel of a recipient, by name."""
    channels = Channels(policy, data, environment())
    results = {
        name: f"not set up: {why}"
        for name, why in channels.missing.items()
        if name in policy.recipients[recipient].channels
    }
    for name in channels.of(policy)[recipient]:
        sending = channels.get(name)
        message = trial(recipient, policy.recipients[recipient], secrets.token_hex(16))
        outcome = await sending.send(message) if sending else Outcome("not set up")
        results[name] = f"failed: {outcome.error}" if outcome.error else "sent"
    await channels.close()
    return results


def log(
    status: Annotated[str, typer.Option("--status", help=f"Only these: {', '.join(_STATUSES)}.")] = "",
    recipient: Annotated[str, typer.Option("--recipient", help="Only those of this recipient.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 50,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """List recent deliveries, newest first."""
    if status and status not in _STATUSES:
        msg = f"there is no status {status!r}: take {', '.join(_STATUSES)}"
        raise UsageError(msg)
    with reach.clickhouse(settings_module.load(), data, writer=False) as client:
        rows = table.log(client, status=status, recipient=recipient, limit=limit)
    if as_json:
        sys.stdout.write(_json(table.moments(rows)))
    elif rows:
        _print_table(rows)
    else:
        sys.stdout.write("no deliveries\n")


def retry(
    delivery: Annotated[str, typer.Argument(metavar="ID", help="Id of a failed delivery, or the beginning of it.")],
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Take a delivery up again that was given up. The desk sends it."""
    settings = reach.running(settings_module.load(), data)
    if settings.redis_url is None:
        msg = "no Redis to note it in: start `pulse up`, or set PULSE_REDIS_URL"
        raise UsageError(msg)
    with reach.clickhouse(settings, data, writer=False) as client:
        found = table.get(client, delivery)
        if found.status != "failed":
            msg = (
                f"delivery {found.delivery_id[: table.SHORT_ID]} is {found.status}: only a failed one is taken up again"
            )
            raise InvalidError(msg)
        alerts = table.alerts(client, [found.alert_id])
    if not alerts:
        msg = f"the alert {found.alert_id} is not stored: there is nothing to tell of it"
        raise InvalidError(msg)
    again = asyncio.run(_revived(settings, found, notice_of(alerts[0])))
    if as_json:
        sys.stdout.write(_json({"delivery_id": again.delivery_id, "status": again.status}))
    else:
        sys.stdout.write(f"delivery {again.delivery_id[: table.SHORT_ID]} to {again.recipient} is taken up again\n")


async def _revived(settings: Settings, found: Delivery, notice: Notice) -> Delivery:
    now = datetime.now(UTC)
    again = found.model_copy(update={"status": "waiting", "attempts": 0, "due_at": now, "joins": False})
    url = settings.redis_url.get_secret_value() if settings.redis_url else ""
    queue = Queue(url, settings.group)
    try:
        await queue.revive(again, notice, now)
    finally:
        await queue.close()
    return again


def _print_table(rows: list[dict[str, Any]]) -> None:
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("id", "sent or due (UTC)", "status", "to", "channel", "kind", "rule", "alert", "error"):
        shown.add_column(name, no_wrap=name in {"id", "alert"}, overflow="fold")
    for row in rows:
        at = f"{row['sent_at'] or row['due_at']:%Y-%m-%d %H:%M:%S}"
        kind = f"{row['kind']} {row['level']}" if row["level"] else row["kind"]
        names = (row["delivery_id"][: table.SHORT_ID], at, row["status"], row["recipient"], row["channel"], kind)
        texts = (*names, row["rule_id"], row["alert_id"][: table.SHORT_ID], row["last_error"])
        shown.add_row(*map(Text, texts))
    width = None if sys.stdout.isatty() else _WIDE
    Console(file=sys.stdout, width=width, highlight=False).print(shown)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"
