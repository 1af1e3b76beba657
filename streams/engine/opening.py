"""Taking a shard over: from its checkpoint, or anew from the events in ClickHouse."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import chain
from typing import Any

import structlog
from clickhouse_connect.driver.client import Client

from agents.compliance.judge import Surroundings
from agents.compliance.rule_book import RuleBook, empty_rule_book
from agents.compliance.world import References
from agents.intake.directory import Directory
from agents.intake.judging import Item, Judging, Whose
from agents.intake.placement import Placement
from agents.intake.rebuild import ShownFigure, carry_over, recall, withdraw
from agents.intake.seen import unpack
from agents.intake.shard import Held, Limits, Shard, StoredEvent
from agents.progress.books import CallCount
from agents.progress.calendar import EPOCH_ORDINAL, CompanyTime
from agents.progress.cells import REP
from agents.progress.lights import Light
from agents.progress.lights_board import LightBoard
from agents.progress.lights_book import LightBook, LightKey, empty_book
from agents.progress.outputs import RollingWindows
from agents.progress.plan import Plan
from agents.progress.snapshot import restore
from agents.progress.state import ProgressState
from schemas.events import EVENT_MODELS
from streams import lights, references
from streams.clickhouse import translated
from streams.engine.checkpoint import OwnedShard
from streams.engine.group import Positions
from streams.engine.rules import (
    CHECK_IN_PREFIX,
    LATE_FIELD,
    judge_all_again,
    judged_anew,
    load_past,
    remember_stored,
    restore_check_ins,
    restore_counts,
    restore_late,
    tell_past,
    to_judge_again,
)
from streams.engine.store import Stored
from streams.engine.stored import StoredRows
from streams.engine.telling import alert_message
from streams.engine.waiting import HELD_PREFIX, held_from_wire
from streams.settings import Settings
from streams.topics import shard_of

log = structlog.get_logger("shards")

#: Tables whose rows bear the stamp of a checkpoint.
_STAMPED = ("kpi_cells", "node_totals", "call_counts", "lights", "light_changes")
_COUNTER = "c:"
_OFFSET = "o:"
_FRESH = "f:"
#: Beginnings of fields that are not the progress state's.
_OTHERS = (HELD_PREFIX, CHECK_IN_PREFIX, LATE_FIELD)


#: Changes when fields of the checkpoint store mean something else than before; older ones are computed anew.
_LAYOUT = "2"


@dataclass(frozen=True)
class Company:
    """What every shard computes with: policy and reference data of one moment."""

    plan: Plan
    policy_version: int
    directory: Directory
    time: CompanyTime
    lights: LightBook = field(default_factory=empty_book)
    """Not among the labels: other lights need no other state."""
    rules: RuleBook = field(default_factory=empty_rule_book)
    """Not among the labels: the past they look back on is read whenever a shard is opened."""
    references: References | None = None
    """Reference data as rules ask for it; from the directory alone when left out."""
    lateness: timedelta = timedelta(days=31)
    """How late an event may come and still find its whole past."""

    @cached_property
    def surroundings(self) -> Surroundings:
        """What events are judged with."""
        references = self.references or References({}, self.directory)
        return Surroundings(self.rules, references, self.directory, self.time, self.lateness)

    def labels(self, partitions: int, cluster: str) -> dict[str, str]:
        """What a state made with this company is marked with."""
        return {
            "plan": self.plan.fingerprint,
            "time_zone": str(self.time.zone),
            "reference_version": str(self.directory.version),
            "partitions": str(partitions),
            "cluster": cluster,
            "layout": _LAYOUT,
        }


class Opener:
    """Makes shards.

    Args:
        settings: limits and time zone.
        client: a ClickHouse client of its own.
        partitions: partitions of the source topics.
        cluster: id of the Kafka cluster.
    """

    def __init__(self, settings: Settings, client: Client, partitions: int, cluster: str) -> None:
        self._client = client
        self._before: dict[int, Directory] = {}
        self.partitions = partitions
        self.cluster = cluster
        self._limits = Limits(
            max_bytes=settings.max_event_bytes,
            future_tolerance=timedelta(seconds=settings.future_tolerance_s),
            grace=timedelta(seconds=settings.unknown_grace_s),
        )

    def new_shard(self, number: int, company: Company) -> Shard:
        """An empty shard."""
        progress = ProgressState(company.plan, company.directory, company.time)
        return Shard(Placement(number, self.partitions, shard_of), progress, self._limits, company.surroundings)

    def _board(self, number: int, company: Company) -> LightBoard:
        return LightBoard(company.lights, company.time, Placement(number, self.partitions, shard_of).holds)

    def opened(self, number: int, token: str, stored: Stored, company: Company, kafka: Positions) -> OwnedShard:
        """The shard as its checkpoint left it, unless checkpoint and broker do not go together.

        Args:
            number: the partition.
            token: ownership token.
            stored: the checkpoint.
            company: what to compute with.
            kafka: what the broker holds, asked for after the token was taken.

        Raises:
            UnavailableError: ClickHouse does not answer.
        """
        offsets = self._offsets(number, stored.meta)
        behind = int(stored.meta.get("stamp", kafka.stamp)) < kafka.stamp
        gone = [topic for topic, low in kafka.lowest.items() if offsets.get(topic, low) < low]
        if behind or gone:
            why = (
                "Redis is behind what Kafka was told" if behind else "Kafka no longer holds what follows the checkpoint"
            )
            log.error(f"{why}: rebuilding from ClickHouse", shard=number, topics=gone)
            from_ = {topic: max(offset, kafka.lowest.get(topic, 0)) for topic, offset in offsets.items()}
            owned = self.rebuilt(number, token, company, offsets=from_, held=held_from_wire(stored.fields))
        else:
            owned = self.from_checkpoint(number, token, stored, company)
        there = owned.shard.offsets
        if beyond := [topic for topic, end in kafka.ends.items() if there.get(topic, 0) > end]:
            log.error("Kafka ends before the checkpoint: read from the start", shard=number, topics=beyond)
            owned.shard.offsets = {topic: offset for topic, offset in there.items() if topic not in beyond}
        self._remember(owned, stored)
        return owned

    def _remember(self, owned: OwnedShard, stored: Stored) -> None:
        """Give the rules of an opened shard their past."""
        shard, rows = owned.shard, self._stored_rows(owned.shard.number)
        load_past(shard.judging, shard.seen, rows)
        restore_check_ins(shard.judging.journeys, stored.fields)
        restore_late(shard.judging, stored.fields)
        if owned.has_no_past:
            judge_all_again(shard)
        owned.waited = {} if owned.replace else dict(shard.judging.waiting)
        restore_counts(shard.judging.judge, stored.meta)
        is_lost = owned.has_no_past or stored.meta.get("cluster") != self.cluster
        owned.told_of = tell_past(shard, stored.meta.get("told_of", ""), rows, is_lost=is_lost)
        if is_lost:  # what a checkpoint wrote and could not tell any more
            owned.untold += map(alert_message, rows.alerts())
        shard.moved = shard.moved or bool(shard.judging.telling)

    def judged_anew(self, owned: OwnedShard, company: Company) -> Judging:
        """Judging with other rules, the past read again.

        Raises:
            UnavailableError: ClickHouse does not answer.
        """
        return judged_anew(owned.shard, company.surroundings, self._stored_rows(owned.shard.number))

    def to_judge_again(self, owned: OwnedShard, late: Mapping[Whose, int]) -> list[Item]:
        """Stored events that came before an earlier one of the same subject.

        Raises:
            UnavailableError: ClickHouse does not answer.
        """
        shard = owned.shard
        return to_judge_again(shard.judging.judge, late, self._stored_rows(shard.number))

    def tell_past(self, owned: OwnedShard) -> None:
        """Let stored events travel where rules have come to look back on them.

        Raises:
            UnavailableError: ClickHouse does not answer.
        """
        owned.told_of = tell_past(owned.shard, owned.told_of, self._stored_rows(owned.shard.number))

    def from_checkpoint(self, number: int, token: str, stored: Stored, company: Company) -> OwnedShard:
        """The shard as its last checkpoint left it, or computed anew where that does not fit what is in force now.

        Raises:
            UnavailableError: ClickHouse does not answer.
        """
        labels = company.labels(self.partitions, self.cluster)
        meta = stored.meta
        if any(meta.get(name) != labels[name] for name in ("layout", "partitions")):
            held = held_from_wire(stored.fields)
            return self.rebuilt(number, token, company, offsets=self._offsets(number, meta), held=held)
        owned = self._restored(number, token, stored, company)
        if any(meta[name] != labels[name] for name in ("plan", "time_zone")):
            return self.rebuilt(number, token, company, old=owned, afresh=True)
        if (version := int(meta["reference_version"])) != company.directory.version:
            if self._moved(owned.shard, version, company):
                return self.rebuilt(number, token, company, old=owned, afresh=True)
            owned.shard.progress.changed_members.update(owned.shard.progress.members)  # reps it did not know then
        return owned

    def _restored(self, number: int, token: str, stored: Stored, company: Company) -> OwnedShard:
        meta = stored.meta
        shard = self.new_shard(number, company)
        shard.held = held_from_wire(stored.fields)
        board = self._board(number, company)
        board.restore(stored.fields)
        restore(shard.progress, {n: text for n, text in stored.fields.items() if not n.startswith(_OTHERS)})
        shard.seen.add(*unpack(stored.seen))
        shard.counts.update({n.removeprefix(_COUNTER): int(v) for n, v in meta.items() if n.startswith(_COUNTER)})
        shard.offsets = self._offsets(number, meta)
        shard.moved = not shard.offsets  # offsets of a broker that is gone must not stand there a moment longer
        shard.fresh = {int(n.removeprefix(_FRESH)): int(v) for n, v in meta.items() if n.startswith(_FRESH)}
        labels = company.labels(self.partitions, self.cluster)
        owned = OwnedShard(
            shard, token, RollingWindows(shard.progress), stamp=int(meta["stamp"]), labels=labels, lights=board
        )
        owned.resend, owned.fresh = int(meta["resend"]), int(meta["fresh"])
        owned.held_before = tuple(shard.held)
        shard.adopt(company.directory, datetime.now(UTC))
        for entity in shard.progress.entities.values():
            shard.progress.stale_windows |= {(entity, letter): None for letter in entity.rolling}
        return owned

    def _offsets(self, number: int, meta: Mapping[str, str]) -> dict[str, int]:
        """Where reading goes on; nowhere in particular when the broker is another one."""
        if meta and meta["cluster"] != self.cluster:
            log.warning("the broker is a new one: its topics are read from the start", shard=number)
            return {}
        return {n.removeprefix(_OFFSET): int(v) for n, v in meta.items() if n.startswith(_OFFSET)}

    def _moved(self, shard: Shard, version: int, company: Company) -> bool:
        """Whether the reference data published since `version` put a rep or a product elsewhere in the past."""
        before = self._before.get(version)
        if before is None:
            before = self._before[version] = Directory(references.load(self._client, version), version)
        return not shard.places_alike(before, company.directory)

    def rebuilt(
        self,
        number: int,
        token: str,
        company: Company,
        old: OwnedShard | None = None,
        offsets: dict[str, int] | None = None,
        held: Sequence[Held] = (),
        *,
        afresh: bool = False,
    ) -> OwnedShard:
        """The shard computed anew from the events ClickHouse holds.

        Args:
            number: the partition.
            token: ownership token.
            company: what to compute with.
            old: the shard as it was, when only policy or reference data changed; what other shards said is kept, and
                what it said itself and no longer holds is withdrawn.
            offsets: where reading goes on; ClickHouse holds everything below.
            held: events below `offsets` that wait for reference data; they are in no table yet.
            afresh: whether `old` may not know all it said: what a checkpoint told before it failed.

        Raises:
            UnavailableError: ClickHouse does not answer.
        """
        now = datetime.now(UTC)
        shard = self.new_shard(number, company)
        if old is not None:
            carry_over(old.shard.progress, shard.progress)
        count = shard.replay(self._stored_events(number), now)
        remember_stored(shard, self._stored_rows(number))
        shard.adopt(company.directory, now)
        labels = company.labels(self.partitions, self.cluster)
        owned = OwnedShard(shard, token, RollingWindows(shard.progress), replace=True, labels=labels)
        owned.lights = self._board(number, company)
        shard.offsets, shard.held = offsets or {}, list(held)
        if old is None:
            owned.lights.take_past(self._stored_lights())
            owned.has_no_past = True
        else:
            owned.lights.take_over(old.lights)
            shard.judging = old.shard.judging
            shard.judging.follow(shard.seen)
            owned.told, owned.told_of, owned.counted = old.told, old.told_of, old.counted
            shard.fresh = old.shard.fresh
            withdraw(old.shard.progress, shard.progress)
            shard.offsets, shard.counts, shard.held = old.shard.offsets, old.shard.counts, old.shard.held
            shard.output.rows, shard.output.letters = old.shard.output.rows, old.shard.output.letters
            owned.stamp, owned.resend, owned.fresh = old.stamp, old.resend, old.fresh
        if old is None or afresh:
            owned.speaks_afresh = True
            # above whatever it ever said, even if this clock is behind the one it was said by
            owned.stamp = owned.fresh = max(int(now.timestamp() * 1000), owned.stamp + 1, self._last_stamp() + 1)
            recall(shard.progress, self._shown(number), self._shown_calls(number))
        if count:
            why = "policy or reference data changed" if old is not None else "no usable checkpoint in Redis"
            log.warning("shard rebuilt from ClickHouse", shard=number, events=count, because=why)
        if failed := shard.counts["not_computed"]:
            log.error(
                "stored events do not fit the policy and are left out: mend the policy and publish it",
                shard=number,
                events=failed,
                such_as=shard.unusable,
            )
        shard.progress.mark_all()
        return owned

    def _stored_lights(self) -> dict[LightKey, Light]:
        """Lights as they were last written: they go on from there, although nothing else is left."""
        return lights.stored(self._client)

    def _last_stamp(self) -> int:
        """Highest stamp of any checkpoint that wrote figures."""
        with translated():
            tables = " UNION ALL ".join(f"SELECT max(version) AS stamp FROM {table}" for table in _STAMPED)
            found = self._client.query(f"SELECT max(stamp) FROM ({tables})")
        return int(found.result_rows[0][0] or 0)

    def _shown(self, number: int) -> Iterator[ShownFigure]:
        """Figures of calendar periods that stand in the tables, of the shard's representatives and nodes."""
        for table, level, owner in (("kpi_cells", f"'{REP}'", "rep_id"), ("node_totals", "node_level", "node_id")):
            statement = f"""
                SELECT kpi_id, period, toInt32(period_start), {level}, {owner}, product_level, product_key
                FROM {table} FINAL
                WHERE period IN ('month', 'quarter', 'year') AND (events > 0 OR numerator != 0)"""
            for kpi, period, day, *owned, product_level, product_key in self._rows(statement):
                if shard_of(owned[1], self.partitions) == number:
                    yield ShownFigure(kpi, period, day + EPOCH_ORDINAL, owned[0], owned[1], product_level, product_key)

    def _shown_calls(self, number: int) -> Iterator[CallCount]:
        statement = "SELECT rep_id, toInt32(month_start), hcp_id, calls FROM call_counts FINAL WHERE calls > 0"
        for rep_id, day, hcp_id, calls in self._rows(statement):
            if shard_of(rep_id, self.partitions) == number:
                yield CallCount(rep_id, day + EPOCH_ORDINAL, hcp_id, calls)

    def _rows(self, statement: str) -> Iterator[Sequence[Any]]:
        with translated(), self._client.query_rows_stream(statement) as rows:
            yield from rows

    def _stored_rows(self, number: int) -> StoredRows:
        return StoredRows(self._client, Placement(number, self.partitions, shard_of).holds)

    def _stored_events(self, number: int) -> Iterator[StoredEvent]:
        rows = self._stored_rows(number)
        return chain.from_iterable(rows.events(kind) for kind in EVENT_MODELS)
