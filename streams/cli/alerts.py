"""`pulse alerts`: what the compliance rules found, and the quick answers to it."""

import typer

from streams.cli import alert_snooze, case_commands


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Alerts of the compliance rules.", rich_markup_mode=None)
    group.command("list")(case_commands.list_)
    group.command("show")(case_commands.show)
    group.command("ack")(case_commands.ack)
    group.command("assign")(case_commands.assign)
    group.command("close")(case_commands.close)
    group.command("snooze")(alert_snooze.snooze)
    app.add_typer(group, name="alerts")
