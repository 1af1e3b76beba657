"""`pulse gateway`: the HTTP interface, the keys of systems that use it, and tokens for development."""

import getpass
import json
import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from schemas.events import EVENT_MODELS
from streams import logs
from streams import settings as settings_module
from streams.errors import UsageError
from streams.gateway import keys, tokens
from streams.settings import Settings
from streams.supervisor import reach
from streams.supervisor.orphans import die_with_parent

Data = Annotated[Path | None, typer.Option("--data", help="Folder that `pulse up` uses.")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]
_NAME = re.compile(r"[^\s\x00-\x1f](?:[^\x00-\x1f]{0,126}[^\s\x00-\x1f])?")


class Role(StrEnum):
    """Roles of people."""

    REP = "rep"
    MANAGER = "manager"
    COMPLIANCE = "compliance"
    OPERATIONS = "operations"
    FINANCE = "finance"
    AUDITOR = "auditor"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    gateway = typer.Typer(help="Events in, alerts and cases out, over HTTP.")
    gateway.callback(invoke_without_command=True)(run)
    gateway.command("token")(token)
    key = typer.Typer(no_args_is_help=True, help="Keys of systems that send events.")
    key.command("add")(add)
    key.command("list")(list_)
    key.command("revoke")(revoke)
    gateway.add_typer(key, name="key")
    app.add_typer(gateway, name="gateway")


def run(
    context: typer.Context,
    data: Data = None,
    host: Annotated[
        str | None, typer.Option("--host", help="Address to listen on. [default: 127.0.0.1]", show_default=False)
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65_535, help="Port; 0: a free one. [default: 8124]", show_default=False),
    ] = None,
) -> None:
    """Serve the gateway, until it is stopped: events in, alerts and cases out, over HTTP.

    It needs Kafka, ClickHouse's read-only user, and a secret or public key for people's tokens (PULSE_JWT_SECRET).
    """
    if context.invoked_subcommand is not None:
        return
    die_with_parent()
    loaded = settings_module.load()
    logs.setup(loaded)
    settings = _at(reach.running(loaded, data), data)
    from streams.gateway.run import serve  # noqa: PLC0415 - FastAPI takes half a second to load

    wanted = settings.gateway_port if port is None else port
    serve(settings, host or settings.gateway_host, wanted)


def token(
    subject: Annotated[str, typer.Option("--as", metavar="NAME", help="Who: the person's id.")],
    role: Annotated[Role, typer.Option("--role", help="What the person may see and do.")],
    node: Annotated[str | None, typer.Option("--node", help="Organisation node of a manager.")] = None,
    rep: Annotated[str | None, typer.Option("--rep", help="Representative, of the role rep.")] = None,
    hours: Annotated[float, typer.Option("--hours", min=0.01, max=24 * 366, help="How long it holds.")] = 8,
    data: Data = None,
) -> None:
    """Make a token for development, signed with the local secret."""
    settings = _at(settings_module.load(), data)
    secret = tokens.secret_of(settings)
    if secret is None:
        msg = f"no secret is set and {settings.data} has none: start `pulse up` there first, or set PULSE_JWT_SECRET"
        raise UsageError(msg)
    claims = {"sub": subject, "role": str(role), "node": node, "rep_id": rep}
    given = {name: value for name, value in claims.items() if value is not None}
    sys.stdout.write(f"{tokens.mint(settings, secret, given, hours)}\n")


def add(
    name: Annotated[str, typer.Argument(help="What people call the key.")],
    kinds: Annotated[str, typer.Option("--kinds", help="Kinds of events it may send, like visit,sale.")],
    source: Annotated[str, typer.Option("--source", help="Source that its events must carry; any when left out.")] = "",
    data: Data = None,
) -> None:
    """Make a key and print it once; only a hash of it is kept."""
    allowed = tuple(dict.fromkeys(kind.strip() for kind in kinds.split(",")))
    if unknown := [kind for kind in allowed if kind not in EVENT_MODELS]:
        msg = f"there is no kind {unknown[0]!r}: name some of {', '.join(EVENT_MODELS)}"
        raise UsageError(msg)
    for what, text in (("name", name), ("source", source or "any")):
        if not _NAME.fullmatch(text):
            msg = f"the {what} is 1 to 128 characters without blanks around it: write another"
            raise UsageError(msg)
    key, kept = keys.make(name, allowed, source, _login())
    with reach.clickhouse(settings_module.load(), data, writer=True) as client:
        keys.add(client, kept)
    sys.stdout.write(f"{key}\n")
    sys.stderr.write(f"this is the only time the key {name} is shown; send it in the header X-API-Key\n")


def list_(data: Data = None, as_json: AsJson = False) -> None:
    """Show the keys, without the keys themselves."""
    with reach.clickhouse(settings_module.load(), data, writer=True) as client:
        found = keys.listed(client)
    if as_json:
        sys.stdout.writelines(json.dumps(_shown(key), ensure_ascii=False) + "\n" for key in found)
        return
    for key in found:
        ended = f"revoked {key.revoked_at:%Y-%m-%d}" if key.revoked_at else "in use"
        source = key.source or "any source"
        sys.stdout.write(f"{key.key_id}  {key.name}  {','.join(key.kinds)}  {source}  {ended}\n")
    if not found:
        sys.stdout.write("there is no key yet: `pulse gateway key add NAME --kinds visit` makes one\n")


def revoke(
    named: Annotated[str, typer.Argument(metavar="KEY", help="Name or id of the key.")], data: Data = None
) -> None:
    """End a key; running gateways refuse it within seconds."""
    with reach.clickhouse(settings_module.load(), data, writer=True) as client:
        ended = keys.revoke(client, named)
    sys.stdout.write(f"the key {ended.name} ({ended.key_id}) is revoked\n")


def _at(settings: Settings, data: Path | None) -> Settings:
    return settings if data is None else settings.model_copy(update={"data": data})


def _shown(key: keys.ApiKey) -> dict[str, object]:
    return {
        "key_id": key.key_id,
        "name": key.name,
        "kinds": key.kinds,
        "source": key.source,
        "created_at": key.created_at.isoformat(),
        "created_by": key.created_by,
        "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
    }


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"
