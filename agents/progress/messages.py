"""What a message on the `nodes` topic must look like.

Anybody can write into a topic: a message that no worker of ours can have sent is refused whole, before it changes a
figure or makes a state that cannot be written.
"""

import re
from datetime import date
from functools import lru_cache
from typing import Any

from agents.progress.calendar import CALENDAR_PERIODS, period_start
from agents.progress.plan import Plan

#: Level under which a member of a ledger is addressed.
MEMBER = "member"
#: Level under which a whole shard is addressed, only to hear who speaks and from when on that counts.
SHARD = "shard"
#: A message from a child to its parent, JSON-ready: level `l` and id `p` of the parent, child `c`, stamp `s`, and what
#: the child says by key `x`; to a node also the bucket `b` and the path `u` of the nodes above it. On the topic one
#: message holds a list of them, all for the same parent.
NodeMessage = dict[str, Any]

#: Days that tables and calendars hold.
_FIRST_DAY, _LAST_DAY = date(1900, 1, 1).toordinal(), date(2299, 12, 31).toordinal()
#: Buckets of rolling windows after the last day; hours and minutes count from 1970.
_ROLLING_END = {"D": _LAST_DAY + 1, "H": 3_000_000, "N": 180_000_000}
_PERIODS = {period[0]: period for period in CALENDAR_PERIODS}
_MOST_EVENTS = 2**63
_BUCKET = re.compile(r"[mqyDHN]\d{1,9}")
_CELL = re.compile(r"[^|]+\|(?:a|[lp]:.*)", re.DOTALL)
_MEMBER_NAME = re.compile(r"@[^|]+\|.*", re.DOTALL)


def check_message(message: NodeMessage, plan: Plan) -> None:
    """Refuse a message of the wrong shape.

    Raises:
        ValueError: naming what is wrong.
    """
    _require(isinstance(message["p"], str) and isinstance(message["c"], str), "p and c are texts")
    _require(type(message["s"]) is int, "s is a whole number")
    _require(isinstance(message["x"], dict), "x is an object")
    if message["l"] == SHARD:
        return
    if message["l"] == MEMBER:
        _require(_MEMBER_NAME.fullmatch(message["p"]) is not None, "p names no member")
        _require(all(isinstance(entry, list) and entry for entry in message["x"].values()), "x holds no entries")
        return
    _require(isinstance(message["l"], str) and isinstance(message["b"], str), "l and b are texts")
    _require(_is_bucket(message["b"]), "b is no bucket")
    _require(isinstance(message["u"], list) and all(_is_node(node) for node in message["u"]), "u is no path")
    for key, vector in message["x"].items():
        _require(_CELL.fullmatch(key) is not None, "x names no cell")
        _require(isinstance(vector, list) and _fits(vector, key.partition("|")[0], plan), "x holds no vector")


def _fits(vector: list[Any], group: str, plan: Plan) -> bool:
    """Whether every position holds what it should; of a group this plan does not know yet only the kinds of values."""
    if group not in plan.widths:
        return all(value is None or type(value) in {int, list} for value in vector)
    lasts = plan.lasts[group]
    return (
        len(vector) == plan.widths[group]
        and type(vector[0]) is int
        and 0 <= vector[0] < _MOST_EVENTS
        and all(
            value is None or _is_newest(value) if index in lasts else type(value) is int
            for index, value in enumerate(vector)
        )
    )


@lru_cache(1 << 12)
def _is_bucket(name: str) -> bool:
    """Whether a bucket is one that events can lie in: periods begin on their first day."""
    if _BUCKET.fullmatch(name) is None:
        return False
    letter, number = name[0], int(name[1:])
    if letter in _ROLLING_END:
        return number < _ROLLING_END[letter]
    return _FIRST_DAY <= number <= _LAST_DAY and period_start(_PERIODS[letter], number) == number


def _is_newest(value: Any) -> bool:
    kinds = [type(part) for part in value] if isinstance(value, list) else []
    return kinds == [int, str, int]


def _is_node(node: Any) -> bool:
    return isinstance(node, list) and len(node) == 2 and all(isinstance(part, str) for part in node)  # noqa: PLR2004


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
