"""ClickHouse clients and what their errors mean."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, Error, OperationalError
from pydantic import SecretStr

from streams.errors import InvalidError, UnavailableError, UsageError

#: Server answers that may change by waiting: too many queries, memory, timeouts, read-only replica, restart. So may
#: answers that do not come from ClickHouse itself, but from a proxy or a server that shuts down.
_PASSING = ("TOO_MANY", "MEMORY_LIMIT", "TIMEOUT", "NETWORK_ERROR", "READONLY_REPLICA", "ABORTED", "TABLE_IS_READ_ONLY")


def parse_url(url: str) -> dict[str, Any]:
    """Arguments of `clickhouse_connect.get_client` from `http://user:password@host:port/database`.

    Raises:
        UsageError: when the URL has no host or another scheme.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        msg = "a ClickHouse URL looks like http://user:password@host:8123/pulse"
        raise UsageError(msg)
    return {
        "host": parts.hostname,
        "port": parts.port or (8443 if parts.scheme == "https" else 8123),
        "secure": parts.scheme == "https",
        "username": unquote(parts.username or "default"),
        "password": unquote(parts.password or ""),
        "database": parts.path.strip("/") or "pulse",
    }


def connect(url: SecretStr | None, *, database: str | None = None, timeout_s: float = 60) -> Client:
    """A client for the server behind `url`; `database` overrides the one in the URL.

    Raises:
        UsageError: no URL is set.
        UnavailableError: the server does not answer.
    """
    if url is None:
        msg = "no ClickHouse is set: start `pulse up`, or set PULSE_CLICKHOUSE_URL"
        raise UsageError(msg)
    arguments = parse_url(url.get_secret_value())
    if database is not None:
        arguments["database"] = database
    with translated():
        return clickhouse_connect.get_client(
            **arguments, send_receive_timeout=timeout_s, connect_timeout=5, autogenerate_session_id=False
        )


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into ours: unavailable (wait and retry) or invalid (will stay wrong)."""
    try:
        yield
    except OperationalError as error:
        msg = f"ClickHouse does not answer: {_first_line(error)}"
        raise UnavailableError(msg) from error
    except DatabaseError as error:
        text = _first_line(error)
        if "DB::Exception" not in str(error) or any(word in text for word in _PASSING):
            msg = f"ClickHouse is busy: {text}"
            raise UnavailableError(msg) from error
        msg = f"ClickHouse refused: {text}"
        raise InvalidError(msg) from error
    except (Error, OSError) as error:
        msg = f"ClickHouse does not answer: {_first_line(error)}"
        raise UnavailableError(msg) from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0][:500]
