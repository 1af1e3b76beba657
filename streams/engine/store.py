"""The checkpoint store in Redis: ownership, offsets and state of every shard.

Keys of shard `p`, all under `{group}:{p}:`, the braces making them one slot of a Redis cluster:
`owner` (random token of the worker that holds the shard), `meta` (hash: offsets, counters), `state` (hash: one field
a slot, member or report), `seen` (list of 16-byte pairs).
"""

import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import redis.asyncio as aioredis
from redis.exceptions import RedisError, WatchError

from streams.errors import LostError, UnavailableError

_FIELDS_PER_CALL = 2_000


@dataclass
class Stored:
    """A shard as it stands in Redis."""

    meta: dict[str, str]
    fields: dict[str, bytes]
    seen: list[bytes]


@dataclass
class Commit:
    """One checkpoint of one shard."""

    shard: int
    token: str
    meta: Mapping[str, str | int]
    """Complete: offsets, counters, labels and the `stamp` of this checkpoint."""
    follows: int = 0
    """Stamp of the checkpoint that this one changes."""
    fields: Mapping[str, bytes] = field(default_factory=dict)
    dropped: Iterable[str] = ()
    seen: bytes = b""
    replace: bool = False
    """Whether the state replaces everything stored (after a rebuild)."""
    lights: Mapping[str, bytes | None] = field(default_factory=dict)
    """Lights of running periods that read otherwise now; None takes one away."""


class Store:
    """Checkpoints of one consumer group.

    Args:
        url: Redis URL.
        group: prefix of all keys.
    """

    def __init__(self, url: str, group: str) -> None:
        self._redis = aioredis.Redis.from_url(url, protocol=2, socket_timeout=10, socket_connect_timeout=5)
        self._group = group

    def key(self, shard: int, name: str) -> str:
        """Key of one part of a shard."""
        return f"{self._group}:{shard}:{name}"

    async def open(self, shard: int) -> tuple[str, Stored]:
        """Take a shard over and read it; whoever held it before is refused from here on.

        Raises:
            UnavailableError: Redis does not answer.
        """
        token = secrets.token_hex(16)
        try:
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.set(self.key(shard, "owner"), token)
                pipe.hgetall(self.key(shard, "meta"))
                pipe.hgetall(self.key(shard, "state"))
                pipe.lrange(self.key(shard, "seen"), 0, -1)
                _, meta, fields, seen = await pipe.execute()
        except (RedisError, OSError) as error:
            raise _away(error) from error
        return token, Stored(_text(meta), {name.decode(): value for name, value in fields.items()}, seen)

    async def commit(self, commit: Commit) -> None:
        """Write a checkpoint, all of it or nothing; one that stands already is left as it is.

        Raises:
            LostError: another worker took the shard over, or Redis lost checkpoints that this one builds on; nothing
                was written.
            UnavailableError: Redis does not answer; it may or may not have been written, and can be written again.
        """
        meta = self.key(commit.shard, "meta")
        async with self._holding(commit.shard, commit.token) as pipe:
            stored: Any = await pipe.hget(meta, "stamp")
            stamp = int(stored or 0)
            stands = stamp == commit.meta["stamp"]
            if not stands and not commit.replace and stamp != commit.follows:
                msg = f"shard {commit.shard} was set back to checkpoint {stamp}, this one follows {commit.follows}"
                raise LostError(msg, commit.token)
            pipe.multi()
            if not stands:
                self._queue(pipe, commit)

    @asynccontextmanager
    async def _holding(self, shard: int, token: str) -> AsyncIterator[Any]:
        """A transaction that takes place only if `token` is in force and nobody touches the shard meanwhile."""
        owner = self.key(shard, "owner")
        try:
            async with self._redis.pipeline(transaction=True) as pipe:
                await pipe.watch(owner, self.key(shard, "meta"))
                held: Any = await pipe.get(owner)
                if held is None or held.decode() != token:
                    msg = f"shard {shard} belongs to another worker now"
                    raise LostError(msg, held.decode() if held is not None else None)
                yield pipe
                await pipe.execute()
        except WatchError as error:
            msg = f"shard {shard} was taken over by another worker"
            raise LostError(msg, token) from error
        except (RedisError, OSError) as error:
            raise _away(error) from error

    def _queue(self, pipe: Any, commit: Commit) -> None:
        state, seen = self.key(commit.shard, "state"), self.key(commit.shard, "seen")
        if commit.replace:
            pipe.delete(state, seen, self.key(commit.shard, "meta"))
        items = list(commit.fields.items())
        for start in range(0, len(items), _FIELDS_PER_CALL):
            pipe.hset(state, mapping=dict(items[start : start + _FIELDS_PER_CALL]))
        if dropped := list(commit.dropped):
            pipe.hdel(state, *dropped)
        if commit.seen:
            pipe.rpush(seen, commit.seen)
        self._queue_lights(pipe, commit.lights)
        pipe.hset(self.key(commit.shard, "meta"), mapping=dict(commit.meta))

    def _queue_lights(self, pipe: Any, lights: Mapping[str, bytes | None]) -> None:
        current = f"{self._group}:lights"
        shown = [(name, reading) for name, reading in lights.items() if reading is not None]
        for start in range(0, len(shown), _FIELDS_PER_CALL):
            pipe.hset(current, mapping=dict(shown[start : start + _FIELDS_PER_CALL]))
        if over := [name for name, reading in lights.items() if reading is None]:
            pipe.hdel(current, *over)

    async def holder(self, shard: int) -> str | None:
        """Token of the worker that holds a shard; None when nobody does.

        Raises:
            UnavailableError: Redis does not answer.
        """
        try:
            held: Any = await self._redis.get(self.key(shard, "owner"))
        except (RedisError, OSError) as error:
            raise _away(error) from error
        return held.decode() if held is not None else None

    async def release(self, shard: int, token: str) -> None:
        """Give a shard up that nobody else holds yet; somebody else's token stays.

        Raises:
            UnavailableError: Redis does not answer.
        """
        with suppress(LostError):
            async with self._holding(shard, token) as pipe:
                pipe.multi()
                pipe.delete(self.key(shard, "owner"))

    async def resend_round(self, *, ask: bool = False) -> int:
        """Number of times a rebuilt shard asked the others to say their totals again; `ask` asks once more."""
        key = f"{self._group}:resend"
        try:
            return int(await (self._redis.incr(key) if ask else self._redis.get(key)) or 0)
        except (RedisError, OSError) as error:
            raise _away(error) from error

    def subscribe(self) -> Any:
        """A subscription to publications of policies and reference data."""
        return self._redis.pubsub(ignore_subscribe_messages=True), f"{self._group}:published"

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


def _text(mapping: Mapping[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in mapping.items()}


def _away(error: Exception) -> UnavailableError:
    return UnavailableError(f"Redis does not answer: {error}")
