"""The policy of lights as text: overrides, places of mistakes, what a change changes, and `pulse policy … lights`."""

import json
import re
from contextlib import nullcontext
from datetime import time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from test_policy_commands import GOOD as KPIS
from test_policy_commands import Published

from schemas.lights import LightPolicy
from streams import light_policy, policies
from streams.cli import run
from streams.policies import PolicyError
from streams.policy_changes import compare_lights
from streams.supervisor import reach

ROOT = Path(__file__).parents[2]
GOOD = """\
defaults:
  pace: {under: 0.15, over: 0.3}
  pending: 2 hours
  day_counts_from: 17:30
kpis:
  money:
    pace: {over: 0.5}
    tests: [pace]
"""


def folder(path: Path, text: str = GOOD) -> Path:
    (path / "kpis.yaml").write_text(KPIS, "utf-8")
    (path / "lights.yaml").write_text(text, "utf-8")
    return path


def test_what_is_written_for_a_kpi_replaces_the_defaults_field_by_field() -> None:
    policy = policies.parse_lights(GOOD)
    money, other = policy.of("money"), policy.of("visits")
    assert (money.pace.under, money.pace.over, other.pace.over) == (Decimal("0.15"), Decimal("0.5"), Decimal("0.3"))
    assert (money.tests, other.tests) == (("pace",), ("period", "forecast", "pace"))
    assert (money.pending, other.pending) == (timedelta(hours=2),) * 2
    assert money.day_counts_from == time(17, 30)


@pytest.mark.parametrize(
    ("text", "wrong", "place", "says"),
    [
        (GOOD, ("under: 0.15", "under: 1.5"), "2:17", "defaults.pace.under: Input should be less than or equal to 1"),
        (GOOD, ("2 hours", "soon"), "3:12", "'soon' is no length of time: write for example 30 minutes, 2 hours or"),
        (GOOD, ("[pace]", "[pase]"), "8:13", "kpis.money.tests.0: Input should be 'pace', 'period' or 'forecast'"),
        (GOOD, ("[pace]", "[]"), "8:12", "kpis.money.tests: name at least one test, and each once"),
        (GOOD, ("over: 0.5", "oven: 0.5"), "7:18", "kpis.money.pace.oven: Extra inputs are not permitted"),
        (GOOD, ("17:30", "25:30"), "4:20", "defaults.day_counts_from: Input should be in a valid time format"),
        (GOOD, ("  pending: 2 hours", "  pace: {}"), "3:3", "pace stands twice: remove one"),
        (GOOD, ("defaults:", "defaults"), "2:7", "no valid YAML"),
        (GOOD, ("  money:", "  visitz:"), "7:5", "kpis.visitz: is no KPI of kpis.yaml: it has money"),
    ],
)
def test_mistakes_are_told_with_their_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, wrong: tuple[str, str], place: str, says: str
) -> None:
    folder(tmp_path, text.replace(*wrong))
    assert run(["policy", "check", "lights", "--policies", str(tmp_path)]) == 1
    written = capsys.readouterr()
    assert written.out.startswith(f"{tmp_path / 'lights.yaml'}:{place}: ")
    assert says in written.out
    assert written.err.endswith("has 1 mistake: mend what is listed and check again\n")


def test_a_right_policy_is_called_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder(tmp_path)
    assert run(["policy", "check", "lights", "--policies", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'lights.yaml'} is right: 1 KPI with own rules\n"


def test_an_empty_file_is_refused_and_a_missing_one_leaves_what_is_built_in(tmp_path: Path) -> None:
    folder(tmp_path, "")
    with pytest.raises(PolicyError, match=r"lights.yaml is empty: it needs `defaults` or `kpis`"):
        light_policy.load(tmp_path)
    (tmp_path / "lights.yaml").unlink()
    assert light_policy.load(tmp_path) is None
    client: Any = Published()
    assert light_policy.publish(client, tmp_path) == 0
    assert policies.current_lights(client) == (0, LightPolicy())


def test_publishing_twice_is_publishing_once_and_leaves_the_kpis_alone(tmp_path: Path) -> None:
    client: Any = Published()
    assert light_policy.publish(client, folder(tmp_path)) == light_policy.publish(client, tmp_path) == 1
    assert light_policy.publish(client, folder(tmp_path, GOOD + "# more\n")) == 2
    assert (policies.newest_version(client, policies.LIGHTS), policies.newest_version(client)) == (2, 0)
    assert policies.current_lights(client) == (2, policies.parse_lights(GOOD))
    assert [version.version for version in policies.history(client, policies.LIGHTS)] == [2, 1]


def test_a_wrong_policy_is_not_published(tmp_path: Path) -> None:
    client: Any = Published()
    folder(tmp_path, GOOD.replace("0.15", "15"))
    with pytest.raises(PolicyError, match=r"lights.yaml:2:17: "):
        light_policy.load(tmp_path)
    with pytest.raises(PolicyError):
        light_policy.publish(client, tmp_path)
    assert client.rows == []


def test_a_change_is_told_field_by_field_as_it_is_written() -> None:
    new = GOOD.replace("over: 0.5", "over: 0.6").replace("2 hours", "90 minutes") + "  other: {tests: [period]}\n"
    found = compare_lights(policies.parse_lights(GOOD), policies.parse_lights(new))
    changed = {name: [(item.field, item.old, item.new) for item in items] for name, items in found.changed.items()}
    assert changed == {
        "defaults": [("pending", "2 hours", "90 minutes")],
        "money": [("pace.over", "0.5", "0.6")],
    }
    assert (found.added, found.removed, found.computed_anew) == (("other",), (), False)


def test_diff_and_history_know_the_policy_of_lights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client: Any = Published()
    monkeypatch.setattr(reach, "clickhouse", lambda *_arguments, **_more: nullcontext(client))
    folder(tmp_path)
    arguments = ["--policies", str(tmp_path)]
    assert run(["policy", "diff", "lights", *arguments]) == 0
    assert "`pulse policy publish lights` makes this version 1" in capsys.readouterr().out
    assert run(["policy", "publish", "lights", "--author", "ann", *arguments]) == 0
    assert capsys.readouterr().out.startswith("published version 1, hash ")
    folder(tmp_path, GOOD.replace("over: 0.5", "over: 0.6"))
    assert run(["policy", "diff", "lights", *arguments]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "~ money",
        '    pace.over: "0.5" → "0.6"',
        "publishing replaces version 1: every light is judged anew, no figure is",
    ]
    assert run(["policy", "history", "lights", "--json"]) == 0
    assert [item["author"] for item in json.loads(capsys.readouterr().out)] == ["ann"]
    assert run(["policy", "history", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_the_example_company_has_a_right_policy() -> None:
    policy = light_policy.load(ROOT / "policies")
    assert policy is not None
    assert {"sales_amount", "visits", "new_accounts", "collection_rate"} <= policy.kpis.keys()
    assert policy.of("sales_amount").period.below == Decimal("0.8")
    assert "quarter" in policy.of("sales_amount").period.periods


def test_every_field_is_explained_in_the_documents() -> None:
    text = (ROOT / "docs" / "lights.md").read_text("utf-8")
    named = set(re.findall(r"`([a-z_.]+)`", text))
    schema = LightPolicy.model_json_schema()["$defs"]
    rules = {"LightRules": "", "PaceRule": "pace.", "PeriodRule": "period.", "ForecastRule": "forecast."}
    fields = {f"{prefix}{name}" for model, prefix in rules.items() for name in schema[model]["properties"]}
    fields |= {f"history.{name}" for name in schema["HistoryRule"]["properties"]}
    assert fields - {"pace", "period", "forecast", "history"} <= named
