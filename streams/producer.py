"""The bulk producer: librdkafka's queue, 1-3 µs a message."""

import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams.errors import InvalidError, UnavailableError
from streams.topics import HEADER_PRODUCER, headers_of

_POLL_EVERY = 500
#: Longest wait for room in the queue.
_FULL_S = 30.0


class BulkProducer:
    """Sends keyed messages in order and says which did not arrive.

    Args:
        bootstrap: Kafka bootstrap servers.
        client: name shown in broker logs and in the `producer` header.
    """

    def __init__(self, bootstrap: str, client: str = "pulse") -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "client.id": client,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "linger.ms": 5,
                "compression.type": "lz4",
                "queue.buffering.max.messages": 200_000,
                "queue.buffering.max.kbytes": 262_144,
                "log_level": 2,
            }
        )
        self._client = client
        self._sent = 0
        self._failed: str | None = None

    def send(self, topic: str, key: str, value: bytes | None, headers: Mapping[str, str] | None = None) -> None:
        """Queue one message, without a value when that is None; blocks while the queue is full, half a minute at most.

        Raises:
            InvalidError: the message is larger than the broker takes.
            UnavailableError: the broker is away for longer than the client waits.
        """
        wire = headers_of({**(headers or {}), HEADER_PRODUCER: self._client})
        give_up_s = time.monotonic() + _FULL_S
        while not self._queued(topic, key, value, wire):
            self._producer.poll(0.1)
            if time.monotonic() > give_up_s:
                self._forget()
                msg = f"the broker took nothing for {_FULL_S:.0f} s, and the queue is full"
                raise UnavailableError(msg)
        self._sent += 1
        if self._sent % _POLL_EVERY == 0:
            self._producer.poll(0)

    def offer(self, topic: str, key: str, value: bytes | None) -> bool:
        """Queue one message if that takes no waiting; says whether it did. One that is too large is not taken."""
        try:
            return self._queued(topic, key, value, headers_of({HEADER_PRODUCER: self._client}))
        except InvalidError:
            return False
        finally:
            self._producer.poll(0)

    def _queued(self, topic: str, key: str, value: bytes | None, wire: Any) -> bool:
        try:
            self._producer.produce(topic, key=key.encode(), value=value, headers=wire, on_delivery=self._delivered)
        except BufferError:
            return False
        except KafkaException as error:
            raise _translated(error.args[0]) from error
        return True

    def flush(self, timeout_s: float = 30.0) -> None:
        """Wait until the broker has all messages.

        Raises:
            UnavailableError: some did not arrive; send them again.
        """
        left = self._producer.flush(timeout_s)
        failed, self._failed = self._failed, None
        if left:
            self._forget()
        if failed or left:
            msg = f"the broker did not take all messages: {failed or f'{left} still wait after {timeout_s:.0f} s'}"
            raise UnavailableError(msg)

    def _forget(self) -> None:
        """Drop what still waits: it is sent again, and copies must not pile up."""
        self._producer.purge(in_queue=True, in_flight=False)
        self._producer.poll(0)
        self._failed = None

    def close(self) -> None:
        """Flush what is left, for at most five seconds."""
        self._producer.flush(5)

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failed = error.str()


def _translated(error: Any) -> Exception:
    if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
        return InvalidError("the message is larger than the broker takes: split or shorten it")
    return UnavailableError(f"the broker does not answer: {error.str()}")
