"""The source topics of a Kafka cluster: there, and with one partition count."""

from collections.abc import Mapping

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from streams.errors import UnavailableError, UsageError
from streams.settings import Settings
from streams.topics import OTHER_TOPICS, SHARD_TOPICS

_TIMEOUT_S = 10.0


def ensure_topics(settings: Settings) -> int:
    """Create the topics that are missing and return the partition count of the source topics.

    Raises:
        UsageError: existing topics differ in their partition count.
        UnavailableError: the broker does not answer, or refuses to create a topic.
    """
    admin = AdminClient({"bootstrap.servers": settings.kafka_url or "", "log_level": 2})
    try:
        found = admin.list_topics(timeout=_TIMEOUT_S).topics
        counts = {topic: len(found[topic].partitions) for topic in SHARD_TOPICS if topic in found}
        partitions = common_count(counts, settings.partitions)
        missing = [topic for topic in (*SHARD_TOPICS, *OTHER_TOPICS) if topic not in found]
        _create(admin, [NewTopic(topic, partitions, settings.replication) for topic in missing])
    except KafkaException as error:
        msg = f"Kafka at {settings.kafka_url} cannot be prepared: {error.args[0].str()}"
        raise UnavailableError(msg) from error
    return partitions


def _create(admin: AdminClient, topics: list[NewTopic]) -> None:
    if not topics:
        return
    for future in admin.create_topics(topics, operation_timeout=_TIMEOUT_S, request_timeout=_TIMEOUT_S).values():
        try:
            future.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # another worker was faster
                raise


def common_count(counts: Mapping[str, int], wanted: int) -> int:
    """The partition count existing topics share; `wanted` when there are none.

    Raises:
        UsageError: naming the topics that differ.
    """
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{topic} has {count}" for topic, count in sorted(counts.items()))
        msg = (
            f"the source topics need one partition count, but {listed}: "
            "add partitions to the smaller ones (kafka-topics --alter) before their first message"
        )
        raise UsageError(msg)
    return next(iter(counts.values()), wanted)
