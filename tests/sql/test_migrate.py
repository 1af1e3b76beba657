"""Migrations run once, in order, and are frozen."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr
from typer.testing import CliRunner

from streams.cli import build
from streams.clickhouse import connect
from streams.errors import InvalidError, UsageError
from streams.migrate import SQL_FOLDER, migrate, migrate_database


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the SQL that a test may change."""
    return Path(shutil.copytree(SQL_FOLDER, tmp_path / "sql"))


@pytest.fixture
def missing(clickhouse_url: SecretStr, tmp_path: Path) -> Iterator[SecretStr]:
    """A URL whose database does not exist."""
    name = f"test_{tmp_path.parent.name}_{tmp_path.name}".replace("-", "_")
    url, _, _ = clickhouse_url.get_secret_value().rpartition("/")
    yield SecretStr(f"{url}/{name}")
    connect(clickhouse_url, database="default").command(f"DROP DATABASE IF EXISTS {name}")


def tables(client: Client) -> set[str]:
    return {name for (name,) in client.query("SHOW TABLES").result_rows}


def test_an_empty_database_gets_every_file_once(empty: Client) -> None:
    ran = migrate(empty)

    assert [script.name for script in ran if script.kind == "migration"] == sorted(
        path.stem for path in (SQL_FOLDER / "migrations").glob("*.sql")
    )
    assert {"sales", "reps", "kpi_cells", "dead_letters", "sales_lines", "reps_today"} <= tables(empty)
    assert migrate(empty) == []


def test_dry_run_changes_nothing(empty: Client) -> None:
    planned = migrate(empty, dry_run=True)

    assert tables(empty) == set()
    assert migrate(empty) == planned
    assert migrate(empty, dry_run=True) == []


def test_a_changed_migration_is_refused(empty: Client, folder: Path) -> None:
    migrate(empty, folder=folder)
    path = folder / "migrations" / "0004_create_kpi_tables.sql"
    path.write_text(path.read_text() + "-- a later thought\n")

    with pytest.raises(InvalidError, match=r"0004_create_kpi_tables\.sql changed"):
        migrate(empty, folder=folder)


def test_a_database_that_is_newer_is_refused(empty: Client, folder: Path) -> None:
    (folder / "migrations" / "9999_create_tomorrow.sql").write_text("SELECT 1;\n")
    migrate(empty, folder=folder)

    with pytest.raises(InvalidError, match="9999_create_tomorrow, which this version does not know"):
        migrate(empty)


def test_a_changed_view_is_replaced_and_the_rest_left_alone(empty: Client, folder: Path) -> None:
    migrate(empty, folder=folder)
    path = folder / "views" / "dead_letters_open.sql"
    path.write_text(path.read_text().replace("wait for someone", "wait for anyone"))

    assert [script.name for script in migrate(empty, folder=folder)] == ["dead_letters_open"]
    assert "wait for anyone" in empty.command(
        "SELECT comment FROM system.tables WHERE database = currentDatabase() AND name = 'dead_letters_open'"
    )
    assert migrate(empty, folder=folder) == []


def test_another_time_zone_replaces_the_views_that_speak_of_today(empty: Client) -> None:
    migrate(empty)

    changed = {script.name for script in migrate(empty, time_zone="Europe/Berlin")}

    assert {"reps", "kpi_progress_by_rep"} <= changed
    assert "sales_lines" not in changed


def test_an_interrupted_run_is_finished_by_the_next(empty: Client, folder: Path) -> None:
    broken = folder / "migrations" / "0005_create_policy_versions.sql"
    text = broken.read_text()
    broken.write_text(text + "CREATE TABLE nonsense (;\n")
    with pytest.raises(InvalidError, match="ClickHouse refused"):
        migrate(empty, folder=folder)

    broken.write_text(text)
    assert migrate(empty, folder=folder)[0].name == "0005_create_policy_versions"
    assert migrate(empty, folder=folder) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [("7_create_x.sql", "has a wrong name"), ("0001_create_x.sql", "have the same number: renumber")],
)
def test_wrong_file_names_are_refused(empty: Client, folder: Path, name: str, message: str) -> None:
    (folder / "migrations" / name).write_text("SELECT 1;\n")

    with pytest.raises(InvalidError, match=message):
        migrate(empty, folder=folder)


def test_two_processes_may_migrate_at_once(clickhouse_url: SecretStr, empty: Client) -> None:
    clients = [connect(clickhouse_url, database=empty.database) for _ in range(2)]

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(migrate, clients))

    assert migrate(empty) == []
    for client in clients:
        client.close()


def test_the_database_is_created_when_missing(missing: SecretStr) -> None:
    planned = migrate_database(missing, dry_run=True)

    assert migrate_database(missing) == planned
    assert migrate_database(missing) == []


def test_no_url_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="PULSE_CLICKHOUSE_URL"):
        migrate_database(None)


def test_the_command_prints_what_it_does(missing: SecretStr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULSE_CLICKHOUSE_URL", missing.get_secret_value())
    pulse, run = build("migrate"), CliRunner().invoke

    dry = run(pulse, ["migrate", "--dry-run"])
    assert dry.exit_code == 0
    assert "CREATE TABLE IF NOT EXISTS sales\n" in dry.output
    assert "applied view sales_lines\n" in run(pulse, ["migrate"]).output
    assert run(pulse, ["migrate"]).output == "the database is up to date\n"
