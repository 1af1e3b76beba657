"""Signed JSON to a system: HMAC-SHA256 over time stamp and body, so that the receiver knows who sent it and when."""

import asyncio
import hashlib
import hmac
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import aiohttp
import orjson

from agents.delivery.pacing import Outcome
from schemas.delivery import Message
from streams.errors import UsageError

TIMESTAMP, SIGNATURE, DELIVERY = "X-Pulse-Timestamp", "X-Pulse-Signature", "X-Pulse-Delivery"
_OK, _REDIRECT, _REFUSED, _BROKEN = 200, 300, 400, 500
#: Refusals that another attempt may overcome: the request took too long, there were too many.
_PASSING = frozenset({408, 429})


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """What stands in the header X-Pulse-Signature.

    >>> signature("key", "1767225600", b"{}")[:20]
    'sha256=df344de429b8e'
    """
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256)
    return f"sha256={digest.hexdigest()}"


class Webhook:
    """One receiver.

    Args:
        url: address, http or https.
        secret: key the messages are signed with.
        limit_s: how long one attempt may take.

    Raises:
        UsageError: the address is none, or there is no key.
    """

    def __init__(self, url: str, secret: str, limit_s: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            msg = "the address of a webhook begins with https:// (or http://) and names a host"
            raise UsageError(msg)
        if not secret:
            msg = "a webhook without a key cannot be trusted by its receiver: set the variable of `secret_env`"
            raise UsageError(msg)
        self._url, self._secret, self._limit_s = url, secret, limit_s

    async def send(self, message: Message) -> Outcome:
        """One attempt; every failure is an outcome. Redirects are not followed, certificates are verified."""
        body = orjson.dumps(message.model_dump(mode="json"))
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/json",
            TIMESTAMP: timestamp,
            SIGNATURE: signature(self._secret, timestamp, body),
            DELIVERY: message.message_id,
        }
        timeout = aiohttp.ClientTimeout(total=self._limit_s)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                return judged(answer.status, answer.headers.get("Retry-After"), datetime.now(UTC))
        except TimeoutError:
            return Outcome(f"no answer within {self._limit_s:g} s")
        except (aiohttp.InvalidURL, ValueError):
            return Outcome("the address is no address: mend the variable of `url_env`", is_final=True)
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
            return Outcome(f"not reached: {_kind(error)}")

    async def close(self) -> None:
        """Nothing is kept open."""


def judged(status: int, retry_after: str | None, now: datetime) -> Outcome:
    """What an answer means.

    >>> judged(404, None, datetime(2026, 3, 1, tzinfo=UTC)).is_final
    True
    """
    if _OK <= status < _REDIRECT:
        return Outcome()
    if _REDIRECT <= status < _REFUSED:
        return Outcome(f"answered {status}: redirects are not followed, set the address it leads to", is_final=True)
    if status >= _BROKEN or status in _PASSING:
        return Outcome(f"answered {status}", retry_after_s=_seconds(retry_after, now))
    return Outcome(f"answered {status}", is_final=True)


def _seconds(retry_after: str | None, now: datetime) -> float | None:
    """The header Retry-After: seconds, or a date."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now.timestamp())


def _kind(error: BaseException) -> str:
    """What went wrong without the address, whose path may be a secret."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return "its certificate cannot be trusted"
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.strerror or "no connection"
    return type(error).__name__
