"""librdkafka's mock cluster as a Kafka broker on loopback: in memory, gone with the process."""

from confluent_kafka import KafkaException, Producer

from streams.errors import UnavailableError
from streams.topics import OTHER_TOPICS, SHARD_TOPICS

#: The mock keeps about 5 MB of a partition and drops the oldest; imports stay well below.
PARTITION_BYTES = 3_000_000
#: The mock answers a follower that asks after the leader's assignment with an error, so the leader waits.
ASSIGN_DELAY_S = 0.15

LIMITS = (
    "the local Kafka broker lives in memory: topics are lost when it stops, and a partition keeps about 5 MB "
    "(the oldest messages go first); set PULSE_KAFKA_URL to use a real one"
)


class LocalBroker:
    """One mock broker with the product's topics.

    Raises:
        UnavailableError: the broker did not come up.
    """

    def __init__(self) -> None:
        self._client = Producer({"test.mock.num.brokers": 1, "log_level": 2, "log.queue": True})
        try:
            brokers = self._client.list_topics(timeout=10).brokers
            for topic in (*SHARD_TOPICS, *OTHER_TOPICS):
                self._client.list_topics(topic, timeout=10)
        except KafkaException as error:
            msg = f"the local Kafka broker did not start: {error.args[0].str()}"
            raise UnavailableError(msg) from None
        self.url = ",".join(f"{broker.host}:{broker.port}" for broker in brokers.values())
