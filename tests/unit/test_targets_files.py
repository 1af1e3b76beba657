"""Targets and weights as people write them: what is read, what is refused, and where the message points."""

import io
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from agents.progress.targets import Owner
from schemas.reference import Target, period_days
from streams import policies, targets
from streams.cli import run
from streams.errors import UsageError
from streams.importing import ImportJob, run_import
from streams.settings import Settings

ROOT = Path(__file__).parents[2]
POLICY = policies.load(ROOT / "policies")
FIELDS: dict[str, Any] = {"kpi_id": "sales_amount", "period": "quarter", "period_start": date(2018, 4, 1)}
FIELDS |= {"owner_level": "team", "owner_id": "T1", "value": 100}
COMMON = "common: {kpi_id: sales_amount, period: quarter, period_start: 2018-04-01, owner_level: team}\n"


def target(**more: Any) -> Target:
    return Target.model_validate(FIELDS | more)


def written(folder: Path, text: str, name: str = "targets.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"period_start": "2018-04-15"}, "2018-04-15 is not the first day of a quarter: write 2018-04-01"),
        ({"period": "month", "period_start": "2018-04-02"}, "not the first day of a month: write 2018-04-01"),
        ({"effective_from": "2018-07-01"}, "effective_from 2018-07-01 lies after the quarter: it ends on 2018-06-30"),
        ({"product_key": "L1"}, "product_key is empty at product_level all"),
        ({"product_level": "line"}, "a target of a line needs product_key: name the line"),
        ({"value": -1}, "greater than or equal to 0"),
        ({"owner_level": "boss"}, "'rep', 'team', 'region' or 'company'"),
    ],
)
def test_targets_that_could_never_count_are_refused(more: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        target(**more)


@pytest.mark.parametrize(
    ("period", "day", "days"),
    [
        ("month", date(2024, 2, 10), (date(2024, 2, 1), date(2024, 2, 29))),
        ("quarter", date(2018, 12, 31), (date(2018, 10, 1), date(2018, 12, 31))),
        ("year", date(2018, 1, 1), (date(2018, 1, 1), date(2018, 12, 31))),
    ],
)
def test_days_of_a_period(period: str, day: date, days: tuple[date, date]) -> None:
    assert period_days(period, day) == days


def test_a_yaml_file(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        COMMON + "targets:\n  - {owner_id: T1, value: 200000000}\n"
        "  - {owner_level: company, owner_id: C, value: 0.1, effective_from: 2018-05-01}\n",
    )

    assert targets.read_yaml(path, POLICY) == [
        target(value=200_000_000),
        target(owner_level="company", owner_id="C", value=Decimal("0.1"), effective_from=date(2018, 5, 1)),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("targets: {T1: 100}\n", "targets.yaml holds no targets"),
        ("- 1\n", "targets.yaml holds no targets"),
        ("", "targets.yaml holds no targets"),
        ("goals: []\ntargets: []\n", "targets.yaml holds no targets"),
        ("targets: [\n", "targets.yaml cannot be read: while parsing"),
        (COMMON + "targets:\n  - T1\n", "targets.yaml:3: a target is a row of fields"),
        (COMMON + "targets:\n  - {owner_id: T1}\n", "targets.yaml:3: value: Field required"),
        (COMMON + "targets:\n  - {owner_id: T1, value: 1, valu: 1}\n", "targets.yaml:3: valu: Extra inputs"),
        (
            COMMON + "targets:\n  - {owner_id: T1, value: 1}\n  - {owner_id: T1, value: 1, kpi_id: sale}\n",
            "targets.yaml:4: there is no KPI 'sale': the policy has sales_amount, ",
        ),
        (
            COMMON + "targets:\n  - {owner_id: T1, value: 1, period_start: 2018-04-02}\n",
            "targets.yaml:3: period_start 2018-04-02 is not the first day",
        ),
        (
            COMMON + "targets:\n  - {owner_id: T1, value: 1, kpi_id: collection_rate, product_level: line,"
            " product_key: L1}\n",
            "targets.yaml:3: collection_rate has no figures per line: add line to the dimensions",
        ),
    ],
)
def test_a_wrong_yaml_file(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        targets.read_yaml(written(tmp_path, text), POLICY)

    assert message in str(refused.value)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        targets.read_yaml(tmp_path / "none.yaml", POLICY)


def test_a_period_a_kpi_does_not_keep() -> None:
    monthly = targets.kpi_of(POLICY, "sales_amount").model_copy(update={"periods": ("month",)})

    with pytest.raises(UsageError, match="sales_amount has no figures per year: take month"):
        targets.check_kpi(monthly, "year", "all")


def test_what_is_written_can_be_imported(tmp_path: Path) -> None:
    rows = [target(), target(owner_id="T2", value=Decimal("1.10"), product_level="line", product_key="L1")]
    out = io.StringIO()
    targets.write_csv(rows, out)

    assert out.getvalue().splitlines() == [
        "effective_from,kpi_id,period,period_start,owner_level,owner_id,product_level,product_key,value",
        "1970-01-01,sales_amount,quarter,2018-04-01,team,T1,all,,100",
        "1970-01-01,sales_amount,quarter,2018-04-01,team,T2,line,L1,1.10",
    ]
    file = written(tmp_path, out.getvalue(), "targets.csv")
    summary = run_import(ImportJob("target", file), Settings(_env_file=None), dry_run=True)
    assert (summary.accepted, summary.dead_lettered) == (2, 0)


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written: No such file or directory"):
        targets.save_csv([target()], tmp_path / "none" / "targets.csv")


def test_the_newest_text_up_to_the_day_is_in_force() -> None:
    rows = [target(), target(value=120, effective_from=date(2018, 5, 15)), target(owner_id="T2", value=7)]

    assert targets.published(rows, target(value=0), date(2018, 5, 14)) == rows[0]
    assert targets.published(rows, target(value=0), date(2018, 5, 15)) == rows[1]
    assert targets.published(rows, target(owner_id="T3"), date(2018, 5, 15)) is None


KNOWN = {Owner("team", "T1"): (), Owner("rep", "R1"): (), Owner("rep", "X"): (), Owner("team", "X"): ()}


def test_weights(tmp_path: Path) -> None:
    path = written(tmp_path, "\ufeffowner_id,weight,note\nT1, 2.5 ,north\nR1,0,\n", "weights.csv")

    assert targets.read_weights(path, KNOWN) == {Owner("team", "T1"): Decimal("2.5"), Owner("rep", "R1"): 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,weight\n", "needs the columns owner_id and weight"),
        ("owner_id,weight\nT9,1\n", ":2: 'T9' is no node or rep in force"),
        ("owner_id,weight\nX,1\n", ":2: 'X' is the id of a node and of a rep"),
        ("owner_id,weight\nT1,1\nT1,1\n", ":3: 'T1' stands twice"),
        ("owner_id,weight\nT1,\n", ":2: the weight '' is no number of at least 0"),
        ("owner_id,weight\nT1,-1\n", ":2: the weight '-1' is no number"),
        ("owner_id,weight\nT1,NaN\n", ":2: the weight 'NaN' is no number"),
    ],
)
def test_wrong_weights(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        targets.read_weights(written(tmp_path, text, "weights.csv"), KNOWN)

    assert message in str(refused.value)


SPLIT = ["targets", "split", "--kpi", "sales_amount", "--period", "quarter", "--start", "2018-04-01", "--by"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*SPLIT, "potential"], "--weights FILE and --by potential go together"),
        ([*SPLIT, "headcount", "--weights", "w.csv"], "--weights FILE and --by potential go together"),
        ([*SPLIT, "headcount", "--last", "2"], "--last goes with --by history"),
        ([*SPLIT, "headcount", "--levels", "country"], "there is no level 'country' to break down to"),
        ([*SPLIT, "headcount", "--line", "L", "--product", "P"], "a target is for a line or for a product"),
        ([*SPLIT, "headcount", "--start", "2018-04-02"], "2018-04-02 is not the first day of a quarter"),
        ([*SPLIT, "headcount", "--effective-from", "2018-07-01"], "effective_from 2018-07-01 lies after the quarter"),
        ([*SPLIT, "headcount", "--kpi", "x"], "there is no KPI 'x': the policy has sales_amount"),
        ([*SPLIT, "headcount", "--kpi", "collection_rate"], "collection_rate is a ratio and does not add up"),
    ],
)
def test_what_cannot_be_split(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)

    assert run(arguments) == 2
    assert message in capsys.readouterr().err
