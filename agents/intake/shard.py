"""One shard: everything about the reps of one partition, and the one pass that takes a batch into it.

The steps, in order: size, decode, key, time, quarantine, known (or held), dedupe, rules, cells. A step that refuses or
raises sends that event to the dead letters under the step's name; the others go on. It knows neither Kafka nor a clock.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np

from agents.compliance.judge import Surroundings
from agents.intake.decode import RefusedError, check_time, decode
from agents.intake.directory import Directory
from agents.intake.judging import JUDGED, NOTHING, Judging, without_rules
from agents.intake.placement import Placement, greeting_keys
from agents.intake.seen import Seen, content_hash, identity_hash
from agents.intake.touches import Touch, TouchRow, from_message
from agents.progress.cells import TERRITORY
from agents.progress.messages import SHARD, NodeMessage
from agents.progress.snapshot import loads
from agents.progress.state import ProgressState
from schemas.events import MODEL_OF_TOPIC, Event
from schemas.policy import Unit
from schemas.rows import EVENT_TABLES, Row

_RECORDED_AT = {kind: table.names.index("recorded_at") for kind, table in EVENT_TABLES.items()}


class Record(NamedTuple):
    """A message as it came."""

    key: bytes | None
    value: bytes | None
    offset: int


class Letter(NamedTuple):
    """A message that could not be used."""

    topic: str
    record: Record
    step: str
    error_class: str
    message: str


class Held(NamedTuple):
    """An event that waits for the reference data it names."""

    topic: str
    record: Record
    until: datetime


class StoredEvent(NamedTuple):
    """An event as ClickHouse holds it."""

    kind: str
    event: Any
    content: int


@dataclass(frozen=True)
class Limits:
    """What the pass refuses."""

    max_bytes: int
    future_tolerance: timedelta
    grace: timedelta
    """How long an event waits for reference data."""


class _Candidate(NamedTuple):
    topic: str
    record: Record
    event: Event
    row: Row
    identity: int
    content: int


@dataclass
class Output:
    """What a shard produced since the last checkpoint, besides its state."""

    rows: dict[str, list[Row]] = field(default_factory=lambda: defaultdict(list))
    """Rows for ClickHouse by event kind, technical columns included."""
    letters: list[Letter] = field(default_factory=list)
    seen: list[tuple[int, int]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Rows and letters waiting."""
        return len(self.letters) + sum(len(rows) for rows in self.rows.values())


class Shard:
    """State and output of one partition of all source topics.

    Args:
        placement: which keys belong here.
        progress: the cells.
        limits: what is refused.
        surroundings: what events are judged with; no rules when left out.
    """

    def __init__(
        self,
        placement: Placement,
        progress: ProgressState,
        limits: Limits,
        surroundings: Surroundings | None = None,
    ) -> None:
        self.placement = placement
        self.progress = progress
        self.limits = limits
        self.seen = Seen()
        self.judging = Judging(surroundings or without_rules(progress.directory, progress.time), self.seen)
        self.output = Output()
        self.held: list[Held] = []
        self.counts: Counter[str] = Counter()
        self.offsets: dict[str, int] = {}
        """Next offset to read by topic; what lies below is contained in the state."""
        self.fresh: dict[int, int] = {}
        """Stamp from which each shard speaks without a past, as far as this shard was told; older words are void."""
        self.unusable = ""
        """The last stored event that the present policy cannot compute with, and why."""
        self.moved = False
        """Whether anything changed since the last checkpoint."""
        self._good_keys: set[bytes] = set()
        self._tried_with: Directory | None = None
        """Reference data the held events were last tried with."""

    @property
    def number(self) -> int:
        """The partition."""
        return self.placement.shard

    def places_alike(self, before: Directory, now: Directory) -> bool:
        """Whether nothing of what the shard holds would be computed otherwise with other reference data."""
        territories = {entity_id for level, entity_id in self.progress.entities if level == TERRITORY}
        return before.places_alike(now, self.progress.plan.reads, territories)

    def greetings(self) -> list[NodeMessage]:
        """A message to every shard, which hears by its origin from when on this one's words count."""
        of_shards = greeting_keys(self.placement.shard_of, self.placement.partitions)
        return [{"l": SHARD, "p": key, "c": "", "s": 0, "x": {}} for key in of_shards]

    def adopt(self, directory: Directory, now: datetime) -> None:
        """Go on with these reference data: what follows from them alone is worked out anew."""
        before = self.progress.directory
        self.progress.learn(directory)
        self.moved = True
        if before is not directory and before.stands_alike(directory):
            return
        mine = sorted(rep_id for rep_id in directory.reps if self.placement.holds(rep_id))
        self.progress.standing.adopt(self.progress, mine, self.progress.time.day_of(now))

    # ------------------------------------------------------------- the pass

    def take(self, topic: str, records: Sequence[Record], now: datetime) -> None:
        """Take events of one topic; offsets ascend and start at or above what was taken before."""
        candidates: list[_Candidate] = []
        kind = MODEL_OF_TOPIC[topic].kind_name
        for record in records:
            try:
                event = self._read(kind, record, now)
            except RefusedError as error:
                self._refuse(topic, record, error.step, "InvalidError", str(error))
                continue
            if self.judging.halts(topic, record, event):
                continue
            if self.progress.directory.unknown(event):
                self.held.append(Held(topic, record, now + self.limits.grace))
                continue
            candidates.append(self._candidate(topic, record, event))
        self._enter(kind, candidates, now, at_once=True)
        self.offsets[topic] = records[-1].offset + 1
        self.moved = True

    def must_release(self, now: datetime) -> bool:
        """Whether trying held events again could change anything."""
        return bool(self.held) and (self._tried_with is not self.progress.directory or self.held_until <= now)

    @property
    def held_until(self) -> datetime:
        """When the first of the held events has waited long enough."""
        return min(item.until for item in self.held)

    def release(self, now: datetime) -> None:
        """Try held events again: known by now they enter, past their time they become dead letters."""
        if not self.must_release(now):
            return
        self._tried_with = self.progress.directory
        waiting, self.held = self.held, []
        by_topic: dict[str, list[_Candidate]] = defaultdict(list)
        for item in waiting:
            if item.topic not in MODEL_OF_TOPIC:
                self._release_touch(item, now)
                continue
            kind = MODEL_OF_TOPIC[item.topic].kind_name
            try:  # limits and partitions may be others than when it came
                event = decode(kind, item.record.value, self.limits.max_bytes)
                self._check_key(event, item.record.key)
            except RefusedError as error:
                self._refuse(item.topic, item.record, error.step, "InvalidError", str(error))
                continue
            missing = self.progress.directory.unknown(event)
            if not missing:
                by_topic[item.topic].append(self._candidate(item.topic, item.record, event))
            elif item.until <= now:
                message = f"nobody published {', '.join(missing)}: import the reference data, then replay"
                self._refuse(item.topic, item.record, "known", "UnknownReferenceError", message)
            else:
                self.held.append(item)
        for topic, candidates in by_topic.items():
            self._enter(MODEL_OF_TOPIC[topic].kind_name, candidates, now, at_once=False)
        self.moved = self.moved or len(self.held) < len(waiting)

    def take_messages(self, topic: str, records: Iterable[Record], now: datetime) -> None:
        """Take what children said on the `nodes` topic."""
        buckets = self.progress.now_buckets(now)
        for record in records:
            wrong = self._take_words(record.value or b"", buckets)
            if wrong is not None:
                self._refuse(topic, record, "roll-up", type(wrong).__name__, f"not a node message: {wrong}")
            self.offsets[topic] = record.offset + 1
        self.moved = True

    def _take_words(self, value: bytes, buckets: dict[Unit, int]) -> Exception | None:
        """Take all that one message says; what is wrong in it, if anything, keeps nothing else from being taken."""
        wrong: Exception | None = None
        try:
            said = loads(value)
        except ValueError as error:
            return error
        if said == []:
            return ValueError("it says nothing")
        for word in said if isinstance(said, list) else (said,):
            try:
                if self.placement.holds(word["p"]) and self._is_current(word["h"], word["f"]):
                    self.progress.take_message(word, buckets)
            except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
                wrong = wrong or error
        return wrong

    def take_touches(self, topic: str, records: Sequence[Record], now: datetime) -> None:
        """Take events that concern the professionals and institutions of this shard."""
        for record in records:
            try:
                touch = from_message(record.key, record.value)
                if not self.placement.holds(touch.key):
                    continue
            except (ValueError, KeyError, TypeError) as error:
                self._refuse(topic, record, "touch", type(error).__name__, f"not a touch: {error}")
                continue
            if self.progress.directory.unknown(touch.event):
                self.held.append(Held(topic, record, now + self.limits.grace))
            else:
                self._take_touch(touch, record, now)
        self.offsets[topic] = records[-1].offset + 1
        self.moved = True

    def _take_touch(self, touch: Touch, record: Record, now: datetime) -> None:
        identity = touch.identity
        if self.seen.get(identity):
            return  # told again after a crash
        self.judging.take(TouchRow(touch, record.offset, now), now)
        self.seen.put(identity, identity)
        self.output.seen.append((identity, identity))

    def _release_touch(self, item: Held, now: datetime) -> None:
        """Take a touch that waited; past its time it is taken as it is: its event counts already."""
        touch = from_message(item.record.key, item.record.value)
        if self.progress.directory.unknown(touch.event) and item.until > now:
            self.held.append(item)
        else:
            self._take_touch(touch, item.record, now)

    def _is_current(self, sender: int, fresh: int) -> bool:
        """Whether the sending shard still stands by its words; one that lost its past takes the older ones back."""
        known = self.fresh.get(sender, 0)
        if fresh > known:
            self.fresh[sender] = fresh
            shard_of, partitions = self.placement.shard_of, self.placement.partitions
            self.progress.forget_older(fresh, lambda key: shard_of(key, partitions) == sender)
        return fresh >= known

    def _read(self, kind: str, record: Record, now: datetime) -> Event:
        event = decode(kind, record.value, self.limits.max_bytes)
        self._check_key(event, record.key)
        check_time(event, now, self.limits.future_tolerance)
        return event

    def _check_key(self, event: Event, key: bytes | None) -> None:
        owner = event.owner
        if key is None:
            raise RefusedError(step="key", message=f"the message has no key: send it with key {owner!r}, or replay it")
        if key != owner.encode():
            raise RefusedError(
                step="key", message=f"the message key is not {owner!r}: send it with that key, or replay it"
            )
        if key in self._good_keys:
            return
        if not self.placement.holds(owner):
            raise RefusedError(
                step="key", message=f"{owner!r} lies in the wrong partition: use the murmur2 partitioner, or replay it"
            )
        self._good_keys.add(key)

    def _candidate(self, topic: str, record: Record, event: Event) -> _Candidate:
        kind = event.kind_name
        row = EVENT_TABLES[kind].content(event)
        skipped = _RECORDED_AT[kind]
        identity = identity_hash(kind, event.owner, event.event_id)
        content = content_hash(identity, (*row[:skipped], *row[skipped + 1 :]))
        return _Candidate(topic, record, event, row, identity, content)

    def _enter(self, kind: str, candidates: Sequence[_Candidate], now: datetime, *, at_once: bool) -> None:
        if not candidates:
            return
        buckets = self.progress.now_buckets(now)
        for item in candidates:
            before = self.seen.get(item.identity)
            if before:
                self._repeated(item, same=before == item.content)
            elif self._apply(kind, item, buckets, now, at_once=at_once):
                self.seen.put(item.identity, item.content)
                self.output.seen.append((item.identity, item.content))

    def _repeated(self, item: _Candidate, *, same: bool) -> None:
        if same:
            self.counts["duplicates"] += 1
            return
        self.counts["conflicts"] += 1
        message = f"event_id {item.event.event_id!r} came before with other content: the first one counts"
        self._refuse(item.topic, item.record, "dedupe", "ConflictError", message)

    def _apply(self, kind: str, item: _Candidate, buckets: dict[Unit, int], now: datetime, *, at_once: bool) -> bool:
        is_judged = kind in JUDGED
        looked = self.judging.look(item.event, now) if is_judged else NOTHING
        try:
            self.progress.add_event(kind, item.event, buckets)
        except Exception as error:  # whatever a policy's arithmetic raises concerns this event alone
            self._refuse(item.topic, item.record, "cells", type(error).__name__, str(error))
            return False
        day = self.progress.time.day_of(item.event.occurred_at)
        if is_judged:
            self.judging.enter(item.event, looked, at_once=at_once)
        technical = (day, item.content, self.number, item.record.offset, list(item.event.findings.breaches))
        self.output.rows[kind].append((*EVENT_TABLES[kind].kept(item.row, item.event), *technical))
        self.counts[f"accepted:{kind}"] += 1
        return True

    def _refuse(self, topic: str, record: Record, step: str, error_class: str, message: str) -> None:
        if topic in MODEL_OF_TOPIC and self.judging.halts(topic, record):
            return
        self.counts["dead_letters"] += 1
        self.output.letters.append(Letter(topic, record, step, error_class, message))

    # --------------------------------------------------------- rebuilding

    def replay(self, events: Iterable[StoredEvent], now: datetime) -> int:
        """Enter events that ClickHouse holds already into an empty shard; they make no rows. Returns how many."""
        entered: dict[int, int] = {}
        buckets = self.progress.now_buckets(now)
        for kind, event, content in events:
            identity = identity_hash(kind, event.owner, event.event_id)
            if identity not in entered:
                entered[identity] = content
                self._enter_again(kind, event, buckets)
        self.seen.add(np.array(list(entered), np.uint64), np.array(list(entered.values()), np.uint64))
        self.output.seen += entered.items()
        return len(entered)

    def _enter_again(self, kind: str, event: Any, buckets: dict[Unit, int]) -> None:
        try:
            self.progress.add_event(kind, event, buckets)
        except Exception as error:  # a new policy cannot compute with an event that an older one took
            self.counts["not_computed"] += 1
            self.unusable = f"{kind} {event.event_id}: {type(error).__name__}: {error}"
