"""Changes of the rules of compliance: a log that only grows, and what is in force because of it.

A step somebody takes (submit, approve, edit a list, try, snooze) is one `Change`. What is in force follows from the
changes in the order of their numbers: `RuleState.refuses` says whether a change may be made, `RuleState.apply` makes
it. Both are asked before a change is written and again when the log is read, so that of two people who do
contradictory things at the same moment the second one is refused, whatever either of them had seen.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

SUBMITTED, APPROVED, REJECTED = "submitted", "approved", "rejected"
LISTED = "listed"
TRIED, TRIAL_STOPPED = "tried", "trial_stopped"
SNOOZED, UNSNOOZED = "snoozed", "unsnoozed"
#: Changes that alter what events are judged with.
IN_FORCE = (APPROVED, LISTED, TRIED, TRIAL_STOPPED, SNOOZED, UNSNOOZED)
SUBJECT_KINDS = ("rep", "hcp", "institution")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_RESERVED = frozenset({"live"})


@dataclass(frozen=True)
class Change:
    """One step.

    Attributes:
        kind: what was done.
        name: what it is about.
        author: who did it.
        version: its number; 0 before it is written.
        change_id: identity.
        at: when.
        remark: why.
        hash: SHA-256 of the text.
        rules: ids of the rules in the text.
        detail: what it says besides.
        text: files of a version, as JSON.
    """

    kind: str
    name: str
    author: str
    version: int = 0
    change_id: str = ""
    at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    remark: str = ""
    hash: str = ""
    rules: tuple[str, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True)
class Bundle:
    """A submitted version of the rules, and what became of it.

    Attributes:
        number: of the version.
        submitted: the change that brought it.
        status: submitted, superseded, rejected, in force, or replaced once it was.
        decided: who approved or rejected it.
    """

    number: int
    submitted: Change
    status: str = SUBMITTED
    decided: Change | None = None

    @property
    def lists(self) -> Mapping[str, str]:
        """Hash of the values of every named list in its text."""
        return self.submitted.detail.get("lists", {})  # type: ignore[no-any-return] # JSON that was written here


class Trial(NamedTuple):
    """A version on trial, and its end."""

    started: Change
    stopped: Change | None = None


@dataclass
class RuleState:
    """What holds after some changes.

    Attributes:
        version: number of the last change that altered what is judged with.
        bundles: submitted versions by number.
        in_force: number of the one that is judged with; 0: none.
        edits: changes of named lists that still count, by list.
        trials: by name.
        snoozes: by rule and subject.
        made: changes by identity, with why they had no effect; None where they had.
    """

    version: int = 0
    bundles: dict[int, Bundle] = field(default_factory=dict)
    in_force: int = 0
    edits: dict[str, list[Change]] = field(default_factory=dict)
    trials: dict[str, Trial] = field(default_factory=dict)
    snoozes: dict[str, Change] = field(default_factory=dict)
    made: dict[str, str | None] = field(default_factory=dict)

    @property
    def live(self) -> Bundle | None:
        """The version in force."""
        return self.bundles.get(self.in_force)

    @property
    def open(self) -> Bundle | None:
        """The version that waits to be decided."""
        return next((one for one in self.bundles.values() if one.status == SUBMITTED), None)

    @property
    def running(self) -> dict[str, Change]:
        """Versions on trial now, by name."""
        return {name: trial.started for name, trial in self.trials.items() if trial.stopped is None}

    def refuses(self, change: Change) -> str | None:
        """Why a change may not be made; None where it may."""
        if not _plain(change.author):
            return "nobody is named as its author: say who with --author"
        return _REFUSALS[change.kind](self, change)

    def apply(self, change: Change) -> None:
        """Make a change that is not refused."""
        _EFFECTS[change.kind](self, change)


def replay(changes: Iterable[Change]) -> RuleState:
    """What holds after changes in the order of their numbers; what had to be refused never happened."""
    state = RuleState()
    for change in changes:
        if change.change_id not in state.made:
            state.made[change.change_id] = why = state.refuses(change)
            if why is None:
                state.apply(change)
        if change.kind in IN_FORCE:  # who has read so far need not read it again, whether it had an effect or not
            state.version = change.version
    return state


def snooze_name(rule_id: str, subject_kind: str, subject_id: str) -> str:
    """What a snooze is about, as one text."""
    return f"{rule_id} {subject_kind} {subject_id}"


def is_same_person(one: str, other: str) -> bool:
    """Whether two names are one, however they are written: in any case and width, with characters nobody sees.

    >>> is_same_person("Li Wei", " li  wei "), is_same_person("ann", "ＡＮＮ\u200b"), is_same_person("ann", "anna")
    (True, True, False)
    """
    return _plain(one) == _plain(other)


def _plain(name: str) -> list[str]:
    seen = "".join(one for one in unicodedata.normalize("NFKC", name) if not unicodedata.category(one).startswith("C"))
    return seen.casefold().split()


def _refuse_submission(state: RuleState, change: Change) -> str | None:
    live = state.live
    if live is not None and live.submitted.hash == change.hash:
        return f"version {live.number} is this text already, and in force"
    if state.open is not None and state.open.submitted.hash == change.hash:
        return f"version {state.open.number} is this text already, and waits to be approved"
    if int(change.name) != len(state.bundles) + 1:
        return "somebody else submitted a version at the same moment: look at `pulse policy history compliance`"
    return None


def _submit(state: RuleState, change: Change) -> None:
    if (before := state.open) is not None:
        state.bundles[before.number] = replace(before, status="superseded", decided=change)
    number = int(change.name)
    state.bundles[number] = Bundle(number, change)


def _undecided(state: RuleState, change: Change) -> str | None:
    bundle = state.bundles.get(int(change.name)) if change.name.isdecimal() else None
    if bundle is None:
        return f"there is no version {change.name}: `pulse policy history compliance` lists them"
    done = {
        "superseded": f"was superseded by version {bundle.decided.name if bundle.decided else ''}: decide on that",
        REJECTED: f"was rejected by {bundle.decided.author if bundle.decided else ''}: mend the rules and submit anew",
        "in force": "is in force already",
        "replaced": "was in force once and is replaced: to go back to it, submit its text anew",
    }
    return f"version {bundle.number} {done[bundle.status]}" if bundle.status in done else None


def _refuse_approval(state: RuleState, change: Change) -> str | None:
    if (why := _undecided(state, change)) is not None:
        return why
    submitted = state.bundles[int(change.name)].submitted
    if is_same_person(submitted.author, change.author):
        return f"version {change.name} was submitted by {submitted.author}: somebody else must approve it"
    if change.hash != submitted.hash:
        return f"version {change.name} is not the text it was when it was submitted: submit the rules anew"
    return None


def _approve(state: RuleState, change: Change) -> None:
    before, number = state.live, int(change.name)
    if before is not None:
        state.bundles[before.number] = replace(before, status="replaced")
    now = state.bundles[number] = replace(state.bundles[number], status="in force", decided=change)
    state.in_force = number
    lists = before.lists if before is not None else {}
    state.edits = {name: edits for name, edits in state.edits.items() if lists.get(name) == now.lists.get(name)}


def _reject(state: RuleState, change: Change) -> None:
    number = int(change.name)
    state.bundles[number] = replace(state.bundles[number], status=REJECTED, decided=change)


def _refuse_edit(state: RuleState, change: Change) -> str | None:
    known = state.live.lists if state.live is not None else {}
    if change.name not in known:
        there = f"there is {', '.join(known)}" if known else "there is none"
        return f"there is no list {change.name} in force: {there}; a new one begins in policies/compliance/lists.yaml"
    return None


def _edit(state: RuleState, change: Change) -> None:
    state.edits.setdefault(change.name, []).append(change)


def _refuse_trial(state: RuleState, change: Change) -> str | None:
    if not _NAME.fullmatch(change.name) or change.name in _RESERVED:
        return f"{change.name!r} is no name for a trial: small letters, digits and -, a letter first, and not live"
    if (other := state.trials.get(change.name)) is not None:
        state_of = "runs already" if other.stopped is None else "was a trial before, and its hits are kept"
        return f"{change.name} {state_of}: take another name"
    return None


def _try(state: RuleState, change: Change) -> None:
    state.trials[change.name] = Trial(change)


def _refuse_stop(state: RuleState, change: Change) -> str | None:
    if change.name not in state.running:
        running = ", ".join(state.running) or "none"
        return f"no trial {change.name} runs: there is {running}"
    return None


def _stop(state: RuleState, change: Change) -> None:
    state.trials[change.name] = state.trials[change.name]._replace(stopped=change)


def _refuse_snooze(state: RuleState, change: Change) -> str | None:
    rule_id, kind, _ = change.name.split(" ", 2)
    known = dict.fromkeys(state.live.submitted.rules) if state.live is not None else {}
    if rule_id not in known:
        return f"there is no rule {rule_id} in force: there is {', '.join(known) or 'none'}"
    if kind not in SUBJECT_KINDS:
        return f"{kind} is no kind of subject: {', '.join(SUBJECT_KINDS)}"
    try:
        date.fromisoformat(change.detail["until"])
    except (KeyError, ValueError):
        return "a snooze needs its last day, as 2026-04-30"
    return None


def _snooze(state: RuleState, change: Change) -> None:
    state.snoozes[change.name] = change


def _refuse_unsnooze(state: RuleState, change: Change) -> str | None:
    if change.name not in state.snoozes:
        return f"{change.name} is not snoozed: `pulse policy snoozes` lists what is"
    return None


def _unsnooze(state: RuleState, change: Change) -> None:
    del state.snoozes[change.name]


_REFUSALS = {
    SUBMITTED: _refuse_submission,
    APPROVED: _refuse_approval,
    REJECTED: _undecided,
    LISTED: _refuse_edit,
    TRIED: _refuse_trial,
    TRIAL_STOPPED: _refuse_stop,
    SNOOZED: _refuse_snooze,
    UNSNOOZED: _refuse_unsnooze,
}
_EFFECTS = {
    SUBMITTED: _submit,
    APPROVED: _approve,
    REJECTED: _reject,
    LISTED: _edit,
    TRIED: _try,
    TRIAL_STOPPED: _stop,
    SNOOZED: _snooze,
    UNSNOOZED: _unsnooze,
}
