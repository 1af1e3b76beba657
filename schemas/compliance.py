"""Rules of compliance as data: the text of `policies/compliance/*.yaml`."""

import re
from collections import Counter
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from schemas.base import Day, Id, Model
from schemas.policy import Title

EventKind = Literal["visit", "sale", "payment", "activity", "survey"]
Role = Literal["filed_rep", "sales", "cso", "manager"]
#: The three risk levels of the regulator's guideline of January 2025.
Severity = Literal["prohibited", "avoid", "monitor"]
Expected = Literal["hit", "miss", "not_applicable"]
Colour = Literal["red", "amber", "yellow"]
#: How often one subject can raise the alert of one rule.
OncePer = Literal["event", "day", "week", "month", "quarter", "year"]

_IN_CHINESE = {"禁止": "prohibited", "回避": "avoid", "关注": "monitor"}
COLOURS: dict[str, Colour] = {"prohibited": "red", "avoid": "amber", "monitor": "yellow"}
#: Test events a rule brings along, of each kind.
_LEAST_TESTS = 2
#: Values of a named list.
MOST_LISTED = 10_000
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def in_english(value: object) -> object:
    """The severity by its English name; anything else as it is."""
    return _IN_CHINESE.get(value, value) if isinstance(value, str) else value


def _named_well(values: dict[str, Any]) -> dict[str, Any]:
    if wrong := [name for name in values if not _NAME.fullmatch(name)]:
        msg = f"{wrong[0]!r} is no name: small letters, digits and _, a letter first"
        raise ValueError(msg)
    return values


Number = Annotated[int | float, Field(allow_inf_nan=False)]
#: Value of a named threshold.
Parameter = bool | Number | str | tuple[Number | str, ...]
Expression = Annotated[str, Field(min_length=1, max_length=4_000)]


def _said(value: str) -> str:
    if not value.strip():
        msg = "a value of blanks is in nearly every text: remove it"
        raise ValueError(msg)
    return value


#: Value of a named list.
Listed = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_said)]


class Basis(Model):
    """What a rule rests on."""

    article: str
    """Article or item, for example 第四条."""
    source: str
    """Law, guideline, code or standing order."""
    note: str | None = None


class Scope(Model):
    """What a rule looks at."""

    events: Annotated[tuple[EventKind, ...], Field(min_length=1)]
    """Kinds of events."""
    roles: tuple[Role, ...] = ()
    """Roles of representatives; empty: all."""


class TestCase(Model):
    """One event with what the rule must say of it."""

    __test__ = False  # pytest takes classes of this name for tests

    case: str
    """What is tested."""
    expect: Expected
    of: EventKind | None = None
    """Kind of the event; the first one of the scope when left out."""
    event: dict[str, Any] = Field(default_factory=dict)
    """Fields that differ from the example of the file."""
    past: Annotated[tuple[dict[str, Any], ...], Field(max_length=1_000)] = ()
    """Events before: `of` (its kind), `times` (so many like it) and the fields that differ from the example."""
    references: dict[str, tuple[dict[str, Any], ...]] = Field(default_factory=dict)
    """Reference rows that replace or are added to those of the file."""


class Rule(Model):
    """One rule."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,31}$")]
    title: Title
    severity: Annotated[
        Severity,
        BeforeValidator(
            in_english, json_schema_input_type=Literal["prohibited", "avoid", "monitor", "禁止", "回避", "关注"]
        ),
    ]
    """prohibited (禁止): red, stop; avoid (回避): amber, review; monitor (关注): yellow, log."""
    scope: Scope
    parameters: Annotated[dict[str, Parameter], AfterValidator(_named_well)] = Field(default_factory=dict)
    """Thresholds by name."""
    let: Annotated[dict[str, Expression], AfterValidator(_named_well)] = Field(default_factory=dict)
    """Named parts of the expression; each may use those before it."""
    when: Expression
    """What must hold for a hit; docs/policy-language.md teaches the language."""
    message: Title
    """Sentence in both languages; {name} or {name:.2} stands for a field, threshold or named part."""
    once_per: OncePer = "event"
    """Every event that hits is an alert of its own, or only the first of a subject in a company period."""
    basis: Annotated[tuple[Basis, ...], Field(min_length=1)]
    effective_from: Day
    """First day (company day of the event) it holds."""
    effective_to: Day | None = None
    """Last day it holds."""
    owner: Id
    """Who answers for it."""
    tests: tuple[TestCase, ...]
    """At least two events that hit and two that do not."""

    @property
    def colour(self) -> Colour:
        """Colour of its alerts.

        Example:
            >>> COLOURS["avoid"]
            'amber'
        """
        return COLOURS[self.severity]

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.effective_to is not None and self.effective_to < self.effective_from:
            msg = f"effective_to {self.effective_to} lies before effective_from: the rule would never hold"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _tests_itself(self) -> Self:
        counted = Counter(test.expect for test in self.tests)
        for expected in ("hit", "miss"):
            if counted[expected] < _LEAST_TESTS:
                msg = f"tests: {counted[expected]} expect a {expected}, at least {_LEAST_TESTS} are needed"
                raise ValueError(msg)
        return self


class Examples(Model):
    """What the test events of a file start from."""

    events: dict[EventKind, dict[str, Any]] = Field(default_factory=dict)
    """A whole event of each kind."""
    references: dict[str, tuple[dict[str, Any], ...]] = Field(default_factory=dict)
    """Reference rows by kind."""


class RuleFile(Model):
    """The text of one file of rules."""

    examples: Examples = Examples()
    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]


class NamedList(Model):
    """Texts that rules look up."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    title: Title
    values: Annotated[tuple[Listed, ...], Field(max_length=MOST_LISTED)]


class ListFile(Model):
    """The text of `policies/compliance/lists.yaml`."""

    lists: tuple[NamedList, ...]
