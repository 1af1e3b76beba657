"""The way of the rules of compliance from a folder into force: submitted by one person, approved by another."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from clickhouse_connect.driver.client import Client

from agents.compliance.folding import fold
from agents.compliance.self_test import try_rule
from agents.intake.self_test import try_counting, try_location
from agents.progress.calendar import CompanyTime
from streams import compliance_policy, policies, rule_log
from streams.compliance_policy import Pack
from streams.errors import InvalidError, UsageError
from streams.policies import Mistake, PolicyError, digest_of
from streams.rule_changes import APPROVED, REJECTED, SUBMITTED, Change, RuleState

#: Who puts the rules that come with the program into force.
EXAMPLE_AUTHOR, EXAMPLE_APPROVER = "example", "pulse up"


def checked(texts: Mapping[str, str], time: CompanyTime, place: str) -> Pack:
    """The rules in texts, with all their test events judged as expected.

    Raises:
        PolicyError: with every mistake and its place.
    """
    pack = compliance_policy.parse(texts, time, place)
    mistakes = [*_failed_tests(pack, texts, place, time), *_failed_payloads(pack, texts, place, time)]
    if mistakes:
        raise PolicyError(mistakes)
    return pack


def _failed_tests(pack: Pack, texts: Mapping[str, str], place: str, time: CompanyTime) -> list[Mistake]:
    found = []
    for entry in pack.entries:
        for number, tried in enumerate(try_rule(entry.compiled, entry.examples, pack.lists, time)):
            if not tried.is_right:
                said = tried.verdict.outcome.replace("_", " ")
                what = f"judged a {said}, but {tried.test.expect.replace('_', ' ')} is expected"
                text = texts[entry.file.removeprefix(place)]
                found.append(policies.mistake_at(text, entry.file, (*entry.loc, "tests", number), what))
    return found


def _failed_payloads(pack: Pack, texts: Mapping[str, str], place: str, time: CompanyTime) -> Iterator[Mistake]:
    """The same for what acts at the intake."""
    if pack.intake is None:
        return
    counting, location = pack.intake.prescription_counting, pack.intake.location
    for name, tried in (
        ("prescription_counting", try_counting(counting)),
        ("location", try_location(location, time)),
    ):
        for number, one in enumerate(tried):
            if not one.is_right:
                what = f"judged a {'hit' if one.is_hit else 'miss'}, but {one.test.expect} is expected"
                file = compliance_policy.INTAKE_FILE
                yield policies.mistake_at(texts[file], f"{place}{file}", (name, "tests", number), what)


def submit(client: Client, folder: Path, time: CompanyTime, author: str, remark: str = "") -> Change:
    """Submit the rules of a policies folder for approval.

    Args:
        client: ClickHouse, as the writer.
        folder: the policies; the rules are in its folder `compliance`.
        time: company time.
        author: who submits.
        remark: what is new.

    Raises:
        UsageError: the rules are wrong, or the same text is in force or waits already.
        InvalidError: somebody else submitted at the same moment.
        UnavailableError: ClickHouse does not answer.
    """
    texts = compliance_policy.read_texts(folder)
    place = f"{folder / compliance_policy.FOLDER}/"
    pack = checked(texts, time, place)
    text = rule_log.text_of(texts)
    number = len(rule_log.state(client).bundles) + 1
    return rule_log.record(
        client,
        Change(
            SUBMITTED,
            str(number),
            author,
            remark=remark,
            hash=digest_of(text),
            rules=rule_ids(pack),
            detail={"lists": list_hashes(texts)},
            text=text,
        ),
    )


def approve(client: Client, number: int, time: CompanyTime, author: str, remark: str = "") -> Change:
    """Put a submitted version into force.

    Args:
        client: ClickHouse, as the writer.
        number: of the version.
        time: company time.
        author: who approves; not who submitted.
        remark: what is to be remembered.

    Raises:
        UsageError: it may not be approved by this person, or not any more.
        InvalidError: the text was altered, or somebody else decided at the same moment.
        UnavailableError: ClickHouse does not answer.
    """
    return _decide(client, APPROVED, number, author, remark, time)


def reject(client: Client, number: int, author: str, remark: str) -> Change:
    """Turn a submitted version down.

    Raises:
        UsageError: it cannot be decided on any more.
        InvalidError: somebody else decided at the same moment.
        UnavailableError: ClickHouse does not answer.
    """
    return _decide(client, REJECTED, number, author, remark)


def _decide(
    client: Client, kind: str, number: int, author: str, remark: str, time: CompanyTime | None = None
) -> Change:
    state = rule_log.state(client)
    bundle = state.bundles.get(number)
    change = Change(kind, str(number), author, remark=remark, hash=bundle.submitted.hash if bundle else "")
    if (why := state.refuses(change)) is not None:
        raise UsageError(why)
    if time is not None and bundle is not None:  # what comes into force must be readable by what judges
        files = rule_log.files_of(client, bundle.submitted)
        pack = compliance_policy.parse(files, time, f"submitted version {number}: ", tests=False)
        _check_trials(client, state, pack, number, time)
    return rule_log.record(client, change)


def _check_trials(client: Client, state: RuleState, pack: Pack, number: int, time: CompanyTime) -> None:
    """What runs on trial must go on to find its lists: workers judge with all of it or adopt none of it."""
    lists = pack.lists
    for name, started in state.running.items():
        files = rule_log.files_of(client, started)
        try:
            lists = {**compliance_policy.parse(files, time, known=lists, tests=False).lists, **lists}
        except PolicyError as error:
            msg = (
                f"with version {number} the trial {name} could not be judged any more ({error}): end it with "
                f"`pulse policy trial stop {name}`, then approve"
            )
            raise UsageError(msg) from None


def publish_example(client: Client, folder: Path, time: CompanyTime) -> int:
    """Put the rules of a folder into force on a database nobody has decided anything about; returns what is in force.

    Once a person has submitted rules, they are that person's and another's to decide, and nothing is done.

    Raises:
        UsageError: the rules are wrong.
        UnavailableError: ClickHouse does not answer.
    """
    state = rule_log.state(client)
    if not has_rules(folder) or not _is_example(state):
        return state.in_force
    digest = digest_of(rule_log.text_of(compliance_policy.read_texts(folder)))
    if state.live is not None and state.live.submitted.hash == digest:
        return state.in_force
    waiting = state.open
    if waiting is None or waiting.submitted.hash != digest:
        number = int(submit(client, folder, time, EXAMPLE_AUTHOR).name)
    else:  # left by a start that was broken off
        number = waiting.number
    try:
        return int(approve(client, number, time, EXAMPLE_APPROVER).name)
    except InvalidError:  # another `pulse up` was faster
        return rule_log.state(client).in_force


def _is_example(state: RuleState) -> bool:
    return all(bundle.submitted.author == EXAMPLE_AUTHOR for bundle in state.bundles.values()) and (
        state.live is None or state.live.decided is None or state.live.decided.author == EXAMPLE_APPROVER
    )


def has_rules(folder: Path) -> bool:
    """Whether a policies folder has rules of compliance."""
    paths = (folder / compliance_policy.FOLDER).glob("*.yaml")
    return any(path.name not in compliance_policy.OTHER_FILES for path in paths)


def rule_ids(pack: Pack) -> tuple[str, ...]:
    """Ids of the rules, each once."""
    return tuple(dict.fromkeys(entry.rule.id for entry in pack.entries))


def list_hashes(texts: Mapping[str, str]) -> dict[str, str]:
    """What tells whether the values of a named list are others."""
    found = compliance_policy.listed(texts)
    return {one.id: digest_of("\n".join(sorted({fold(value) for value in one.values}))) for one in found}
