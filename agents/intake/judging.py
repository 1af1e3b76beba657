"""Compliance in the pass of one shard: judging, and what is said and written because of it.

An event is judged before it counts, so that figures may leave out what breaks a rule, and enters the past only once it
is taken. What it hits is told at once, unless the same events in another order could have another outcome.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import islice
from typing import Any, NamedTuple

from agents.compliance.judge import Hit, Judge, Surroundings, mark_of
from agents.compliance.rule_book import empty_rule_book
from agents.compliance.world import References
from agents.intake.directory import Directory
from agents.intake.guard import Guard, Quarantined
from agents.intake.journeys import Journeys
from agents.intake.locating import CheckIn, Locator
from agents.intake.quarantine import alert_of_position
from agents.intake.seen import Seen, identity_hash
from agents.intake.touches import Touch, TouchRow, as_text, touch_identity
from agents.progress.calendar import EPOCH, CompanyTime
from schemas.alerts import Alert, SubjectKind
from schemas.events import EVENT_MODELS
from schemas.intake_policy import Withheld

_EVICT_EVERY = 20_000
#: Kind and id of a subject.
Whose = tuple[SubjectKind, str]
#: An event, and the subject it is judged for.
Item = tuple[Any, SubjectKind, str]
#: Kinds of events that rules look at.
JUDGED = frozenset(kind for kind, model in EVENT_MODELS.items() if model.owner_field == "rep_id")


def without_rules(directory: Directory, time: CompanyTime) -> Surroundings:
    """Reference data and company time, and no rules."""
    return Surroundings(empty_rule_book(), References({}, directory), directory, time)


@dataclass
class Finding:
    """What judging produced since the last checkpoint."""

    hits: list[Hit] = field(default_factory=list)
    touches: list[TouchRow] = field(default_factory=list)
    """Touches that were taken."""
    alerts: list[Alert] = field(default_factory=list)
    """Alerts that are told with the checkpoint."""
    own: list[Alert] = field(default_factory=list)
    """Alerts of what acts at the intake, which no rule of the book hit."""

    @property
    def size(self) -> int:
        """Rows waiting."""
        return len(self.hits) + len(self.touches) + len(self.own)


@dataclass
class Telling:
    """What is to be told at once."""

    alerts: list[Alert] = field(default_factory=list)
    touches: list[Touch] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.alerts or self.touches)


class Halted(NamedTuple):
    """A message that was not let in (R06)."""

    topic: str
    record: Any
    found: Quarantined


def _identity(event: Any, subject: SubjectKind, key: str) -> int:
    """Under which the shard remembers that it took an event for a subject."""
    kind, rep_id, name = event.kind_name, event.rep_id, event.event_id
    return identity_hash(kind, rep_id, name) if subject == "rep" else touch_identity(subject, key, kind, rep_id, name)


class Looked(NamedTuple):
    """What was found about an event before it counts."""

    hits: list[Hit]
    check_in: CheckIn | None = None
    is_unsettled: bool = False
    """Whether something hits that may not when all that happened before has come: it is judged again."""


NOTHING = Looked([])


class Judging:
    """The rules of one shard.

    Args:
        surroundings: rules and reference data.
        seen: what the shard has taken; alerts that are raised once in a period are remembered there.

    Attributes:
        judge: judges.
        finding: for the next checkpoint.
        telling: for at once.
        marks: hits, and alerts raised once in a period, for what the checkpoint remembers.
        newest: moment of the last event of each subject that rules look back on, microseconds since 1970.
        late: subjects that got an event from before others that were judged already since the last checkpoint, and the
            moment of the earliest.
        waiting: the same from before that checkpoint: their events are in ClickHouse and can be judged again.
        in_hand: of those that wait, the ones whose stored events are being read for that.
    """

    def __init__(self, surroundings: Surroundings, seen: Seen) -> None:
        self._seen = seen
        self.marks: list[tuple[int, int]] = []
        self._newest, self._added = EPOCH, 0
        self.judge = Judge(surroundings, self._is_known)
        self.intake = surroundings.book.intake
        self.locator = Locator(surroundings.time, self.intake.location if self.intake is not None else None)
        self.guard = Guard(self.intake.prescription_counting) if self.intake is not None else None
        self.halted: list[Halted] = []
        self.newest: dict[Whose, int] = {}
        self.late: dict[Whose, int] = {}
        self.waiting: dict[Whose, int] = {}
        self.in_hand: set[Whose] = set()
        self.journeys = Journeys()
        self.finding = Finding()
        self.telling = Telling()

    @property
    def version(self) -> int:
        """Version of the rules."""
        return self.judge.surroundings.book.version

    def _is_known(self, mark: int) -> bool:
        return bool(self._seen.get(mark))

    def look(self, event: Any, now: datetime) -> Looked:
        """Locate and judge an event of a representative; what is found is noted on it."""
        check_in = self._locate(event, now) if event.kind_name == "visit" else None
        hits = self.judge.judge(event, now)
        if not hits:
            return Looked(hits, check_in)
        settled = [hit for hit in hits if hit.is_settled]
        if breaches := tuple(dict.fromkeys(hit.rule.rule.id for hit in settled if hit.status != "trial")):
            event.found(event.findings._replace(breaches=breaches))
        return Looked(settled, check_in, is_unsettled=len(settled) < len(hits))

    def halts(self, topic: str, record: Any, event: Any = None) -> bool:
        """Whether a message must not be let in, or kept among the dead letters; it is remembered for the quarantine.

        Args:
            topic: where it came from.
            record: the message.
            event: what it holds, where it was read.
        """
        if self.guard is None or not record.value:
            return False
        check, raw = self.guard, record.value
        found = check.check(raw) if event is None else check.check_event(event, raw)
        if found is None:
            return False
        self.halted.append(Halted(topic, record, found))
        return True

    def _locate(self, visit: Any, now: datetime) -> CheckIn | None:
        before = None
        if visit.check_in is not None:
            before = self.journeys.before(visit.rep_id, CompanyTime.microseconds(visit.check_in_at))
        location = self.locator.note(visit, self.judge.surroundings.directory, before)
        if location.withheld is not None:
            self._tell_of_position(visit, location.withheld, now)
        return location.check_in

    def _tell_of_position(self, visit: Any, why: Withheld, now: datetime) -> None:
        """Alert, once for a representative and day, that a position should not have been sent."""
        surroundings = self.judge.surroundings
        day = date.fromordinal(surroundings.time.day_of(visit.occurred_at))
        if self.intake is None or day < self.intake.location.effective_from:
            return
        alert = alert_of_position(visit, why, self.intake.location, surroundings.directory, day, now)
        if not self._is_known(mark := mark_of(alert.alert_id)):
            self._remember(mark)
            self.finding.own.append(alert)

    def enter(self, event: Any, looked: Looked, *, at_once: bool) -> None:
        """Put a taken event into the past of its representative, and on its way to those it concerns."""
        self._note(looked.hits, at_once=at_once)
        if looked.check_in is not None:
            self.journeys.add(event.rep_id, looked.check_in)
        self._remember_event(event, "rep", event.rep_id)
        if looked.is_unsettled:
            self._note_late(("rep", event.rep_id), CompanyTime.microseconds(event.occurred_at) - 1)
        if touched := self.judge.touched(event):
            text = as_text(event)
            self.telling.touches += [Touch(subject, key, event, text) for subject, key in touched]

    def take(self, row: TouchRow, now: datetime) -> None:
        """Judge a touch and put it into the past of whom it concerns."""
        touch = row.touch
        if not touch.is_past:
            hits = self.judge.judge(touch.event, now, touch.subject, touch.key)
            self._note([hit for hit in hits if hit.is_settled], at_once=True)
            if not all(hit.is_settled for hit in hits):
                self._note_late((touch.subject, touch.key), CompanyTime.microseconds(touch.event.occurred_at) - 1)
        self._remember_event(touch.event, touch.subject, touch.key)
        self.finding.touches.append(row)

    def _remember_event(self, event: Any, subject: SubjectKind, key: str) -> None:
        """Let it be part of the past; what no event can look back on is dropped now and then."""
        self.judge.past.add(event, subject, key)
        self._note_lateness(event, subject, key)
        self._newest = max(self._newest, event.occurred_at)
        self._added += 1
        if self._added == _EVICT_EVERY:
            self._added = 0
            self.judge.past.evict(CompanyTime.microseconds(self._newest - self.judge.surroundings.lateness))

    def note_newest(self, event: Any, subject: SubjectKind, key: str) -> None:
        """Know of an event that was judged before."""
        moment, whose = CompanyTime.microseconds(event.occurred_at), (subject, key)
        self.newest[whose] = max(moment, self.newest.get(whose, moment))

    def _note_lateness(self, event: Any, subject: SubjectKind, key: str) -> None:
        """What comes before something that was judged already may change what that hits."""
        if not self.judge.past.wants(event.kind_name, subject):
            return
        moment, whose = CompanyTime.microseconds(event.occurred_at), (subject, key)
        newest = self.newest.get(whose)
        if newest is None or moment >= newest:
            self.newest[whose] = moment
        else:
            self._note_late(whose, moment)

    def _note_late(self, whose: Whose, moment: int) -> None:
        self.late[whose] = min(self.late.get(whose, moment), moment)

    def _note(self, hits: list[Hit], *, at_once: bool) -> None:
        self.finding.hits += hits
        for hit in hits:
            self.judge.note(hit)
            self._remember(hit.hit_mark)
            if hit.alert is None:
                continue
            if hit.mark:
                self._remember(hit.mark)
            told = self.telling.alerts if at_once else self.finding.alerts
            told.append(hit.alert)

    def _remember(self, mark: int) -> None:
        self._seen.put(mark, mark)
        self.marks.append((mark, mark))

    def taken(self, items: Iterable[Item]) -> list[Item]:
        """Those of stored events that the shard has taken; others belong to a checkpoint that never stood."""
        return [item for item in items if self._is_known(_identity(*item))]

    def begin_again(self, most: int) -> dict[Whose, int]:
        """Whose events are to be judged again now; until `judge_again` their stored events are read.

        Args:
            most: subjects at once.
        """
        late = dict(islice(self.waiting.items(), most))
        self.in_hand = set(late)
        return late

    def judge_again(self, items: Iterable[Item], done: Mapping[Whose, int], now: datetime) -> None:
        """Judge events by a past that grew before them.

        Args:
            items: events with the subject they are judged for.
            done: whose events these are, of those that wait.
            now: moment of the judgement.
        """
        for event, subject, key in items:
            self._note(self.judge.judge_again(event, now, subject, key), at_once=False)
        for whose in self.in_hand.intersection(done):  # another goes on waiting: a checkpoint came in between
            self.waiting.pop(whose, None)

    def told(self) -> Telling:
        """What is to be told now; it is forgotten here."""
        telling, self.telling = self.telling, Telling()
        return telling

    def take_over(self, before: "Judging") -> None:
        """Go on counting, telling and writing where another left off."""
        self.judge.counts = before.judge.counts
        self.journeys = before.journeys
        self.late, self.waiting, self.in_hand = before.late, before.waiting, before.in_hand
        self.finding, self.telling, self.marks = before.finding, before.telling, before.marks
        self.halted = before.halted

    def follow(self, seen: Seen) -> None:
        """Remember alerts in the memory of another shard object."""
        self._seen = seen

    def settle(self) -> tuple[Finding, list[tuple[int, int]]]:
        """What the next checkpoint writes, and the alerts it remembers; both are forgotten here."""
        for whose, moment in self.late.items():
            self.waiting[whose] = min(moment, self.waiting.get(whose, moment))
            self.in_hand.discard(whose)
        self.late = {}
        finding, self.finding = self.finding, Finding()
        marks, self.marks = self.marks, []
        return finding, marks
