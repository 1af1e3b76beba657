"""What the product needs of Redis: hashes, transactions, optimistic locks, pub/sub; on the local one."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
import redis
import redis.asyncio

from streams.local import LocalServices


@pytest.fixture
def store(services: LocalServices) -> Iterator[redis.Redis]:
    """A client, without anyone else's keys."""
    client = redis.Redis.from_url(services.urls["redis_url"])
    yield client
    client.close()


@pytest.fixture
async def async_store(services: LocalServices) -> AsyncIterator[redis.asyncio.Redis]:
    """The same for asyncio."""
    client = redis.asyncio.Redis.from_url(services.urls["redis_url"])
    yield client
    await client.aclose()


@pytest.fixture
def key() -> str:
    return f"test:{uuid4().hex}"


def test_hashes_and_lists_keep_bytes(store: redis.Redis, key: str) -> None:
    raw = bytes(range(256)) * 3
    store.hset(key, mapping={"o:sales": 7, b"raw\r\n": raw, "": b""})
    assert store.hgetall(key) == {b"o:sales": b"7", b"raw\r\n": raw, b"": b""}
    assert store.hincrby(key, "o:sales", 5) == 12
    assert store.hdel(key, "o:sales", "not there") == 1
    store.rpush(key + ":l", b"a", raw)
    assert store.lrange(key + ":l", 0, -1) == [b"a", raw]
    assert store.delete(key, key + ":l") == 2


def test_large_values_come_back_whole(store: redis.Redis, key: str) -> None:
    large = os.urandom(8_000_000)
    store.hset(key, "state", large)
    assert store.hget(key, "state") == large
    assert store.hgetall(key) == {b"state": large}
    store.delete(key)


def test_transactions_are_one_step(store: redis.Redis, key: str) -> None:
    with store.pipeline(transaction=True) as pipe:
        pipe.hset(key, mapping={f"f{n}": n for n in range(1_000)})
        pipe.rpush(key + ":l", *range(10))
        pipe.hlen(key)
        assert pipe.execute() == [1_000, 10, 1_000]


def test_a_failing_command_leaves_the_connection_usable(store: redis.Redis, key: str) -> None:
    store.set(key, "text")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        store.hset(key, "f", 1)
    with store.pipeline(transaction=True) as pipe, pytest.raises(redis.ResponseError):
        pipe.hset(key, "f", 1).set(key + "2", "done").execute()
    assert store.get(key + "2") == b"done"


def test_watch_notices_the_other_writer(store: redis.Redis, services: LocalServices, key: str) -> None:
    store.set(key, "mine")
    with redis.Redis.from_url(services.urls["redis_url"]) as other, store.pipeline() as pipe:
        pipe.watch(key)
        assert pipe.get(key) == b"mine"
        other.set(key, "theirs")
        pipe.multi()
        pipe.set(key + ":out", "never")
        with pytest.raises(redis.WatchError):
            pipe.execute()
        pipe.watch(key)
        pipe.multi()
        pipe.set(key + ":out", "now")
        assert pipe.execute() == [True]
    assert store.get(key + ":out") == b"now"


async def test_watch_with_asyncio(async_store: redis.asyncio.Redis, store: redis.Redis, key: str) -> None:
    await async_store.set(key, "mine")
    async with async_store.pipeline(transaction=True) as pipe:
        await pipe.watch(key)
        store.set(key, "theirs")
        pipe.multi()
        pipe.hset(key + ":h", "f", "v")
        with pytest.raises(redis.WatchError):
            await pipe.execute()
    assert not await async_store.exists(key + ":h")


def test_publish_reaches_subscribers(store: redis.Redis, key: str) -> None:
    with store.pubsub(ignore_subscribe_messages=True) as listening:
        listening.subscribe(key)
        listening.get_message(timeout=5)
        assert store.publish(key, "17") == 1
        message = next(filter(None, (listening.get_message(timeout=1) for _ in range(10))))
    assert (message["channel"], message["data"]) == (key.encode(), b"17")


async def test_publish_with_asyncio(async_store: redis.asyncio.Redis, key: str) -> None:
    async with async_store.pubsub() as listening:
        await listening.subscribe(key)
        assert (await listening.get_message(timeout=5))["type"] == "subscribe"
        await async_store.publish(key, "18")
        message = await listening.get_message(ignore_subscribe_messages=True, timeout=5)
    assert message["data"] == b"18"


async def test_many_clients_at_once(services: LocalServices, key: str) -> None:
    async def count() -> None:
        async with redis.asyncio.Redis.from_url(services.urls["redis_url"]) as client:
            for _ in range(20):
                await client.hincrby(key, "n", 1)

    await asyncio.gather(*(count() for _ in range(20)))
    async with redis.asyncio.Redis.from_url(services.urls["redis_url"]) as client:
        assert await client.hget(key, "n") == b"400"
