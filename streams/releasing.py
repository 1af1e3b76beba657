"""Send what was taken wrongly from the quarantine back to its source topic, where it takes the usual way in."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from agents.intake.decode import RefusedError
from agents.intake.guard import Guard
from agents.intake.releasing import admitted, case_of
from schemas.cases import CaseCommand, Person
from schemas.events import MODEL_OF_TOPIC
from schemas.intake_policy import CountingRule
from schemas.quarantine import QuarantinedEvent
from streams import cases_view, quarantine, rule_books
from streams.desk import asking
from streams.errors import UsageError
from streams.producer import BulkProducer
from streams.settings import Settings
from streams.topics import HEADER_REPLAY

#: How the reason of an opening begins that was a release.
_MARK = "release: "


class Released(NamedTuple):
    """What was sent again."""

    quarantine_id: str
    topic: str
    event_id: str
    case_id: str | None
    """Its case, where there is one."""
    closes: bool
    """Whether the desk is asked to close the case as a false alarm."""


class _Passing(NamedTuple):
    """What the guard lets through."""

    held: QuarantinedEvent
    raw: bytes
    owner: str
    event_id: str


@dataclass
class Outcome:
    """What became of each, by full id."""

    released: list[Released] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    """With the reason, which says what to do and nothing of the content."""


class Release:
    """One release.

    Args:
        client: of ClickHouse, a writer.
        settings: where Kafka is, and what workers refuse.
        person: who releases.
        reason: why.
        now: when.
    """

    def __init__(self, client: Client, settings: Settings, person: str, reason: str, now: datetime) -> None:
        self._client = client
        self._settings = settings
        self._person = person
        self._reason = reason
        self._now = now

    def run(self, wanted: Sequence[QuarantinedEvent], private: Path) -> Outcome:
        """Open, put on record, ask the guard, send, and settle the cases.

        Sent twice an event counts once, as any event does; so a release that broke off is simply given again.

        Raises:
            UsageError: the file holds no private key, or no guard is in force.
            InvalidError: the key opens one of them not; none was sent.
            UnavailableError: Kafka or ClickHouse does not answer.
        """
        outcome = Outcome()
        guard = self._guard()
        mine = []
        for held in wanted:
            if held.topic in MODEL_OF_TOPIC:
                mine.append(held)
            else:
                outcome.refused[held.quarantine_id] = f"{held.topic} is no topic of events: no worker set it aside"
        contents = [quarantine.opened(held, private) for held in mine]
        for held in mine:
            quarantine.record_opening(self._client, held, self._person, _MARK + self._reason, self._now)
        passing = []
        for held, raw in zip(mine, contents, strict=True):
            try:
                passing.append(self._admitted(held, raw, guard))
            except RefusedError as error:
                outcome.refused[held.quarantine_id] = str(error)
        if passing:
            self._send(passing)
            outcome.released += [self._settled(one, guard.rule) for one in passing]
        return outcome

    def _guard(self) -> Guard:
        intake = rule_books.intake_in_force(rule_books.read(self._client))
        if intake is None:
            msg = "no guard is in force, so nobody can say what passes it: submit and approve compliance/intake.yaml"
            raise UsageError(msg)
        return Guard(intake.prescription_counting)

    def _admitted(self, held: QuarantinedEvent, raw: bytes, guard: Guard) -> _Passing:
        tolerance = timedelta(seconds=self._settings.future_tolerance_s)
        event = admitted(held, raw, guard, self._settings.max_event_bytes, self._now, tolerance)
        return _Passing(held, raw, event.owner, event.event_id)

    def _send(self, passing: Sequence[_Passing]) -> None:
        producer = BulkProducer(self._settings.kafka_url or "", "pulse-release")
        try:
            for one in passing:
                producer.send(one.held.topic, one.owner, one.raw, {HEADER_REPLAY: one.held.quarantine_id})
            producer.flush()
        finally:
            producer.close()

    def _settled(self, one: _Passing, rule: CountingRule) -> Released:
        """Ask the desk to close the case as a false alarm, unless it is closed already or there is none."""
        case_id, held = case_of(one.held, rule), one.held
        state = cases_view.state_of(self._client, case_id)
        closes = state not in {None, "closed"}
        if closes:
            command = CaseCommand(
                command_id=f"release:{held.quarantine_id}",
                case_id=case_id,
                action="close",
                by=Person(person_id=self._person, role="compliance"),
                at=self._now,
                verdict="false_alarm",
                remark=f"released from the quarantine ({held.quarantine_id}): {self._reason}",
            )
            asking.send(self._settings, command)
        return Released(held.quarantine_id, held.topic, one.event_id, None if state is None else case_id, closes)
