"""Topics, keys and shards.

All source topics, `nodes` and `touches` share one partition count; the same key lies in the same partition of each, so
one representative's events of every kind meet in one shard.
"""

from collections.abc import Mapping
from functools import lru_cache

from schemas.events import SOURCE_TOPICS

NODES = "nodes"
#: Events on their way to the shards of the professionals and institutions they concern, keyed by those.
TOUCHES = "touches"
DEAD_LETTERS = "dead-letters"
LIGHTS = "lights"
COMMANDS = "commands"
#: Alerts of compliance rules, keyed by the alert's identity; what becomes of their cases, keyed alike.
ALERTS, CASES = "alerts", "cases"
#: Encrypted events that must not be kept in the open.
QUARANTINE = "quarantine"
#: Topics beside the shards'.
OTHER_TOPICS: tuple[str, ...] = (DEAD_LETTERS, LIGHTS, COMMANDS, ALERTS, CASES, QUARANTINE)
#: Topics whose partition `p` together make shard `p`.
SHARD_TOPICS: tuple[str, ...] = (*SOURCE_TOPICS, NODES, TOUCHES)

#: Message headers.
HEADER_EVENT_ID = "event_id"
HEADER_PRODUCER = "producer"
HEADER_REPLAY = "replay"

_MASK = 0xFFFFFFFF
_M = 0x5BD1E995


def murmur2(data: bytes) -> int:
    """Kafka's own 32-bit hash of a message key (Java client, and librdkafka's `murmur2_random`)."""
    length = len(data)
    h = 0x9747B28C ^ length
    whole = length & ~3
    for i in range(0, whole, 4):
        k = int.from_bytes(data[i : i + 4], "little") * _M & _MASK
        h = (h * _M & _MASK) ^ ((k ^ k >> 24) * _M & _MASK)
    if whole < length:
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ h >> 15


@lru_cache(1 << 17)
def shard_of(key: str, partitions: int) -> int:
    """Partition in which every message with this key lies."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def headers_of(headers: Mapping[str, str]) -> list[tuple[str, bytes]]:
    """Headers as Kafka clients take them."""
    return [(name, value.encode()) for name, value in headers.items()]
