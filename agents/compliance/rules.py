"""A rule compiled: judged event by event on the fast path; what hits is explained and told in both languages."""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Literal, NamedTuple

from agents.compliance.errors import ExhaustedError, RuleError
from agents.compliance.functions import FUNCTIONS
from agents.compliance.language import compile_expression
from agents.compliance.nodes import STEPS, Explanation, Frame, Need, Node, Run, explain, missing, remembered
from agents.compliance.places import PERSON, REP, Place, place_of, professionals, subjects_of
from agents.compliance.scope import Scope, names_of
from agents.compliance.selections import Selection
from agents.compliance.straight import straight
from agents.compliance.templates import Language, Template
from schemas.compliance import Rule

__all__ = [
    "HIT",
    "LANGUAGES",
    "MISS",
    "NOT_APPLICABLE",
    "CompiledRule",
    "Flaw",
    "FlawedRuleError",
    "Outcome",
    "Place",
    "Verdict",
    "compile_rule",
    "subjects_of",
]

Outcome = Literal["hit", "miss", "not_applicable"]
HIT: Outcome = "hit"
MISS: Outcome = "miss"
NOT_APPLICABLE: Outcome = "not_applicable"
LANGUAGES: tuple[Language, ...] = ("zh", "en")
#: Steps an explanation may take: a value is worked out again at every level above it. They hold a worker up for half a
#: second at the most; a hit beyond is told without its reasons.
_EXPLAINING = 20 * STEPS
_BRACES = re.compile(r"\{([^{}]*)\}")
_WORD = re.compile(r"[A-Za-z_]\w*")


class Flaw(NamedTuple):
    """One thing that is wrong with a rule.

    Attributes:
        path: the field it is in, for example `("let", "per_head")`.
        error: what and where in the field's text.
    """

    path: tuple[str, ...]
    error: RuleError


class FlawedRuleError(ValueError):
    """A rule cannot be compiled.

    Attributes:
        flaws: all that is wrong.
    """

    def __init__(self, rule_id: str, flaws: list[Flaw]) -> None:
        super().__init__("; ".join(f"{rule_id}.{'.'.join(flaw.path)}: {flaw.error}" for flaw in flaws))
        self.flaws = tuple(flaws)


class Verdict(NamedTuple):
    """What a rule says of an event, with all that it rests on."""

    outcome: Outcome
    explanation: Explanation | None
    """None where the rule does not look at the event."""
    sentences: Mapping[str, str]
    """By language; for a hit only."""
    missing: tuple[str, ...]
    """What was missing, where it does not apply."""


class Course(NamedTuple):
    """How a rule judges events of one kind."""

    run: Run
    """Whether it hits; missing where it does not apply."""
    first: int
    """Ordinal of the first day on which it is in force."""
    last: int
    roles: frozenset[str]
    """Roles of representatives it is for; empty: all."""


class CompiledRule:
    """A rule ready to judge.

    Args:
        rule: the rule.
        lists: named lists there are.

    Raises:
        FlawedRuleError: with everything that is wrong.
    """

    def __init__(self, rule: Rule, lists: frozenset[str]) -> None:
        self.rule = rule
        self._first = rule.effective_from.toordinal()
        self._last = (rule.effective_to or date.max).toordinal()
        self._roles = frozenset(rule.scope.roles)
        flaws = list(_name_flaws(rule))
        made = {} if flaws else {kind: _Compilation(rule, kind, lists, flaws) for kind in rule.scope.events}
        if not flaws:
            flaws += _unused(rule)
        if flaws:
            raise FlawedRuleError(rule.id, list(dict.fromkeys(flaws)))
        self._nodes = {kind: one.node for kind, one in made.items() if one.node is not None}
        self._places: dict[str, Place] = {kind: one.place for kind, one in made.items()}
        self._by_person = frozenset(kind for kind, place in self._places.items() if place.field == PERSON)
        self._runs: dict[str, Run] = {kind: straight(node) for kind, node in self._nodes.items()}
        self._templates = {kind: one.templates for kind, one in made.items()}

    def place(self, kind: str) -> Place:
        """Whose past it looks at when an event of a kind comes; the representative's where it looks at none."""
        return self._places.get(kind, REP)

    @property
    def needs(self) -> list[Need]:
        """The pasts it looks back on."""
        return sorted({need for node in self._nodes.values() for need in node.needs})

    @property
    def selections(self) -> frozenset[Selection]:
        """What must be kept of the past for it, to judge and to tell."""
        told = [part for of_kind in self._templates.values() for one in of_kind.values() for part in one.nodes]
        return frozenset[Selection]().union(*(node.selections for node in (*self._nodes.values(), *told)))

    def course(self, kind: str) -> Course | None:
        """How it judges events of a kind, for who judges many rules at once; None where it judges none.

        A rule about persons wants a frame with a person.
        """
        run = self._runs.get(kind)
        return None if run is None else Course(run, self._first, self._last, self._roles)

    def judge(self, frame: Frame) -> Outcome:
        """Whether the rule hits an event, the fast way.

        A rule about persons is judged for the frame's; without one for each professional the event names, up to the
        first that is hit.
        """
        run = self._runs.get(frame.kind)
        if run is None or not self._first <= frame.day_number <= self._last:
            return MISS
        if self._by_person and frame.person is None and frame.kind in self._by_person:
            return self._judge_each(frame)
        if self._roles:
            rep = frame.row("rep", "rep_id")
            if rep is None:
                return NOT_APPLICABLE
            if rep.role not in self._roles:
                return MISS
        frame.left = STEPS
        if frame.named:
            frame.named.clear()  # what is remembered costs nothing: asked twice, a rule must run out of steps twice
        try:
            found = run(frame)
        except ExhaustedError:
            return NOT_APPLICABLE
        return HIT if found else MISS if found is not None else NOT_APPLICABLE

    def _judge_each(self, frame: Frame) -> Outcome:
        """The gravest outcome of all; the frame's person is nobody again."""
        outcomes = {person: self._judge_person(frame, person) for person in professionals(frame.event)}
        return next((one for one in (HIT, NOT_APPLICABLE) if one in outcomes.values()), MISS)

    def _judge_person(self, frame: Frame, person: str) -> Outcome:
        frame.person = person
        outcome = self.judge(frame)
        frame.person = None
        return outcome

    def verdict(self, frame: Frame) -> Verdict:
        """The same with its reasons; ten to a hundred times slower."""
        if frame.person is None and frame.event.kind_name in self._by_person:
            return self._verdict_of_one(frame)
        outcome = self.judge(frame)
        node = self._nodes.get(frame.event.kind_name)
        if node is None:
            return Verdict(outcome, None, {}, ())
        frame.left = _EXPLAINING
        try:
            explanation = explain(node, frame)
        except ExhaustedError:  # parts that decided nothing may be without end: a hit is told without its reasons
            why = () if outcome == HIT else (f"more than {STEPS} things to look at",)
            return Verdict(outcome, None, self._sentences(frame) if outcome == HIT else {}, why)
        # a rule for certain roles does not apply to a representative nobody knows
        without = tuple(missing(explanation)) or ("rep",) if outcome == NOT_APPLICABLE else ()
        return Verdict(outcome, explanation, self._sentences(frame) if outcome == HIT else {}, without)

    def _verdict_of_one(self, frame: Frame) -> Verdict:
        """The verdict on the professional that decides: the first with the gravest outcome."""
        outcome = self.judge(frame)
        for person in professionals(frame.event):
            if self._judge_person(frame, person) == outcome:
                frame.person = person
                found = self.verdict(frame)
                frame.person = None
                return found
        return Verdict(outcome, explain(self._nodes[frame.event.kind_name], frame), {}, ())

    def _sentences(self, frame: Frame) -> dict[str, str]:
        templates = self._templates[frame.event.kind_name]
        return {name: template.fill(frame) for name, template in templates.items()}


class _Compilation:
    """A rule compiled for one kind of event; what is wrong is put into `flaws`."""

    def __init__(self, rule: Rule, kind: str, lists: frozenset[str], flaws: list[Flaw]) -> None:
        self._flaws = flaws
        self._kind = kind if len(rule.scope.events) > 1 else ""
        named: dict[str, Node] = {}
        texts: list[tuple[tuple[str, ...], Node]] = []
        self.node: Node | None = None
        self.place = REP
        self.templates: dict[str, Template] = {}
        scope = Scope(kind, rule.parameters, named, lists)
        for name, text in rule.let.items():
            made = self._tried(("let", name), lambda text=text: compile_expression(text, scope, None))
            if made is None:
                return
            named[name] = remembered(made, straight(made))
            texts.append((("let", name), made))
        self.node = self._tried(("when",), lambda: compile_expression(rule.when, scope))
        for one in LANGUAGES:
            text = getattr(rule.message, one)
            template = self._tried(("message", one), lambda text=text, one=one: Template(text, scope, one))
            if template is not None:
                self.templates[one] = template
                texts += [(("message", one), part) for part in template.nodes]
        self._find_place([*texts, (("when",), self.node)] if self.node is not None else texts)

    def _find_place(self, texts: list[tuple[tuple[str, ...], Node]]) -> None:
        self.place, wrong = place_of(texts)
        if wrong is not None:
            path, error = wrong
            self._tried(path, lambda: _refuse(error))

    def _tried(self, path: tuple[str, ...], make: Any) -> Any:
        try:
            return make()
        except RuleError as error:
            what = f"in events of kind {self._kind}: {error.what}" if self._kind else error.what
            self._flaws.append(Flaw(path, RuleError(what, error.line, error.column)))
            return None


def _refuse(error: RuleError) -> None:
    raise error


def _name_flaws(rule: Rule) -> Iterator[Flaw]:
    """Names of thresholds and named parts that already mean something."""
    for kind in rule.scope.events:
        taken = names_of(Scope(kind, {}, {})) | dict.fromkeys(FUNCTIONS, "a function")
        for path in _names(rule):
            what = taken.get(path[1])
            if path[0] == "let" and path[1] in rule.parameters:
                what = "a threshold"
            if what is not None:
                yield Flaw(
                    path, RuleError(f"{path[1]} is {what} already, in events of kind {kind}: name it otherwise", 1, 1)
                )


def _names(rule: Rule) -> list[tuple[str, str]]:
    """Fields that give names, with the names."""
    return [("parameters", name) for name in rule.parameters] + [("let", name) for name in rule.let]


def _unused(rule: Rule) -> Iterator[Flaw]:
    """Thresholds and named parts nobody reads."""
    told = _BRACES.findall(rule.message.zh + rule.message.en)
    texts = [rule.when, *rule.let.values(), *told]
    used = {word for text in texts for word in _WORD.findall(text)}
    for path in _names(rule):
        if path[1] not in used:
            yield Flaw(path, RuleError(f"{path[1]} is used nowhere: use it or remove it", 1, 1))


def compile_rule(rule: Rule, lists: frozenset[str] = frozenset()) -> CompiledRule:
    """A rule ready to judge.

    Raises:
        FlawedRuleError: with everything that is wrong.
    """
    return CompiledRule(rule, lists)
