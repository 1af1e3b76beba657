"""`pulse targets` on imported sales: published, changed within the period, broken down, measured."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import data_folders
import pytest
from commands import MAPPING, PHARMA, ROOT, Result, pulse, pulse_inside

from streams import local
from streams.importing.ids import stable_id

GERMAN = """
  - id: sales_amount_germany
    title: {zh: 德国销售额, en: Sales amount in Germany}
    source: sale
    aggregate: sum
    value: amount
    where: {institution.country: Germany}
    periods: [month, quarter, year]
    unit: currency
"""
COLUMNS = (
    "Distributor,Customer Name,City,Country,Latitude,Longitude,Channel,Sub-channel,Product Name,Product Class,"
    "Quantity,Price,Sales,Month,Year,Name of Sales Rep,Manager,Sales Team"
)
#: Country, sales, month, year, rep, team.
SALES = [
    ("Germany", "100", "April", "2017", "Ann", "North"),
    ("Germany", "200", "June", "2017", "Ben", "North"),
    ("Poland", "300", "May", "2017", "Cid", "South"),
    ("Germany", "999", "July", "2017", "Cid", "South"),
    ("Germany", "60", "April", "2018", "Ann", "North"),
    ("Germany", "90", "June", "2018", "Ben", "North"),
    ("Poland", "1000", "May", "2018", "Ben", "North"),
    ("Germany", "75.5", "May", "2018", "Cid", "South"),
    ("Germany", "-4.5", "June", "2018", "Cid", "South"),
]
NORTH, SOUTH = (stable_id("team", [name]) for name in ("North", "South"))
ANN, BEN, CID = (stable_id("rep", [name]) for name in ("Ann", "Ben", "Cid"))
QUARTER = ("--kpi", "sales_amount", "--period", "quarter", "--start", "2018-04-01")


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A policy folder with one KPI more and the mapping of targets for it."""
    folder = tmp_path_factory.mktemp("policies")
    (folder / "kpis.yaml").write_text((ROOT / "policies" / "kpis.yaml").read_text("utf-8") + GERMAN, "utf-8")
    teams = (ROOT / "policies" / "targets" / "foresight-teams.yaml").read_text("utf-8")
    (folder / "teams.yaml").write_text(
        teams.replace("constant: sales_amount", "constant: sales_amount_germany"), "utf-8"
    )
    return folder


def imported(folder: Path, policies: Path, sales: Path, goals: Path, timeout_s: float = 200) -> Path:
    data = data_folders.started(folder / "data")
    result = pulse(
        *("up", "--json", "--data", data, "--clickhouse-port", 0, "--exit-when-drained"),
        *("--import", f"sale={sales}:{MAPPING}", "--import", f"target={goals}:{policies / 'teams.yaml'}"),
        timeout_s=timeout_s,
        PULSE_POLICIES=str(policies),
    )
    assert result.code == 0, result.err
    assert result.events["summary"]["dead_letters"] == 0
    return data


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, policies: Path) -> Iterator[Path]:
    """Nine sales and two targets, processed; its ClickHouse runs."""
    folder = tmp_path_factory.mktemp("targets")
    sales, goals = folder / "sales.csv", folder / "targets.csv"
    with sales.open("w", newline="") as file:
        file.write(f"{COLUMNS}\n")
        for country, amount, month, year, rep, team in SALES:
            place = ("D", f"{country} Pharm", "X", country, "50", "8", "Pharmacy", "Retail", "Drug", "Line")
            csv.writer(file).writerow([*place, amount, "1", amount, month, year, rep, f"{team} boss", team])
    goals.write_text("Team,Quarter,Target\nNorth,2018-04-01,200\nSouth,2018-04-01,100\n")
    data = imported(folder, policies, sales, goals)
    with local.start(data, ["clickhouse"], clickhouse_port=0):
        yield data


@pytest.fixture
def run(data: Path, policies: Path) -> Any:
    def targets(*arguments: object) -> Result:
        return pulse_inside("targets", *arguments, "--data", data, PULSE_POLICIES=str(policies))

    return targets


def shown(result: Result, *names: str) -> list[tuple[Any, ...]]:
    assert result.code == 0, result.err
    return [tuple(row[name] for name in names) for row in result.json]


def parts(result: Result) -> dict[str, str]:
    return dict(shown(result, "owner_id", "value"))


def test_attainment_of_imported_targets(data: Path) -> None:
    asked = ("--kpi", "sales_amount_germany", "--on", "2018-05-15", "--json")
    result = pulse("targets", "show", *asked, "--data", data)

    assert shown(result, "owner_name", "target", "value", "attainment", "elapsed_share") == [
        ("North", "200.000000", "150.000000", "0.7500", "0.4945"),
        ("South", "100.000000", "71.000000", "0.7100", "0.4945"),
    ]


def test_a_person_reads_it(run: Any) -> None:
    text = run("show", "--on", "2018-06-30", "--owner", SOUTH).text

    for part in ("sales_amount_germany", "quarter 2018-04-01", f"South ({SOUTH})", "71", "71.00 %", "100.00 %"):
        assert part in text
    assert "elapsed: calendar days up to and including 2018-06-30 (Asia/Shanghai)" in text
    assert "North" not in text


def test_nothing_to_show(run: Any) -> None:
    assert "no target is in force on 2019-01-01" in run("show", "--on", "2019-01-01").text
    assert run("show", "--on", "2018-05-01", "--kpi", "visits", "--json").json == []
    assert run("show", "--on", "2018-05-01", "--period", "month", "--json").json == []


def test_the_views_for_analysts(data: Path) -> None:
    query = (
        "SELECT owner_name, target, value, attainment FROM target_attainment "
        f"WHERE kpi_id = 'sales_amount_germany' AND owner_id = '{NORTH}'"
    )

    result = pulse_inside("sql", query, "--data", data, "--format", "json")

    assert result.json == [{"owner_name": "North", "target": "200", "value": "150", "attainment": "0.75"}]


def test_split_by_history_to_the_cent(run: Any, tmp_path: Path) -> None:
    file = tmp_path / "parts.csv"

    result = run("split", *QUARTER, "--by", "history", "--value", "1000.01", "--out", file, "--json")

    # 2017-Q2: North 300 = Ann 100 + Ben 200, South 300; the odd cent goes to the smaller id
    expected = {NORTH: "500.01", SOUTH: "500.00", ANN: "166.67", BEN: "333.34", CID: "500.00"}
    assert parts(result) == {"foresight": "1000.01", **expected}
    with file.open() as lines:
        assert {row["owner_id"]: row["value"] for row in csv.DictReader(lines)} == {"foresight": "1000.01", **expected}


def test_split_by_the_last_periods(run: Any) -> None:
    result = run("split", *QUARTER, "--by", "history", "--last", 3, "--value", 10, "--levels", "team", "--json")

    # 2018-Q1, 2017-Q4 and 2017-Q3: South 999, North nothing
    assert parts(result) == {"foresight": "10.00", NORTH: "0.00", SOUTH: "10.00"}


def test_split_by_headcount(run: Any) -> None:
    result = run("split", *QUARTER, "--by", "headcount", "--value", 100, "--json")

    assert parts(result) == {
        "foresight": "100.00",
        NORTH: "66.67",
        SOUTH: "33.33",
        **{ANN: "33.34", BEN: "33.33", CID: "33.33"},
    }


def test_split_by_potential(run: Any, tmp_path: Path) -> None:
    weights = tmp_path / "weights.csv"
    weights.write_text(f"owner_id,weight\n{ANN},1\n{CID},3\n")

    result = run("split", *QUARTER, "--by", "potential", "--weights", weights, "--value", 100, "--json")

    assert parts(result) == {
        "foresight": "100.00",
        NORTH: "25.00",
        SOUTH: "75.00",
        **{ANN: "25.00", BEN: "0.00", CID: "75.00"},
    }


def test_without_a_target_there_is_nothing_to_split(run: Any) -> None:
    asked = ("--kpi", "visits", "--period", "year", "--start", "2018-01-01", "--by", "headcount")

    assert "no target of visits is in force for company foresight" in run("split", *asked).complaint(2)
    assert "there is no node 'X' in force" in run("split", *asked, "--owner", "X", "--value", 1).complaint(2)
    assert "0.5 does not break down: a target is at least 0 and a multiple of 1" in run(
        "split", *asked, "--value", "0.5"
    ).complaint(2)


def test_published_split_and_changed_within_the_period(run: Any, data: Path, tmp_path: Path) -> None:
    assert run("publish", ROOT / "policies" / "targets" / "foresight-2018.yaml").code == 0
    first = run("split", *QUARTER, "--by", "headcount", "--publish", "--author", "ops")
    assert first.code == 0, first.err
    assert "800,000,000" in first.text
    change = tmp_path / "change.yaml"
    change.write_text(
        "common: {kpi_id: sales_amount, period: quarter, period_start: 2018-04-01, effective_from: 2018-05-15}\n"
        "targets:\n  - {owner_level: company, owner_id: foresight, value: 900000000}\n"
    )
    assert run("publish", change, "--author", "board").code == 0
    again = run("split", *QUARTER, "--by", "headcount", "--publish", "--effective-from", "2018-05-15")
    assert again.code == 0, again.err

    def goals(day: str) -> dict[str, str]:
        return dict(shown(run("show", "--on", day, "--kpi", "sales_amount", "--json"), "owner_id", "target"))

    before, after = goals("2018-05-14"), goals("2018-05-15")
    assert before["foresight"] == "800000000.000000"
    assert (before[NORTH], before[CID]) == ("533333333.330000", "266666666.670000")
    assert (after["foresight"], after[NORTH], after[CID]) == (
        "900000000.000000",
        "600000000.000000",
        "300000000.000000",
    )
    history = (
        "SELECT target, effective_to, author FROM target_attainment_history WHERE owner_id = 'foresight' "
        "AND period_start = '2018-04-01' ORDER BY effective_from"
    )
    found = pulse_inside("sql", history, "--data", data, "--format", "json").json
    assert [(row["target"], row["effective_to"]) for row in found] == [("800000000", "2018-05-14"), ("900000000", None)]
    assert found[1]["author"] == "board"


@pytest.mark.full
@pytest.mark.timeout(900)
def test_german_teams_against_two_hundred_million(tmp_path: Path, policies: Path) -> None:
    if not PHARMA.exists():
        pytest.skip(f"{PHARMA} is not there")
    goals = ROOT / "policies" / "targets" / "foresight-2018-q2.csv"
    data = imported(tmp_path, policies, PHARMA, goals, timeout_s=800)

    result = pulse("targets", "show", "--on", "2018-06-30", "--json", "--data", data, PULSE_POLICIES=str(policies))

    assert shown(result, "owner_name", "value", "attainment", "elapsed_share") == [
        ("Delta", "215092772.000000", "1.0755", "1.0000"),
        ("Charlie", "192517486.000000", "0.9626", "1.0000"),
        ("Alfa", "153053093.000000", "0.7653", "1.0000"),
        ("Bravo", "138936120.000000", "0.6947", "1.0000"),
    ]
    question = "SELECT owner_name, state, cause FROM lights_now WHERE kpi_id = 'sales_amount_germany' ORDER BY value"
    lights = pulse("sql", question, "--format", "json", "--data", data)
    assert [tuple(row.values()) for row in lights.json] == [
        ("Bravo", "red", "period"),
        ("Alfa", "red", "period"),
        ("Charlie", "green", "period"),
        ("Delta", "green", "period"),
    ]
