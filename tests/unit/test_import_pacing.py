"""Pacing: what is sent stays within what the checkpoints leave room for."""

import pytest
from confluent_kafka import KafkaError

from streams.errors import UnavailableError
from streams.importing.pacing import Ledger, PacedProducer, Watermarks
from streams.topics import shard_of

PARTITIONS = 3


class FakeBroker:
    def __init__(self, marks):
        self.marks = marks
        self.closed = False

    def partitions(self, _topic):
        return PARTITIONS

    def watermarks(self, _topic, partition):
        return self.marks.get(partition, Watermarks(0, 0))

    def close(self):
        self.closed = True


class FakeMessage:
    def __init__(self, partition, offset, key, value):
        self._all = partition, offset, key, value

    def partition(self):
        return self._all[0]

    def offset(self):
        return self._all[1]

    def key(self):
        return self._all[2]

    def value(self):
        return self._all[3]


class FakeQueue:
    """Stands in for librdkafka: delivers what was produced at the next poll."""

    def __init__(self, start=0, fail=False):
        self.waiting, self.next, self.fail = [], dict.fromkeys(range(PARTITIONS), start), fail
        self.delivered = []

    def produce(self, _topic, *, key, value, headers, on_delivery):
        self.waiting.append((key, value, on_delivery))

    def poll(self, _timeout):
        for key, value, done in self.waiting:
            partition = shard_of(key.decode(), PARTITIONS)
            offset = self.next[partition]
            self.next[partition] += 1
            self.delivered.append(key)
            done(
                KafkaError(KafkaError._MSG_TIMED_OUT) if self.fail else None, FakeMessage(partition, offset, key, value)
            )
        self.waiting = []


class Worker:
    """Checkpoints that follow the broker a few questions later."""

    def __init__(self, queue=None, lag=2):
        self.queue, self.lag, self.asked = queue, lag, 0
        self.away = False

    def read(self, _topic, _partitions):
        self.asked += 1
        if self.away:
            msg = "Redis does not answer: gone"
            raise UnavailableError(msg)
        return dict(self.queue.next) if self.queue is not None and self.asked % self.lag == 0 else {}


def paced(limit, worker, queue, notes=None, marks=None):
    broker = FakeBroker(marks or {})
    producer = PacedProducer(
        "nowhere:1", "sales", limit, worker, broker=broker, waiting=(notes if notes is not None else []).append
    )
    producer._producer = queue
    assert broker.closed
    return producer


def test_ledger_counts_what_no_checkpoint_contains():
    ledger = Ledger(100)
    ledger.begin(0, Watermarks(5, 5), None)
    assert ledger.fits(0, 1000)
    ledger.send(0, 60)
    assert not ledger.fits(0, 60)
    assert ledger.fits(0, 40)
    ledger.delivered(0, 5, 60)
    assert ledger.outstanding(0) == 60
    assert not ledger.release(0, 5)
    assert ledger.release(0, 6)
    assert ledger.outstanding(0) == 0


def test_ledger_starts_full_until_the_backlog_is_taken():
    ledger = Ledger(100)
    ledger.begin(0, Watermarks(0, 10), 4)
    assert not ledger.fits(0, 1)
    assert not ledger.release(0, 9)
    assert ledger.release(0, 10)
    assert ledger.fits(0, 100)
    ledger.begin(1, Watermarks(7, 10), None)
    assert not ledger.fits(1, 1)
    ledger.begin(2, Watermarks(7, 10), 10)
    assert ledger.fits(2, 1)


def test_ledger_charges_other_senders_messages():
    ledger = Ledger(1000)
    ledger.begin(0, Watermarks(0, 0), None)
    ledger.send(0, 10)
    ledger.delivered(0, 4, 10)
    assert ledger.outstanding(0) == 50


def test_never_more_than_the_limit_is_outstanding():
    queue = FakeQueue(start=20)
    worker = Worker(queue)
    marks = {partition: Watermarks(20, 20) for partition in range(PARTITIONS)}
    producer = paced(1000, worker, queue, marks=marks)
    for number in range(100):
        producer.send("sales", f"rep-{number % 5}", b"x" * 150, {"event_id": str(number)})
        assert max(producer._ledger.outstanding(partition) for partition in range(PARTITIONS)) <= 1000
    queue.poll(0)
    assert len(queue.delivered) == 100
    assert worker.asked > 10


def test_one_message_above_the_limit_still_passes():
    queue = FakeQueue()
    producer = paced(100, Worker(queue), queue)
    for _ in range(3):
        producer.send("sales", "rep", b"x" * 1000)
    queue.poll(0)
    assert len(queue.delivered) == 3


def test_says_what_it_waits_for(monkeypatch):
    monkeypatch.setattr("streams.importing.pacing._QUIET_S", 0.0)
    queue, notes = FakeQueue(), []
    worker = Worker()
    producer = paced(300, worker, queue, notes)
    producer.send("sales", "rep", b"x" * 150)

    def note(text):
        notes.append(text)
        worker.away = len(notes) == 1
        worker.queue = queue if len(notes) > 2 else None

    producer._waiting = note
    producer.send("sales", "rep", b"x" * 150)
    assert notes[0] == "waiting for a worker to take events: is `pulse worker` running?"
    assert notes[1] == "waiting: Redis does not answer: gone"
    assert notes[-1] is None


def test_what_the_broker_refuses_ends_the_import():
    queue = FakeQueue(fail=True)
    producer = paced(300, Worker(), queue)
    producer.send("sales", "rep", b"x" * 150)
    producer.send("sales", "rep", b"x" * 150)
    with pytest.raises(UnavailableError, match="import the file again"):
        producer.check()
    assert all(producer._ledger.outstanding(partition) == 0 for partition in range(PARTITIONS))


def test_an_offset_beyond_the_partition_belongs_to_a_broker_that_is_gone() -> None:
    ledger = Ledger(100)
    ledger.begin(0, Watermarks(0, 10), 5_000)
    assert ledger.outstanding(0) == 100
    assert ledger.release(0, 10)
    assert ledger.outstanding(0) == 0


def test_a_checkpoint_beyond_our_own_messages_releases_them_when_others_send_too() -> None:
    ledger = Ledger(100)
    ledger.begin(0, Watermarks(0, 0), None)
    ledger.send(0, 100)
    ledger.delivered(0, 0, 100)
    assert not ledger.fits(0, 1)
    assert ledger.release(0, 21)  # twenty messages of another producer lie behind ours
    assert ledger.fits(0, 1)
