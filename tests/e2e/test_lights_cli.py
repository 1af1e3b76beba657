"""`pulse lights` on imported sales and targets: the numbers of two teams, by hand."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import data_folders
import pytest
from commands import MAPPING, ROOT, Result, pulse, pulse_inside
from test_targets_cli import COLUMNS, NORTH, SALES, SOUTH

from streams import local

DAY = ("--on", "2018-05-31")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Result]]:
    """Nine sales and the targets of two teams, processed to the end."""
    folder = tmp_path_factory.mktemp("lights")
    with (folder / "sales.csv").open("w", newline="") as file:
        file.write(COLUMNS + "\n")
        for country, amount, month, year, rep, team in SALES:
            place = ("D", f"{country} Pharm", "X", country, "50", "8", "Pharmacy", "Retail", "Drug", "Line")
            csv.writer(file).writerow([*place, amount, "1", amount, month, year, rep, f"{team} boss", team])
    fields = "kpi_id,period,period_start,owner_level,owner_id,value\n"
    goals = (f"sales_amount,quarter,2018-04-01,team,{team},{value}\n" for team, value in ((NORTH, 1000), (SOUTH, 100)))
    (folder / "targets.csv").write_text(fields + "".join(goals), "utf-8")
    data = data_folders.started(folder / "data")
    done = pulse(
        *("up", "--json", "--data", data, "--clickhouse-port", 0, "--exit-when-drained"),
        *("--import", f"sale={folder / 'sales.csv'}:{MAPPING}", "--import", f"target={folder / 'targets.csv'}"),
        PULSE_METRICS_PORT="0",
    )
    assert done.code == 0, done.err
    with local.start(data, ["clickhouse"], clickhouse_port=0):
        yield data, done


def test_the_summary_counts_the_lights(run: tuple[Path, Result]) -> None:
    _data, done = run
    assert (done.events["summary"]["lights"], done.events["summary"]["lights_over"]) == ({}, {"red": 1, "green": 1})


def test_the_list_shows_the_worst_first(run: tuple[Path, Result]) -> None:
    data, _done = run
    shown = pulse("lights", "list", "--data", data, *DAY)
    lines = shown.text.splitlines()
    assert [line.split()[:3] for line in lines[2:4]] == [
        ["red", "period", "sales_amount"],
        ["green", "period", "sales_amount"],
    ]
    assert "71.00 %" in lines[2]
    assert "115.00 %" in lines[3]
    assert lines[-1] == "2 lights: 1 red, 1 green"


def test_one_light_shows_every_number(run: tuple[Path, Result]) -> None:
    data, _done = run
    asked = ("lights", "show", SOUTH, "sales_amount", "--data", data, *DAY)
    found: list[dict[str, Any]] = pulse_inside(*asked, "--json").json
    (light,) = found
    wanted = {"state": "red", "cause": "period", "pending_state": "red", "value": "71.000000", "target": "100.000000"}
    wanted |= {"attainment": "0.710000", "elapsed": "1.000000", "expected": "100.000000", "pace": "0.710000"}
    wanted |= {"forecast": "71.000000", "forecast_low": "71.000000", "forecast_high": "71.000000"}
    wanted |= {"pace_state": "amber", "period_state": "red", "forecast_state": "grey", "owner_name": "South"}
    assert {name: light[name] for name in wanted} == wanted
    assert (light["policy_version"], light["period_end"]) == (1, "2018-06-30")
    assert [(change["previous_state"], change["state"]) for change in light["changes_before"]] == [("grey", "red")]
    text = pulse_inside(*asked).text
    assert "state          red since " in text
    assert "value          71 of 100 (71.00 %)" in text
    assert "grey → red (period), value 71 of 100" in text


def test_who_has_no_light_is_told_where_to_look(run: tuple[Path, Result]) -> None:
    data, _done = run
    complaint = pulse_inside("lights", "show", "R9", "sales_amount", "--data", data, *DAY).complaint(2)
    assert complaint == (
        "pulse: R9 has no light for sales_amount on 2018-05-31: `pulse lights list --owner R9` shows those it has"
    )
    empty = pulse_inside("lights", "list", "--data", data, "--on", "2017-05-31")
    assert (empty.code, empty.text.startswith("no light is on for a period that holds 2017-05-31")) == (0, True)
    assert json.loads(pulse_inside("lights", "list", "--data", data, "--state", "amber", "--json", *DAY).text) == []


def test_the_published_policy_is_the_one_in_the_folder(run: tuple[Path, Result]) -> None:
    data, _done = run
    text = pulse_inside("policy", "history", "lights", "--show", 1, "--data", data).text
    assert text == (ROOT / "policies" / "lights.yaml").read_text("utf-8")
