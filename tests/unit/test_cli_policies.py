"""Mistakes in a KPI policy are told with file, line and column."""

from pathlib import Path

import pytest

from streams import policies
from streams.errors import UsageError

GOOD = """\
kpis:
  - id: money
    title: {zh: 钱, en: Money}
    source: sale
    aggregate: sum
    value: amount
    unit: currency
"""


def mistake(text: str) -> str:
    with pytest.raises(UsageError) as caught:
        policies.parse(text, "kpis.yaml")
    return str(caught.value)


def test_the_example_policy_is_good() -> None:
    folder = Path(__file__).parents[2] / "policies"
    assert {"sales_amount", "visits", "collection_rate"} <= {kpi.id for kpi in policies.load(folder).kpis}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("aggregate: sum", "aggregate: sam", "kpis.yaml:5:16: kpis.money.aggregate: Input should be"),
        ("value: amount", "value: amout", "kpis.yaml:2:5: kpis.money: a sale has no number 'amout'"),
        ("    unit: currency", "    colour: red\n    unit: currency", "kpis.yaml:7:13: kpis.money.colour: Extra"),
        ("    unit: currency\n", "", "kpis.yaml:2:5: kpis.money.unit: Field required"),
        ("unit: currency", "unit: currency\n    value: x", "kpis.yaml:8:5: value stands twice"),
        ("{zh: 钱, en: Money}", "{zh: 钱, en: Money", "no valid YAML"),
        (GOOD, "", "kpis.yaml is empty"),
        (GOOD, "- a", "kpis.yaml:1:1: Input should be a valid dictionary"),
    ],
)
def test_a_mistake_has_a_place(old: str, new: str, message: str) -> None:
    assert message in mistake(GOOD.replace(old, new))


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"kpis\.yaml does not exist: start where the folder is"):
        policies.read(tmp_path)


def test_a_file_in_another_encoding_is_told(tmp_path: Path) -> None:
    (tmp_path / "kpis.yaml").write_bytes(GOOD.replace("钱", "销售额").encode("gb18030"))
    with pytest.raises(UsageError, match="is not UTF-8 at byte"):
        policies.read(tmp_path)
