"""`pulse policy` on the rules of compliance: what a person reads at every step, and what a script gets."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr
from test_rule_lifecycle import LISTS, RULES, STRICTER

from streams.cli import run
from streams.clickhouse import parse_url

Pulse = Callable[..., tuple[int, str, str]]


@pytest.fixture
def pulse(
    database: Client, clickhouse_url: SecretStr, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Pulse:
    parts = parse_url(clickhouse_url.get_secret_value())
    url = f"http://{parts['username']}:{parts['password']}@{parts['host']}:{parts['port']}/{database.database}"
    monkeypatch.setenv("PULSE_CLICKHOUSE_URL", url)
    monkeypatch.delenv("PULSE_CLICKHOUSE_READER_URL", raising=False)

    def called(*words: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = run(["policy", *map(str, words)])
        return status, *capsys.readouterr()

    return called


def write(path: Path, rules: str = RULES, lists: str = LISTS) -> Path:
    (path / "compliance").mkdir(exist_ok=True)
    (path / "compliance" / "money.yaml").write_text(rules, "utf-8")
    (path / "compliance" / "lists.yaml").write_text(lists, "utf-8")
    return path


def test_the_way_into_force(pulse: Pulse, tmp_path: Path) -> None:
    folder = write(tmp_path)
    of = ("--policies", folder)
    assert pulse("history", "compliance") == (0, "nothing is submitted yet\n", "")
    assert pulse("diff", "compliance", *of)[1] == "+ R12\n+ list venues (2 values)\nnothing is in force yet\n"
    status, out, _ = pulse("submit", "compliance", *of, "--author", "ann")
    assert (status, out.startswith("submitted version 1 with 1 rule, hash ")) == (0, True)
    assert pulse("approve", "compliance", 1, "--author", "Ann") == (
        2,
        "",
        "pulse: version 1 was submitted by ann: somebody else must approve it\n",
    )
    assert pulse("approve", "compliance", 1, "--author", "bob")[:2] == (0, "version 1 is in force\n")
    write(tmp_path, STRICTER, LISTS.replace("KTV", "酒吧, 会所"))
    assert pulse("diff", "compliance", *of)[1].splitlines() == [
        "~ R12",
        "    parameters.most: 300 → 250",
        "~ list venues: 2 added, 1 removed",
        "approving it replaces version 1",
    ]
    changed = json.loads(pulse("diff", "compliance", *of, "--json")[1])
    assert changed["changed"] == {"R12": {"parameters.most": {"old": 300, "new": 250}}}
    pulse("submit", "compliance", *of, "--author", "ann", "--remark", "as agreed")
    assert pulse("reject", "compliance", 2, "--author", "bob", "--remark", "too strict")[1] == "version 2 is rejected\n"
    head, *lines = pulse("history", "compliance")[1].splitlines()
    assert "submitted (UTC)" in head
    assert [line.split()[:2] for line in lines if line.strip()[:1].isdigit()] == [["2", "rejected"], ["1", "in"]]
    assert "as agreed; too strict" in "".join(lines)
    (second, first) = json.loads(pulse("history", "compliance", "--json")[1])
    assert (second["decided"]["author"], first["decided"]["author"], first["state"]) == ("bob", "bob", "in force")
    assert json.loads(pulse("history", "compliance", "--show", 1, "--json")[1])["files"]["money.yaml"] == RULES
    assert pulse("history", "compliance", "--show", 5)[2].startswith("pulse: there is no version 5")


def test_what_hangs_on_the_rules_in_force(pulse: Pulse, tmp_path: Path) -> None:
    folder = write(tmp_path)
    pulse("submit", "compliance", "--policies", folder, "--author", "ann")
    pulse("approve", "compliance", 1, "--author", "bob")
    values = tmp_path / "values.txt"
    values.write_text("# new\n酒吧\n\nktv\n", "utf-8")
    told = pulse("list", "add", "venues", "--file", values, "--author", "ann", "--reason", "found")[1]
    assert told == "added 1 value (1 more stood there already): venues has 3 (change 3)\n"
    assert pulse("list", "remove", "venues", "KTV", "--reason", "fine")[1].startswith("removed 1 value: venues has 2")
    assert pulse("list", "show", "venues")[1] == "温泉\n酒吧\n"
    assert "+酒吧" in pulse("list", "show", "venues", "--history")[1]
    assert pulse("list", "show", "wards")[::2] == (2, "pulse: there is no list wards in force: there is venues\n")
    assert pulse("list", "add", "venues", "--reason", "none")[0] == 2
    assert pulse("list", "add", "venues", "x", "--reason", " ")[0] == 2
    until = ("--until", "2999-12-31", "--reason", "agreed", "--author", "ann")
    assert pulse("snooze", "R12", "rep", "R1", *until)[1] == "R12 is silent about rep R1 until 2999-12-31\n"
    (one,) = json.loads(pulse("snoozes", "--json")[1])
    assert (one["rule"], one["subject_id"], one["author"], one["reason"]) == ("R12", "R1", "ann", "agreed")
    assert pulse("unsnooze", "R12", "rep", "R1")[1] == "R12 speaks about rep R1 again\n"
    assert pulse("snoozes")[1] == "nothing is snoozed\n"
    assert pulse("snooze", "R12", "rep", "R1", "--until", "soon", "--reason", "x")[2].startswith(
        "pulse: --until: 'soon'"
    )
    draft = tmp_path / "draft.yaml"
    draft.write_text(STRICTER, "utf-8")
    assert pulse("trial", "start", "stricter", "--from", draft)[1] == "stricter is on trial with 1 rule\n"
    assert pulse("trial", "compare", "stricter")[1].startswith("neither stricter nor the same rules in force")
    assert pulse("trial", "stop", "stricter")[1] == "stricter is no longer on trial\n"
    assert json.loads(pulse("trial", "list", "--json")[1])[0]["rules"] == ["R12"]
    status, out, _ = pulse("backtest", "--from", "2026-01-01", "--to", "2026-03-31", "--against", draft)
    assert (status, out.splitlines()[:2]) == (0, ["draft draft beside the rules in force", "nothing is hit"])
    assert pulse("backtest", "--from", "2026-02-01", "--to", "2026-01-01")[0] == 2
    found = json.loads(pulse("backtest", "--from", "2026-01-01", "--to", "2026-03-31", "--json")[1])
    assert found["outcomes"] == [{"rules": [], "not_applicable": {}}]
