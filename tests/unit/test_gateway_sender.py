"""The gateway's sender: one wait for many requests, and nobody is told that the broker has what it has not."""

import asyncio
import threading
from collections.abc import Mapping

import pytest
from gateway_parts import FakeProducer

from streams.errors import UnavailableError
from streams.gateway import sender as module
from streams.gateway.sender import Message, Sender


class HeldProducer(FakeProducer):
    """Holds the first flush until told to go on, and counts flushes."""

    def __init__(self) -> None:
        super().__init__()
        self.flushes = 0
        self.begun, self.go_on = threading.Event(), threading.Event()

    def flush(self, timeout_s: float = 30.0) -> None:
        self.flushes += 1
        self.begun.set()
        assert self.go_on.wait(10)
        super().flush(timeout_s)


def message(number: int) -> Message:
    return Message("visits", f"R-{number}", str(number).encode())


async def begun(producer: HeldProducer) -> None:
    assert await asyncio.to_thread(producer.begun.wait, 10)


async def test_what_waits_is_sent_together_in_order() -> None:
    producer = HeldProducer()
    sender = Sender(producer, 1)
    sender.start()
    first = asyncio.create_task(sender.send([message(0)]))
    await begun(producer)
    others = [asyncio.create_task(sender.send([message(2 * n + 1), message(2 * n + 2)])) for n in range(5)]
    await asyncio.sleep(0)  # all of them have put their messages into the queue
    assert not first.done()

    producer.go_on.set()

    assert await asyncio.gather(first, *others) == [[None], *[[None, None]] * 5]
    assert [int(value) for _, _, value, _ in producer.sent] == list(range(11))
    assert producer.flushes == 2
    assert await sender.send([]) == []
    sender.stop()


async def test_a_failure_is_told_to_all_who_waited_together_and_to_nobody_after() -> None:
    producer = HeldProducer()
    sender = Sender(producer, 1)
    sender.start()
    tasks = [asyncio.create_task(sender.send([message(0)]))]
    await begun(producer)
    tasks += [asyncio.create_task(sender.send([message(n)])) for n in (1, 2)]
    await asyncio.sleep(0)
    producer.away = True
    producer.go_on.set()

    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [UnavailableError] * 3
    producer.away = False
    assert await sender.send([message(3)]) == [None]
    sender.stop()


async def test_too_many_who_wait_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WAITING", 1)
    producer = HeldProducer()
    sender = Sender(producer, 1)
    sender.start()
    first = asyncio.create_task(sender.send([message(0)]))
    await begun(producer)
    second = asyncio.create_task(sender.send([message(1)]))
    await asyncio.sleep(0)

    with pytest.raises(UnavailableError, match="wait for the broker already"):
        await sender.send([message(2)])

    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    producer.go_on.set()
    assert await first == [None]
    sender.stop()
    assert [int(value) for _, _, value, _ in producer.sent] == [0]


def test_a_producer_is_asked_with_topic_key_and_headers() -> None:
    producer = FakeProducer()
    sender = Sender(producer, 1)
    sender.start()
    headers: Mapping[str, str] = {"event_id": "V-1"}

    asyncio.run(sender.send([Message("visits", "R-1", b"{}", headers)]))
    sender.stop()

    assert producer.sent == [("visits", "R-1", b"{}", {"event_id": "V-1"})]
