"""Which keys belong to a shard."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import count


@lru_cache(8)
def greeting_keys(shard_of: Callable[[str, int], int], partitions: int) -> tuple[str, ...]:
    """A message key for every shard."""
    found: dict[int, str] = {}
    for number in count():
        found.setdefault(shard_of(f"@shard {number}", partitions), f"@shard {number}")
        if len(found) == partitions:
            break
    return tuple(found[shard] for shard in sorted(found))


@dataclass(frozen=True)
class Placement:
    """Which keys belong to this shard."""

    shard: int
    partitions: int
    shard_of: Callable[[str, int], int]

    def holds(self, key: str) -> bool:
        """Whether messages with this key belong here."""
        return self.shard_of(key, self.partitions) == self.shard
