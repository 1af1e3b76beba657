"""Which events a shard has taken, 16 bytes each: a hash of the identity and a hash of the content.

An open-addressing table in numpy, looked up one by one or a batch at a time. A false match needs two identities with
the same 64-bit hash (about 3 in a million for ten million events) and would show as a conflict, never pass in silence:
the content hash covers the identity too.
"""

from collections.abc import Iterable
from datetime import date, datetime
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from agents.progress.calendar import CompanyTime
from agents.progress.groups import micro

Hashes = npt.NDArray[np.uint64]

_FULL = 0.6
_SPREAD_INT, _MASK = 0x9E3779B97F4A7C15, 2**64 - 1
_SPREAD = np.uint64(_SPREAD_INT)


def hash64(data: bytes) -> int:
    """A 64-bit hash, never 0, the same on every machine."""
    return int.from_bytes(blake2b(data, digest_size=8).digest()) or 1


def identity_hash(kind: str, owner: str, event_id: str) -> int:
    """Hash of what an event is: its kind, the rep (or territory) it belongs to, and its id."""
    return hash64(f"{kind}\x1f{owner}\x1f{event_id}".encode())


def content_hash(identity: int, values: Iterable[Any]) -> int:
    """Hash of what an event says; equal for equal instants and amounts however they were written."""
    parts = [identity, *values]
    while parts[-1] is None:
        parts.pop()  # an optional field added later leaves old hashes as they are
    return hash64(orjson.dumps(parts, default=_plain, option=orjson.OPT_PASSTHROUGH_DATETIME))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return CompanyTime.microseconds(value)
    return value.isoformat() if isinstance(value, date) else str(micro(value))


class Seen:
    """Identities with their contents.

    Attributes:
        size: identities held.
    """

    def __init__(self, capacity: int = 1 << 10) -> None:
        self.size = 0
        self._ids: Hashes = np.zeros(capacity, np.uint64)
        self._contents: Hashes = np.zeros(capacity, np.uint64)

    def get(self, identity: int) -> int:
        """Content hash of one identity; 0 where it was never seen."""
        place = self._place_of(identity)
        return self._contents.item(place) if self._ids.item(place) else 0

    def put(self, identity: int, content: int) -> None:
        """Enter one identity, or another content of it."""
        if self.size + 1 > _FULL * len(self._ids):
            self._grow()
        place = self._place_of(identity)
        self.size += not self._ids.item(place)
        self._ids[place], self._contents[place] = identity, content

    def _place_of(self, identity: int) -> int:
        """Where an identity is, or would be."""
        ids = self._ids
        mask = len(ids) - 1
        place = (identity * _SPREAD_INT & _MASK) >> (64 - mask.bit_length())
        while (held := ids.item(place)) and held != identity:
            place = (place + 1) & mask
        return place

    def find(self, ids: Hashes) -> Hashes:
        """Content hash of every identity; 0 where it was never seen. Shape (n,) in and out."""
        found = np.zeros(len(ids), np.uint64)
        todo = np.arange(len(ids))
        places = self._home(ids)
        mask = len(self._ids) - 1
        while len(todo):
            held = self._ids[places]
            hit = held == ids[todo]
            found[todo[hit]] = self._contents[places[hit]]
            on = ~hit & (held != 0)
            todo, places = todo[on], (places[on] + 1) & mask
        return found

    def add(self, ids: Hashes, contents: Hashes) -> None:
        """Enter identities that are not held yet, each once."""
        while self.size + len(ids) > _FULL * len(self._ids):
            self._grow()
        self.size += len(ids)
        places = self._home(ids)
        mask = len(self._ids) - 1
        while len(ids):
            free = self._ids[places] == 0
            self._ids[places[free]] = ids[free]  # of several that want one place the last one gets it
            placed = free & (self._ids[places] == ids)
            self._contents[places[placed]] = contents[placed]
            ids, contents, places = ids[~placed], contents[~placed], (places[~placed] + 1) & mask

    def _home(self, ids: Hashes) -> npt.NDArray[np.int64]:
        shift = np.uint64(64 - (len(self._ids) - 1).bit_length())
        return ((ids * _SPREAD) >> shift).astype(np.int64)

    def _grow(self) -> None:
        held = self._ids != 0
        ids, contents = self._ids[held], self._contents[held]
        self._ids = np.zeros(2 * len(self._ids), np.uint64)
        self._contents = np.zeros(len(self._ids), np.uint64)
        self.size = 0
        self.add(ids, contents)


def pack(pairs: Iterable[tuple[int, int]]) -> bytes:
    """Identities and contents as bytes, 16 a pair."""
    return np.array([number for pair in pairs for number in pair], dtype="<u8").tobytes()


def unpack(chunks: Iterable[bytes]) -> tuple[Hashes, Hashes]:
    """The inverse of `pack` for all chunks together."""
    table = np.frombuffer(b"".join(chunks), dtype="<u8").astype(np.uint64).reshape(-1, 2)
    return table[:, 0].copy(), table[:, 1].copy()
