"""`pulse migrate`: bring the ClickHouse database up to date."""

import typer

from streams import settings
from streams.migrate import Applied, migrate_database


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def migrate(
        dry_run: bool = typer.Option(False, "--dry-run", help="Print the statements instead of running them."),
    ) -> None:
        """Create or update the tables and views in ClickHouse."""
        loaded = settings.load()
        scripts = migrate_database(loaded.clickhouse_url, dry_run=dry_run, time_zone=loaded.time_zone)
        for script in scripts:
            typer.echo(_text(script) if dry_run else f"applied {script.kind} {script.name}")
        if not scripts:
            typer.echo("the database is up to date")


def _text(script: Applied) -> str:
    return f"-- {script.kind} {script.name}\n" + "\n".join(f"{statement};" for statement in script.statements)
