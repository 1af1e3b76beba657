"""`pulse cases`: the cases of the alerts, and everything that can be done with them."""

from typing import Annotated

import typer

from streams.cli import case_commands
from streams.cli.case_options import (
    As,
    AsJson,
    Case,
    CommandId,
    Data,
    Doing,
    In,
    Needed,
    NoWait,
    Remark,
    Role,
    Wait,
    give,
)

_TIMEOUT_S = 10.0


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Cases: one of each alert.", rich_markup_mode=None)
    group.command("list")(case_commands.list_)
    group.command("show")(case_commands.show)
    group.command("ack")(case_commands.ack)
    group.command("assign")(case_commands.assign)
    group.command("review")(review)
    group.command("need-more")(need_more)
    group.command("close")(case_commands.close)
    group.command("reopen")(reopen)
    group.command("link")(link)
    group.command("note")(note)
    app.add_typer(group, name="cases")


def review(  # noqa: PLR0913, PLR0917 - one parameter an option
    case: Case,
    person: As = "",
    role: In = Role.COMPLIANCE,
    remark: Remark = "",
    command_id: CommandId = "",
    no_wait: NoWait = False,
    timeout: Wait = _TIMEOUT_S,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Take it into review; nobody's case becomes the reviewer's."""
    give(Doing(person, role, no_wait, timeout, command_id, as_json, data), case, "review", remark=remark)


def need_more(  # noqa: PLR0913, PLR0917 - one parameter an option
    case: Case,
    remark: Needed,
    person: As = "",
    role: In = Role.COMPLIANCE,
    command_id: CommandId = "",
    no_wait: NoWait = False,
    timeout: Wait = _TIMEOUT_S,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Ask for more before it can be judged."""
    give(Doing(person, role, no_wait, timeout, command_id, as_json, data), case, "need_more", remark=remark)


def reopen(  # noqa: PLR0913, PLR0917 - one parameter an option
    case: Case,
    remark: Needed,
    person: As = "",
    role: In = Role.COMPLIANCE,
    command_id: CommandId = "",
    no_wait: NoWait = False,
    timeout: Wait = _TIMEOUT_S,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Open a closed one again; its verdict no longer counts."""
    give(Doing(person, role, no_wait, timeout, command_id, as_json, data), case, "reopen", remark=remark)


def link(  # noqa: PLR0913, PLR0917 - one parameter an option
    case: Case,
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Case it belongs with.")],
    person: As = "",
    role: In = Role.COMPLIANCE,
    remark: Remark = "",
    command_id: CommandId = "",
    no_wait: NoWait = False,
    timeout: Wait = _TIMEOUT_S,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Link it to another case."""
    doing = Doing(person, role, no_wait, timeout, command_id, as_json, data)
    give(doing, case, "link", other_case_id=other, remark=remark)


def note(  # noqa: PLR0913, PLR0917 - one parameter an option
    case: Case,
    remark: Needed,
    person: As = "",
    role: In = Role.COMPLIANCE,
    command_id: CommandId = "",
    no_wait: NoWait = False,
    timeout: Wait = _TIMEOUT_S,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Write something down."""
    give(Doing(person, role, no_wait, timeout, command_id, as_json, data), case, "note", remark=remark)
