"""Keys of systems: 256 random bits, of which only the SHA-256 is kept, in the table `api_keys`."""

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog
from clickhouse_connect.driver.client import Client

from streams.clickhouse import translated
from streams.errors import InvalidError, UnavailableError, UsageError
from streams.gateway.problems import ProblemError
from streams.gateway.rights import System

_TABLE = "api_keys"
_COLUMNS = ("key_id", "name", "key_hash", "kinds", "source", "created_at", "created_by", "revoked_at", "version")
_KEY = re.compile(r"pulse_([0-9a-f]{16})_[A-Za-z0-9_-]{43}")
#: A revoked key is refused within this time.
_FRESH_S = 5.0
_NO_HASH = "0" * 64

_log = structlog.get_logger("gateway")


@dataclass(frozen=True)
class ApiKey:
    """One key, without the key."""

    key_id: str
    name: str
    key_hash: str
    """SHA-256 of the whole key, in hex."""
    kinds: tuple[str, ...]
    source: str
    created_at: datetime
    created_by: str
    revoked_at: datetime | None = None

    @property
    def system(self) -> System:
        """What the key lets its holder do."""
        return System(self.key_id, self.name, frozenset(self.kinds), self.source)


def digest_of(key: str) -> str:
    """What is kept of a key; a plain hash will do, since nobody can guess 256 bits."""
    return hashlib.sha256(key.encode()).hexdigest()


def make(name: str, kinds: Sequence[str], source: str, author: str) -> tuple[str, ApiKey]:
    """A new key and what is kept of it."""
    key_id = secrets.token_hex(8)
    key = f"pulse_{key_id}_{secrets.token_urlsafe(32)}"
    return key, ApiKey(key_id, name, digest_of(key), tuple(kinds), source, datetime.now(UTC), author)


def add(client: Client, key: ApiKey) -> None:
    """Keep a key.

    Raises:
        UsageError: the name is taken.
        UnavailableError: ClickHouse does not answer.
    """
    if any(other.name == key.name and other.revoked_at is None for other in listed(client)):
        msg = f"there is a key {key.name} already: revoke it first, or take another name"
        raise UsageError(msg)
    _store(client, key)


def revoke(client: Client, named: str) -> ApiKey:
    """End a key, named by its name or id.

    Raises:
        UsageError: there is no such key in use.
        UnavailableError: ClickHouse does not answer.
    """
    found = [key for key in listed(client) if key.revoked_at is None and named in {key.name, key.key_id}]
    if not found:
        msg = f"no key in use is called {named}: `pulse gateway key list` shows them"
        raise UsageError(msg)
    ended = replace(found[0], revoked_at=datetime.now(UTC))
    _store(client, ended)
    return ended


def listed(client: Client) -> list[ApiKey]:
    """Every key, the newest first.

    Raises:
        UnavailableError: ClickHouse does not answer.
        UsageError: the table is not there yet.
    """
    fixed = {"key_id", "key_hash"}
    columns = ", ".join(f"toString({name}) AS {name}" if name in fixed else name for name in _COLUMNS[:-1])
    statement = f"SELECT {columns} FROM {_TABLE} FINAL ORDER BY created_at DESC, key_id"
    try:
        with translated():
            rows = client.query(statement).result_rows
    except InvalidError as error:
        msg = f"the keys cannot be read ({error}): bring the database up to date with `pulse migrate`"
        raise UsageError(msg) from None
    return [
        ApiKey(key_id, name, digest, tuple(kinds), source, _utc(made), author, _utc(ended) if ended else None)
        for key_id, name, digest, kinds, source, made, author, ended in rows
    ]


def _store(client: Client, key: ApiKey) -> None:
    row = [getattr(key, name) for name in _COLUMNS[:-1]]
    row[3] = list(key.kinds)
    with translated():
        client.insert(_TABLE, [[*row, time.time_ns()]], column_names=_COLUMNS)


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


class Keys:
    """The keys in use, read again every few seconds; while ClickHouse is away the last ones hold.

    Args:
        read: gives every key; may raise UnavailableError.
        clock: monotonic seconds.
    """

    def __init__(self, read: Callable[[], Sequence[ApiKey]], clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: dict[str, ApiKey] | None = None
        self._read_s = 0.0

    def find(self, key: str) -> System:
        """Whose key it is. May read from ClickHouse: not for the event loop.

        Raises:
            ProblemError: 401, it is none in use; 503, it cannot be said.
        """
        match = _KEY.fullmatch(key)
        held = self._now().get(match[1]) if match else None
        is_right = hmac.compare_digest(digest_of(key) if match else _NO_HASH, held.key_hash if held else "x" * 64)
        if held is None or not is_right or held.revoked_at is not None:
            raise ProblemError(
                401,
                "the key in X-API-Key is not in use: ask operations for one (`pulse gateway key add`)",
                headers={"WWW-Authenticate": 'ApiKey realm="sfe-pulse"'},
            )
        return held.system

    def _now(self) -> dict[str, ApiKey]:
        with self._lock:
            if self._keys is None or self._clock() - self._read_s >= _FRESH_S:
                self._refresh()
            return self._keys or {}

    def _refresh(self) -> None:
        try:
            self._keys = {key.key_id: key for key in self._read()}
        except (UnavailableError, UsageError) as error:
            if self._keys is None:
                raise UnavailableError(str(error)) from error
            _log.warning("the keys of systems cannot be read anew; the last ones hold", why=str(error))
        self._read_s = self._clock()
