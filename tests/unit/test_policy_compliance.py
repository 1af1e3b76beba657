"""`pulse policy check compliance` and `pulse policy test`: places of mistakes, versions, outcomes, explanations."""

import json
import shutil
from pathlib import Path

import pytest

from agents.progress.calendar import CompanyTime
from schemas.compliance import RuleFile
from streams import compliance_policy, policies
from streams.cli import run
from streams.places import place_within
from streams.policies import PolicyError

ROOT = Path(__file__).parents[2]
GOOD = """\
examples:
  events:
    activity: {occurred_at: 2026-03-04T12:00:00+08:00, source: s, rep_id: R1, kind: meal, amount: 700, headcount: 2}
  references:
    rep: [{rep_id: R1, name: Wang}]
rules:
  - id: R12
    title: {zh: 餐费, en: Meal}
    severity: 禁止
    scope: {events: [activity]}
    parameters: {most: 300}
    let:
      per_head: amount / headcount
    when: |
      kind == "meal" and
        per_head > most
    message: {zh: "人均{per_head:.2}元", en: "{per_head:.2} yuan a head, {rep.name}"}
    basis: [{article: a, source: s}]
    effective_from: 2026-01-01
    owner: compliance
    tests:
      - {case: above, expect: hit}
      - {case: far above, expect: hit, event: {amount: 9000}}
      - {case: at the limit, expect: miss, event: {amount: 600}}
      - {case: a gift, expect: miss, event: {kind: gift}}
"""
LISTS = "lists:\n  - id: venues\n    title: {zh: 场所, en: Venues}\n    values: [温泉]\n"
SECOND = GOOD[GOOD.index("  - id: R12") :]


def folder(path: Path, text: str = GOOD, lists: str = LISTS) -> Path:
    (path / "compliance").mkdir(exist_ok=True)
    (path / "compliance" / "money.yaml").write_text(text, "utf-8")
    (path / "compliance" / "lists.yaml").write_text(lists, "utf-8")
    return path


def test_right_rules_are_called_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "check", "compliance", "--policies", str(folder(tmp_path))]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'compliance'} is right: 1 rule\n"


def test_the_pack_that_ships_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "check", "compliance", "--policies", str(ROOT / "policies"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["rules"], found["mistakes"]) == (42, [])


@pytest.mark.parametrize(
    ("old", "new", "where", "says"),
    [
        ("per_head > most", "per_head > mots", "mots", "R12.when: there is no 'mots' in events of kind activity"),
        ('kind == "meal"', 'kind == "meel"', 'kind == "meel"', "R12.when: kind is never 'meel'"),
        (
            "amount / headcount",
            "amount / venue",
            "amount / venue",
            "R12.let.per_head: amount is a number, venue a text",
        ),
        ("amount / headcount", "'amount / (headcount'", "(headcount", "R12.let.per_head: this is no expression"),
        ("{per_head:.2}元", "{perhead:.2}元", "perhead:", "R12.message.zh: there is no 'perhead'"),
        ("{rep.name}", "{rep.nmae}", "rep.nmae", "R12.message.en: rep has no field 'nmae'"),
        ("{rep.name}", "{rep.name", "{per_head:.2} yuan", "R12.message.en: expected '}' before end of string"),
        ("{rep.name}", "{rep.name!r}", "{rep.name!r", "{rep.name!r} cannot be written so: {rep.name}, {rep.name:.2}"),
        ("{rep.name}", "{per_head:.9}", "{per_head:.9", "{per_head:.9} cannot be written so"),
        ("{rep.name}", "{amount * 2}", "{amount * 2", "is no name: work it out under `let`"),
        ("{most: 300}", "{most: 300, least: 1}", "1}", "R12.parameters.least: least is used nowhere"),
        ("{most: 300}", "{most: 300, yuan: 1}", "1}", "R12.parameters.yuan: yuan is used nowhere"),
        ("{amount: 9000}", "{times: 9000}", "9000", "tests.1.event.times: times: Extra inputs are not permitted"),
        ("{most: 300}", "{most: 300, kind: 1}", "1}", "kind is a field of the event already"),
        (
            "      per_head: amount",
            "      count: 1 > 0\n      per_head: amount",
            "1 > 0",
            "count is a function already",
        ),
        ("{most: 300}", "{Most: 300}", "{Most", "'Most' is no name: small letters"),
        ("severity: 禁止", "severity: 严重", "严重", "severity: Input should be 'prohibited', 'avoid' or 'monitor'"),
        ("[activity]", "[actvity]", "actvity", "scope.events.0: Input should be 'visit'"),
        ("[activity]", "[activity, sale]", "headcount\n    when", "in events of kind sale: there is no 'headcount'"),
        ("basis: [{article: a, source: s}]", "basis: []", "[]", "at least 1 item"),
        ("owner:", "effective_to: 2025-12-31\n    owner:", "id: R12", "lies before effective_from"),
        (
            "far above, expect: hit",
            "far above, expect: miss",
            "id: R12",
            "tests: 1 expect a hit, at least 2 are needed",
        ),
        ("{amount: 9000}", "{amont: 9000}", "9000", "tests.1.event.amont: amont: Extra inputs are not permitted"),
        ("event: {amount: 9000}", "of: vist", "vist", "tests.1.of: Input should be 'visit'"),
        (
            "event: {amount: 9000}",
            "past: [{of: vist}]",
            "{of: vist",
            "there is no event of kind 'vist': there is visit",
        ),
        ("event: {amount: 9000}", "past: [{times: 0}]", "0}]", "is no number of events from 1 to 1000"),
        ("event: {amount: 9000}", "references: {reps: []}", "[]}", "there is no reference data 'reps': there is rep"),
        ("[{rep_id: R1, name: Wang}]", "[{rep_id: R1}]", "{rep_id: R1}]", "examples.references.rep.0.name"),
        ("when: |", "when: x\n    when: |", "when: |", "when stands twice: remove one"),
        ("owner: compliance", "ower: compliance", "compliance", "ower: Extra inputs are not permitted"),
        ("rules:", "rules: [", "- id", "no valid YAML"),
        ("2026-01-01", "2026-02-30", "2026-02-30", "2026-02-30 is no value: day"),
        ("{most: 300}", f"{{most: 1{'0' * 400}}}", "1000", "0 is no value: int too large"),
        ("{most: 300}", f"{{most: 1{'0' * 5000}}}", "1000", "0 is no value: Exceeds the limit"),
    ],
    ids=lambda value: value[:40],
)
def test_mistakes_are_told_with_their_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, where: str, says: str
) -> None:
    text = GOOD.replace(old, new, 1)
    folder(tmp_path, text)
    assert run(["policy", "check", "compliance", "--policies", str(tmp_path)]) == 1
    written = capsys.readouterr()
    lines = [line for line in written.out.splitlines() if says in line]
    assert lines, written.out
    before = text[: text.index(where, max(text.index(new) - 20, 0) if where in new else 0)]
    place = f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
    assert lines[0].startswith(f"{tmp_path / 'compliance' / 'money.yaml'}:{place}: "), lines[0]
    assert "mend what is listed and check again" in written.err


def test_two_versions_of_a_rule_may_follow_each_other_but_not_overlap(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = GOOD.replace("effective_from: 2026-01-01", "effective_from: 2026-01-01\n    effective_to: 2026-05-31")
    later = SECOND.replace("2026-01-01", "2026-06-01").replace("{amount: 9000}", "{amount: 9001}")
    folder(tmp_path, ended + later)
    assert run(["policy", "check", "compliance", "--policies", str(tmp_path)]) == 0
    folder(tmp_path, ended + later.replace("2026-06-01", "2026-05-31"))
    assert run(["policy", "check", "compliance", "--policies", str(tmp_path)]) == 1
    assert "money.yaml:27:9: rules.R12.id: a rule R12 in money.yaml holds on the same days" in capsys.readouterr().out


def test_a_list_that_stands_twice_or_does_not_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder(tmp_path, GOOD.replace("per_head > most", 'in_list("venus", venue)'), LISTS + LISTS.removeprefix("lists:\n"))
    assert run(["policy", "check", "compliance", "--policies", str(tmp_path)]) == 1
    written = capsys.readouterr().out
    assert "lists.yaml:5:9: lists.venues.id: venues stands twice: remove one" in written
    folder(tmp_path, lists=LISTS.replace("[温泉]", '[温泉, " "]'))
    assert run(["policy", "check", "compliance", "--policies", str(tmp_path)]) == 1
    assert "lists.venues.values.1: a value of blanks is in nearly every text" in capsys.readouterr().out
    assert "money.yaml:16:17: R12.when: there is no list 'venus': there is venues" in written


def test_every_mistake_of_every_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder(
        tmp_path,
        GOOD.replace("> most", "> mots").replace("{rep.name}", "{rep.nmae}"),
        LISTS.replace("venues", "Venues"),
    )
    (tmp_path / "compliance" / "empty.yaml").write_text("", "utf-8")
    assert run(["policy", "check", "compliance", "--policies", str(tmp_path), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["mistakes"]
    assert [Path(item["file"]).name for item in found] == ["lists.yaml", "empty.yaml", "money.yaml", "money.yaml"]


def test_a_folder_without_rules(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "check", "compliance", "--policies", str(tmp_path)]) == 2
    assert "has no rules: start where the folder is, or name it in PULSE_POLICIES" in capsys.readouterr().err


def test_test_shows_every_hit_with_its_reasons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder(tmp_path)
    assert run(["policy", "test", "R12", "--policies", str(tmp_path)]) == 0
    written = capsys.readouterr().out
    assert written.splitlines()[:10] == [
        "R12 餐费 · Meal (prohibited, red; from 2026-01-01)",
        "  ✓ above: hit",
        "      zh: 人均350.00元",
        "      en: 350.00 yuan a head, Wang",
        '      kind == "meal" and per_head > most = yes',
        '        kind == "meal" = yes',
        "          kind = meal",
        "        per_head > most = yes",
        "          per_head = 350",
        "            amount = 700",
    ]
    assert written.endswith("1 rule, 4 test events: all as expected\n")
    assert "amount" not in "".join(line for line in written.splitlines() if "at the limit" in line)


def test_test_fails_where_a_rule_says_another_thing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder(tmp_path, GOOD.replace("{most: 300}", "{most: 400}"))
    assert run(["policy", "test", "--short", "--policies", str(tmp_path)]) == 1
    written = capsys.readouterr()
    lines = written.out.splitlines()
    assert lines[1] == "  ✗ above: miss, but hit was expected"
    assert "          per_head = 350" in lines
    assert lines[-4:-1] == ["  ✓ far above: hit", "  ✓ at the limit: miss", "  ✓ a gift: miss"]
    assert written.err == "pulse: 1 of 4 test events not judged as expected: mend the rules or the tests\n"


def test_test_says_what_was_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder(tmp_path, GOOD + "      - {case: nobody, expect: not_applicable, event: {headcount: null}}\n")
    assert run(["policy", "test", "--json", "--policies", str(tmp_path)]) == 0
    (rule,) = json.loads(capsys.readouterr().out)
    assert [test["outcome"] for test in rule["tests"]] == ["hit", "hit", "miss", "miss", "not_applicable"]
    assert rule["tests"][4]["missing"] == ["headcount"]
    assert rule["tests"][0]["message"] == {"zh": "人均350.00元", "en": "350.00 yuan a head, Wang"}
    assert rule["tests"][0]["explanation"]["parts"][1]["parts"][0]["value"] == "350"


def test_an_unknown_rule_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "test", "R99", "--policies", str(folder(tmp_path))]) == 2
    assert capsys.readouterr().err == "pulse: there is no rule R99: there is R12\n"


def test_the_rules_cannot_be_published_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "publish", "compliance", "--policies", str(folder(tmp_path))]) == 2
    assert "for 'name': 'compliance' is not one of 'kpis', 'lights'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "line", "column", "place"),
    [
        ("a: {b: [x, 'it''s (wrong)']}", 1, 6, (1, 19)),
        ('a: {b: [x, "it\\"s (wrong)"]}', 1, 6, (1, 19)),
        ("a:\n  b:\n    - x\n    - |\n      it's\n        (wrong)\n", 2, 3, (6, 9)),
        ("a:\n  b:\n    - x\n    - >-\n      it's\n      (wrong)\n", 1, 6, (6, 7)),
        ("a:\n  b:\n    - x\n    - it's\n      (wrong)\n", 1, 6, (5, 7)),
        ("a: {b: [x, it's (wrong)]}", 1, 6, (1, 17)),
        ("a: {b: [x, 餐费 (wrong)]}", 1, 4, (1, 15)),
    ],
)
def test_the_place_within_a_value_is_found_in_every_style(
    text: str, line: int, column: int, place: tuple[int, int]
) -> None:
    assert place_within(text, ("a", "b", 1), line, column) == place


def test_the_text_that_ships_is_what_its_schema_describes() -> None:
    for path in sorted((ROOT / "policies" / "compliance").glob("*.yaml")):
        if path.name not in {compliance_policy.LIST_FILE, compliance_policy.INTAKE_FILE}:
            found = policies.parse_as(RuleFile, path.read_text("utf-8"), path.name, "rules")
            assert {rule.colour for rule in found.rules} <= {"red", "amber", "yellow"}


def test_what_cannot_be_followed_is_refused_at_once(tmp_path: Path) -> None:
    """Nested without end, referring to itself, or growing out of itself tenfold at each step."""
    grown = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    for text, says in (
        (f"rules: {'[' * 3_000}{']' * 3_000}", "is nested too deeply: write it flatter"),
        ("rules: &own [*own]", "rules"),
        (f"a0: &a0 [x]\n{grown}rules: []", "a0: Extra inputs are not permitted"),
    ):
        with pytest.raises(PolicyError, match=says):
            compliance_policy.parse({"x.yaml": text}, CompanyTime("Asia/Shanghai"))


def test_a_rule_has_no_id_of_what_acts_at_the_intake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Their alerts and cases could not be told apart."""
    folder(tmp_path, GOOD.replace("id: R12", "id: R26"))
    shutil.copy(ROOT / "policies" / "compliance" / "intake.yaml", tmp_path / "compliance")
    assert run(["policy", "check", "compliance", "--policies", str(tmp_path)]) == 1
    assert "money.yaml:7:9: rules.R26.id: R26 is the rule of intake.yaml" in capsys.readouterr().out
