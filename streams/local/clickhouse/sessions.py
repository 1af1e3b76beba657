"""Connections that live from request to request: temporary tables, SET and USE stay with a `session_id`."""

from collections.abc import Mapping

from streams.local.clickhouse.engine import Connection
from streams.local.clickhouse.errors import BAD_ARGUMENTS, SESSION_IS_LOCKED, SESSION_NOT_FOUND, refusal
from streams.local.clickhouse.users import User

_DEFAULT_TIMEOUT_S = 60.0
_LONGEST_TIMEOUT_S = 3600.0


class Session:
    """One session; its connection is opened by the first request that needs it."""

    def __init__(self, key: tuple[str, str]) -> None:
        self.key = key
        self.connection: Connection | None = None
        self.busy = True
        self.until = 0.0


class Sessions:
    """All sessions. Not for use from several threads."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, str], Session] = {}

    def take(self, user: User, query: Mapping[str, str]) -> Session | None:
        """The session that a request names, None when it names none.

        Raises:
            ClickHouseError: another request uses it (373), it should exist already and does not (372), or its timeout
                is no number (36).
        """
        name = query.get("session_id", "")
        if not name:
            return None
        timeout_of(query)
        key = (user.name, name)
        known = self._sessions.get(key)
        if known is None:
            if query.get("session_check") == "1":
                raise refusal(SESSION_NOT_FOUND, f"Session {name} not found.")
            known = self._sessions[key] = Session(key)
        elif known.busy:
            raise refusal(SESSION_IS_LOCKED, f"Session {name} is locked by a concurrent client.")
        known.busy = True
        return known

    def give_back(self, session: Session, query: Mapping[str, str], now: float) -> Connection | None:
        """Let the next request have the session; returns a connection to close when the session ended with this one."""
        session.busy = False
        session.until = now + timeout_of(query)
        if session.connection is None or query.get("close_session") == "1":
            del self._sessions[session.key]
            return session.connection
        return None

    def expired(self, now: float) -> list[Connection]:
        """Forget sessions past their time; returns their connections to close."""
        old = [session for session in self._sessions.values() if not session.busy and session.until < now]
        for session in old:
            del self._sessions[session.key]
        return [session.connection for session in old if session.connection is not None]


def timeout_of(query: Mapping[str, str]) -> float:
    """Seconds that a session outlives its last request.

    Raises:
        ClickHouseError: the number is not one.
    """
    text = query.get("session_timeout") or str(_DEFAULT_TIMEOUT_S)
    try:
        return min(max(float(text), 0.0), _LONGEST_TIMEOUT_S)
    except ValueError:
        raise refusal(BAD_ARGUMENTS, f"Invalid session timeout: {text!r}.") from None
