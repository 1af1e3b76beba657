"""A sign of life of the desk, for commands that wait for its answer."""

import time

import redis
import redis.asyncio as aioredis
from redis.exceptions import RedisError

from streams.errors import UnavailableError
from streams.settings import Settings

_EVERY_S, _LASTS_S = 2.0, 10


def _key(group: str) -> str:
    return f"{group}-desk:alive"


class Alive:
    """Says every few seconds that a desk runs.

    Args:
        url: of Redis.
        group: of the company.
    """

    def __init__(self, url: str, group: str) -> None:
        self._redis = aioredis.Redis.from_url(url, protocol=2, socket_timeout=10, socket_connect_timeout=5)
        self._group = group
        self._said_s = float("-inf")

    async def say(self) -> None:
        """Say it, if it is time to.

        Raises:
            UnavailableError: Redis does not answer.
        """
        now_s = time.monotonic()
        if now_s - self._said_s < _EVERY_S:
            return
        try:
            await self._redis.set(_key(self._group), "1", ex=_LASTS_S)
        except (RedisError, OSError) as error:
            msg = f"Redis does not answer: {error}"
            raise UnavailableError(msg) from error
        self._said_s = now_s

    async def close(self) -> None:
        """Close the connection."""
        await self._redis.aclose()


def is_alive(settings: Settings) -> bool:
    """Whether a desk spoke within the last seconds; False when Redis cannot be asked."""
    if settings.redis_url is None:
        return False
    client: redis.Redis = redis.Redis.from_url(settings.redis_url.get_secret_value(), socket_timeout=5)
    try:
        return bool(client.exists(_key(settings.group)))
    except (RedisError, OSError):
        return False
    finally:
        client.close()
