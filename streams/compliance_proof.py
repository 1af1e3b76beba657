"""The proof of the rules: a simulated company with planted breaches is judged, and hits are held against the labels."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from pydantic import ValidationError

from agents.compliance.judge import Surroundings
from agents.compliance.rule_book import LIVE, RuleBook, RuleSet
from agents.compliance.world import References
from agents.intake.directory import Directory
from agents.intake.guard import Guard
from agents.intake.judging import Item, Judging
from agents.intake.locating import Locator
from agents.intake.seen import Seen
from agents.intake.touches import TouchRow
from agents.progress.calendar import CompanyTime
from schemas.events import EVENT_MODELS
from schemas.intake_policy import CountingRule, LocationRule
from schemas.reference import Reference
from streams.compliance_policy import Pack
from streams.errors import InvalidError
from streams.simulator.made import Made
from streams.simulator.planting import Label
from streams.simulator.world import Plan, Simulation

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
    """Judges events in the order in which they come, as a worker does, all in one shard.

    Args:
        pack: the rules, those of the intake too.
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
        self._directory = Directory(by_kind)
        rules = RuleSet(LIVE, 1, tuple(entry.compiled for entry in pack.entries))
        references = References(by_kind, self._directory)
        around = Surroundings(RuleBook(1, rules, (), pack.lists), references, self._directory, time)
        self._judging = Judging(around, Seen())
        self._guards = [Guard(rule) for rule in pack.intake_rules if isinstance(rule, CountingRule)]
        self._locators = [Locator(time, rule) for rule in pack.intake_rules if isinstance(rule, LocationRule)]
        self._now = datetime.now(UTC)
        self._unsettled: list[Any] = []
        self.hits: set[Found] = set()
        self.events = 0

    def take(self, made: Made) -> None:
        """Judge one event where its representative's past is, and at everybody it concerns."""
        if made.kind in _UNJUDGED:
            return
        event = self._let_in(made)
        if event is not None:
            self.judge(event)
        else:
            self.events += 1

    def judge(self, event: Any) -> None:
        """Judge an event that was let in."""
        self.events += 1
        looked = self._judging.look(event, self._now)
        if looked.is_unsettled:
            self._unsettled.append(event)
        self._judging.enter(event, looked, at_once=True)
        for touch in self._judging.told().touches:
            self._judging.take(TouchRow(touch, self.events, self._now), self._now)
        self._note()

    def finish(self) -> None:
        """Judge what had to wait for events of another kind, as a worker does when nothing is left to read."""
        items: list[Item] = [(event, "rep", event.rep_id) for event in self._unsettled]
        self._judging.judge_again(items, {}, self._now)
        self._note()

    def _note(self) -> None:
        for hit in self._judging.settle()[0].hits:
            event = hit.event
            kind, rep, name = event.kind_name, event.rep_id, event.event_id
            self._found(hit.rule.rule.id, hit.subject_kind, hit.subject_id, kind, rep, name)

    def _let_in(self, made: Made) -> Any:
        """The event, if R06 lets it in; what R26 withholds of it is noted."""
        event: Any = None
        with suppress(ValidationError):
            event = EVENT_MODELS[made.kind].model_validate_json(made.value)
        for guard in self._guards:
            check = guard.check(made.value) if event is None else guard.check_event(event, made.value)
            if check is not None:
                self._found(guard.rule.id, "rep", made.key, made.kind, made.key, made.event_id)
                return None
        if event is None:
            msg = f"{made.event_id} is no {made.kind} and nothing keeps it out: the simulator has a defect"
            raise InvalidError(msg)
        for locator in self._locators:
            if locator.locate(event, self._directory).withheld is not None:
                self._found(locator.rule.id, "rep", event.rep_id, made.kind, event.rep_id, event.event_id)
        return event

    def _found(self, *found: str) -> None:
        self.hits.add(cast("Found", found))


def prove(plan: Plan, pack: Pack, time: CompanyTime, tell: Callable[[int], None] = lambda _done: None) -> Proof:
    """Simulate, judge, compare.

    Args:
        plan: with breaches.
        pack: the rules.
        time: company time.
        tell: told now and then how many events are judged.
    """
    simulation = Simulation(plan)
    judged = Judged(pack, simulation.references(), time)
    for made in simulation.events():
        judged.take(made)
        if judged.events % _TELL_EVERY == 0:
            tell(judged.events)
    judged.finish()
    rules = [entry.rule.id for entry in pack.entries] + [rule.id for rule in pack.intake_rules]
    return compared(rules, judged.hits, simulation.labels(), judged.events)


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


def text_of(proof: Proof, plan: Plan) -> str:
    """The table as Markdown."""
    head = f"""# Proof of the compliance rules

Written by `make proof` (`pulse policy prove`): a simulated quarter ({plan.start} to {plan.last_day}, {plan.reps}
representatives, seed {plan.seed}, every breach planted {plan.breaches} times) with {proof.events:,} events, judged by
the code that judges in the workers, and held against the labels the simulator writes while it plants.
A *near miss* is labelled too and must not hit, as nothing else must that is not planted. Rules about made-up visits and
late reports are also broken by the story `faked_visits` and by habit; their labels come from there.

Events are judged in the order in which they reach the company. Where events of several representatives about one
professional or hospital arrive in another order than they happened, as when a worker catches up with a past of days,
each is judged with those that happened before it and have arrived; a later one is not judged again.

| rule | planted | found | missed | false | near misses | recall | precision |
|---|---:|---:|---:|---:|---:|---:|---:|
"""
    return head + "".join(map(_row, proof.lines))


def _row(line: Line) -> str:
    shares = (f"{share:.3f}" if share is not None else "–" for share in (line.recall, line.precision))
    counts = (line.planted, line.found, line.missed, line.false, line.near)
    return f"| {line.rule_id} | {' | '.join(f'{one:,}' for one in counts)} | {' | '.join(shares)} |\n"
