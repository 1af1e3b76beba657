"""The engine without its services: shards, checkpoints and messages in memory, with crashes between any two steps.

Everything that decides about exactness (the pass, the snapshot, the restore, the rebuild) is the real code; the broker,
Redis and ClickHouse are dictionaries with the same guarantees.
"""

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from field_force import Message
from result_tables import CREDITED, Tables

from agents.compliance.judge import hit_mark, mark_of
from agents.compliance.rule_book import RuleBook, empty_rule_book
from agents.compliance.world import References
from agents.intake.directory import Directory
from agents.intake.rebuild import ShownFigure
from agents.intake.shard import Record, StoredEvent
from agents.intake.touches import Touch, from_text
from agents.progress.books import CallCount
from agents.progress.calendar import CompanyTime
from agents.progress.cells import REP
from agents.progress.lights import Light
from agents.progress.lights_board import Change, Reading, light_id
from agents.progress.lights_book import LightBook, LightKey
from agents.progress.outputs import CellRow
from agents.progress.plan import Plan
from schemas.alerts import Alert, SubjectKind
from schemas.lights import LightPolicy
from schemas.policy import KpiPolicy
from schemas.reference import Reference
from schemas.rows import EVENT_TABLES
from streams.engine.checkpoint import OwnedShard, Snapshot, take_snapshot
from streams.engine.group import Positions
from streams.engine.opening import Company, Opener
from streams.engine.store import Commit, Stored
from streams.engine.stored import StoredRows, TouchKey
from streams.engine.telling import messages_of
from streams.settings import Settings
from streams.topics import NODES, SHARD_TOPICS, TOUCHES, shard_of

NOW = datetime(2026, 3, 1, 4, tzinfo=UTC)
CELL_KEY = 7


@dataclass
class Tableau:
    """What ClickHouse would hold."""

    events: dict[str, dict[tuple[str, str], tuple[Any, ...]]] = field(default_factory=lambda: defaultdict(dict))
    cells: dict[tuple[Any, ...], tuple[int, CellRow]] = field(default_factory=dict)
    letters: dict[str, tuple[str, bytes, str, str]] = field(default_factory=dict)
    lights: dict[LightKey, Reading] = field(default_factory=dict)
    light_changes: dict[str, Change] = field(default_factory=dict)
    calls: dict[tuple[str, int, str], tuple[int, int]] = field(default_factory=dict)
    touches: dict[int, Touch] = field(default_factory=dict)
    alerts: dict[str, Alert] = field(default_factory=dict)
    hits: dict[tuple[str, ...], str] = field(default_factory=dict)

    def write(self, snapshot: Snapshot, stamp: int) -> None:
        for kind, rows in snapshot.block.events.items():
            table = EVENT_TABLES[kind]
            owner = table.names.index("territory_id" if kind == "market" else "rep_id")
            for row in rows:
                self.events[kind][row[owner], row[table.names.index("event_id")]] = row
        for cell in snapshot.block.cells:
            if self.cells.get(cell[:CELL_KEY], (0, None))[0] <= stamp:
                self.cells[cell[:CELL_KEY]] = (stamp, cell)
        self.lights |= {reading.key: reading for reading in snapshot.block.lights}
        self.light_changes |= {change.light_id: change for change in snapshot.block.light_changes}
        for rep, month, hcp, calls in snapshot.block.calls:
            if self.calls.get((rep, month, hcp), (0, 0))[0] <= stamp:
                self.calls[rep, month, hcp] = (stamp, calls)
        self.touches |= {item.row.touch.identity: item.row.touch for item in snapshot.block.touches}
        for hit in snapshot.block.hits:
            event = hit.event
            key = (hit.rule_set, hit.rule.rule.id, hit.subject_id, event.kind_name, event.rep_id, event.event_id)
            self.hits[*key, hit.subject_kind] = hit.status
            if hit.alert is not None:
                self.alerts[hit.alert_id] = hit.alert
        for letter in snapshot.block.letters:
            self.letters[letter.dead_letter_id] = (letter.topic, letter.raw, letter.step, letter.error_class)

    def tables(self) -> Tables:
        """In the form of `result_tables`."""
        rows: dict[str, list[Any]] = {EVENT_TABLES[kind].table: list(held) for kind, held in self.events.items()}
        rows = {EVENT_TABLES[kind].table: rows.get(EVENT_TABLES[kind].table, []) for kind in EVENT_TABLES}
        rows |= {"kpi_cells": [], "node_totals": []}
        for _, cell in self.cells.values():
            if not cell.period.startswith("rolling") and (cell.numerator or cell.kpi_id not in CREDITED):
                where = (cell.entity_id,) if cell.level == REP else (cell.entity_id, cell.level)
                key = (cell.kpi_id, cell.period, date.fromordinal(cell.period_start), *where)
                figures = (_amount(cell.value), _amount(cell.numerator), _amount(cell.denominator), cell.events)
                table = "kpi_cells" if cell.level == REP else "node_totals"
                rows[table].append((*key, cell.product_level, cell.product_key, *figures))
        rows["call_counts"] = [
            (date.fromordinal(month), rep, hcp, calls) for (rep, month, hcp), (_, calls) in self.calls.items() if calls
        ]
        rows["dead_letters"] = [(topic, raw.hex(), step, name) for topic, raw, step, name in self.letters.values()]
        return Tables(rows)


def _amount(value: int | None) -> Decimal | None:
    return None if value is None else Decimal(value).scaleb(-6)


class StoreOfDicts:
    """Redis: state and offsets of every shard, written whole or not at all; it may be set back."""

    def __init__(self) -> None:
        self.shards: dict[int, Stored] = {}
        self.earlier: dict[int, list[Stored]] = defaultdict(list)

    def commit(self, commit: Commit) -> bool:
        """Write, unless the commit builds on one that is gone."""
        held = self.shards.get(commit.shard, Stored({}, {}, []))
        if not commit.replace and int(held.meta.get("stamp", 0)) != commit.follows:
            return False
        self.earlier[commit.shard] = [*self.earlier[commit.shard][-3:], held]
        fields = {} if commit.replace else dict(held.fields)
        fields |= commit.fields
        for name in commit.dropped:
            fields.pop(name, None)
        seen = [*([] if commit.replace else held.seen), commit.seen]
        meta = ({} if commit.replace else held.meta) | {name: str(value) for name, value in commit.meta.items()}
        self.shards[commit.shard] = Stored(meta, fields, seen)
        return True

    def read(self, shard: int) -> Stored:
        held = self.shards.get(shard, Stored({}, {}, []))
        return Stored(dict(held.meta), dict(held.fields), list(held.seen))


class OpenerFromTableau(Opener):
    """Rebuilds from the dictionaries instead of ClickHouse."""

    def __init__(self, settings: Settings, partitions: int, tableau: Tableau) -> None:
        super().__init__(settings, None, partitions, "simulated")  # type: ignore[arg-type] # never asked
        self._tableau = tableau

    def before(self, version: int, directory: Directory) -> None:
        """What `version` of the reference data said."""
        self._before[version] = directory

    def _shown(self, number: int) -> Iterator[ShownFigure]:
        for key, (_, cell) in self._tableau.cells.items():
            if cell.expires_at is None and cell.events and shard_of(cell.entity_id, self.partitions) == number:
                yield ShownFigure(*key)

    def _shown_calls(self, number: int) -> Iterator[CallCount]:
        for (rep_id, month, hcp_id), (_, calls) in self._tableau.calls.items():
            if calls and shard_of(rep_id, self.partitions) == number:
                yield CallCount(rep_id, month, hcp_id, calls)

    def _last_stamp(self) -> int:
        return max((stamp for stamp, _ in self._tableau.cells.values()), default=0)

    def _stored_lights(self) -> dict[LightKey, Light]:
        told = self._tableau.light_changes
        return {
            key: light._replace(told=light.changes if light_id(key, light.changes) in told else light.changes - 1)
            for key, light in ((key, reading.light) for key, reading in self._tableau.lights.items())
            if light.changes
        }

    def _stored_rows(self, number: int) -> StoredRows:
        return RowsOfTableau(self._tableau, lambda key: shard_of(key, self.partitions) == number)


class RowsOfTableau(StoredRows):
    """Reads the dictionaries instead of ClickHouse."""

    def __init__(self, tableau: Tableau, holds: Callable[[str], bool]) -> None:
        super().__init__(None, holds)  # type: ignore[arg-type] # never asked
        self._tableau = tableau

    def events(
        self, kind: str, since: datetime | None = None, owners: Sequence[str] | None = None
    ) -> Iterator[StoredEvent]:
        table = EVENT_TABLES[kind]
        names = (*table.names, *(column.name for column in table.technical))
        for (owner, _), row in sorted(self._tableau.events[kind].items()):
            if self._holds(owner) and (owners is None or owner in owners):
                values = dict(zip(names, row, strict=True))
                event = table.to_event(values)
                event.found(event.findings._replace(breaches=tuple(values["breaches"])))
                yield StoredEvent(kind, event, values["content_hash"])

    def touches(
        self, kind: str, subject: SubjectKind, since: datetime, keys: Sequence[str] | None = None
    ) -> Iterator[Touch]:
        for touch in self._tableau.touches.values():
            wanted = self._holds(touch.key) and (keys is None or touch.key in keys)
            if wanted and touch.event.kind_name == kind and touch.subject == subject:
                yield touch._replace(event=from_text(kind, touch.text))

    def touch_keys(self) -> Iterator[TouchKey]:
        for touch in self._tableau.touches.values():
            if self._holds(touch.key):
                event = touch.event
                yield TouchKey(touch.subject, touch.key, event.kind_name, event.owner, event.event_id)

    def marks(self) -> Iterator[int]:
        for alert in self._tableau.alerts.values():
            if alert.period_start is not None and self._holds(alert.subject_id):
                yield mark_of(alert.alert_id)
        for rule_set, rule_id, subject_id, kind, rep_id, event_id, subject in self._tableau.hits:
            if self._holds(subject_id):
                yield hit_mark(rule_set, rule_id, subject, subject_id, kind, rep_id, event_id)

    def alerts(self) -> Iterator[Alert]:
        yield from (alert for alert in self._tableau.alerts.values() if self._holds(alert.subject_id))

    def newest(self, table: str, condition: str = "1") -> datetime | None:
        return NOW


class SimulatedEngine:
    """Shards on a log, driven step by step.

    Args:
        policy: KPIs.
        references: reference rows.
        messages: what was sent, in order.
        partitions: shards.
        seed: of everything that happens by chance.
        now: the clock at the beginning.
        lights: the policy of lights.
        rules: rules of compliance.
    """

    def __init__(
        self,
        policy: KpiPolicy,
        references: list[Reference],
        messages: list[Message],
        partitions: int,
        seed: int,
        *,
        now: datetime = NOW,
        lights: LightPolicy | None = None,
        rules: RuleBook | None = None,
    ) -> None:
        self.rng = random.Random(seed)
        self.now = now
        self.lights = lights or LightPolicy()
        self.plan = Plan(policy)
        self.rules = rules or empty_rule_book()
        self.partitions = partitions
        self.company = self._company(references, 1)
        self.tableau = Tableau()
        self.store = StoreOfDicts()
        settings = Settings(_env_file=None, unknown_grace_s=60)  # type: ignore[call-arg] # pydantic-settings takes it
        self.opener = OpenerFromTableau(settings, partitions, self.tableau)
        self.log: dict[tuple[str, int], list[Record]] = defaultdict(list)
        for message in messages:
            self.send(message.topic, message.key, message.value)
        self.stamp = 1
        self.asked = 0
        self.told_kafka: dict[int, int] = {}
        self.owned: dict[int, OwnedShard] = {}
        self.owned = {number: self.open(number) for number in range(partitions)}

    def _company(self, references: list[Reference], version: int) -> Company:
        rows: dict[str, list[Reference]] = defaultdict(list)
        for row in references:
            rows[row.kind_name].append(row)
        targets, days = rows["target"], rows["calendar_day"]
        book = LightBook(self.lights, 1, self.plan.policy, targets, days)  # type: ignore[arg-type] # rows of one kind
        directory = Directory(rows, version)
        time = CompanyTime("Asia/Shanghai")
        return Company(self.plan, 1, directory, time, book, self.rules, References(rows, directory))

    def send(self, topic: str, key: str, value: bytes) -> None:
        """Append to the log."""
        place = self.log[topic, shard_of(key, self.partitions)]
        place.append(Record(key.encode(), value, len(place)))

    def open(self, number: int) -> OwnedShard:
        """Take a shard over: from the store, or rebuilt."""
        self.now += timedelta(milliseconds=10)
        kafka = Positions(
            lowest=dict.fromkeys(SHARD_TOPICS, 0),
            ends={topic: len(self.log[topic, number]) for topic in SHARD_TOPICS},
            stamp=self.told_kafka.get(number, 0),
        )
        owned = self.opener.opened(number, "token", self.store.read(number), self.company, kafka)
        if owned.speaks_afresh:
            owned.fresh = owned.stamp = self.stamp = self.stamp + 1
        if owned.has_no_past:
            self.asked += 1
            owned.resend = self.asked
        owned.shard.offsets = kafka.lowest | owned.shard.offsets
        return owned

    def take(self, number: int, topic: str, most: int) -> int:
        """Let a shard take up to `most` messages of a topic; returns how many it took."""
        shard = self.owned[number].shard
        start = shard.offsets[topic]
        records = self.log[topic, number][start : start + most]
        if records:
            taking = {NODES: shard.take_messages, TOUCHES: shard.take_touches}.get(topic, shard.take)
            taking(topic, records, self.now)
            self._tell(self.owned[number])
        return len(records)

    def _tell(self, owned: OwnedShard) -> None:
        """Some go out at once, some find no room before the checkpoint."""
        messages = messages_of(owned.shard.judging.told())
        room = self.rng.randint(0, len(messages))
        for message in messages[:room]:
            self.send(*message)
        owned.told += messages[:room]
        owned.untold += messages[room:]

    def judge_again(self, number: int) -> None:
        """Judge by what came late."""
        owned = self.owned[number]
        late = owned.shard.judging.begin_again(1_000)
        found = self.opener.to_judge_again(owned, late)
        owned.shard.judging.judge_again(owned.shard.judging.taken(found), late, self.now)
        owned.shard.moved = True

    def checkpoint(self, number: int, crash: str | None = None) -> None:
        """One checkpoint, whole, or broken off `before`, `after rows`, or `after messages`."""
        self.judge_again(number)
        self.now += timedelta(milliseconds=10)
        self.stamp += 1
        owned = self.owned[number]
        owned.shard.release(self.now)
        if owned.resend < self.asked:
            owned.shard.progress.mark_all()
            owned.resend = self.asked
        snapshot = take_snapshot(owned, self.stamp, self.now)
        if crash == "before":
            self.owned[number] = self.open(number)
            return
        self.tableau.write(snapshot, self.stamp)
        if crash == "after rows":
            self.owned[number] = self.open(number)
            return
        for message in snapshot.messages:
            self.send(*message)
        if crash == "after messages":
            self.owned[number] = self.open(number)
            return
        if not self.store.commit(snapshot.commit):
            self.owned[number] = self.open(number)
        elif crash != "after commit":
            self.told_kafka[number] = self.stamp

    def set_back(self, number: int) -> None:
        """Redis loses the last checkpoints of a shard under the worker that holds it."""
        if earlier := self.store.earlier[number]:
            self.store.shards[number] = self.rng.choice(earlier)

    def lose_redis(self) -> None:
        """Every shard loses its state and everybody says everything again."""
        self.store.shards.clear()
        self.owned = {number: self.open(number) for number in self.owned}

    def lose_worker(self, number: int) -> None:
        """A shard is taken over from its last checkpoint; that checkpoint was made a moment ago."""
        self.checkpoint(number)
        self.owned[number] = self.open(number)

    def lose_shard(self, number: int) -> None:
        """One shard loses its state; the others say everything again."""
        self.store.shards.pop(number, None)
        self.owned[number] = self.open(number)

    def adopt(self, references: list[Reference], version: int) -> None:
        """Other reference data: every shard is computed anew, what it said before is taken back."""
        self.company = self._company(references, version)
        for number in self.owned:
            self.checkpoint(number)
            owned = self.owned[number]
            self.owned[number] = self.opener.rebuilt(number, "token", self.company, owned)

    def adopt_running(self, references: list[Reference], version: int) -> None:
        """Other reference data that leave everybody in their place: nothing is read again."""
        before, self.company = self.company.directory, self._company(references, version)
        assert before.places_alike(self.company.directory, self.plan.reads)
        for owned in self.owned.values():
            owned.shard.adopt(self.company.directory, self.now)
            owned.labels = self.company.labels(self.partitions, "simulated")

    def adopt_rules(self, rules: RuleBook) -> None:
        """Other rules: every shard reads the past they look back on, and what they concern is told."""
        self.rules, self.company = rules, replace(self.company, rules=rules)
        for number, owned in self.owned.items():
            self.checkpoint(number)
            owned.shard.judging = self.opener.judged_anew(owned, self.company)
            self.opener.tell_past(owned)
            owned.shard.moved = True

    def adopt_while_down(self, references: list[Reference], version: int) -> None:
        """Other reference data is published while no worker runs."""
        self._end()
        self.opener.before(1, self.company.directory)
        self.company = self._company(references, version)
        self._begin()

    def change_policy_while_down(self, policy: KpiPolicy) -> None:
        """Another policy is published while no worker runs."""
        self._end()
        self.plan = Plan(policy)
        self.company = Company(self.plan, 2, self.company.directory, self.company.time)
        self._begin()

    def repartition(self, partitions: int) -> None:
        """The topics get more partitions, once everything sent before is taken."""
        self.drain()
        self.partitions = self.opener.partitions = partitions
        self._begin()

    def _end(self) -> None:
        for number in self.owned:
            self.checkpoint(number)

    def _begin(self) -> None:
        self.owned = {number: self.open(number) for number in range(self.partitions)}

    def drain(self) -> None:
        """Work until every log is read and nothing is left to say."""
        quiet = 0
        while quiet < 2:  # credits are told one checkpoint after they are written
            moved = 0
            self.now += timedelta(minutes=2)  # what waits for reference data waits in vain
            for number in self.owned:
                moved += sum(self.take(number, topic, 10_000) for topic in SHARD_TOPICS)
                self.checkpoint(number)
                moved += bool(self.owned[number].shard.progress.changed_members)
                moved += bool(self.owned[number].shard.judging.waiting)
            moved += sum(len(self.log[NODES, n]) - o.shard.offsets[NODES] for n, o in self.owned.items())
            quiet = 0 if moved else quiet + 1
