"""What ClickHouse holds of one shard: events, touches, and alerts that are raised once in a period."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client

from agents.compliance.judge import hit_mark, mark_of
from agents.intake.shard import StoredEvent
from agents.intake.touches import Touch, from_text
from schemas.alerts import Alert, SubjectKind
from schemas.events import EVENT_MODELS
from schemas.rows import EVENT_TABLES, EventTable
from streams.alert_rows import alert_of
from streams.clickhouse import translated

_KEYS_PER_QUERY = 1_000
#: Alerts this young are told again after a loss.
_TOLD_AGAIN_H = 24


class TouchKey(NamedTuple):
    """What names a touch."""

    subject: str
    key: str
    kind: str
    rep_id: str
    event_id: str


class StoredRows:
    """Reads the rows of one shard.

    Args:
        client: a ClickHouse client.
        holds: whether a message key belongs to the shard.
    """

    def __init__(self, client: Client, holds: Callable[[str], bool]) -> None:
        self._client = client
        self._holds = holds

    def events(
        self, kind: str, since: datetime | None = None, owners: Sequence[str] | None = None
    ) -> Iterator[StoredEvent]:
        """Events of one kind, those from `since` on in the order in which they happened.

        Args:
            kind: kind of event.
            since: first moment.
            owners: whose; those of the shard when left out.

        Raises:
            UnavailableError: ClickHouse does not answer.
        """
        table, owner = EVENT_TABLES[kind], EVENT_MODELS[kind].owner_field
        for names in self._mine(table.table, owner) if owners is None else (owners,):
            yield from self._events_of(table, owner, names, since)

    def _events_of(
        self, table: EventTable, owner: str, names: Sequence[str], since: datetime | None
    ) -> Iterator[StoredEvent]:
        columns = ", ".join([*table.names, "content_hash", "breaches"])
        statement = f"SELECT {columns} FROM {table.table} FINAL WHERE {owner} IN {{names:Array(String)}}"
        parameters: dict[str, Any] = {"names": names}
        if since is not None:
            statement += " AND occurred_at >= {since:DateTime64(6, 'UTC')} ORDER BY occurred_at"
            parameters["since"] = since.astimezone(UTC).replace(tzinfo=None)
        for row in self._rows(statement, parameters):
            event = table.to_event(row)
            if row["breaches"]:
                event.found(event.findings._replace(breaches=tuple(row["breaches"])))
            yield StoredEvent(table.model.kind_name, event, row["content_hash"])

    def touches(
        self, kind: str, subject: SubjectKind, since: datetime, keys: Sequence[str] | None = None
    ) -> Iterator[Touch]:
        """Touches of events of one kind from `since` on, in the order in which they happened."""
        statement = """
            SELECT subject_id, event FROM touches FINAL
            WHERE subject_kind = {subject:String} AND event_kind = {kind:String} AND subject_id IN {names:Array(String)}
                AND occurred_at >= {since:DateTime64(6, 'UTC')}
            ORDER BY occurred_at"""
        fixed = {"subject": subject, "kind": kind, "since": since.astimezone(UTC).replace(tzinfo=None)}
        for names in self._mine("touches", "subject_id") if keys is None else (keys,):
            for row in self._rows(statement, fixed | {"names": names}):
                text = row["event"].encode()
                yield Touch(subject, row["subject_id"], from_text(kind, text), text)

    def touch_keys(self) -> Iterator[TouchKey]:
        """What names the touches the shard has taken."""
        statement = "SELECT DISTINCT subject_kind, subject_id, event_kind, rep_id, event_id FROM touches"
        for row in self._rows(statement, {}):
            if self._holds(row["subject_id"]):
                yield TouchKey(*row.values())

    def marks(self) -> Iterator[int]:
        """Marks of the shard's hits, and of its alerts that are raised once in a period."""
        statement = "SELECT DISTINCT toString(alert_id) AS id, subject_id FROM alerts WHERE period_start IS NOT NULL"
        for row in self._rows(statement, {}):
            if self._holds(row["subject_id"]):
                yield mark_of(row["id"])
        names = "rule_set, rule_id, subject_kind, subject_id, event_kind, rep_id, event_id"
        for row in self._rows(f"SELECT DISTINCT {names} FROM rule_hits", {}):
            if self._holds(row["subject_id"]):
                yield hit_mark(*row.values())

    def alerts(self) -> Iterator[Alert]:
        """The shard's alerts of the last day with any, as they were told.

        Raises:
            UnavailableError: ClickHouse does not answer.
        """
        statement = f"""
            SELECT * REPLACE (toString(alert_id) AS alert_id) FROM alerts FINAL
            WHERE raised_at >= (SELECT max(raised_at) FROM alerts) - INTERVAL {_TOLD_AGAIN_H} HOUR"""
        for row in self._rows(statement, {}):
            if self._holds(row["rep_id"] if row["subject_kind"] == "rep" else row["subject_id"]):
                yield alert_of(row)

    def newest(self, table: str, condition: str = "1") -> datetime | None:
        """Moment of the newest event of a table; None when it is empty."""
        with translated():
            found = self._client.query(f"SELECT max(occurred_at), count() FROM {table} WHERE {condition}").result_rows
        moment, count = found[0]
        return moment.replace(tzinfo=moment.tzinfo or UTC) if count else None

    def _mine(self, table: str, owner: str) -> Iterator[list[str]]:
        with translated():
            found = self._client.query(f"SELECT DISTINCT {owner} FROM {table} ORDER BY 1").result_rows
        mine = [name for (name,) in found if self._holds(name)]
        for start in range(0, len(mine), _KEYS_PER_QUERY):
            yield mine[start : start + _KEYS_PER_QUERY]

    def _rows(self, statement: str, parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
        with translated(), self._client.query_arrow_stream(statement, parameters=parameters) as blocks:
            for block in blocks:
                yield from block.to_pylist()


def first_moment(newest: datetime, reach: timedelta) -> datetime:
    """From when on events are read back, so that one that comes late still finds its past."""
    return max(newest - reach, datetime(1970, 1, 1, tzinfo=UTC))
