"""Bring a ClickHouse database up to the SQL in `sql/`.

`sql/migrations/NNNN_verb_noun.sql` run once, in order, and are frozen from then on. `sql/views/*.sql` run whenever
their text changed. Every statement may run twice (`IF NOT EXISTS`, `OR REPLACE`), so an interrupted run is finished by
the next one and two processes may migrate at the same time. No statement names the database: it is the client's.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NamedTuple

from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

from streams.clickhouse import connect, parse_url, translated
from streams.errors import InvalidError, UsageError

SQL_FOLDER = Path(__file__).parents[1] / "sql"
Kind = Literal["migration", "view"]

_NAME = re.compile(r"\d{4}_[a-z]+(_[a-z0-9]+)+")
_END_OF_STATEMENT = re.compile(r";[ \t]*(?:\n|\Z)")
#: Written in a view where the company's time zone belongs.
_TIME_ZONE = "{{time_zone}}"
#: Columns of `schema_migrations` and their types.
_RECORD = {
    "name": "String",
    "kind": "LowCardinality(String)",
    "checksum": "String",
    "applied_at": "DateTime64(3, 'UTC')",
}


class Applied(NamedTuple):
    """One SQL file that was run, or would be."""

    name: str
    """File name without its ending."""
    kind: Kind
    checksum: str
    """SHA-256 of the text."""
    statements: tuple[str, ...]


def migrate(
    client: Client, *, dry_run: bool = False, time_zone: str = "Asia/Shanghai", folder: Path = SQL_FOLDER
) -> list[Applied]:
    """Run what is missing in the client's database.

    Args:
        client: a client whose current database exists.
        dry_run: only say what would run.
        time_zone: IANA zone of the company, for views that speak of today.
        folder: where `migrations/` and `views/` lie.

    Returns:
        The files that were run (or would be), in order; empty when the database is up to date.

    Raises:
        InvalidError: an applied migration changed on disk, or the database is newer than the SQL.
        UnavailableError: ClickHouse does not answer.
    """
    with translated():
        missing = plan(read_scripts(folder, time_zone), _applied(client))
        if not dry_run:
            _run(client, missing)
    return missing


def _run(client: Client, missing: Iterable[Applied]) -> None:
    """Run scripts; a migration is recorded at once, the views together after the last: they may all run again."""
    views = []
    for script in missing:
        for statement in script.statements:
            client.command(statement)
        if script.kind == "view":
            views.append(script)
        else:
            _record(client, [script])
    _record(client, views)


def migrate_database(
    url: SecretStr | None, *, dry_run: bool = False, time_zone: str = "Asia/Shanghai"
) -> list[Applied]:
    """Create the database of `url` when it does not exist, then `migrate` it.

    Raises:
        UsageError: no URL is set.
        InvalidError: see `migrate`; also when the user may not create the database.
        UnavailableError: ClickHouse does not answer.
    """
    name = _database(url)
    server = connect(url, database="default")
    try:
        with translated():
            exists = server.query("SELECT 1 FROM system.databases WHERE name = %(name)s", {"name": name}).result_rows
            if not exists and dry_run:
                return plan(read_scripts(SQL_FOLDER, time_zone), {})
            if not exists:
                server.command(f"CREATE DATABASE IF NOT EXISTS `{name}`")
    finally:
        server.close()
    client = connect(url)
    try:
        return migrate(client, dry_run=dry_run, time_zone=time_zone)
    finally:
        client.close()


def _database(url: SecretStr | None) -> str:
    if url is None:
        msg = "no ClickHouse is set: start `pulse up`, or set PULSE_CLICKHOUSE_URL"
        raise UsageError(msg)
    name = str(parse_url(url.get_secret_value())["database"])
    if not re.fullmatch(r"\w+", name, re.ASCII):
        msg = f"a database is named with letters, digits and _, not {name!r}: mend the ClickHouse URL"
        raise UsageError(msg)
    return name


def read_scripts(folder: Path, time_zone: str) -> list[Applied]:
    """The SQL files: migrations by number, then views by name.

    Raises:
        InvalidError: a migration is not named NNNN_verb_noun.sql, or two have the same number.
    """
    migrations = sorted((folder / "migrations").glob("*.sql"))
    numbers: dict[str, str] = {}
    for path in migrations:
        if not _NAME.fullmatch(path.stem):
            msg = f"migration {path.name} has a wrong name: call it NNNN_verb_noun.sql"
            raise InvalidError(msg)
        if (other := numbers.setdefault(path.stem[:4], path.name)) != path.name:
            msg = f"migrations {other} and {path.name} have the same number: renumber the newer one"
            raise InvalidError(msg)
    views = sorted((folder / "views").glob("*.sql"))
    return [_script(path, "migration", time_zone) for path in migrations] + [
        _script(path, "view", time_zone) for path in views
    ]


def _script(path: Path, kind: Kind, time_zone: str) -> Applied:
    text = path.read_text(encoding="utf-8")
    if kind == "view":
        text = text.replace(_TIME_ZONE, time_zone)
    statements = tuple(part.strip() for part in _END_OF_STATEMENT.split(text) if part.strip())
    return Applied(path.stem, kind, hashlib.sha256(text.encode()).hexdigest(), statements)


def plan(scripts: Iterable[Applied], applied: Mapping[tuple[str, str], str]) -> list[Applied]:
    """The scripts that must run, given the checksums of what is applied by (kind, name).

    Raises:
        InvalidError: an applied migration changed on disk, or is not there.
    """
    scripts = list(scripts)
    known = {(script.kind, script.name): script.checksum for script in scripts}
    for key, checksum in sorted(applied.items()):
        kind, name = key
        if kind != "migration":
            continue
        if key not in known:
            msg = f"the database has migration {name}, which this version does not know: update sfe-pulse"
            raise InvalidError(msg)
        if known[key] != checksum:
            msg = f"migration {name}.sql changed after it was applied: restore its text and write a new migration"
            raise InvalidError(msg)
    return [script for script in scripts if applied.get((script.kind, script.name)) != script.checksum]


def _applied(client: Client) -> dict[tuple[str, str], str]:
    if not client.command("EXISTS TABLE schema_migrations"):
        return {}
    rows = client.query(
        "SELECT kind, name, argMax(checksum, applied_at) FROM schema_migrations GROUP BY kind, name"
    ).result_rows
    return {(kind, name): checksum for kind, name, checksum in rows}


def _record(client: Client, scripts: Sequence[Applied]) -> None:
    if not scripts:
        return
    now = datetime.now(UTC)
    rows = [[script.name, script.kind, script.checksum, now] for script in scripts]
    # with the types given the client does not ask for them, which takes longer than the insert
    client.insert("schema_migrations", rows, column_names=list(_RECORD), column_type_names=list(_RECORD.values()))
