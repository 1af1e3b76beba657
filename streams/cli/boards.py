"""`pulse boards`: build the boards' JSON, publish them to a Grafana, or show them as a page without one."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from streams import logs
from streams import settings as settings_module
from streams.errors import UsageError
from streams.supervisor import reach
from streams.supervisor.orphans import die_with_parent


def register(app: typer.Typer) -> None:
    """Add the commands."""
    boards = typer.Typer(no_args_is_help=True, help="Boards: build, publish to Grafana, preview.")
    boards.command("build")(build)
    boards.command("publish")(publish)
    boards.command("preview")(preview)
    app.add_typer(boards, name="boards")


def build(
    out: Annotated[Path | None, typer.Option("--out", help="Folder; that of the repository when left out.")] = None,
) -> None:
    """Write the boards as JSON, one folder a language, with --out for the time zone and KPIs of the settings."""
    from grafana import build as boards  # noqa: PLC0415 (the SDK takes half a second to load)
    from grafana.company import company  # noqa: PLC0415

    settings = settings_module.load()
    folder = out or boards.FOLDER
    wanted = boards.files(company(settings.time_zone, settings.policies) if out else None)
    try:
        boards.write(folder, wanted)
    except OSError as error:
        msg = f"{folder} cannot be written ({error.strerror}): name another folder with --out"
        raise UsageError(msg) from None
    sys.stdout.write(f"{len(wanted)} boards written to {folder}\n")


def publish(
    url: Annotated[
        str | None, typer.Option("--url", help="Grafana's address; PULSE_GRAFANA_URL when left out.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change; change nothing.")] = False,
) -> None:
    """Publish folders, the data source and the boards to Grafana; again and again with the same outcome.

    The token of a service account with the role Admin comes from PULSE_GRAFANA_TOKEN.
    """
    from grafana.publish import publish_all, target_of  # noqa: PLC0415 (see above)

    settings = settings_module.load()
    for change in publish_all(target_of(settings, url), settings, dry_run=dry_run):
        sys.stdout.write(f"{change}\n")


def preview(
    data: Annotated[Path | None, typer.Option("--data", help="Folder of a `pulse up`, running or not.")] = None,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65_535, help="Loopback port; 0: a free one. [default: 8300]")
    ] = None,
) -> None:
    """Serve the boards as a page on this machine, until Ctrl-C."""
    from grafana.company import company  # noqa: PLC0415 (see above)
    from grafana.preview.run import serve  # noqa: PLC0415

    die_with_parent()
    settings = settings_module.load()
    logs.setup(settings)
    if settings.clickhouse_url is not None and settings.clickhouse_reader_url is None:
        msg = "the page reads with a read-only user alone: set PULSE_CLICKHOUSE_READER_URL"
        raise UsageError(msg)
    with reach.clickhouse(settings, data, writer=False) as client:
        wanted = settings.boards_port if port is None else port
        serve(client, company(settings.time_zone, settings.policies), wanted, _announce)


def _announce(address: str) -> None:
    sys.stdout.write(f"boards are at {address} (Ctrl-C ends)\n")
    sys.stdout.flush()
