"""The rules of a shard: what they counted, and the past they look back on, read from ClickHouse.

The past is not part of a checkpoint. It is what ClickHouse holds of the events the shard has taken, and those are the
ones in its `seen`: rows of a checkpoint that never stood are left out.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

import numpy as np
import orjson

from agents.compliance.judge import CONCERNED, Judge, Surroundings
from agents.intake.journeys import Journeys
from agents.intake.judging import JUDGED, Item, Judging, Whose
from agents.intake.locating import CheckIn
from agents.intake.seen import Seen, identity_hash
from agents.intake.shard import Shard, StoredEvent
from agents.intake.touches import Touch, as_text, touch_identity
from agents.progress.calendar import EPOCH, CompanyTime
from schemas.alerts import SubjectKind
from schemas.rows import EVENT_TABLES
from streams.alert_rows import RuleCount
from streams.engine.stored import StoredRows, first_moment

T = TypeVar("T")

#: Beginning of the names of fields that hold the last check-ins of a representative.
CHECK_IN_PREFIX = '["g"'
#: Field of the subjects whose events must be judged again.
LATE_FIELD = '["j"]'
#: Beginning of the names of what rules counted.
COUNT_PREFIX = "r:"
_AT_ONCE = 5_000
SUBJECTS: tuple[SubjectKind, ...] = ("rep", *CONCERNED)


def rule_counts(judge: Judge, shard: int, before: Mapping[str, tuple[int, int]]) -> list[RuleCount]:
    """Counts that are not what they were."""
    found = []
    for name, counted in counted_by_rule(judge).items():
        if before.get(name) != counted:
            rule_set, _, rule_id = name.partition(":")
            found.append(RuleCount(rule_set, rule_id, shard, *counted))
    return found


def counted_by_rule(judge: Judge) -> dict[str, tuple[int, int]]:
    """Hits and events a rule could not be applied to, by rule set and rule."""
    names = dict.fromkeys(f"{rule_set}:{rule_id}" for _, rule_set, rule_id in judge.counts)
    return {name: (judge.counts["hit", *_parts(name)], judge.counts["na", *_parts(name)]) for name in names}


def _parts(name: str) -> tuple[str, str]:
    rule_set, _, rule_id = name.partition(":")
    return rule_set, rule_id


def counts_to_wire(judge: Judge) -> dict[str, str]:
    """Fields of what rules counted."""
    return {f"{COUNT_PREFIX}{name}": f"{hits},{missing}" for name, (hits, missing) in counted_by_rule(judge).items()}


def restore_counts(judge: Judge, meta: Mapping[str, str]) -> None:
    """Go on counting where a checkpoint was."""
    for name, text in meta.items():
        if name.startswith(COUNT_PREFIX):
            hits, _, missing = text.partition(",")
            rule = _parts(name.removeprefix(COUNT_PREFIX))
            judge.counts["hit", *rule], judge.counts["na", *rule] = int(hits), int(missing)


def check_in_fields(journeys: Journeys, now: datetime, *, everything: bool) -> tuple[dict[str, bytes], list[str]]:
    """Fields of check-ins that changed, and names of those that are a day old; both are forgotten as that.

    Args:
        journeys: the check-ins.
        now: moment of the checkpoint.
        everything: whether nothing of what was written before stands any more.
    """
    written, gone = journeys.settle(now, everything=everything)
    until = journeys.kept_until
    texts = {
        check_in_name(rep_id): orjson.dumps([until[rep_id], *map(list, journeys.of(rep_id))]) for rep_id in written
    }
    return texts, [check_in_name(rep_id) for rep_id in gone]


def check_in_name(rep_id: str) -> str:
    """Field of the last check-ins of a representative."""
    return orjson.dumps(["g", rep_id]).decode()


def restore_check_ins(journeys: Journeys, fields: Mapping[str, bytes]) -> None:
    """Take the check-ins of a checkpoint."""
    for name, text in fields.items():
        if name.startswith(CHECK_IN_PREFIX):
            until, *items = orjson.loads(text)
            if isinstance(until, list):  # an earlier version did not write until when they are kept
                until, items = None, [until, *items]
            journeys.take(orjson.loads(name)[1], [CheckIn(*item) for item in items], until)


def load_past(judging: Judging, seen: Seen, rows: StoredRows) -> int:
    """Fill the past with what ClickHouse holds of the taken events, and say how many there were.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    past, count = judging.judge.past, 0

    def reach(kind: str, subject: str) -> timedelta | None:
        horizon = past.horizon(kind, subject)
        return None if horizon is None else horizon + judging.judge.surroundings.lateness

    for kind in sorted(JUDGED):
        if (since := _since(rows, EVENT_TABLES[kind].table, reach(kind, "rep"))) is not None:
            for event in _taken(rows.events(kind, since), _event_identity, seen):
                past.add(event.event, "rep", event.event.rep_id)
                judging.note_newest(event.event, "rep", event.event.rep_id)
                count += 1
        for subject in CONCERNED:
            where = f"subject_kind = '{subject}' AND event_kind = '{kind}'"
            if (since := _since(rows, "touches", reach(kind, subject), where)) is not None:
                for touch in _taken(rows.touches(kind, subject, since), _touch_identity, seen):
                    past.add(touch.event, subject, touch.key)
                    judging.note_newest(touch.event, subject, touch.key)
                    count += 1
    return count


def late_fields(judging: Judging, before: Mapping[Whose, int] | None) -> dict[str, bytes]:
    """The field of subjects whose events must be judged again, where it is not what it was; None: nothing stands."""
    if judging.waiting == before:
        return {}
    return {LATE_FIELD: orjson.dumps([[*whose, moment] for whose, moment in judging.waiting.items()])}


def restore_late(judging: Judging, fields: Mapping[str, bytes]) -> None:
    """Take the subjects of a checkpoint whose events must be judged again."""
    for subject, key, moment in orjson.loads(fields.get(LATE_FIELD, b"[]")):
        judging.waiting[subject, key] = moment


def judge_all_again(shard: Shard) -> None:
    """Let everything that happened lately be judged again: nobody knows what was still to be."""
    judging, lateness = shard.judging, shard.judging.judge.surroundings.lateness
    since = max(max(judging.newest.values(), default=0) - lateness // timedelta(microseconds=1), 0)
    reps = (rep_id for rep_id in shard.progress.directory.reps if shard.placement.holds(rep_id))
    judging.waiting |= dict.fromkeys([*judging.newest, *(("rep", rep_id) for rep_id in reps)], since)


def to_judge_again(judge: Judge, late: Mapping[Whose, int], rows: StoredRows) -> list[Item]:
    """Stored events that came before an earlier one of the same subject, in the order in which they happened.

    Rows of a checkpoint that never stood may be among them.

    Args:
        judge: the shard's.
        late: whose, and the moment of the earliest event that came late, microseconds since 1970.
        rows: what ClickHouse holds.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    found: list[Item] = []
    for subject in SUBJECTS:
        keys = sorted(key for of, key in late if of == subject)
        if not keys:
            continue
        since = EPOCH + timedelta(microseconds=min(late[subject, key] for key in keys))
        for kind in (kind for kind in sorted(JUDGED) if judge.looks_back(kind, subject)):
            found += _stored_of(subject, kind, since, keys, rows)
    newer = [item for item in found if CompanyTime.microseconds(item[0].occurred_at) > late[item[1], item[2]]]
    return sorted(newer, key=lambda item: item[0].occurred_at)


def _stored_of(subject: SubjectKind, kind: str, since: datetime, keys: list[str], rows: StoredRows) -> Iterator[Item]:
    if subject == "rep":
        for stored in rows.events(kind, since, keys):
            yield stored.event, subject, stored.event.rep_id
        return
    for touch in rows.touches(kind, subject, since, keys):
        yield touch.event, subject, touch.key


def _since(rows: StoredRows, table: str, horizon: timedelta | None, condition: str = "1") -> datetime | None:
    if horizon is None or (newest := rows.newest(table, condition)) is None:
        return None
    return first_moment(newest, horizon)


def _event_identity(event: StoredEvent) -> int:
    return identity_hash(event.kind, event.event.owner, event.event.event_id)


def _touch_identity(touch: Touch) -> int:
    return touch.identity


def _taken(items: Iterator[T], identity: Callable[[T], int], seen: Seen) -> Iterator[T]:
    """Those that the shard has taken."""
    while batch := list(islice(items, _AT_ONCE)):
        known = seen.find(np.array([identity(item) for item in batch], np.uint64)).tolist()
        yield from (item for item, content in zip(batch, known, strict=True) if content)


def remember_stored(shard: Shard, rows: StoredRows) -> None:
    """Enter touches and alerts that ClickHouse holds into what the shard has seen."""
    known = {touch_identity(*name) for name in rows.touch_keys()} | set(rows.marks())
    numbers = np.array(sorted(known), np.uint64)
    shard.seen.add(numbers, numbers)
    shard.output.seen += [(number, number) for number in sorted(known)]


def judged_anew(shard: Shard, surroundings: Surroundings, rows: StoredRows) -> Judging:
    """The same shard's judging with other rules.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    before, fresh = shard.judging, Judging(surroundings, shard.seen)
    load_past(fresh, shard.seen, rows)
    fresh.take_over(before)
    return fresh


def wants(judge: Judge) -> dict[str, tuple[str, SubjectKind, timedelta]]:
    """Events that travel to those they concern, by the name under which that is remembered.

    Returns:
        Kind, subject, and how far back rules look there.
    """
    pairs = [(kind, subject) for kind in sorted(JUDGED) for subject in CONCERNED if judge.sends(kind, subject)]
    return {
        f"{kind}:{subject}": (kind, subject, judge.past.horizon(kind, subject) or timedelta(0))
        for kind, subject in pairs
    }


def tell_past(shard: Shard, told_of: str, rows: StoredRows, *, is_lost: bool = False) -> str:
    """Let stored events travel to those they concern where rules have come to look back on them, or farther back.

    Args:
        shard: the shard of the representatives.
        told_of: what travelled already.
        rows: what ClickHouse holds.
        is_lost: whether nobody knows what travelled: then everything does again, and what never arrived is judged.

    Returns:
        What travels now.
    """
    judge, told = shard.judging.judge, _told_of(told_of)
    wanted, lateness = wants(judge), judge.surroundings.lateness
    for name, (kind, subject, horizon) in wanted.items():
        if not is_lost and told.get(name, -1) >= _whole_days(horizon):
            continue
        is_past = not is_lost or (bool(told) and name not in told)
        since = _since(rows, EVENT_TABLES[kind].table, horizon + lateness)
        if since is None:
            continue
        for stored in _taken(rows.events(kind, since), _event_identity, shard.seen):
            keys = [key for of, key in judge.touched(stored.event) if of == subject]
            text = as_text(stored.event) if keys else b""
            shard.judging.telling.touches += [Touch(subject, key, stored.event, text, is_past) for key in keys]
    return ",".join(f"{name}:{_whole_days(horizon)}" for name, (_, _, horizon) in wanted.items())


def _told_of(text: str) -> dict[str, int]:
    """Days back to which stored events travelled, by kind and subject; -1 where that was not written down."""
    found: dict[str, int] = {}
    for name in filter(None, text.split(",")):
        kind, subject, *days = name.split(":")
        found[f"{kind}:{subject}"] = int(days[0]) if days else -1
    return found


def _whole_days(length: timedelta) -> int:
    return -(-length // timedelta(days=1))
