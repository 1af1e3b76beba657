"""The broker the other tests here rely on: it takes topics, keeps messages over a restart and serves groups."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import real_kafka
from aiokafka import AIOKafkaConsumer
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient, NewTopic

from streams.producer import BulkProducer

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]
MESSAGES = 500
TOPIC = "greetings"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[real_kafka.RealKafka]:
    if reason := real_kafka.available():
        pytest.skip(reason)
    with real_kafka.running(tmp_path_factory.mktemp("broker")) as running:
        admin = AdminClient({"bootstrap.servers": running.bootstrap})
        admin.create_topics([NewTopic(TOPIC, 4, 1)])[TOPIC].result(20)
        producer = BulkProducer(running.bootstrap)
        for number in range(MESSAGES):
            producer.send(TOPIC, str(number), b"hello")
        producer.flush()
        yield running


def read_as_group(bootstrap: str, group: str) -> int:
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest", "log_level": 0}
    )
    consumer.subscribe([TOPIC])
    read = 0
    try:
        while read < MESSAGES:
            found = [message for message in consumer.consume(MESSAGES, 20) if not message.error()]
            assert found, f"only {read} messages came"
            read += len(found)
    finally:
        consumer.close()
    return read


def test_a_group_of_librdkafka_reads_everything(broker: real_kafka.RealKafka) -> None:
    assert read_as_group(broker.bootstrap, "librdkafka") == MESSAGES


async def test_a_group_of_aiokafka_reads_everything(broker: real_kafka.RealKafka) -> None:
    consumer = AIOKafkaConsumer(
        TOPIC, bootstrap_servers=broker.bootstrap, group_id="aiokafka", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        read = 0
        while read < MESSAGES:
            found = await consumer.getmany(timeout_ms=20_000)
            assert found, f"only {read} messages came"
            read += sum(map(len, found.values()))
    finally:
        await consumer.stop()
    assert read == MESSAGES


@pytest.mark.parametrize("kill", [False, True])
def test_messages_and_port_survive_a_restart(broker: real_kafka.RealKafka, kill: bool) -> None:
    port = broker.bootstrap
    broker.restart(kill=kill)
    assert broker.bootstrap == port
    assert read_as_group(port, f"after-restart-{kill}") == MESSAGES


def test_a_machine_without_java_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert real_kafka.available() == "no real Kafka here: java is not on PATH (needs Java 17 and Maven)"
