"""The proof of the rules: a simulated company with planted breaches is judged, and hits are held against the labels."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from agents.compliance.judge import Judge, Surroundings
from agents.compliance.rule_book import LIVE, RuleBook, RuleSet
from agents.compliance.world import References
from agents.intake.directory import Directory
from agents.progress.calendar import CompanyTime
from schemas.events import EVENT_MODELS
from schemas.reference import Reference
from streams.compliance_policy import Pack
from streams.simulator.made import Made
from streams.simulator.planting import Label

#: Rule, kind and id of the subject, kind of event, representative, event.
Found = tuple[str, str, str, str, str, str]
_TELL_EVERY = 2_000
#: Kinds of events no rule looks at.
_UNJUDGED = frozenset({"market"})


class Line(NamedTuple):
    """One rule in the table.

    Attributes:
        rule_id: the rule.
        planted: hits there must be.
        found: of these, those there are.
        missed: of these, those there are not.
        false: hits there must not be.
        near: labelled near misses; they are misses, or they count as false.
    """

    rule_id: str
    planted: int
    found: int
    missed: int
    false: int
    near: int

    @property
    def recall(self) -> float | None:
        """Share of the planted ones that is found."""
        return self.found / self.planted if self.planted else None

    @property
    def precision(self) -> float | None:
        """Share of the hits that was planted."""
        hits = self.found + self.false
        return self.found / hits if hits else None


@dataclass
class Proof:
    """What came of it.

    Attributes:
        lines: by rule.
        events: how many were judged.
        wrong: some of the hits that were missed or false, for whoever looks into it.
    """

    lines: list[Line]
    events: int
    wrong: list[tuple[str, Found]] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether every rule was planted, and found exactly what was planted."""
        return all(line.planted and not line.missed and not line.false for line in self.lines)


class Judged:
    """Judges events in the order in which they come, with the judge of the worker, in one shard.

    Args:
        pack: the rules.
        rows: reference data.
        time: company time.

    Attributes:
        hits: found so far.
        events: judged so far.
    """

    def __init__(self, pack: Pack, rows: Sequence[Reference], time: CompanyTime) -> None:
        by_kind: dict[str, list[Any]] = defaultdict(list)
        for row in rows:
            by_kind[row.kind_name].append(row)
        directory = Directory(by_kind)
        rules = RuleSet(LIVE, 1, tuple(entry.compiled for entry in pack.entries))
        book = RuleBook(1, rules, (), pack.lists)
        around = Surroundings(book, References(by_kind, directory), directory, time)
        self._known: set[int] = set()
        self._judge = Judge(around, self._known.__contains__)
        self._now = datetime.now(UTC)
        self.hits: set[Found] = set()
        self.events = 0

    def take(self, made: Made) -> None:
        """Judge one event where its representative's past is, and at everybody it concerns."""
        if made.kind in _UNJUDGED:
            return
        event: Any = EVENT_MODELS[made.kind].model_validate_json(made.value)
        self.events += 1
        self._look(event, "rep", event.rep_id)
        self._judge.past.add(event, "rep", event.rep_id)
        for subject, key in self._judge.touched(event):
            self._look(event, subject, key)
            self._judge.past.add(event, subject, key)

    def _look(self, event: Any, subject: Any, key: str) -> None:
        for hit in self._judge.judge(event, self._now, subject, key):
            if hit.mark:
                self._known.add(hit.mark)
            self.hits.add(
                (hit.rule.rule.id, hit.subject_kind, hit.subject_id, event.kind_name, event.rep_id, event.event_id)
            )


def compared(rule_ids: Iterable[str], hits: set[Found], labels: Sequence[Label], events: int) -> Proof:
    """Hits held against labels; whatever is not labelled a hit must be none."""
    planted = {_found(label) for label in labels if label.expect != "miss"}
    near = {_found(label) for label in labels if label.expect == "miss"}
    lines = [_line(rule_id, hits, planted, near) for rule_id in sorted(set(rule_ids))]
    wrong = [("missed", one) for one in sorted(planted - hits)] + [("false", one) for one in sorted(hits - planted)]
    return Proof(lines, events, wrong)


def _found(label: Label) -> Found:
    return (
        label.rule,
        label.subject_kind,
        label.subject_id,
        label.event_kind,
        label.rep_id,
        label.event_id,
    )


def _line(rule_id: str, hits: set[Found], planted: set[Found], near: set[Found]) -> Line:
    of_rule, wanted = ({one for one in some if one[0] == rule_id} for some in (hits, planted))
    return Line(
        rule_id=rule_id,
        planted=len(wanted),
        found=len(of_rule & wanted),
        missed=len(wanted - of_rule),
        false=len(of_rule - wanted),
        near=sum(one[0] == rule_id for one in near),
    )
