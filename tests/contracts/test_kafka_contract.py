"""What the product needs of Kafka, on the local broker."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka import TopicPartition as Partition

from streams.local import LocalServices
from streams.topics import COMMANDS, DEAD_LETTERS, SHARD_TOPICS, shard_of


@pytest.fixture
def bootstrap(services: LocalServices) -> str:
    """Where the broker is."""
    return str(services.urls["kafka_url"])


@pytest.fixture
def topic() -> str:
    """A topic of the test's own."""
    return f"test-{uuid4().hex[:12]}"


@pytest.fixture
def producer(bootstrap: str) -> Iterator[Producer]:
    """A producer as the product makes it."""
    made = Producer({"bootstrap.servers": bootstrap, "partitioner": "murmur2_random", "enable.idempotence": True})
    yield made
    made.flush(5)


def consumer_of(bootstrap: str, group: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "session.timeout.ms": 6000,
        }
    )


def read(consumer: Consumer, count: int) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    for _ in range(200):
        if len(found) >= count:
            break
        message = consumer.poll(0.1)
        if message is not None and message.error() is None:
            found.append((message.key(), message.value()))
    return found


def test_the_products_topics_are_there_and_co_partitioned(producer: Producer) -> None:
    topics = producer.list_topics(timeout=5).topics
    assert {*SHARD_TOPICS, DEAD_LETTERS, COMMANDS} <= set(topics)
    assert {len(topics[name].partitions) for name in SHARD_TOPICS} == {4}


def test_keys_go_where_the_product_says(bootstrap: str, producer: Producer, topic: str) -> None:
    placed: dict[str, int] = {}
    producer.list_topics(topic, timeout=5)
    for number in range(40):
        key = f"rep-{number}"
        producer.produce(
            topic, key=key, value=b"x", on_delivery=lambda _, m: placed.update({m.key().decode(): m.partition()})
        )
    assert producer.flush(10) == 0
    assert placed == {key: shard_of(key, 4) for key in placed}
    assert len(placed) == 40


def test_groups_go_on_where_they_committed(bootstrap: str, producer: Producer, topic: str) -> None:
    for number in range(10):
        producer.produce(topic, key="one", value=str(number).encode())
    assert producer.flush(10) == 0
    first = consumer_of(bootstrap, f"group-{topic}")
    first.subscribe([topic])
    assert [value for _, value in read(first, 10)] == [str(number).encode() for number in range(10)]
    partition = shard_of("one", 4)
    first.commit(offsets=[Partition(topic, partition, 7)], asynchronous=False)
    assert first.get_watermark_offsets(Partition(topic, partition), timeout=5) == (0, 10)
    first.close()
    second = consumer_of(bootstrap, f"group-{topic}")
    second.assign(second.committed([Partition(topic, partition)], timeout=5))
    assert [value for _, value in read(second, 3)] == [b"7", b"8", b"9"]
    second.close()


async def test_aiokafka_speaks_to_it(bootstrap: str, topic: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=False) as producer:
        sent = [
            await producer.send_and_wait(topic, f"{n}".encode(), partition=1, headers=[("event_id", b"e")])
            for n in range(5)
        ]
    assert [record.offset for record in sent] == list(range(5))
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=15)
    await consumer.start()
    try:
        here = TopicPartition(topic, 1)
        consumer.assign([here])
        consumer.seek(here, 2)
        got = [await consumer.getone(here) for _ in range(3)]
        assert [record.value for record in got] == [b"2", b"3", b"4"]
        assert got[0].headers == (("event_id", b"e"),)
        assert await consumer.end_offsets([here]) == {here: 5}
    finally:
        await consumer.stop()


def test_an_unreachable_broker_is_named() -> None:
    errors: list[KafkaError] = []
    lost = Producer({"bootstrap.servers": "127.0.0.1:1", "error_cb": errors.append, "log_level": 0})
    for _ in range(100):
        lost.poll(0.1)
        if errors:
            break
    assert "127.0.0.1:1" in errors[0].str() or "down" in errors[0].str()
