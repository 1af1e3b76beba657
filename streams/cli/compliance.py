"""`pulse policy check compliance` and `pulse policy test`: the rules of a folder and their own test events."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from agents.compliance.nodes import Explanation
from agents.compliance.self_test import Tried, try_rule
from agents.compliance.templates import written
from agents.progress.calendar import CompanyTime
from streams import compliance_policy
from streams import settings as settings_module
from streams.cli import compliance_intake
from streams.compliance_policy import Entry, Pack
from streams.errors import InvalidError
from streams.policies import Mistake, PolicyError

_SUBJECTS = {"rep": "the representative", "hcp": "a professional", "institution": "an institution"}
_WORDS = {"hit": "hit", "miss": "miss", "not_applicable": "not applicable"}


def check(folder: Path, *, as_json: bool) -> None:
    """Say every mistake in the rules of a policies folder.

    Raises:
        InvalidError: there are some.
        UsageError: there are no rules.
    """
    settings = settings_module.load()
    mistakes: tuple[Mistake, ...] = ()
    rules = 0
    try:
        pack = compliance_policy.load(folder, CompanyTime(settings.time_zone))
        rules = len(pack.entries) + len(pack.intake_rules)
    except PolicyError as error:
        mistakes = error.mistakes
    place = folder / compliance_policy.FOLDER
    if as_json:
        sys.stdout.write(_json({"folder": str(place), "rules": rules, "mistakes": [asdict(one) for one in mistakes]}))
    else:
        sys.stdout.writelines(f"{mistake}\n" for mistake in mistakes)
    if mistakes:
        msg = f"{place} has {_counted(len(mistakes), 'mistake')}: mend what is listed and check again"
        raise InvalidError(msg)
    if not as_json:
        sys.stdout.write(f"{place} is right: {_counted(rules, 'rule')}\n")


def try_rules(
    rule: Annotated[str | None, typer.Argument(metavar="[RULE]", help="Id of one rule; all when left out.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--policies", help="Folder of the texts; PULSE_POLICIES when left out.")
    ] = None,
    short: Annotated[bool, typer.Option("--short", help="Explain only what is not as expected.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For scripts.")] = False,
) -> None:
    """Judge the test events of the compliance rules. Every hit with its explanation and both sentences.

    Exit status 1 when a rule says another thing than its test expects.
    """
    settings = settings_module.load()
    time = CompanyTime(settings.time_zone)
    pack = compliance_policy.load(folder or settings.policies, time)
    intake = [(one, list(compliance_intake.tried(one, time))) for one in pack.intake_rules if rule in {None, one.id}]
    entries = pack.entries if rule is None else () if intake else pack.of(rule)
    found = [(entry, list(_tried(entry, pack, time))) for entry in entries]
    if as_json:
        shown = [_as_json(entry, tried, time) for entry, tried in found]
        sys.stdout.write(_json(shown + [compliance_intake.as_json(one, tried) for one, tried in intake]))
    else:
        for entry, tried in found:
            sys.stdout.writelines(f"{line}\n" for line in _lines(entry, tried, time, short=short))
        for one, payloads in intake:
            sys.stdout.writelines(f"{line}\n" for line in compliance_intake.lines(one, payloads))
    right = [one.is_right for _, tried in found for one in tried]
    right += [one.is_right for _, tried in intake for one in tried]
    _verdict(right, len(entries) + len(intake), as_json=as_json)


def _tried(entry: Entry, pack: Pack, time: CompanyTime) -> Iterator[Tried]:
    return try_rule(entry.compiled, entry.examples, pack.lists, time)


def _verdict(tried: list[bool], rules: int, *, as_json: bool) -> None:
    wrong = tried.count(False)
    if wrong:
        msg = f"{wrong} of {_counted(len(tried), 'test event')} not judged as expected: mend the rules or the tests"
        raise InvalidError(msg)
    if not as_json:
        sys.stdout.write(f"{_counted(rules, 'rule')}, {_counted(len(tried), 'test event')}: all as expected\n")


def _lines(entry: Entry, tried: list[Tried], time: CompanyTime, *, short: bool) -> Iterator[str]:
    rule = entry.rule
    until = f" to {rule.effective_to}" if rule.effective_to else ""
    held = f"from {rule.effective_from}{until}"
    yield f"{rule.id} {rule.title.zh} · {rule.title.en} ({rule.severity}, {rule.colour}; {held})"
    for need in entry.compiled.needs:
        yield f"  looks back: {need.kind} events of {_SUBJECTS[need.subject]}, {need.window}"
    for one in tried:
        outcome, expected = one.verdict.outcome, one.test.expect
        differs = "" if one.is_right else f", but {_WORDS[expected]} was expected"
        yield f"  {'✓' if one.is_right else '✗'} {one.test.case}: {_WORDS[outcome]}{differs}"
        if one.verdict.missing:
            yield f"      missing: {', '.join(one.verdict.missing)}"
        if not one.is_right or (outcome == "hit" and not short):
            yield from _reasons(one, time)
    yield ""


def _reasons(one: Tried, time: CompanyTime) -> Iterator[str]:
    for language, sentence in one.verdict.sentences.items():
        yield f"      {language}: {sentence}"
    if one.verdict.explanation is not None:
        yield from _tree(one.verdict.explanation, time, "      ")


def _tree(explanation: Explanation, time: CompanyTime, indent: str) -> Iterator[str]:
    value = written(explanation.value, "en", time) if explanation.value is not None else "missing"
    yield f"{indent}{explanation.text}{' = ' if explanation.text != '·' else ' '}{value}"
    for part in explanation.parts:
        if part.parts or not _says_itself(part):
            yield from _tree(part, time, indent + "  ")


def _says_itself(part: Explanation) -> bool:
    """Whether a part is a literal, whose value is its text."""
    return part.text[:1] in "'\"[" or part.text.replace(".", "").replace("_", "").isdecimal()


def _as_json(entry: Entry, tried: list[Tried], time: CompanyTime) -> dict[str, Any]:
    rule = entry.rule
    return {
        "rule": rule.id,
        "severity": rule.severity,
        "colour": rule.colour,
        "effective_from": rule.effective_from.isoformat(),
        "looks_back": [need._asdict() for need in entry.compiled.needs],
        "tests": [
            {
                "case": one.test.case,
                "outcome": one.verdict.outcome,
                "expected": one.test.expect,
                "message": dict(one.verdict.sentences),
                "missing": list(one.verdict.missing),
                "explanation": _tree_json(one.verdict.explanation, time),
            }
            for one in tried
        ],
    }


def _tree_json(explanation: Explanation | None, time: CompanyTime) -> dict[str, Any] | None:
    if explanation is None:
        return None
    value = None if explanation.value is None else written(explanation.value, "en", time)
    parts = [_tree_json(part, time) for part in explanation.parts]
    return {"text": explanation.text, "value": value, "parts": parts}


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"
