"""Import on the local services: messages, reference rows, dead letters, and never more than the broker keeps."""

import csv
import threading
from collections import Counter

import pytest
import redis as redis_module
from confluent_kafka import Consumer, TopicPartition

from streams import dead_letters, local, migrate, references
from streams.clickhouse import connect
from streams.importing import ImportJob, run_import
from streams.settings import Settings
from streams.topics import shard_of

MAPPING = """\
fields:
  event_id: {row_id: t}
  source: {constant: test}
  occurred_at: When
  rep_id: {stable_id: Rep, prefix: rep}
  institution_id: {stable_id: Customer, prefix: inst}
  product_id: Product
  quantity: Units
  amount: Money
reference:
  - kind: institution
    fields: {institution_id: {stable_id: Customer, prefix: inst}, name: Customer}
  - kind: rep
    fields: {rep_id: {stable_id: Rep, prefix: rep}, name: Rep}
"""
ROWS = 3_000
REPS = 40
LIMIT = 40_000


class SlowWorker(threading.Thread):
    """Reads every partition, checkpoints what it has read, and remembers the most it found beyond a checkpoint."""

    def __init__(self, settings):
        super().__init__(daemon=True)
        self.most, self.messages, self.stop = 0, [], threading.Event()
        self._redis = redis_module.Redis.from_url(settings.redis_url.get_secret_value())
        self._consumer = Consumer(
            {"bootstrap.servers": settings.kafka_url, "group.id": "probe", "auto.offset.reset": "earliest"}
        )
        self.partitions = len(self._consumer.list_topics("sales", timeout=10).topics["sales"].partitions)
        self._consumer.assign([TopicPartition("sales", partition, 0) for partition in range(self.partitions)])

    def run(self):
        while not self.stop.is_set():
            read, after = Counter(), {}
            for message in self._consumer.consume(5_000, 0.2):
                assert message.error() is None
                self.messages.append(message)
                read[message.partition()] += len(message.value()) + len(message.key())
                after[message.partition()] = message.offset() + 1
            self.most = max(self.most, *read.values(), 0)
            for partition, offset in after.items():
                self._redis.hset(f"pulse:{partition}:meta", "o:sales", offset)
        self._consumer.close()
        self._redis.close()


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    with local.start(tmp_path_factory.mktemp("services"), clickhouse_port=0) as services:
        names = ("kafka_url", "redis_url", "clickhouse_url")
        chosen = Settings(**{name: services.urls[name] for name in names}, broker_partition_bytes=LIMIT)
        migrate.migrate_database(chosen.clickhouse_url)
        yield chosen


def test_everything_arrives_within_what_the_broker_keeps(tmp_path, settings):
    with (tmp_path / "f.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["When", "Rep", "Customer", "Product", "Units", "Money"])
        out.writerows(["2024-01-01", f"R{n % REPS}", f"C{n % 7}", "p", n, f"{n}.50"] for n in range(ROWS))
        out.writerow(["gestern", "R1", "C1", "p", 1, 1])
        out.writerow(["2024-01-01", "R1", "C1", "p", "x", 1])
    (tmp_path / "m.yaml").write_text(MAPPING)
    job = ImportJob("sale", tmp_path / "f.csv", tmp_path / "m.yaml", "tester")
    worker = SlowWorker(settings)
    worker.start()
    try:
        summary = run_import(job, settings)
        assert (summary.accepted, summary.dead_lettered, summary.rows) == (ROWS, 2, ROWS + 2)
        assert summary.reference_rows == {"institution": 7, "rep": REPS}
        arrived = threading.Event()
        while len(worker.messages) < ROWS and worker.is_alive():
            arrived.wait(0.05)
    finally:
        worker.stop.set()
        worker.join(10)
    check_messages(worker)
    check_tables(settings, job, summary)


def check_messages(worker):
    assert len({message.value() for message in worker.messages}) == len(worker.messages) == ROWS
    sent = sum(len(message.value()) for message in worker.messages)
    assert sent > 2 * worker.partitions * LIMIT
    assert 0 < worker.most <= LIMIT
    for message in worker.messages[:50]:
        headers = dict(message.headers())
        assert f'"event_id":"{headers["event_id"].decode()}"'.encode() in message.value()
        assert message.partition() == shard_of(message.key().decode(), worker.partitions)
        assert f'"rep_id":"{message.key().decode()}"'.encode() in message.value()


def check_tables(settings, job, summary):
    client = connect(settings.clickhouse_url)
    try:
        loaded = references.load(client)
        assert sorted(row.name for row in loaded["institution"]) == [f"C{n}" for n in range(7)]
        assert len(loaded["rep"]) == REPS
        assert references.newest_version(client) == summary.reference_version
        letters = dead_letters.find(client, topic="sales")
        assert sorted(letter.line for letter in letters) == [ROWS + 2, ROWS + 3]
        assert {letter.file for letter in letters} == {str(job.file)}
    finally:
        client.close()
