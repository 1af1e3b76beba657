"""Versions on trial: judged on live traffic beside the rules in force, without effect, and compared with them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from clickhouse_connect.driver.client import Client

from agents.progress.calendar import CompanyTime
from streams import compliance_policy, policies, rule_books, rule_lifecycle, rule_log
from streams.clickhouse import translated
from streams.compliance_policy import Pack
from streams.errors import UsageError
from streams.policies import digest_of
from streams.rule_books import Texts
from streams.rule_changes import TRIAL_STOPPED, TRIED, Change

_SAMPLES = 5


class Draft(NamedTuple):
    """Rules that are not in force.

    Attributes:
        texts: their files.
        place: what stands before the names of the files in messages.
        is_whole: whether they are all there are to be, or only some to be put in place of those in force.
    """

    texts: dict[str, str]
    place: str
    is_whole: bool


class Compared(NamedTuple):
    """Hits of one rule in one region, or in all."""

    rule_id: str
    region_id: str
    both: int
    only_live: int
    only_trial: int


def read_draft(path: Path) -> Draft:
    """Rules of a folder (that of the policies, or the folder `compliance` in one) or of a single file.

    Raises:
        UsageError: there are none, or they cannot be read.
    """
    if path.is_dir():
        folder = path.parent if path.name == compliance_policy.FOLDER and not rule_lifecycle.has_rules(path) else path
        return Draft(compliance_policy.read_texts(folder), f"{folder / compliance_policy.FOLDER}/", is_whole=True)
    place = str(path).removesuffix(path.name)
    return Draft({path.name: policies.read(path.parent, path.name)}, place, is_whole=False)


def start(client: Client, name: str, path: Path, time: CompanyTime, author: str, remark: str = "") -> Change:
    """Put rules on trial.

    Args:
        client: ClickHouse, as the writer.
        name: of the trial.
        path: folder or file of the rules.
        time: company time.
        author: who tries them.
        remark: why.

    Raises:
        UsageError: the rules are wrong, the name is taken, or a named list differs from the one in force.
        UnavailableError: ClickHouse does not answer.
    """
    draft, now = read_draft(path), rule_books.read(client)
    if (why := now.state.refuses(Change(TRIED, name, author))) is not None:
        raise UsageError(why)
    pack = compiled(draft, now, time)
    _check_lists(client, draft, now)
    text = rule_log.text_of(draft.texts)
    ids = rule_lifecycle.rule_ids(pack)
    return rule_log.record(
        client, Change(TRIED, name, author, remark=remark, hash=digest_of(text), rules=ids, text=text)
    )


def compiled(draft: Draft, now: Texts, time: CompanyTime) -> Pack:
    """The rules of a draft, which may look into the lists in force besides its own.

    Raises:
        PolicyError: with every mistake and its place.
    """
    lists = {name: frozenset(values) for name, values in now.lists.items()}
    return compliance_policy.parse(draft.texts, time, draft.place, known=lists)


def _check_lists(client: Client, draft: Draft, now: Texts) -> None:
    """All rule sets look into the same lists, so a list cannot be on trial."""
    own = compliance_policy.listed(draft.texts, draft.place)
    others: dict[str, str] = {}
    for started in now.state.running.values():
        others |= rule_lifecycle.list_hashes(rule_log.files_of(client, started))
    hashes = rule_lifecycle.list_hashes(draft.texts)
    wrong = rule_books.differing(own, now)
    wrong += [one for one, known in others.items() if one not in now.lists and hashes.get(one, known) != known]
    if wrong:
        msg = (
            f"the list {wrong[0]} has other values than in force or in another trial, and all rules look into the same "
            "lists: give the list on trial a name of its own, or edit it with `pulse policy list`"
        )
        raise UsageError(msg)


def stop(client: Client, name: str, author: str, remark: str = "") -> Change:
    """End a trial; its hits are kept.

    Raises:
        UsageError: it does not run.
        UnavailableError: ClickHouse does not answer.
    """
    return rule_log.record(client, Change(TRIAL_STOPPED, name, author, remark=remark))


def compare(client: Client, name: str) -> list[Compared]:
    """Hits of a trial beside those of the rules in force, by rule and region.

    Raises:
        UsageError: there never was such a trial.
        UnavailableError: ClickHouse does not answer.
    """
    trials = rule_log.state(client).trials
    if name not in trials:
        msg = f"there is no trial {name}: there is {', '.join(trials) or 'none'}"
        raise UsageError(msg)
    statement = """
        SELECT
            rule_id, region_id, countIf(hit_by = 'both'), countIf(hit_by = 'only_live'), countIf(hit_by = 'only_trial')
        FROM trial_comparison WHERE trial = {trial:String} GROUP BY rule_id, region_id ORDER BY rule_id, region_id"""
    with translated():
        rows = client.query(statement, parameters={"trial": name}).result_rows
    return [Compared(*row) for row in rows]


def samples(client: Client, name: str, rule_id: str, hit_by: str) -> list[Mapping[str, Any]]:
    """The newest events that only one of the two hits.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    statement = """
        SELECT event_kind, event_id, rep_id, subject_kind, subject_id, occurred_on, message_zh, message_en
        FROM trial_comparison
        WHERE trial = {trial:String} AND rule_id = {rule:String} AND hit_by = {hit_by:String}
        ORDER BY occurred_at DESC, event_id LIMIT {most:UInt32}"""
    parameters = {"trial": name, "rule": rule_id, "hit_by": hit_by, "most": _SAMPLES}
    with translated():
        return list(client.query(statement, parameters=parameters).named_results())
