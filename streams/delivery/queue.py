"""What is pending, in Redis: shared by all desks, so that one message holds what comes from every partition.

Keys, all under `{group-delivery}:`, the braces making them one slot of a Redis cluster: `items` (hash: delivery),
`lanes` (set: recipient and channel with something pending), `due:LANE` (sorted set by time), `of:ALERT` (set of
deliveries), `notice:ALERT` (what messages say), `done:ID` (how a delivery ended), `claim:ID` (who is about to send
it), `lock:LANE`, `sent:LANE` (sorted set of times), `seen:ALERT` (somebody acted), `filled` (it is known how earlier
deliveries ended), `rows` (hash: rows ClickHouse has not taken yet).
"""

import contextlib
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import redis.asyncio as aioredis
from redis.exceptions import RedisError, WatchError

from schemas.delivery import Delivery, Notice
from streams.delivery.table import row_of
from streams.errors import UnavailableError

#: How long it is remembered how a delivery ended: longer than alerts are told of at all.
_REMEMBERED_S = 40 * 86_400
_AT_ONCE = 2_000
_LANE = "\x1f"


def lane_of(one: Delivery) -> str:
    """Recipient and channel of a delivery, as one name."""
    return f"{one.recipient}{_LANE}{one.channel}"


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError) as error:
        msg = f"Redis does not answer: {error}"
        raise UnavailableError(msg) from error


class Queue:
    """The pending deliveries of one company.

    Args:
        url: Redis URL.
        group: of the company.

    Every method raises `UnavailableError` when Redis does not answer.
    """

    def __init__(self, url: str, group: str) -> None:
        self._redis = aioredis.Redis.from_url(
            url, protocol=2, socket_timeout=10, socket_connect_timeout=5, decode_responses=True
        )
        self._prefix = f"{{{group}-delivery}}:"
        self._token = secrets.token_hex(8)

    def _key(self, *parts: str) -> str:
        return self._prefix + ":".join(parts)

    async def is_filled(self) -> bool:
        """Whether it is known how earlier deliveries ended; not so when Redis is new or lost what it held."""
        with _translated():
            return bool(await self._redis.exists(self._key("filled")))

    async def fill(self, over: Mapping[str, str]) -> None:
        """Note how earlier deliveries ended."""
        names = list(over)
        with _translated():
            for start in range(0, len(names), _AT_ONCE):
                async with self._redis.pipeline(transaction=False) as pipe:
                    for name in names[start : start + _AT_ONCE]:
                        pipe.set(self._key("done", name), over[name], ex=_REMEMBERED_S, nx=True)
                    await pipe.execute()
            await self._redis.set(self._key("filled"), "1")

    async def add(self, deliveries: Sequence[Delivery], notices: Iterable[Notice], now: datetime) -> int:
        """Note what is to be sent, unless it is noted or over already; returns how many are new."""
        with _translated():
            new = await self._new(deliveries)
            async with self._redis.pipeline(transaction=True) as pipe:
                wanted = {one.alert_id for one in new}
                for notice in notices:
                    if notice.alert_id in wanted:
                        pipe.set(self._key("notice", notice.alert_id), notice.model_dump_json(), ex=_REMEMBERED_S)
                for one in new:
                    self._queue(pipe, one, now)
                await pipe.execute()
        return len(new)

    async def _new(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        if not deliveries:
            return []
        async with self._redis.pipeline(transaction=False) as pipe:
            for one in deliveries:
                pipe.exists(self._key("done", one.delivery_id))
                pipe.hexists(self._key("items"), one.delivery_id)
                pipe.exists(self._key("seen", one.alert_id))
            found = await pipe.execute()
        states = zip(deliveries, found[::3], found[1::3], found[2::3], strict=True)
        return [
            one
            for one, done, there, seen in states
            if not done and not there and not (seen and one.kind == "escalation")
        ]

    async def unknown(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Those of which nothing is known here: neither that they wait nor how they ended."""
        with _translated():
            return await self._new(deliveries)

    def _queue(self, pipe: Any, one: Delivery, now: datetime) -> None:
        self._note_row(pipe, one, now)
        if one.status == "unrouted":
            pipe.set(self._key("done", one.delivery_id), one.status, ex=_REMEMBERED_S)
            return
        pipe.hset(self._key("items"), one.delivery_id, one.model_dump_json())
        pipe.sadd(self._key("lanes"), lane_of(one))
        pipe.zadd(self._key("due", lane_of(one)), {one.delivery_id: one.due_at.timestamp()})
        pipe.sadd(self._key("of", one.alert_id), one.delivery_id)

    def _note_row(self, pipe: Any, one: Delivery, now: datetime) -> None:
        pipe.hset(
            self._key("rows"), f"{one.delivery_id}:{one.status}:{one.attempts}:{now.timestamp()}", row_of(one, now)
        )

    async def put_off(self, deliveries: Iterable[Delivery], now: datetime) -> None:
        """Note new times of pending deliveries, and that nobody is about to send them."""
        with _translated():
            async with self._redis.pipeline(transaction=True) as pipe:
                for one in deliveries:
                    self._queue(pipe, one, now)
                    pipe.delete(self._key("claim", one.delivery_id))
                await pipe.execute()

    async def finish(self, deliveries: Sequence[Delivery], now: datetime) -> None:
        """Note that deliveries are over: sent, failed or called off."""
        if not deliveries:
            return
        with _translated():
            async with self._redis.pipeline(transaction=True) as pipe:
                for one in deliveries:
                    self._end(pipe, one, now)
                if deliveries[0].status == "sent":
                    self._note_sent(pipe, deliveries[0], now)
                await pipe.execute()

    def _end(self, pipe: Any, one: Delivery, now: datetime) -> None:
        self._note_row(pipe, one, now)
        pipe.set(self._key("done", one.delivery_id), one.status, ex=_REMEMBERED_S)
        pipe.hdel(self._key("items"), one.delivery_id)
        pipe.zrem(self._key("due", lane_of(one)), one.delivery_id)
        pipe.srem(self._key("of", one.alert_id), one.delivery_id)
        pipe.delete(self._key("claim", one.delivery_id))

    def _note_sent(self, pipe: Any, one: Delivery, now: datetime) -> None:
        """One message more went out on the lane."""
        key = self._key("sent", lane_of(one))
        pipe.zadd(key, {one.message_id: now.timestamp()})
        pipe.zremrangebyscore(key, 0, (now - timedelta(hours=1)).timestamp())
        pipe.expire(key, 3600)

    async def lanes(self) -> list[str]:
        """Recipients and channels with something pending."""
        with _translated():
            found: Any = await self._redis.smembers(self._key("lanes"))
        return sorted(found)

    async def due(self, lane: str, now: datetime) -> list[Delivery]:
        """What of a lane is due, the earliest first."""
        with _translated():
            ids: Any = await self._redis.zrangebyscore(
                self._key("due", lane), 0, now.timestamp(), start=0, num=_AT_ONCE
            )
            values: Any = await self._redis.hmget(self._key("items"), ids) if ids else []
            if gone := [one for one, value in zip(ids, values, strict=True) if value is None]:
                await self._redis.zrem(self._key("due", lane), *gone)
        return [Delivery.model_validate_json(value) for value in values if value is not None]

    async def notices(self, deliveries: Sequence[Delivery]) -> list[Notice | None]:
        """What messages say of the alerts, in the order of the deliveries."""
        with _translated():
            values: Any = await self._redis.mget([self._key("notice", one.alert_id) for one in deliveries])
        return [None if value is None else Notice.model_validate_json(value) for value in values]

    async def recent(self, lane: str, now: datetime) -> list[datetime]:
        """When messages went out on a lane within the last hour."""
        with _translated():
            found: Any = await self._redis.zrangebyscore(
                self._key("sent", lane), (now - timedelta(hours=1)).timestamp(), "+inf", withscores=True
            )
        return [datetime.fromtimestamp(score, UTC) for _member, score in found]

    async def claim(self, deliveries: Sequence[Delivery], lease_s: float, now: datetime) -> list[Delivery]:
        """Those of the deliveries that are ours to send now: not over, and nobody else is about to send them.

        What is over and was put back, by a desk that planned it at the same time or whose attempt failed while
        somebody acted, is taken out again: it would be due for ever, in the place of others.
        """
        with _translated():
            async with self._redis.pipeline(transaction=True) as pipe:
                for one in deliveries:
                    pipe.set(self._key("claim", one.delivery_id), self._token, nx=True, px=int(lease_s * 1000))
                    pipe.get(self._key("done", one.delivery_id))
                    pipe.hexists(self._key("items"), one.delivery_id)
                found = await pipe.execute()
            states = list(zip(deliveries, found[::3], found[1::3], found[2::3], strict=True))
            async with self._redis.pipeline(transaction=True) as pipe:
                for one, _, done, is_back in states:
                    if done and is_back:
                        self._end(pipe, one.model_copy(update={"status": done}), now)
                await pipe.execute()
        return [one for one, ours, done, _ in states if ours and not done]

    @contextlib.asynccontextmanager
    async def holding(self, lane: str, lease_s: float) -> AsyncIterator[bool]:
        """Whether the lane is ours for as long; one desk sends there at a time."""
        key, token = self._key("lock", lane), secrets.token_hex(8)
        with _translated():
            ours = bool(await self._redis.set(key, token, nx=True, px=int(lease_s * 1000)))
        try:
            yield ours
        finally:
            if ours:
                await self._release(key, token)

    async def _release(self, key: str, token: str) -> None:
        pipe: Any
        with contextlib.suppress(RedisError, OSError, WatchError):  # else it runs out by itself
            async with self._redis.pipeline(transaction=True) as pipe:
                await pipe.watch(key)
                if await pipe.get(key) == token:
                    pipe.multi()
                    pipe.delete(key)
                    await pipe.execute()

    async def extend(self, lane: str, lease_s: float) -> None:
        """Keep a lane for as long from now on."""
        with _translated():
            await self._redis.pexpire(self._key("lock", lane), int(lease_s * 1000))

    async def call_off(self, alert_id: str, now: datetime) -> int:
        """Somebody acted: no escalation of the alert goes out any more; returns how many waited."""
        with _translated():
            await self._redis.set(self._key("seen", alert_id), "1", ex=_REMEMBERED_S)
            ids: Any = sorted(await self._redis.smembers(self._key("of", alert_id)))
            values: Any = await self._redis.hmget(self._key("items"), ids) if ids else []
        found = [Delivery.model_validate_json(value) for value in values if value is not None]
        waiting = [one for one in found if one.kind == "escalation"]
        await self.finish([one.model_copy(update={"status": "called_off"}) for one in waiting], now)
        return len(waiting)

    async def revive(self, one: Delivery, notice: Notice, now: datetime) -> None:
        """Take a delivery up again that was given up."""
        with _translated():
            await self._redis.delete(self._key("done", one.delivery_id))
        await self.add([one], [notice], now)

    async def rows(self) -> dict[str, str]:
        """Rows that ClickHouse has not taken yet, some hundreds at most."""
        cursor, some, found = 0, dict[Any, Any](), dict[str, str]()
        with _translated():
            while True:
                answer: Any = await self._redis.hscan(self._key("rows"), cursor, count=500)
                cursor, some = answer
                found |= some
                if found or cursor == 0:
                    return found

    async def rows_taken(self, names: Iterable[str]) -> None:
        """ClickHouse has these rows."""
        with _translated():
            await self._redis.hdel(self._key("rows"), *names)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
