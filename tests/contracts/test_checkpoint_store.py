"""The checkpoint store on Redis: all or nothing, for the holder alone, and never on top of a state that is gone."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from streams.engine.store import Commit, Store
from streams.errors import LostError, UnavailableError
from streams.local import LocalServices


@pytest.fixture
async def store(services: LocalServices) -> AsyncIterator[Store]:
    """A store of a group nobody else uses."""
    made = Store(services.urls["redis_url"], f"test-{uuid4().hex}")
    yield made
    await made.close()


def commit(token: str, stamp: int, follows: int, *, replace: bool = False, **fields: bytes) -> Commit:
    meta = {"stamp": stamp, "o:sales": stamp * 10}
    return Commit(3, token, meta, follows, fields, seen=b"%016d" % stamp, replace=replace)


async def test_a_checkpoint_adds_to_the_one_it_follows(store: Store) -> None:
    token, empty = await store.open(3)
    assert (empty.meta, empty.fields, empty.seen) == ({}, {}, [])
    await store.commit(commit(token, 5, 0, replace=True, a=b"1", b=b"1"))
    await store.commit(Commit(3, token, {"stamp": 6}, 5, {"b": b"2"}, dropped=["a"]))
    _, stored = await store.open(3)
    assert (stored.meta, stored.fields) == ({"stamp": "6", "o:sales": "50"}, {"b": b"2"})
    assert stored.seen == [b"%016d" % 5]


async def test_a_checkpoint_written_twice_stands_once(store: Store) -> None:
    token, _ = await store.open(3)
    await store.commit(commit(token, 5, 0, replace=True, a=b"1"))
    for _ in range(2):  # the first answer was lost on the way
        await store.commit(commit(token, 6, 5, a=b"2"))
    _, stored = await store.open(3)
    assert (stored.fields, len(stored.seen)) == ({"a": b"2"}, 2)


async def test_a_checkpoint_that_follows_one_that_is_gone_is_refused(store: Store) -> None:
    token, _ = await store.open(3)
    await store.commit(commit(token, 5, 0, replace=True, a=b"1"))
    with pytest.raises(LostError, match="shard 3 was set back to checkpoint 5, this one follows 6") as lost:
        await store.commit(commit(token, 7, 6, a=b"3"))
    assert lost.value.holder == token
    _, stored = await store.open(3)
    assert stored.fields == {"a": b"1"}


async def test_a_state_that_replaces_everything_follows_nothing(store: Store) -> None:
    token, _ = await store.open(3)
    await store.commit(commit(token, 5, 0, replace=True, a=b"1"))
    await store.commit(Commit(3, token, {"stamp": 9}, 8, {"b": b"1"}, replace=True))
    _, stored = await store.open(3)
    assert (stored.meta, stored.fields, stored.seen) == ({"stamp": "9"}, {"b": b"1"}, [])


async def test_whoever_lost_the_shard_writes_and_releases_nothing(store: Store) -> None:
    first, _ = await store.open(3)
    second, _ = await store.open(3)
    with pytest.raises(LostError) as lost:
        await store.commit(commit(first, 5, 0, replace=True))
    assert lost.value.holder == second
    await store.release(3, first)
    assert await store.holder(3) == second
    await store.release(3, second)
    assert await store.holder(3) is None
    with pytest.raises(LostError) as lost:
        await store.commit(commit(second, 5, 0, replace=True))
    assert lost.value.holder is None


async def test_a_redis_that_is_away_is_said() -> None:
    away = Store("redis://127.0.0.1:1", "test")
    with pytest.raises(UnavailableError, match="Redis does not answer"):
        await away.commit(commit("token", 5, 0))
    with pytest.raises(UnavailableError, match="Redis does not answer"):
        await away.release(3, "token")
    await away.close()
