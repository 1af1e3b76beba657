"""Boards as code: the committed JSON is what the signals give, and Grafana's own models read it back."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana import alerts, query
from grafana.boards import BOARDS
from grafana.build import ALERTS, FOLDER, differences, files, text_of, write
from grafana.links import BOARDS as UIDS
from grafana.links import uid_in
from grafana.looks import WORDS, format_of
from grafana.texts import LANGUAGES, localised

FILES = files()
MODELS = {name: json.loads(text) for name, text in FILES.items()}
CHINESE = re.compile(r"[\u3400-\u9fff]")
#: Names and abbreviations that stand in Chinese text, too.
LATIN_ALLOWED = {"ClickHouse", "Redis", "Kafka", "KPI", "ID", "A", "B", "C", "pulse", "dead", "letters", "list"}


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, board in MODELS.items():
        for panel in board["panels"]:
            yield name, panel


def words(board: dict[str, Any]) -> Iterator[str]:
    """Everything that a person reads and that is not an answer of ClickHouse."""
    yield board["title"]
    yield board["description"]
    yield from (variable["label"] for variable in board["templating"]["list"])
    yield from (each["display"] for each in board["timepicker"]["quick_ranges"])
    for panel in board["panels"]:
        yield panel["title"]
        yield panel["description"]
        yield panel["fieldConfig"]["defaults"]["noValue"]
        yield from re.findall(r"'([^']*)'", panel["targets"][0]["rawSql"]) if board["uid"].endswith("-en") else ()
        for rule in panel["fieldConfig"]["overrides"]:
            yield from (part["value"] for part in rule["properties"] if part["id"] == "displayName")


def test_the_committed_boards_and_alert_rules_are_in_step() -> None:
    assert differences(FOLDER, FILES) == [], "run `make boards`"
    assert ALERTS.read_text("utf-8") == alerts.text(), "run `make boards`"


def test_every_board_is_there_in_both_languages() -> None:
    assert set(FILES) == {f"{language}/{board.uid}.json" for language in LANGUAGES for board in BOARDS}
    assert [board.uid for board in BOARDS] == list(UIDS)
    assert {board["uid"] for board in MODELS.values()} == {
        uid_in(uid, language) for uid in UIDS for language in LANGUAGES
    }


@pytest.mark.parametrize("name", FILES)
def test_grafanas_models_read_a_board_back_as_it_was(name: str) -> None:
    query.register()

    assert text_of(Dashboard.from_json(json.loads(FILES[name]))) == FILES[name]


@pytest.mark.parametrize("name", FILES)
def test_panels_lie_side_by_side_and_nowhere_on_each_other(name: str) -> None:
    board = MODELS[name]
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not taken & cells
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert [panel["id"] for panel in board["panels"]] == list(range(1, len(board["panels"]) + 1))
    bottom = max(y for _, y in taken) + 1
    assert len(taken) == 24 * bottom, "a row leaves a hole"


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("zh-CN/")])
def test_no_english_in_a_chinese_board(name: str) -> None:
    latin = {word for text in words(MODELS[name]) for word in re.findall(r"[A-Za-z]+", text)}

    assert latin <= LATIN_ALLOWED


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("en/")])
def test_no_chinese_in_an_english_board(name: str) -> None:
    assert [text for text in words(MODELS[name]) if CHINESE.search(text)] == []


def test_no_text_is_left_in_two_languages() -> None:
    assert [name for name, text in FILES.items() if "[[" in text or "]]" in text or "{{" in text] == []


def test_both_languages_ask_the_same_number_of_panels_of_the_same_kinds() -> None:
    for board in BOARDS:
        kinds = [
            [panel["type"] for panel in MODELS[f"{language}/{board.uid}.json"]["panels"]] for language in LANGUAGES
        ]
        assert kinds[0] == kinds[1]


def test_every_panel_says_what_it_is_and_in_which_unit() -> None:
    for name, panel in panels():
        assert len(panel["title"]) > 1, name
        assert len(panel["description"]) > 5, (name, panel["title"])
        assert panel["fieldConfig"]["defaults"]["unit"], (name, panel["title"])
        if panel["type"] in {"timeseries", "barchart", "bargauge", "piechart"}:
            assert panel["fieldConfig"]["defaults"]["unit"] != "string"


def test_queries_are_those_of_the_official_plugin() -> None:
    for name, panel in panels():
        (target,) = panel["targets"]
        assert target["datasource"] == {"type": "grafana-clickhouse-datasource", "uid": "sfe-pulse"}
        assert (target["editorType"], target["pluginVersion"], target["refId"]) == ("sql", "4.20.0", "A")
        assert "queryType" not in target
        assert target["format"] == (0 if panel["type"] == "timeseries" else 1), name
        if target["format"] == 0:
            assert re.search(r"ORDER BY time\b", target["rawSql"]), (name, panel["title"])


def test_statements_quote_every_variable_and_change_no_setting() -> None:
    for name, panel in panels():
        sql = panel["targets"][0]["rawSql"]
        assert set(re.findall(r"\$\{\w+(.*?)\}", sql)) <= {":sqlstring"}, name
        assert not re.search(r"\bSETTINGS\b|\bINSERT\b|\bALTER\b|\bDROP\b", sql), "the reader may change nothing"


def test_a_board_defines_the_variables_it_asks_with() -> None:
    for name, board in MODELS.items():
        known: set[str] = set()
        for variable in board["templating"]["list"]:
            assert set(re.findall(r"\$\{(\w+)", variable["query"])) <= known, "a variable depends on earlier ones alone"
            known.add(variable["name"])
        used = {found for panel in board["panels"] for found in re.findall(r"\$\{(\w+)", panel["targets"][0]["rawSql"])}
        assert used <= known, name


def test_links_carry_the_owner_and_the_time_range_and_stay_in_the_language() -> None:
    found = {
        (name.split("/")[0], link["url"])
        for name, panel in panels()
        for rule in panel["fieldConfig"]["overrides"]
        for part in rule["properties"]
        if part["id"] == "links"
        for link in part["value"]
    }

    tail = "?var-${__data.fields.variable}=${__data.fields.owner_id}&${__url_time_range}"
    case = "?var-case_id=${__data.fields.case_id}&${__url_time_range}"
    assert found == {
        ("zh-CN", "/d/${__data.fields.board}" + tail),
        ("en", "/d/${__data.fields.board}-en" + tail),
        ("zh-CN", "/d/pulse-case" + case),
        ("en", "/d/pulse-case-en" + case),
    }


def test_the_fields_a_link_needs_are_in_the_answer() -> None:
    for _, panel in panels():
        named = {rule["matcher"]["options"] for rule in panel["fieldConfig"]["overrides"]}
        links = [
            part["value"]
            for rule in panel["fieldConfig"]["overrides"]
            for part in rule["properties"]
            if part["id"] == "links"
        ]
        for (link,) in links:
            assert set(re.findall(r"__data\.fields\.(\w+)", link["url"])) <= named


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_state_alone_and_before_a_text_has_its_word_and_colour(language: Any) -> None:
    board = next(board for name, board in MODELS.items() if name == f"{language}/pulse-company.json")
    light = next(panel for panel in board["panels"] if panel["type"] == "stat")
    values, *patterns = light["fieldConfig"]["defaults"]["mappings"]

    assert {state: one["text"] for state, one in values["options"].items()} == {
        state: localised(text, language) for state, text in WORDS.items()
    }
    for mapping, state in zip(patterns, WORDS, strict=True):
        found = re.match(mapping["options"]["pattern"], f"{state} 81.5%")
        assert found
        assert found[1] == "81.5%"
        assert mapping["options"]["result"]["color"] == values["options"][state]["color"]


def test_money_is_in_ten_thousands_in_chinese_alone() -> None:
    assert (format_of("money", "zh-CN").unit, format_of("money", "en").unit) == ("suffix:万元", "currencyCNY")
    for name, panel in panels():
        if re.search(r"/ 10000\b", panel["targets"][0]["rawSql"]):
            assert name.startswith("zh-CN/")


def test_writing_removes_what_is_no_board_any_more(tmp_path: Path) -> None:
    (tmp_path / "zh-CN").mkdir()
    (tmp_path / "zh-CN" / "old.json").write_text("{}")

    write(tmp_path, FILES)

    assert differences(tmp_path, FILES) == []
    assert not (tmp_path / "zh-CN" / "old.json").exists()
    (tmp_path / "en" / "pulse-rep.json").write_text("{}")
    assert differences(tmp_path, FILES) == ["en/pulse-rep.json"]


def test_alert_rules_are_complete_and_use_nothing_that_rules_do_not_know() -> None:
    (group,) = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]

    assert len({rule["uid"] for rule in group["rules"]}) == len(alerts.ALERTS)
    for rule in group["rules"]:
        asked, reduced, compared = rule["data"]
        assert "$" not in asked["model"]["rawSql"], "rules know no variables, and files expand the environment"
        assert (reduced["model"]["expression"], compared["model"]["expression"]) == ("A", "B")
        assert rule["condition"] == compared["refId"]
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert " · " in rule["annotations"]["summary"]
        assert rule["annotations"]["__dashboardUid__"] in UIDS
