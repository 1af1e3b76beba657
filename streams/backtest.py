"""Rules held against stored history: those in force and any number of drafts, in one pass, by the code that is live.

The pass has two parts, as the engine has two kinds of shards. First every event is judged with the past of its
representative; events then travel to the professionals and institutions they concern and are judged there. All come in
the order in which they happened: what comes late is judged again live, too, so the outcome is the same.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from agents.compliance.judge import CONCERNED, Hit, Judge, Surroundings
from agents.compliance.nodes import Frame
from agents.compliance.rule_book import LIVE, RuleBook, RuleSet
from agents.compliance.world import References, World
from agents.intake.directory import Directory
from agents.intake.judging import JUDGED
from agents.progress.calendar import CompanyTime
from schemas.alerts import SubjectKind

_SAMPLES = 5
_EVICT_EVERY = 50_000
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
#: Which of the two hit.
IN_FORCE, GAINED, LOST = "in force", "gained", "lost"


@dataclass(frozen=True)
class Draft:
    """Rules that are held against history beside those in force.

    Attributes:
        name: what it is called.
        rule_set: its rules.
        lists: the named lists they look into.
        is_whole: whether they are all there are to be, or stand for the rules of the same ids only.
    """

    name: str
    rule_set: RuleSet
    lists: Mapping[str, frozenset[str]]
    is_whole: bool


class Sample(NamedTuple):
    """An event that shows what a rule hits."""

    day: date
    event_kind: str
    event_id: str
    rep_id: str
    subject_kind: str
    subject_id: str
    sentences: Mapping[str, str]


@dataclass
class Count:
    """Hits of one rule in one region."""

    in_force: int = 0
    draft: int = 0
    gained: int = 0
    lost: int = 0

    def __iadd__(self, other: "Count") -> "Count":
        self.in_force += other.in_force
        self.draft += other.draft
        self.gained += other.gained
        self.lost += other.lost
        return self


@dataclass
class Outcome:
    """What came of one draft, or of the rules in force alone.

    Attributes:
        name: of the draft; `live` for the rules in force alone.
        regions: hits by rule and region; a region is empty where the representative had none.
        samples: events by rule and by which of the two hit them.
        not_applicable: events a rule could not be applied to, by rule: a field or reference row was missing.
    """

    name: str
    regions: dict[str, dict[str, Count]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(Count)))
    samples: dict[tuple[str, str], list[Sample]] = field(default_factory=lambda: defaultdict(list))
    not_applicable: dict[str, int] = field(default_factory=dict)

    def total(self, rule_id: str) -> Count:
        """Hits of a rule in all regions."""
        whole = Count()
        for count in self.regions[rule_id].values():
            whole += count
        return whole


#: Events come in order of time: what no later one can look back on is dropped close behind.
_DROPPED_BEHIND = timedelta(days=1)


class _Panel:
    """A judge with the rule sets that look into the same lists."""

    def __init__(self, sets: Sequence[RuleSet], lists: Mapping[str, frozenset[str]], around: Surroundings) -> None:
        book = RuleBook(0, RuleSet("none", 0, ()), tuple(sets), lists)  # on trial, so that no alert is written out
        surroundings = Surroundings(book, around.references, around.directory, around.time)
        self.judge = Judge(surroundings, lambda _: False)
        self.world = World(around.references, self.judge.past, around.time, lists)


class _Side:
    """The pasts of subjects of one kind, each side with its own clock.

    Attributes:
        panels: who judges.
        drops: whether what nobody can look back on any more is dropped.
    """

    def __init__(self, panels: list[_Panel]) -> None:
        self.panels = panels
        self.drops = True
        self._newest, self._added = _FIRST, 0

    def add(self, event: Any, subject: SubjectKind, key: str) -> None:
        """Let an event be part of the past."""
        for panel in self.panels:
            panel.judge.past.add(event, subject, key)
        self._newest = max(self._newest, event.occurred_at)
        self._added += 1
        if self.drops and self._added % _EVICT_EVERY == 0:
            for panel in self.panels:
                panel.judge.past.evict(CompanyTime.microseconds(self._newest - _DROPPED_BEHIND))

    def begin_again(self) -> None:
        """What follows begins in the past once more."""
        self._newest, self.drops = _FIRST, True


class Backtest:
    """Judges events in the order in which they come, and counts who hits what.

    Args:
        live: the rules in force.
        lists: their named lists.
        drafts: what they are compared with.
        references: reference data as rules ask for it.
        directory: the same as the engine holds it.
        time: company time.
        first: first company day that counts; events before it are the past.
        last: last one.

    Attributes:
        outcomes: by draft; only that of the rules in force where there is no draft.
    """

    def __init__(
        self,
        live: RuleSet,
        lists: Mapping[str, frozenset[str]],
        drafts: Sequence[Draft],
        *,
        references: References,
        directory: Directory,
        time: CompanyTime,
        first: date,
        last: date,
    ) -> None:
        self._time, self._first, self._last = time, first, last
        around = Surroundings(RuleBook(0, live), references, directory, time)
        subjects: tuple[SubjectKind, ...] = ("rep", *CONCERNED)
        self._sides = {subject: _Side(_panels(live, lists, drafts, around)) for subject in subjects}
        self._compared = {draft.name: _compared(live, draft) for draft in drafts}
        self.outcomes = {draft.name: Outcome(draft.name) for draft in drafts} or {LIVE: Outcome(LIVE)}
        self.on_hits: Callable[[list[Hit]], None] = lambda _: None

    def horizon(self, kind: str, subject: SubjectKind) -> timedelta:
        """How long before the first day the past of events of a kind begins."""
        pasts = [panel.judge.past.horizon(kind, subject) for panel in self._sides[subject].panels]
        return max((one for one in pasts if one is not None), default=timedelta(0))

    def sends(self, kind: str, subject: SubjectKind) -> bool:
        """Whether events of a kind are judged at a subject other than the representative."""
        return any(panel.judge.sends(kind, subject) for panel in self._sides[subject].panels)

    def touched(self, event: Any) -> list[tuple[SubjectKind, str]]:
        """Whom an event concerns besides its representative, each once."""
        return list(dict.fromkeys(pair for panel in self._sides["rep"].panels for pair in panel.judge.touched(event)))

    def take(self, event: Any, subject: SubjectKind = "rep", key: str = "") -> None:
        """Judge an event at one subject, then let it be part of the past."""
        day = date.fromordinal(self._time.day_of(event.occurred_at))
        if self._first <= day <= self._last:
            self._judge(event, day, subject, key)
        self._sides[subject].add(event, subject, key or event.rep_id)

    def wait(self, subject: SubjectKind) -> None:
        """Drop nothing of what subjects of a kind have in their pasts, until `begin_again`."""
        self._sides[subject].drops = False

    def begin_again(self, subject: SubjectKind) -> None:
        """Events of subjects of a kind begin in the past once more."""
        self._sides[subject].begin_again()

    def _judge(self, event: Any, day: date, subject: SubjectKind, key: str) -> None:
        hits: dict[tuple[str, str], tuple[Hit, _Panel]] = {}
        for panel in self._sides[subject].panels:
            for hit in panel.judge.judge(event, event.occurred_at, subject, key):
                hits[hit.rule_set, hit.rule.rule.id] = hit, panel
        if hits:
            self.on_hits([hit for hit, _ in hits.values()])
            for outcome in self.outcomes.values():
                self._count(outcome, hits, day)

    def _count(self, outcome: Outcome, hits: Mapping[tuple[str, str], tuple[Hit, _Panel]], day: date) -> None:
        compared = self._compared.get(outcome.name)
        for rule_id in dict.fromkeys(rule_id for _, rule_id in hits):
            if compared is not None and rule_id not in compared:
                continue
            before, after = hits.get((LIVE, rule_id)), hits.get((outcome.name, rule_id)) if compared else None
            hit, panel = before or after or (None, None)
            if hit is None or panel is None:
                continue
            count = outcome.regions[rule_id][hit.region_id or ""]
            count.in_force += before is not None
            count.draft += after is not None
            if compared is None:
                self._show(outcome, IN_FORCE, hit, panel, day)
            elif before is None:
                count.gained += 1
                self._show(outcome, GAINED, hit, panel, day)
            elif after is None:
                count.lost += 1
                self._show(outcome, LOST, hit, panel, day)

    def _show(self, outcome: Outcome, which: str, hit: Hit, panel: _Panel, day: date) -> None:
        samples = outcome.samples[hit.rule.rule.id, which]
        if len(samples) == _SAMPLES:
            return
        frame = Frame(hit.event, panel.world)
        frame.person = hit.subject_id if hit.subject_kind == "hcp" else None
        event, sentences = hit.event, dict(hit.rule.verdict(frame).sentences)
        about = (event.kind_name, event.event_id, event.rep_id, hit.subject_kind, hit.subject_id)
        samples.append(Sample(day, *about, sentences))

    def finish(self) -> dict[str, Outcome]:
        """What came of it."""
        counted: dict[tuple[str, str], int] = defaultdict(int)
        for panel in (panel for side in self._sides.values() for panel in side.panels):
            for (what, rule_set, rule_id), number in panel.judge.counts.items():
                if what == "na":
                    counted[rule_set, rule_id] += number
        for name, outcome in self.outcomes.items():
            outcome.not_applicable = {rule_id: n for (rule_set, rule_id), n in counted.items() if rule_set == name}
        return self.outcomes


def _panels(
    live: RuleSet, lists: Mapping[str, frozenset[str]], drafts: Iterable[Draft], around: Surroundings
) -> list[_Panel]:
    """Judges; one is enough for all who look into the same lists."""
    alike: dict[frozenset[tuple[str, frozenset[str]]], list[RuleSet]] = {frozenset(lists.items()): [live]}
    for draft in drafts:
        own = RuleSet(draft.name, draft.rule_set.version, draft.rule_set.rules)
        alike.setdefault(frozenset(draft.lists.items()), []).append(own)
    return [_Panel(sets, dict(known), around) for known, sets in alike.items()]


def _compared(live: RuleSet, draft: Draft) -> frozenset[str]:
    ids = {rule.rule.id for rule in draft.rule_set.rules}
    return frozenset(ids | {rule.rule.id for rule in live.rules} if draft.is_whole else ids)


def kinds_needed(backtest: Backtest, subjects: Iterable[SubjectKind]) -> Iterator[tuple[str, timedelta]]:
    """Kinds of events that are judged, with how long before the first day they begin."""
    for kind in sorted(JUDGED):
        yield kind, max(backtest.horizon(kind, subject) for subject in subjects)


def derived_subjects(backtest: Backtest, live: Judge) -> tuple[SubjectKind, ...]:
    """Subjects whose events the engine has not kept, so that they are taken from the representatives'."""
    return tuple(
        subject
        for subject in CONCERNED
        if any(backtest.sends(kind, subject) and not live.sends(kind, subject) for kind in JUDGED)
    )
