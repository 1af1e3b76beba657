"""chDB behind one narrow door: a fresh connection per request, limits and rights set in its configuration."""

import contextlib
import importlib
import os
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from streams.local.clickhouse.configuration import NAME, configuration
from streams.local.clickhouse.errors import ClickHouseError, from_engine
from streams.local.clickhouse.users import User

_SETTING = re.compile(r"[A-Za-z_]\w*\Z")
_UNKNOWN_SETTING = 115


class Engine:
    """The database in one folder, which only one process at a time can open.

    Args:
        folder: of the database files.
        memory: bytes that all queries together may take.
        database: made when it is missing.
    """

    def __init__(self, folder: Path, *, memory: int, database: str) -> None:
        temporary = folder / "tmp"
        shutil.rmtree(temporary, ignore_errors=True)  # a crash leaves its own behind
        temporary.mkdir(parents=True)
        os.environ["TMPDIR"] = str(temporary)
        config = f"{folder.name}/endpoint.xml"
        (folder / "endpoint.xml").write_text(configuration(config, memory))
        os.chdir(folder.parent)  # chDB's address has no way to quote: `?` or `&` in a path would cut it
        self._address = f"{folder.name}?config-file={config}"
        # Its import starts threads, which must come after the process has confined itself.
        self._connect = importlib.import_module("chdb").connect
        self._control, self._lock = self._connect(self._address), threading.Lock()
        self.run(f"CREATE DATABASE IF NOT EXISTS {identifier(database)}")
        self.version, self.timezone, self.display_name = (
            self.run("SELECT version(), timezone(), displayName()").decode().strip().split("\t")
        )
        if self.display_name != NAME:
            msg = f"the engine did not take its limits from {config}"
            raise RuntimeError(msg)

    def run(self, sql: str) -> bytes:
        """Answer of one of the endpoint's own statements, as TSV."""
        with self._lock:
            return bytes(self._control.query(sql, "TSVRaw").bytes() or b"")

    def connect(self, user: User, tag: str) -> "Connection":
        """A connection of its own for a request or session, marked with `tag` for `kill`."""
        return Connection(lambda: self._connect(self._address), user, tag)

    def kill(self, tag: str) -> None:
        """Stop what runs on the connection with this tag."""
        self.run(f"KILL QUERY WHERE Settings['log_comment'] = {literal(tag)} ASYNC")

    def close(self) -> None:
        """Let the folder go."""
        with self._lock:
            self._control.close()


class Connection:
    """One user's connection; for one request at a time."""

    def __init__(self, connect: Callable[[], Any], user: User, tag: str) -> None:
        self._connect = connect
        self._connection = connect()
        self._user = user
        self.tag = tag
        self.database = "default"
        self.set({"log_comment": tag})

    def seal(self) -> None:
        """Make the connection read-only for good when its user is; settings stay changeable."""
        if self._user.readonly:
            self.set({"readonly": "2"})

    def twin(self) -> "Connection":
        """Another connection of the same user in the same database, with settings of its own."""
        other = Connection(self._connect, self._user, self.tag)
        other.use(self.database)
        other.seal()
        return other

    def set(self, settings: Mapping[str, str]) -> None:
        """Change settings of this connection.

        Raises:
            ClickHouseError: a setting is unknown, has a wrong value or may not be changed.
        """
        for name in settings:
            if not _SETTING.match(name):
                raise ClickHouseError(
                    _UNKNOWN_SETTING,
                    f"Code: {_UNKNOWN_SETTING}. DB::Exception: Unknown setting {name!r}. (UNKNOWN_SETTING)",
                )
        if settings:
            self.query("SET " + ", ".join(f"{name} = {literal(value)}" for name, value in settings.items()))

    def exchange(self, settings: Mapping[str, str]) -> str | None:
        """Change settings for a while; returns the statement that puts the old values back."""
        if not settings:
            return None
        wanted = ", ".join(map(literal, settings))
        sql = f"SELECT name, value FROM system.settings WHERE changed AND name IN ({wanted})"
        rows = self.query(sql, "TSV").decode().splitlines()
        old = dict(row.split("\t", 1) for row in rows)
        self.set(settings)
        return "SET " + ", ".join(
            f"{name} = '{old[name]}'" if name in old else f"{name} = DEFAULT" for name in settings
        )

    def use(self, database: str) -> None:
        """Make `database` the default of unqualified names."""
        if database != self.database:
            self.query(f"USE {identifier(database)}")
            self.database = database

    def query(self, sql: str | bytes, output: str = "TSV", parameters: Mapping[str, str] | None = None) -> bytes:
        """The whole answer in the format `output`.

        Raises:
            ClickHouseError: what the engine said.
        """
        try:
            return bytes(self._connection.query(sql, output, params=dict(parameters or {})).bytes() or b"")
        except Exception as error:
            self._drain()
            raise from_engine(error) from None

    def _drain(self) -> None:
        """Throw away what a failed statement had written: chDB would put it in front of the next answer."""
        with contextlib.suppress(Exception):
            self._connection.query("SELECT 1", "Null")

    def stream(self, sql: str | bytes, output: str, parameters: Mapping[str, str]) -> Iterator[tuple[bytes, int]]:
        """Pieces of the answer and their rows.

        Raises:
            ClickHouseError: what the engine said, at the first piece or later.
        """
        try:
            with self._connection.send_query(sql, output, params=dict(parameters)) as pieces:
                for piece in pieces:
                    yield bytes(piece.bytes()), int(piece.rows_read())
        except Exception as error:
            self._drain()
            raise from_engine(error) from None

    def insert(self, sql: str | bytes, source: str, parameters: Mapping[str, str]) -> "Insert":
        """Begin an INSERT whose data come in the format `source`."""
        self.set({f"param_{name}": value for name, value in parameters.items()})
        text = sql if isinstance(sql, str) else sql.decode(errors="replace")
        try:
            return Insert(self._connection.send_insert(text, source))
        except Exception as error:
            raise from_engine(error) from None

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()


class Insert:
    """An INSERT under way."""

    def __init__(self, inserter: Any) -> None:
        self._inserter = inserter

    def append(self, data: bytes) -> None:
        """Hand more of the data over.

        Raises:
            ClickHouseError: what the engine said.
        """
        try:
            self._inserter.append(data)
        except Exception as error:
            raise from_engine(error) from None

    def finish(self) -> tuple[int, int]:
        """Commit; returns rows and bytes written.

        Raises:
            ClickHouseError: what the engine said; nothing is written then.
        """
        try:
            done = self._inserter.finish()
        except Exception as error:
            raise from_engine(error) from None
        return int(done.rows_written), int(done.bytes_written)

    def cancel(self) -> None:
        """Give up what was not committed."""
        self._inserter.cancel()


def literal(value: str) -> str:
    """A string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def identifier(name: str) -> str:
    """A quoted name."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
