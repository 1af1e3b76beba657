"""Tells the lights when figures are half of what they will be, because the past is still being read."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from agents.intake.shard import Shard
from agents.progress.lights_board import LightBoard
from schemas.rows import EVENT_TABLES

#: Events that are all older than this are a past that is being sent.
_PAST_DAYS = 1
#: More events than this waiting for reference data: a publication is late. A few are mistakes, and no reason to wait.
_MANY_HELD = 200
_DAY = {
    kind: [*table.names, *(column.name for column in table.technical)].index("day")
    for kind, table in EVENT_TABLES.items()
}


class Owned(Protocol):
    """A shard and its lights."""

    shard: Shard
    lights: LightBoard


def note_backlog(shards: Sequence[Owned], now: datetime) -> None:
    """Let the lights of all shards know whether any of them still reads what piled up, or is sent the past.

    A node's figure comes from other shards, so one that is behind is enough.
    """
    is_behind = any(_is_behind(owned, now) for owned in shards)
    for owned in shards:
        owned.lights.note_company(now, is_behind=is_behind)


def _is_behind(owned: Owned, now: datetime) -> bool:
    shard = owned.shard
    newest = max((row[_DAY[kind]] for kind, rows in shard.output.rows.items() for row in rows), default=None)
    is_past = newest is not None and newest < shard.progress.time.day_of(now) - _PAST_DAYS
    return owned.lights.is_behind or len(shard.held) > _MANY_HELD or is_past
