"""Keys lie where Kafka's own client puts them."""

import pytest

from streams.topics import murmur2, shard_of

#: Printed in Apache Kafka's own tests of its hash (signed 32-bit).
KNOWN = {
    "21": -973932308,
    "foobar": -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    "abc": 479470107,
}


@pytest.mark.parametrize(("key", "signed"), KNOWN.items())
def test_murmur2_equals_kafkas(key: str, signed: int) -> None:
    assert murmur2(key.encode()) == signed % 2**32


def test_a_shard_is_the_positive_hash_modulo_partitions() -> None:
    assert shard_of("foobar", 7) == (-790332482 & 0x7FFFFFFF) % 7
    assert {shard_of(f"R{number}", 5) for number in range(200)} == set(range(5))
