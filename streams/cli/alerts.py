"""`pulse alerts`: what the compliance rules found, and the quick answers to it."""

from typing import Annotated

import typer

from streams import cases_view
from streams import settings as settings_module
from streams.cli import case_commands, rule_snoozes
from streams.cli.case_options import Case
from streams.cli.rule_steps import AsJson, Data
from streams.cli.sql import complaints
from streams.supervisor import reach


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Alerts of the compliance rules.", rich_markup_mode=None)
    group.command("list")(case_commands.list_)
    group.command("show")(case_commands.show)
    group.command("ack")(case_commands.ack)
    group.command("assign")(case_commands.assign)
    group.command("close")(case_commands.close)
    group.command("snooze")(snooze)
    app.add_typer(group, name="alerts")


def snooze(
    case: Case,
    until: Annotated[str, typer.Option("--until", metavar="DAY", help="Last day it is silent: 2026-04-30.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept.")],
    author: Annotated[str | None, typer.Option("--as", "--author", help="Who does it; you when left out.")] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Keep the rule of an alert silent about its subject for a while."""
    with reach.clickhouse(settings_module.load(), data, writer=False) as client, complaints():
        found = cases_view.case(client, cases_view.full_id(client, case))
    about = (found["rule_id"], found["subject_kind"], found["subject_id"])
    rule_snoozes.snooze(*about, until, reason, author=author, as_json=as_json, data=data)
