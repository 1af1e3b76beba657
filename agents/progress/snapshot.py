"""The progress state as text fields for the checkpoint store, and back.

A field is the JSON name of one slot, member or report; its value holds that piece whole, in absolute values.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from agents.intake.directory import Path
from agents.progress.cells import Slot, path_of
from agents.progress.ledger import Credit
from agents.progress.state import ProgressState

#: Digits of an integer that may be beyond 64 bits.
_MAY_BE_LONG = re.compile(rb"[0-9]{19}")
_SLOT, _MEMBER, _REPORT, _BOOK = "s", "m", "r", "b"


def dumps(value: Any) -> bytes:
    """JSON; amounts may be larger than 64 bits."""
    try:
        return orjson.dumps(value)
    except TypeError:  # an integer beyond 64 bits
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def loads(text: bytes) -> Any:
    """The inverse of `dumps`; orjson would read integers beyond 64 bits as floats.

    Raises:
        ValueError: it is no JSON.
    """
    return json.loads(text) if _MAY_BE_LONG.search(text) else orjson.loads(text)


def changed_fields(state: ProgressState) -> dict[str, bytes]:
    """Fields that differ since the last checkpoint; read before the changes are settled."""
    fields = {slot_field(slot): slot_value(slot) for slot in state.changed_slots}
    for name in state.changed_members:
        fields[_name(_MEMBER, name)] = _member_value(state, name)
    for key in state.changed_reports:
        fields[_name(_REPORT, *key)] = dumps(state.reports[key])
    for book in state.books.changed:
        fields[_name(_BOOK, *book)] = dumps(state.books.books[book].to_wire())
    return fields


def dropped_fields(state: ProgressState) -> list[str]:
    """Fields of slots that expired since the last checkpoint."""
    return [slot_field(slot) for slot in state.dropped_slots]


def restore(state: ProgressState, fields: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> None:
    """Fill an empty state with what `changed_fields` gave."""
    for field, value in fields.items() if isinstance(fields, Mapping) else fields:
        what, *name = orjson.loads(field)
        content = loads(value)
        if what == _SLOT:
            _restore_slot(state, name, content)
        elif what == _MEMBER:
            member = state.member(name[0])
            member.reports = content["r"]
            for credit in content["t"]:
                member.told.setdefault(credit[-1], set()).add(Credit(*credit))
            member.pending = set(content["p"])
            if member.pending:
                state.changed_members.add(member.id)
        elif what == _BOOK:
            state.books.restore((name[0], name[1]), content)
        else:
            state.reports[name[0], name[1], name[2]] = content


def slot_field(slot: Slot) -> str:
    """Name of a slot's field."""
    path: Path = slot.path
    return _name(_SLOT, slot.entity.level, slot.entity.id, slot.bucket, [list(node) for node in path])


def slot_value(slot: Slot) -> bytes:
    """A slot whole."""
    return dumps({"c": slot.cells, "k": slot.children} if slot.children else {"c": slot.cells})


def _name(*parts: Any) -> str:
    return orjson.dumps(parts).decode()


def _member_value(state: ProgressState, name: str) -> bytes:
    member = state.members[name]
    told = sorted(credit for credits_ in member.told.values() for credit in credits_)
    return dumps({"r": member.reports, "t": told, "p": sorted(member.pending)})


def _restore_slot(state: ProgressState, name: list[Any], content: dict[str, Any]) -> None:
    level, entity_id, bucket, path = name
    slot = state.entity(level, entity_id).slot(bucket, path_of(path))
    slot.cells = content["c"]
    slot.children = content.get("k", {})
