"""A back-test over what ClickHouse holds: events in the order in which they happened, a block at a time."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from heapq import merge
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from clickhouse_connect.driver.client import Client

from agents.compliance.judge import CONCERNED, Hit, Judge, Surroundings
from agents.compliance.rule_book import LIVE, RuleBook, RuleSet
from agents.compliance.world import References
from agents.intake.directory import Directory
from agents.intake.seen import Seen
from agents.intake.touches import from_text, touch_identity
from agents.progress.calendar import CompanyTime
from schemas.alerts import SubjectKind
from schemas.rows import EVENT_TABLES
from streams import compliance_policy, references, rule_books, rule_trials
from streams.backtest import Backtest, Draft, Outcome, derived_subjects, kinds_needed
from streams.clickhouse import translated
from streams.errors import UsageError
from streams.rule_books import Texts

Report = Callable[[int, int], None]
_AT_ONCE = 10_000
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)


class Tested(NamedTuple):
    """What came of a back-test.

    Attributes:
        outcomes: by draft.
        events: how many were judged or belonged to the past.
        derived: subjects whose events the table `touches` does not hold as the drafts need them.
    """

    outcomes: dict[str, Outcome]
    events: int
    derived: tuple[SubjectKind, ...]


def run(
    client: Client,
    time: CompanyTime,
    first: date,
    last: date,
    against: Sequence[Path] = (),
    *,
    report: Report = lambda _done, _total: None,
    on_hits: Callable[[list[Hit]], None] | None = None,
) -> Tested:
    """Hold the rules in force and drafts against stored history.

    Args:
        client: a ClickHouse client.
        time: company time.
        first: first company day that counts.
        last: last one.
        against: folders or files of drafts.
        report: told now and then how many events are through, and of how many.
        on_hits: told every hit.

    Raises:
        UsageError: the days are the wrong way round, there is nothing to test, or a draft is wrong.
        UnavailableError: ClickHouse does not answer.
    """
    if first > last:
        msg = f"--from {first} lies after --to {last}: exchange them"
        raise UsageError(msg)
    texts = rule_books.read(client)
    lists, rules = rule_books.in_force(texts, time)
    drafts = read_drafts(against, texts, time)
    if not rules and not drafts:
        msg = "no rules are in force and no draft is named: name one with --against, or put rules into force"
        raise UsageError(msg)
    rows = references.load(client)
    directory = Directory(rows, references.newest_version(client))
    known = References(rows, directory)
    live = RuleSet(LIVE, texts.state.in_force, rules)
    backtest = Backtest(live, lists, drafts, references=known, directory=directory, time=time, first=first, last=last)
    if on_hits is not None:
        backtest.on_hits = on_hits
    in_force = rule_books.book_of(client, texts, time, lists, rules)
    around = Surroundings(RuleBook(0, in_force.live, in_force.shadows, in_force.lists), known, directory, time)
    reading = _Reading(client, backtest, (_moment(time, first), _moment(time, last + timedelta(days=1))), report)
    return reading.run(derived_subjects(backtest, Judge(around, lambda _: False)))


def _moment(time: CompanyTime, day: date) -> datetime:
    return time.instant(day.toordinal())


def read_drafts(paths: Sequence[Path], texts: Texts, time: CompanyTime) -> list[Draft]:
    """Drafts of folders and files, each with a name of its own.

    Raises:
        UsageError: one cannot be read.
        PolicyError: one is wrong; the message names file, line and column.
    """
    found: list[Draft] = []
    now = {name: frozenset(values) for name, values in texts.lists.items()}
    for path in paths:
        draft = rule_trials.read_draft(path)
        pack = rule_trials.compiled(draft, texts, time)
        # a list whose text is the one that was approved goes on with the edits made since, as it would in force
        changed = rule_books.differing(compliance_policy.listed(draft.texts, draft.place), texts)
        lists = now | {name: values for name, values in pack.lists.items() if name in changed or name not in now}
        name = _name(path, {LIVE, *(other.name for other in found)})
        rules = RuleSet(name, 0, tuple(entry.compiled for entry in pack.entries))
        found.append(Draft(name, rules, lists, draft.is_whole))
    return found


def _name(path: Path, taken: set[str]) -> str:
    name = path.resolve().stem if path.is_file() else path.resolve().name
    number, own = 2, name
    while own in taken:
        own, number = f"{name}-{number}", number + 1
    return own


class _Reading:
    """Reads what a back-test needs, in order."""

    def __init__(self, client: Client, backtest: Backtest, span: tuple[datetime, datetime], report: Report) -> None:
        self._client = client
        self._backtest = backtest
        self._first, self._end = span
        self._report = report
        self._done = self._total = 0

    def run(self, derived: tuple[SubjectKind, ...]) -> Tested:
        kept: list[SubjectKind] = [one for one in CONCERNED if one not in derived]
        spans = {kind: self._since(length) for kind, length in kinds_needed(self._backtest, ("rep", *CONCERNED))}
        self._total = sum(self._count(EVENT_TABLES[kind].table, since) for kind, since in spans.items())
        self._total += sum(self._count("touches", self._since_at(one), f"subject_kind = '{one}'") for one in kept)
        known = self._known(kept)
        self._judge_events(spans, known, kept)
        for subject in kept:
            self._backtest.begin_again(subject)
            for event, key in self._touches(subject):
                self._backtest.take(event, subject, key)
                self._step()
        self._report(self._total, self._total)
        return Tested(self._backtest.finish(), self._done, derived)

    def _judge_events(self, spans: dict[str, datetime], known: Seen, kept: Sequence[SubjectKind]) -> None:
        backtest = self._backtest
        for subject in kept:
            backtest.wait(subject)
        streams = [self._events(kind, since) for kind, since in spans.items()]
        for _, _, event in merge(*streams, key=lambda one: one[:2]):
            backtest.take(event)
            for subject, key in backtest.touched(event):
                if subject not in kept or not _is_known(known, subject, key, event):
                    backtest.take(event, subject, key)
            self._step()

    def _events(self, kind: str, since: datetime) -> Iterator[tuple[datetime, str, Any]]:
        """Events of a kind in the order in which they happened: what came late was judged again, live, too."""
        table = EVENT_TABLES[kind]
        statement = f"""
            SELECT {", ".join(table.names)}
            FROM {table.table} FINAL
            WHERE occurred_at >= {{since:DateTime64(6, 'UTC')}} AND occurred_at < {{end:DateTime64(6, 'UTC')}}
            ORDER BY occurred_at, stream_partition, stream_offset"""
        for row in self._rows(statement, self._span(since)):
            event = table.to_event(row)
            yield event.occurred_at, kind, event

    def _touches(self, subject: SubjectKind) -> Iterator[tuple[Any, str]]:
        """Events of the subjects of a kind, in the order in which they happened."""
        statement = """
            SELECT subject_id, event_kind, event FROM touches FINAL
            WHERE subject_kind = {subject:String} AND occurred_at >= {since:DateTime64(6, 'UTC')}
                AND occurred_at < {end:DateTime64(6, 'UTC')}
            ORDER BY occurred_at, stream_partition, stream_offset"""
        for row in self._rows(statement, self._span(self._since_at(subject)) | {"subject": subject}):
            yield from_text(row["event_kind"], row["event"].encode()), row["subject_id"]

    def _known(self, subjects: Sequence[SubjectKind]) -> Seen:
        """Events that the subjects they concern have."""
        seen, batch = Seen(), list[int]()
        statement = """
            SELECT DISTINCT subject_kind, subject_id, event_kind, rep_id, event_id FROM touches
            WHERE subject_kind IN {subjects:Array(String)} AND occurred_at >= {since:DateTime64(6, 'UTC')}
                AND occurred_at < {end:DateTime64(6, 'UTC')}"""
        since = min((self._since_at(one) for one in subjects), default=self._first)
        for row in self._rows(statement, self._span(since) | {"subjects": list(subjects)}):
            batch.append(touch_identity(*row.values()))
            if len(batch) == _AT_ONCE:
                _enter(seen, batch)
        _enter(seen, batch)
        return seen

    def _since_at(self, subject: SubjectKind) -> datetime:
        return min(self._since(length) for _, length in kinds_needed(self._backtest, (subject,)))

    def _since(self, length: timedelta) -> datetime:
        return max(self._first - length, _FIRST)

    def _span(self, since: datetime) -> dict[str, Any]:
        return {name: at.astimezone(UTC).replace(tzinfo=None) for name, at in (("since", since), ("end", self._end))}

    def _count(self, table: str, since: datetime, condition: str = "1") -> int:
        statement = f"""
            SELECT count() FROM {table} WHERE {condition} AND occurred_at >= {{since:DateTime64(6, 'UTC')}}
                AND occurred_at < {{end:DateTime64(6, 'UTC')}}"""
        with translated():
            return int(self._client.query(statement, parameters=self._span(since)).first_row[0])

    def _rows(self, statement: str, parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
        with translated(), self._client.query_arrow_stream(statement, parameters=parameters) as blocks:
            for block in blocks:
                yield from block.to_pylist()

    def _step(self) -> None:
        self._done += 1
        if self._done % _AT_ONCE == 0:
            self._report(self._done, self._total)


def _is_known(known: Seen, subject: str, key: str, event: Any) -> bool:
    identity = touch_identity(subject, key, event.kind_name, event.rep_id, event.event_id)
    return bool(known.find(np.array([identity], np.uint64))[0])


def _enter(seen: Seen, batch: list[int]) -> None:
    numbers = np.array(sorted(set(batch)), np.uint64)
    seen.add(numbers, numbers)
    batch.clear()
