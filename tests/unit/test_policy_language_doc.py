"""The examples of docs/policy-language.md say what the language does."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from rule_world import SHANGHAI

from agents.compliance.errors import RuleError
from agents.compliance.functions import FUNCTIONS
from agents.compliance.language import compile_expression
from agents.compliance.nodes import Frame
from agents.compliance.rules import compile_rule
from agents.compliance.scope import Scope
from agents.compliance.self_test import folded_lists, try_rule
from agents.compliance.templates import written
from agents.compliance.world import MemoryHistory, References, World
from agents.intake.directory import Directory
from agents.intake.locating import Locator
from schemas.compliance import NamedList, RuleFile
from schemas.events import EVENT_MODELS
from schemas.reference import REFERENCE_MODELS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "policy-language.md").read_text("utf-8")
BLOCKS = re.findall(r"^```([a-z ]*)\n(.*?)^```$", TEXT, flags=re.DOTALL | re.MULTILINE)


def lines(word: str) -> list[tuple[str, str, str]]:
    """Kind of event, expression and what stands behind the arrow."""
    found = []
    for info, block in BLOCKS:
        name, _, kind = info.partition(" ")
        if name == word:
            found += [(kind, *(part.strip() for part in line.split("→"))) for line in block.splitlines() if line]
    return found  # type: ignore[return-value]


def documents() -> list[Any]:
    return [yaml.safe_load(block) for info, block in BLOCKS if info == "yaml"]


def frame(kind: str) -> Frame:
    described = documents()[1]
    past = []
    for number, fields in enumerate(described["past"]):
        own = {name: value for name, value in fields.items() if name != "of"}
        past.append(
            EVENT_MODELS[fields["of"]].model_validate(described[fields["of"]] | {"event_id": f"p{number}"} | own)
        )
    rows = {
        kind: [REFERENCE_MODELS[kind].model_validate(row) for row in rows]
        for kind, rows in described["references"].items()
    }
    lists = [NamedList.model_validate({"id": name, "title": {"zh": name, "en": name}, "values": values})
             for name, values in described["lists"].items()]  # fmt: skip
    world = World(References(rows), MemoryHistory(past), SHANGHAI, folded_lists(lists))
    event = EVENT_MODELS[kind].model_validate(described[kind])
    Locator(SHANGHAI).note(event, Directory(rows))
    return Frame(event, world)


def test_there_are_examples() -> None:
    assert (len(lines("rules")) > 30, len(lines("refused")) >= 10, len(documents())) == (True, True, 2)


@pytest.mark.parametrize(("kind", "text", "shown"), lines("rules"))
def test_examples(kind: str, text: str, shown: str) -> None:
    seen = frame(kind)
    value = compile_expression(text, Scope(kind, {}, {}, frozenset({"leisure"})), None).run(seen)
    assert ("missing" if value is None else written(value, "en", SHANGHAI)) == shown


@pytest.mark.parametrize(("kind", "text", "says"), lines("refused"))
def test_refusals(kind: str, text: str, says: str) -> None:
    with pytest.raises(RuleError, match=re.escape(says)):
        compile_expression(text, Scope(kind, {}, {}, frozenset({"leisure"})))


def test_the_rule_that_is_shown_is_right() -> None:
    file = RuleFile.model_validate(documents()[0])
    for rule in file.rules:
        tried = list(try_rule(compile_rule(rule), file.examples, {}, SHANGHAI))
        assert [one.verdict.outcome for one in tried] == [test.expect for test in rule.tests]


def test_every_function_stands_in_the_table() -> None:
    table = re.findall(
        r"^\| `(.*)` \| (.*) \|$", TEXT[TEXT.index("## Functions") : TEXT.index("## What is refused")], re.MULTILINE
    )
    assert table == [(function.example, function.says) for function in FUNCTIONS.values()]


def test_the_explanation_that_is_shown_is_the_one_that_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    from streams.cli import run  # noqa: PLC0415 - the command line is asked here only

    assert run(["policy", "test", "R12", "--policies", str(ROOT / "policies")]) == 0
    printed = capsys.readouterr().out
    shown = next(block for _, block in BLOCKS if block.startswith("$ pulse policy test R12"))
    assert printed.startswith(shown.partition("\n")[2])
