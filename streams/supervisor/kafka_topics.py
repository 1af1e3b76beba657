"""The source topics of a Kafka cluster: there, and with one partition count."""

from collections.abc import Mapping

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from streams.errors import UnavailableError, UsageError
from streams.settings import Settings
from streams.topics import SHARD_TOPICS

_TIMEOUT_S = 10.0


def ensure_topics(settings: Settings) -> int:
    """Create the source topics that are missing and return the partition count of all of them.

    Raises:
        UsageError: existing topics differ in their partition count.
        UnavailableError: the broker does not answer, or refuses to create a topic.
    """
    admin = AdminClient({"bootstrap.servers": settings.kafka_url or "", "log_level": 2})
    try:
        found = admin.list_topics(timeout=_TIMEOUT_S).topics
        counts = {topic: len(found[topic].partitions) for topic in SHARD_TOPICS if topic in found}
        partitions = common_count(counts, settings.partitions)
        new = [NewTopic(topic, partitions, settings.replication) for topic in SHARD_TOPICS if topic not in counts]
        if new:
            for future in admin.create_topics(new, operation_timeout=_TIMEOUT_S, request_timeout=_TIMEOUT_S).values():
                future.result()
    except KafkaException as error:
        msg = f"Kafka at {settings.kafka_url} cannot be prepared: {error.args[0].str()}"
        raise UnavailableError(msg) from error
    return partitions


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
