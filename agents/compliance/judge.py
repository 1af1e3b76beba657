"""Rules on the events of one shard, in the order in which they came: who hits what, and what becomes an alert."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import blake2b
from typing import Any, Literal, NamedTuple

from agents.compliance.errors import ExhaustedError
from agents.compliance.nodes import STEPS, Explanation, Frame
from agents.compliance.past import Past
from agents.compliance.places import whole_past
from agents.compliance.rule_book import RuleBook, RuleSet
from agents.compliance.rules import CompiledRule, Course, Place, subjects_of
from agents.compliance.templates import written
from agents.compliance.windows import first_day
from agents.compliance.world import References, World
from agents.intake.directory import Directory
from agents.progress.calendar import CompanyTime
from schemas.alerts import Alert, ExplainedValue, SubjectKind
from schemas.events import EVENT_MODELS

Status = Literal["raised", "repeated", "snoozed", "trial"]
#: Characters of a value and of a sentence that are shown, and parts of an explanation: together they fit into a message
#: of Kafka (1 MB), or an alert would not be told.
_SHOWN, _SENTENCE, _PARTS = 300, 5_000, 250
#: Subjects other than the representative; each is judged in a shard of its own.
CONCERNED: tuple[SubjectKind, ...] = ("hcp", "institution")
_PERIODS = {"day": "today", "week": "this_week", "month": "this_month", "quarter": "this_quarter", "year": "this_year"}


class Hit(NamedTuple):
    """A rule hit an event.

    Attributes:
        rule_set: name of the rule set.
        rule_version: its published version.
        rule: the rule.
        subject_kind: whom it is about: rep, hcp or institution.
        subject_id: its id.
        event: the event.
        team_id: team of the representative on the day of the event.
        region_id: its region.
        status: raised; repeated: the subject had an alert in the period; snoozed; trial.
        alert_id: identity the alert has, or would have.
        judged_at: when.
        alert: what is told; only where it is raised.
    """

    rule_set: str
    rule_version: int
    rule: CompiledRule
    subject_kind: SubjectKind
    subject_id: str
    event: Any
    team_id: str | None
    region_id: str | None
    status: Status
    alert_id: str
    judged_at: datetime
    alert: Alert | None

    @property
    def hit_mark(self) -> int:
        """What is remembered of the hit itself."""
        event = self.event
        about = (self.rule_set, self.rule.rule.id, self.subject_kind, self.subject_id)
        return hit_mark(*about, event.kind_name, event.rep_id, event.event_id)

    @property
    def mark(self) -> int:
        """What is remembered of an alert that is raised once in a period; 0 where every event counts."""
        return 0 if self.rule.rule.once_per == "event" else mark_of(self.alert_id)

    @property
    def is_settled(self) -> bool:
        """Whether it hangs on the order of one topic alone.

        Of events of several kinds nobody knows which is read first: spending may come before the sales it is compared
        with.
        """
        return all(need.kind == self.event.kind_name for need in self.rule.needs)


class _Entry(NamedTuple):
    """One rule of one rule set where it is judged."""

    rule_set: RuleSet
    rule: CompiledRule
    course: Course
    place: Place
    is_live: bool


@dataclass(frozen=True)
class Surroundings:
    """What rules know besides the event and the past.

    Attributes:
        book: the rules.
        references: reference data as rules ask for it.
        directory: the same as the engine holds it.
        time: company time.
        lateness: how late an event may come and still find its whole past.
    """

    book: RuleBook
    references: References
    directory: Directory
    time: CompanyTime
    lateness: timedelta = timedelta(days=31)


class Judge:
    """Judges the events of one shard, each once, in the order in which they come.

    Args:
        surroundings: rules and reference data.
        known: whether the alert with that mark was raised before.

    Attributes:
        past: what was judged before.
        counts: how often a rule of a rule set hit, as far as that was noted, and could not be applied.
    """

    def __init__(self, surroundings: Surroundings, known: Callable[[int], bool]) -> None:
        self._known = known
        book = surroundings.book
        sets = [book.live, *book.shadows]
        self.past = Past(rule for one in sets for rule in one.rules)
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self._entries = _entries(book)
        self._looking_back = {
            where: tuple(entry for entry in entries if entry.rule.needs)
            for where, entries in self._entries.items()
            if any(entry.rule.needs for entry in entries)
        }
        self._travels = _travels(self._entries, self.past)
        self._snoozed = {(one.rule_id, one.subject_kind, one.subject_id): one.until for one in book.snoozes}
        self.adopt(surroundings)

    def adopt(self, surroundings: Surroundings) -> None:
        """Go on with other reference data and the same rules."""
        self.surroundings = surroundings
        self._world = World(surroundings.references, self.past, surroundings.time, surroundings.book.lists)

    def sends(self, kind: str, subject: SubjectKind) -> bool:
        """Whether events of a kind are judged, or looked back on, in the shard of a subject they concern."""
        return any(place.subject == subject for place in self._travels.get(kind, ()))

    def touched(self, event: Any) -> tuple[tuple[SubjectKind, str], ...]:
        """The professionals and institutions in whose shards rules look at an event, each once."""
        found: dict[tuple[Any, str], None] = {
            (place.subject, key): None
            for place in self._travels.get(event.kind_name, ())
            for key in subjects_of(event, place)
        }
        return tuple(found)

    def looks_back(self, kind: str, subject: SubjectKind) -> bool:
        """Whether rules on a subject look back when an event of a kind comes."""
        return (subject, kind) in self._looking_back

    def judge_again(self, event: Any, now: datetime, subject: SubjectKind, key: str) -> list[Hit]:
        """What hits an event by the past as it is known by now, of the rules that look back.

        Args:
            event: an event that was judged before.
            now: moment of the judgement.
            subject: whose past is at hand.
            key: its id.

        Returns:
            The hits that were not found before.
        """
        entries = self._looking_back.get((subject, event.kind_name), ())
        hits = self._judged(entries, event, now, subject, key, is_first=False)
        return [hit for hit in hits if not self._known(hit.hit_mark)]

    def judge(self, event: Any, now: datetime, subject: SubjectKind = "rep", key: str = "") -> list[Hit]:
        """What hits an event at one subject; the event is not part of the past yet.

        Args:
            event: a new event, with what the intake found.
            now: moment of the judgement.
            subject: whose past is at hand.
            key: its id; of a representative it need not be given.
        """
        entries = self._entries.get((subject, event.kind_name))
        return [] if not entries else self._judged(entries, event, now, subject, key)

    def note(self, hit: Hit) -> None:
        """Count a hit that is written down: not every one that is found is, and none is twice."""
        self.counts["hit", hit.rule_set, hit.rule.rule.id] += 1

    def _judged(
        self,
        entries: Sequence[_Entry],
        event: Any,
        now: datetime,
        subject: SubjectKind,
        key: str,
        *,
        is_first: bool = True,
    ) -> list[Hit]:
        frame = Frame(event, self._world)
        frame.person = key if subject == "hcp" else None
        hits: list[Hit] = []
        day = frame.day_number
        for entry in entries:  # written out, the way of `CompiledRule.judge`: an event is held against dozens of rules
            run, first, last, roles = entry.course
            if not first <= day <= last or (subject != "rep" and key not in subjects_of(event, entry.place)):
                continue
            rep = frame.row("rep", "rep_id") if roles else None
            if rep is not None and rep.role not in roles:
                continue
            frame.left = STEPS
            try:
                found = None if roles and rep is None else run(frame)
            except ExhaustedError:
                found = None
            if found:
                hits.append(self._hit(entry, frame, now, subject, key or event.rep_id))
            elif found is None and is_first:
                self.counts["na", entry.rule_set.name, entry.rule.rule.id] += 1
        return hits

    def _hit(self, entry: _Entry, frame: Frame, now: datetime, subject: SubjectKind, key: str) -> Hit:
        rule, event = entry.rule.rule, frame.event
        start = period_start(rule.once_per, frame.day)
        alert_id = identity_of(rule.id, subject, key, event, start)
        status = self._status(entry, subject, key, frame.day, alert_id)
        path = {
            node.level: node.node_id for node in self.surroundings.directory.path(event.rep_id, frame.day.toordinal())
        }
        hit = Hit(
            rule_set=entry.rule_set.name,
            rule_version=entry.rule_set.version,
            rule=entry.rule,
            subject_kind=subject,
            subject_id=key,
            event=event,
            team_id=path.get("team"),
            region_id=path.get("region"),
            status=status,
            alert_id=alert_id,
            judged_at=now,
            alert=None,
        )
        return hit._replace(alert=self._alert(hit, frame, start)) if status == "raised" else hit

    def _status(self, entry: _Entry, subject: str, key: str, day: date, alert_id: str) -> Status:
        if not entry.is_live:
            return "trial"
        rule = entry.rule.rule
        until = self._snoozed.get((rule.id, subject, key))
        if until is not None and day <= until:
            return "snoozed"
        return "repeated" if rule.once_per != "event" and self._known(mark_of(alert_id)) else "raised"

    def _alert(self, hit: Hit, frame: Frame, start: date | None) -> Alert:
        rule, event = hit.rule.rule, hit.event
        verdict = hit.rule.verdict(frame)
        return Alert(
            alert_id=hit.alert_id,
            rule_id=rule.id,
            rule_version=hit.rule_version,
            title=rule.title,
            severity=rule.severity,
            colour=rule.colour,
            message={name: _shortened(sentence, _SENTENCE) for name, sentence in verdict.sentences.items()},
            subject_kind=hit.subject_kind,
            subject_id=hit.subject_id,
            rep_id=event.rep_id,
            institution_id=getattr(event, "institution_id", None),
            hcp_id=hit.subject_id if hit.subject_kind == "hcp" else getattr(event, "hcp_id", None),
            team_id=hit.team_id,
            region_id=hit.region_id,
            event_kind=event.kind_name,
            event_id=event.event_id,
            occurred_at=event.occurred_at,
            period_start=start,
            raised_at=hit.judged_at,
            owner=rule.owner,
            basis=rule.basis,
            explanation=_explained(verdict.explanation, self.surroundings.time),
        )


def _entries(book: RuleBook) -> dict[tuple[str, str], tuple[_Entry, ...]]:
    """Rules by the subject in whose shard they are judged and the kind of event, the live ones first."""
    found: dict[tuple[str, str], list[_Entry]] = {}
    for rule_set in (book.live, *book.shadows):
        for rule in rule_set.rules:
            for kind in rule.rule.scope.events:
                place = rule.place(kind)
                if (course := rule.course(kind)) is not None:
                    entry = _Entry(rule_set, rule, course, place, rule_set is book.live)
                    found.setdefault((place.subject, kind), []).append(entry)
    return {where: tuple(entries) for where, entries in found.items()}


def _travels(entries: Mapping[tuple[str, str], Sequence[_Entry]], past: Past) -> dict[str, tuple[Place, ...]]:
    """By kind of event, at whom rules look at it besides the representative.

    Where a rule looks back on it, that is at all whose past it belongs to, wherever it is judged itself.
    """
    found: dict[str, dict[Place, None]] = {}
    for subject in CONCERNED:
        for kind in EVENT_MODELS:
            places = [entry.place for entry in entries.get((subject, kind), ())]
            if past.wants(kind, subject):
                places = whole_past(kind, subject)
            found.setdefault(kind, {}).update(dict.fromkeys(places))
    return {kind: tuple(places) for kind, places in found.items() if places}


def period_start(once_per: str, day: date) -> date | None:
    """First day of the company period in which a rule alerts once; None where every event counts.

    >>> period_start("month", date(2026, 3, 17)), period_start("event", date(2026, 3, 17))
    (datetime.date(2026, 3, 1), None)
    """
    return None if once_per == "event" else first_day(_PERIODS[once_per], day)


def identity_of(rule_id: str, subject: str, key: str, event: Any, start: date | None) -> str:
    """Identity of an alert: 32 hexadecimal digits, the same wherever and however often it is found."""
    evidence = (event.kind_name, event.rep_id, event.event_id) if start is None else (start.isoformat(),)
    text = "\x1f".join((rule_id, subject, key, *evidence))
    return blake2b(text.encode(), digest_size=16).hexdigest()


def hit_mark(*names: str) -> int:
    """A 64-bit number that stands for a hit; never 0.

    Args:
        names: rule set, rule, kind of subject, subject, kind of event, representative, event.
    """
    return int.from_bytes(blake2b("\x1f".join(("hit", *names)).encode(), digest_size=8).digest()) or 1


def mark_of(alert_id: str) -> int:
    """A 64-bit number that stands for an alert; never 0."""
    return int(alert_id[:16], 16) or 1


def _explained(explanation: Explanation | None, time: CompanyTime) -> ExplainedValue | None:
    return None if explanation is None else _tree(explanation, _uppermost(explanation), time)


def _uppermost(explanation: Explanation) -> set[int]:
    """The parts of a tree that are shown, level by level: loops in loops make thousands of them."""
    found = [explanation]
    for part in found:
        if len(found) >= _PARTS:
            break
        found += part.parts
    return {id(part) for part in found[:_PARTS]}


def _tree(explanation: Explanation, shown: set[int], time: CompanyTime) -> ExplainedValue:
    value = None if explanation.value is None else _shortened(written(explanation.value, "en", time), _SHOWN)
    parts = tuple(_tree(part, shown, time) for part in explanation.parts if id(part) in shown)
    return ExplainedValue(text=_shortened(explanation.text, _SHOWN), value=value, parts=parts)


def _shortened(text: str, most: int) -> str:
    """A text that fits: one note may stand at every level of a tree."""
    return text if len(text) <= most else text[: most - 1] + "…"
