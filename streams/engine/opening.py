"""Taking a shard over: from its checkpoint, or anew from the events in ClickHouse."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from clickhouse_connect.driver.client import Client

from agents.intake.directory import Directory
from agents.intake.rebuild import carry_over, withdraw
from agents.intake.seen import unpack
from agents.intake.shard import Limits, Placement, Shard, StoredEvent
from agents.progress.calendar import CompanyTime
from agents.progress.outputs import RollingWindows
from agents.progress.plan import Plan
from agents.progress.snapshot import restore
from agents.progress.state import ProgressState
from schemas.events import EVENT_MODELS
from schemas.rows import EVENT_TABLES, EventTable
from streams import references
from streams.clickhouse import translated
from streams.engine.checkpoint import HELD_FIELD, OwnedShard, held_from_wire
from streams.engine.store import Stored
from streams.settings import Settings
from streams.topics import shard_of

log = structlog.get_logger("shards")

_OWNERS_PER_QUERY = 1_000
_COUNTER = "c:"
_OFFSET = "o:"
_FRESH = "f:"


@dataclass(frozen=True)
class Company:
    """What every shard computes with: policy and reference data of one moment."""

    plan: Plan
    policy_version: int
    directory: Directory
    time: CompanyTime

    def labels(self, partitions: int, cluster: str) -> dict[str, str]:
        """What a state made with this company is marked with."""
        return {
            "plan": self.plan.fingerprint,
            "time_zone": str(self.time.zone),
            "reference_version": str(self.directory.version),
            "partitions": str(partitions),
            "cluster": cluster,
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
        return Shard(Placement(number, self.partitions, shard_of), progress, self._limits)

    def from_checkpoint(self, number: int, token: str, stored: Stored, company: Company) -> OwnedShard:
        """The shard as its last checkpoint left it, or computed anew where that does not fit what is in force now.

        Raises:
            UnavailableError: ClickHouse does not answer.
        """
        labels = company.labels(self.partitions, self.cluster)
        meta = stored.meta
        if any(meta.get(name) != labels[name] for name in ("time_zone", "partitions")):
            return self.rebuilt(number, token, company, offsets=self._offsets(number, meta))
        owned = self._restored(number, token, stored, company)
        if meta["plan"] != labels["plan"] or self._moved(int(meta["reference_version"]), company):
            return self.rebuilt(number, token, company, old=owned)
        return owned

    def _restored(self, number: int, token: str, stored: Stored, company: Company) -> OwnedShard:
        meta = stored.meta
        shard = self.new_shard(number, company)
        held = stored.fields.pop(HELD_FIELD, None)
        restore(shard.progress, stored.fields)
        shard.seen.add(*unpack(stored.seen))
        shard.held = held_from_wire(held) if held else []
        shard.counts.update({n.removeprefix(_COUNTER): int(v) for n, v in meta.items() if n.startswith(_COUNTER)})
        shard.offsets = self._offsets(number, meta)
        shard.moved = not shard.offsets  # offsets of a broker that is gone must not stand there a moment longer
        shard.fresh = {int(n.removeprefix(_FRESH)): int(v) for n, v in meta.items() if n.startswith(_FRESH)}
        labels = company.labels(self.partitions, self.cluster)
        owned = OwnedShard(shard, token, RollingWindows(shard.progress), stamp=int(meta["stamp"]), labels=labels)
        owned.resend, owned.fresh = int(meta["resend"]), int(meta["fresh"])
        owned.held_before = len(shard.held)
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

    def _moved(self, version: int, company: Company) -> bool:
        """Whether the reference data published since `version` put a rep or a product elsewhere in the past."""
        if version == company.directory.version:
            return False
        before = self._before.get(version)
        if before is None:
            before = self._before[version] = Directory(references.load(self._client, version), version)
        return not before.places_alike(company.directory, company.plan.reads)

    def rebuilt(
        self,
        number: int,
        token: str,
        company: Company,
        old: OwnedShard | None = None,
        offsets: dict[str, int] | None = None,
    ) -> OwnedShard:
        """The shard computed anew from the events ClickHouse holds.

        Args:
            number: the partition.
            token: ownership token.
            company: what to compute with.
            old: the shard as it was, when only policy or reference data changed; what other shards said is kept, and
                what it said itself and no longer holds is withdrawn.
            offsets: where reading goes on; ClickHouse holds everything below.

        Raises:
            UnavailableError: ClickHouse does not answer.
        """
        now = datetime.now(UTC)
        shard = self.new_shard(number, company)
        if old is not None:
            carry_over(old.shard.progress, shard.progress)
        count = shard.replay(self._stored_events(number), now)
        shard.adopt(company.directory, now)
        labels = company.labels(self.partitions, self.cluster)
        owned = OwnedShard(shard, token, RollingWindows(shard.progress), replace=True, labels=labels)
        owned.has_no_past = old is None
        owned.fresh = int(now.timestamp() * 1000)
        shard.offsets = offsets or {}
        if old is not None:
            shard.fresh = old.shard.fresh
            withdraw(old.shard.progress, shard.progress)
            shard.offsets, shard.counts, shard.held = old.shard.offsets, old.shard.counts, old.shard.held
            shard.output.rows, shard.output.letters = old.shard.output.rows, old.shard.output.letters
            owned.stamp, owned.resend, owned.fresh = old.stamp, old.resend, old.fresh
        if count:
            why = "policy or reference data changed" if old is not None else "no usable checkpoint in Redis"
            log.warning("shard rebuilt from ClickHouse", shard=number, events=count, because=why)
        shard.progress.mark_all()
        return owned

    def _stored_events(self, number: int) -> Iterator[StoredEvent]:
        for kind, table in EVENT_TABLES.items():
            owner = EVENT_MODELS[kind].owner_field
            with translated():
                found = self._client.query(f"SELECT DISTINCT {owner} FROM {table.table} ORDER BY 1").result_rows
            mine = [name for (name,) in found if shard_of(name, self.partitions) == number]
            for start in range(0, len(mine), _OWNERS_PER_QUERY):
                yield from self._events_of(kind, table, owner, mine[start : start + _OWNERS_PER_QUERY])

    def _events_of(self, kind: str, table: EventTable, owner: str, names: list[str]) -> Iterator[StoredEvent]:
        columns = ", ".join([*table.names, "content_hash"])
        statement = f"SELECT {columns} FROM {table.table} FINAL WHERE {owner} IN {{names:Array(String)}}"
        with (
            translated(),
            self._client.query_arrow_stream(statement, parameters={"names": names}) as blocks,
        ):
            for block in blocks:
                row: dict[str, Any]
                for row in block.to_pylist():
                    yield StoredEvent(kind, table.to_event(row), row["content_hash"])
