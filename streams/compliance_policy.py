"""The rules of compliance in a folder: read, compiled, with the place of every mistake."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from agents.compliance.rules import CompiledRule, FlawedRuleError, compile_rule
from agents.compliance.self_test import CaseError, folded_lists, frame_of
from agents.intake import self_test as intake_test
from agents.progress.calendar import CompanyTime
from schemas.compliance import Examples, ListFile, NamedList, Rule, RuleFile
from schemas.intake_policy import CountingRule, IntakePolicy, LocationRule
from streams import policies
from streams.errors import UsageError
from streams.places import place_within
from streams.policies import Mistake, PolicyError

#: Folder of the rules, within that of the policies; the file of named lists in it, and that of what acts at the intake.
FOLDER, LIST_FILE, INTAKE_FILE = "compliance", "lists.yaml", "intake.yaml"
#: Files that hold no rules.
OTHER_FILES = frozenset({LIST_FILE, INTAKE_FILE})
_FEWEST, _FEWEST_LISTS = "it needs a list `rules`", "it needs a list `lists`"
_FEWEST_INTAKE = "it needs `prescription_counting`"


@dataclass(frozen=True)
class Entry:
    """One rule of the pack.

    Attributes:
        rule: as it is written.
        compiled: ready to judge.
        examples: what its test events start from.
        file: where it stands.
        loc: the place in the file.
    """

    rule: Rule
    compiled: CompiledRule
    examples: Examples
    file: str
    loc: tuple[int | str, ...]


@dataclass(frozen=True)
class Pack:
    """All rules of a folder and the lists they look into."""

    entries: tuple[Entry, ...]
    lists: Mapping[str, frozenset[str]]
    intake: IntakePolicy | None = None
    """R06 and R26; None where the folder has no text of them."""

    @property
    def intake_rules(self) -> tuple[CountingRule | LocationRule, ...]:
        """The rules that act at the intake."""
        return () if self.intake is None else (self.intake.prescription_counting, self.intake.location)

    def of(self, rule_id: str) -> list[Entry]:
        """The versions of one rule.

        Raises:
            UsageError: there is none; the message names those there are.
        """
        found = [entry for entry in self.entries if entry.rule.id == rule_id]
        if not found:
            ids = [entry.rule.id for entry in self.entries] + [rule.id for rule in self.intake_rules]
            known = ", ".join(dict.fromkeys(ids))
            msg = f"there is no rule {rule_id}: there is {known}"
            raise UsageError(msg)
        return found


def load(folder: Path, time: CompanyTime) -> Pack:
    """The rules of a policies folder.

    Args:
        folder: the policies; the rules are in its folder `compliance`.
        time: company time, for the test events.

    Raises:
        PolicyError: with every mistake and its place.
        UsageError: there is no rule, or a file cannot be read.
    """
    return parse(read_texts(folder), time, f"{folder / FOLDER}/")


def read_texts(folder: Path) -> dict[str, str]:
    """The files of a policies folder that make its rules, by name.

    Raises:
        UsageError: there is no rule, or a file cannot be read.
    """
    paths = sorted((folder / FOLDER).glob("*.yaml"))
    if not any(path.name not in OTHER_FILES for path in paths):
        msg = f"{folder / FOLDER} has no rules: start where the folder is, or name it in PULSE_POLICIES"
        raise UsageError(msg)
    return {path.name: policies.read(path.parent, path.name) for path in paths}


def parse(
    texts: Mapping[str, str],
    time: CompanyTime,
    place: str = "",
    *,
    known: Mapping[str, frozenset[str]] | None = None,
    tests: bool = True,
) -> Pack:
    """The rules in texts.

    Args:
        texts: files by name.
        time: company time, for the test events.
        place: what stands before the names of the files in messages.
        known: named lists there are besides those of the texts.
        tests: whether the test events are looked at as well.

    Raises:
        PolicyError: with every mistake and its place.
    """
    reading = _Reading(time, known or {}, tests=tests)
    if LIST_FILE in texts:
        reading.read_lists(texts[LIST_FILE], f"{place}{LIST_FILE}")
    for name, text in texts.items():
        if name == INTAKE_FILE:
            reading.read_intake(text, f"{place}{name}")
        elif name != LIST_FILE:
            reading.read_rules(text, f"{place}{name}")
    reading.check_versions()
    if reading.mistakes:
        raise PolicyError(reading.mistakes)
    return Pack(tuple(reading.entries), reading.lists, reading.intake)


def listed(texts: Mapping[str, str], place: str = "") -> tuple[NamedList, ...]:
    """The named lists in texts, as they are written.

    Raises:
        PolicyError: with every mistake and its place.
    """
    if LIST_FILE not in texts:
        return ()
    return policies.parse_as(ListFile, texts[LIST_FILE], f"{place}{LIST_FILE}", _FEWEST_LISTS).lists


def intake_of(texts: Mapping[str, str], place: str = "") -> IntakePolicy:
    """What acts at the intake, from texts that have it.

    Raises:
        PolicyError: with every mistake and its place.
    """
    return policies.parse_as(IntakePolicy, texts[INTAKE_FILE], f"{place}{INTAKE_FILE}", _FEWEST_INTAKE)


def load_intake(folder: Path) -> IntakePolicy | None:
    """What acts at the intake alone; None where the policies folder has no text of it.

    Raises:
        PolicyError: with every mistake and its place.
    """
    path = folder / FOLDER / INTAKE_FILE
    if not path.is_file():
        return None
    return intake_of({INTAKE_FILE: policies.read(path.parent, path.name)}, f"{path.parent}/")


class _Reading:
    """Reads file after file and gathers what is wrong."""

    def __init__(self, time: CompanyTime, known: Mapping[str, frozenset[str]], *, tests: bool) -> None:
        self._time = time
        self._tests = tests
        self._texts: dict[str, str] = {}
        self._dated: list[tuple[Rule, str, int]] = []
        self.entries: list[Entry] = []
        self.lists: dict[str, frozenset[str]] = dict(known)
        self.mistakes: list[Mistake] = []
        self.intake: IntakePolicy | None = None

    def read_lists(self, text: str, name: str) -> None:
        try:
            found = policies.parse_as(ListFile, text, name, _FEWEST_LISTS).lists
        except PolicyError as error:
            self.mistakes += error.mistakes
            return
        self.mistakes += _twice(found, text, name)
        self.lists |= folded_lists(found)

    def read_intake(self, text: str, name: str) -> None:
        try:
            policy = policies.parse_as(IntakePolicy, text, name, _FEWEST_INTAKE)
        except PolicyError as error:
            self.mistakes += error.mistakes
            return
        wrong = list(intake_test.flaws(policy))
        try:
            for _ in intake_test.try_location(policy.location, self._time):
                pass
        except intake_test.TestError as error:
            wrong.append((("location", "tests", *error.path), str(error)))
        self.mistakes += [policies.mistake_at(text, name, loc, what) for loc, what in wrong]
        self.intake = None if wrong else policy

    def read_rules(self, text: str, name: str) -> None:
        self._texts[name] = text
        try:
            file = policies.parse_as(RuleFile, text, name, _FEWEST)
        except PolicyError as error:
            self.mistakes += error.mistakes
            return
        for number, rule in enumerate(file.rules):
            self._dated.append((rule, name, number))
            self._compile(rule, file.examples, name, ("rules", number))

    def _compile(self, rule: Rule, examples: Examples, name: str, loc: tuple[int | str, ...]) -> None:
        try:
            compiled = compile_rule(rule, frozenset(self.lists))
        except FlawedRuleError as error:
            for flaw in error.flaws:
                place = place_within(self._texts[name], (*loc, *flaw.path), flaw.error.line, flaw.error.column)
                what = f"{rule.id}.{'.'.join(flaw.path)}: {flaw.error.what}"
                self.mistakes.append(Mistake(name, *place, what))
            return
        self.entries.append(Entry(rule, compiled, examples, name, loc))
        for number, test in enumerate(rule.tests if self._tests else ()):
            try:
                frame_of(rule, test, examples, self.lists, self._time)
            except CaseError as error:
                self._note_case(name, (*loc, "tests", number), error)

    def _note_case(self, name: str, loc: tuple[int | str, ...], error: CaseError) -> None:
        path = error.path
        if path[0] == "examples":
            loc, path = (), ("examples", "references", *path[1:])
        mistake = policies.mistake_at(self._texts[name], name, (*loc, *path), str(error))
        if mistake not in self.mistakes:
            self.mistakes.append(mistake)

    def check_versions(self) -> None:
        """One rule may have several versions; they must not hold on the same day, nor have an id of the intake's."""
        policy = self.intake
        acting = {policy.prescription_counting.id, policy.location.id} if policy is not None else set()
        for index, (rule, name, number) in enumerate(self._dated):
            if rule.id in acting:
                what = f"{rule.id} is the rule of {INTAKE_FILE}: give this one an id of its own"
                self.mistakes.append(policies.mistake_at(self._texts[name], name, ("rules", number, "id"), what))
            for other, where, _ in self._dated[:index]:
                if other.id == rule.id and _overlap(other, rule):
                    what = (
                        f"a rule {rule.id} in {Path(where).name} holds on the same days: give the earlier one an "
                        "effective_to, or this one an id of its own"
                    )
                    self.mistakes.append(policies.mistake_at(self._texts[name], name, ("rules", number, "id"), what))
                    break


def _overlap(one: Rule, other: Rule) -> bool:
    first = max(one.effective_from, other.effective_from)
    return first <= min(one.effective_to or date.max, other.effective_to or date.max)


def _twice(listed: Sequence[NamedList], text: str, name: str) -> Iterator[Mistake]:
    seen: set[str] = set()
    for number, one in enumerate(listed):
        if one.id in seen:
            yield policies.mistake_at(text, name, ("lists", number, "id"), f"{one.id} stands twice: remove one")
        seen.add(one.id)
