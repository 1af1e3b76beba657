"""The rules in force, ready to judge: the approved version, the trials, the named lists and the snoozes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from clickhouse_connect.driver.client import Client

from agents.compliance.folding import fold
from agents.compliance.rule_book import LIVE, RuleBook, RuleSet, Snooze
from agents.compliance.rules import CompiledRule
from agents.progress.calendar import CompanyTime
from schemas.compliance import NamedList
from schemas.intake_policy import IntakePolicy
from streams import compliance_policy, rule_log
from streams.compliance_policy import Pack
from streams.errors import UsageError
from streams.policies import PolicyError
from streams.rule_changes import Change, RuleState


@dataclass(frozen=True)
class Texts:
    """What is in force, as it is written.

    Attributes:
        state: what holds.
        files: of the version in force, by name.
    """

    state: RuleState
    files: Mapping[str, str]

    @property
    def lists(self) -> dict[str, dict[str, str]]:
        """Values of the named lists as they are written, with later edits, by their folded form and list."""
        begun = compliance_policy.listed(self.files, self.place)
        return {one.id: edited(one, self.state.edits.get(one.id, ())) for one in begun}

    @property
    def place(self) -> str:
        """What stands before the names of its files in messages."""
        return f"published compliance rules {self.state.in_force}: "


def newest_version(client: Client) -> int:
    """Version of the rule book; it rises with every publication of rules, lists, trials and snoozes.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    return rule_log.newest_version(client)


def load(client: Client, time: CompanyTime) -> RuleBook:
    """All that is judged with now; the empty rule book before the first version is approved.

    Args:
        client: a client of a migrated database.
        time: company time.

    Raises:
        UsageError: what is stored cannot be read by this version of the program.
        InvalidError: a stored text was altered.
        UnavailableError: ClickHouse does not answer.
    """
    texts = read(client)
    return book_of(client, texts, time, *in_force(texts, time))


def book_of(
    client: Client,
    texts: Texts,
    time: CompanyTime,
    lists: Mapping[str, frozenset[str]],
    rules: tuple[CompiledRule, ...],
) -> RuleBook:
    """The same where the named lists and the rules in force are known.

    Raises:
        UsageError: what acts at the intake, or a trial, cannot be read by this version of the program.
        InvalidError: a stored text was altered.
        UnavailableError: ClickHouse does not answer.
    """
    state = texts.state
    shadows = []
    for name, started in state.running.items():
        pack = trial_pack(client, started, time, lists)
        lists = {**pack.lists, **lists}
        shadows.append(RuleSet(name, started.version, tuple(entry.compiled for entry in pack.entries)))
    live = RuleSet(LIVE, state.in_force, rules)
    return RuleBook(state.version, live, tuple(shadows), lists, tuple(_snoozes(state)), intake=intake_in_force(texts))


def intake_in_force(texts: Texts) -> IntakePolicy | None:
    """What acts at the intake; None where the version in force says nothing about that.

    Raises:
        UsageError: it cannot be read by this version of the program.
    """
    if compliance_policy.INTAKE_FILE not in texts.files:
        return None
    try:
        return compliance_policy.intake_of(texts.files, texts.place)
    except PolicyError as error:
        raise _unreadable(error) from None


def intake_at_hand(client: Client, folder: Path) -> IntakePolicy | None:
    """What acts at the intake; the text of a policies folder while no version was ever approved.

    Raises:
        UsageError: it cannot be read by this version of the program.
        InvalidError: the stored text was altered.
        UnavailableError: ClickHouse does not answer.
    """
    texts = read(client)
    return compliance_policy.load_intake(folder) if texts.state.live is None else intake_in_force(texts)


def read(client: Client) -> Texts:
    """What is in force, as it is written.

    Raises:
        InvalidError: the stored text was altered.
        UnavailableError: ClickHouse does not answer.
    """
    state = rule_log.state(client)
    live = state.live
    return Texts(state, {} if live is None else rule_log.files_of(client, live.submitted))


def in_force(texts: Texts, time: CompanyTime) -> tuple[dict[str, frozenset[str]], tuple[CompiledRule, ...]]:
    """The named lists, folded, and the rules in force.

    Raises:
        UsageError: they cannot be read by this version of the program.
    """
    if not texts.files:
        return {}, ()
    try:
        pack = compliance_policy.parse(texts.files, time, texts.place, tests=False)
        lists = {name: frozenset(values) for name, values in texts.lists.items()}
    except PolicyError as error:
        raise _unreadable(error) from None
    return lists, tuple(entry.compiled for entry in pack.entries)


def _unreadable(error: PolicyError) -> UsageError:
    return UsageError(
        f"this version of sfe-pulse cannot read the rules in force: {error}; run the version they were approved with, "
        "or submit and approve rules that this one reads"
    )


def trial_pack(client: Client, started: Change, time: CompanyTime, lists: Mapping[str, frozenset[str]]) -> Pack:
    """The rules of a version on trial.

    Args:
        client: a client of a migrated database.
        started: the change that began the trial.
        time: company time.
        lists: named lists there are.

    Raises:
        UsageError: it cannot be read by this version of the program.
    """
    files = rule_log.files_of(client, started)
    try:
        return compliance_policy.parse(files, time, f"trial {started.name}: ", known=lists, tests=False)
    except PolicyError as error:
        msg = (
            f"this version of sfe-pulse cannot read the trial {started.name}: {error}; "
            f"end it with `pulse policy trial stop {started.name}`"
        )
        raise UsageError(msg) from None


def edited(begun: NamedList, edits: Iterable[Change]) -> dict[str, str]:
    """The values of a list after edits, as they are written, by their folded form."""
    values = {fold(value): value for value in begun.values}
    for edit in edits:
        for value in edit.detail.get("remove", ()):
            values.pop(fold(value), None)
        for value in edit.detail.get("add", ()):
            values.setdefault(fold(value), value)
    return values


def differing(lists: Sequence[NamedList], texts: Texts) -> list[str]:
    """Lists that say something else than the lists in force of the same name."""
    now = texts.lists
    begun = {one.id: frozenset(map(fold, one.values)) for one in compliance_policy.listed(texts.files, texts.place)}
    found = []
    for one in lists:
        values = frozenset(map(fold, one.values))
        if one.id in now and values not in {frozenset(now[one.id]), begun[one.id]}:
            found.append(one.id)
    return found


def _snoozes(state: RuleState) -> Iterable[Snooze]:
    for name, change in state.snoozes.items():
        rule_id, kind, subject = name.split(" ", 2)
        until = date.fromisoformat(change.detail["until"])
        yield Snooze(rule_id, kind, subject, until, change.author, change.remark)
