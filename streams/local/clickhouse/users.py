"""Who may ask: a writer and a reader, each with a password."""

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from streams.local.clickhouse.errors import AUTHENTICATION_FAILED, refusal

WRITER = "pulse"
READER = "reader"


@dataclass(frozen=True)
class User:
    """A user who gave the right password."""

    name: str
    readonly: bool


class Users:
    """The two users.

    Args:
        passwords: of `WRITER` and `READER`.
    """

    def __init__(self, passwords: Mapping[str, str]) -> None:
        self._passwords = {name: passwords[name].encode() for name in (WRITER, READER)}

    def authenticate(self, headers: Mapping[str, str], query: Mapping[str, str]) -> User:
        """The user behind a request, from X-ClickHouse-User, Authorization or the query string, as ClickHouse looks.

        Raises:
            ClickHouseError: 516, no such user or a wrong password.
        """
        name, password = _credentials(headers, query)
        known = self._passwords.get(name)
        if not hmac.compare_digest(known or b"\0", password.encode()) or known is None:
            reason = f"{name}: Authentication failed: password is incorrect, or there is no user with such name."
            raise refusal(AUTHENTICATION_FAILED, reason)
        return User(name, readonly=name == READER)


def _credentials(headers: Mapping[str, str], query: Mapping[str, str]) -> tuple[str, str]:
    if "X-ClickHouse-User" in headers:
        return headers["X-ClickHouse-User"], headers.get("X-ClickHouse-Key", "")
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(value).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return name, password
    return query.get("user", "default"), query.get("password", "")
