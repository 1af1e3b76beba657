"""The gravest credit grade begins at two million yuan until a day, and at one million from then on: by text alone."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from agents.progress.calendar import CompanyTime
from schemas.reference import Institution, Rep
from streams import compliance_policy
from streams.compliance_proof import Judged
from streams.simulator.made import Made
from streams.simulator.world import COMPANY_ZONE

POLICIES = Path(__file__).parents[2] / "policies"
SHANGHAI = CompanyTime("Asia/Shanghai")
SHIPPED, OTHER = date(2025, 6, 1), date(2026, 9, 15)
GRADES = ("R17-serious", "R17-gravest")
ROWS = [Rep(rep_id="R1", name="王敏"), Rep(rep_id="R2", name="李强"), Institution(institution_id="I1", name="第一医院")]


def folder(tmp_path: Path, day: date) -> Path:
    """The shipped pack with the revision on another day: the text of four versions says so, and nothing else."""
    text = (POLICIES / "compliance" / "money.yaml").read_text("utf-8")
    assert text.count(f"effective_to: {SHIPPED - timedelta(days=1)}") == text.count(f"effective_from: {SHIPPED}") == 2
    text = text.replace(f"effective_to: {SHIPPED - timedelta(days=1)}", f"effective_to: {day - timedelta(days=1)}")
    text = text.replace(f"effective_from: {SHIPPED}", f"effective_from: {day}")
    (tmp_path / "compliance").mkdir()
    (tmp_path / "compliance" / "money.yaml").write_text(text, "utf-8")
    lists = (POLICIES / "compliance" / "lists.yaml").read_text("utf-8")
    (tmp_path / "compliance" / "lists.yaml").write_text(lists, "utf-8")
    return tmp_path


def graded(policies: Path, *given: tuple[datetime, str]) -> list[set[str]]:
    """Grades each sum reaches, one after the other by two representatives."""
    judged = Judged(compliance_policy.load(policies, SHANGHAI), ROWS, SHANGHAI)
    found, before = [], set[Any]()
    for number, (moment, amount) in enumerate(given):
        event = {
            "event_id": f"e{number}",
            "occurred_at": moment.isoformat(),
            "source": "finance",
            "rep_id": f"R{number % 2 + 1}",
            "institution_id": "I1",
            "kind": "sponsorship",
            "amount": amount,
        }
        judged.take(Made(0, f"e{number}", "activity", event["rep_id"], orjson.dumps(event)))
        found.append({hit[0] for hit in judged.hits - before if hit[0] in GRADES})
        before = set(judged.hits)
    return found


def moment(day: date, *time: int) -> datetime:
    return datetime(day.year, day.month, day.day, *time, tzinfo=COMPANY_ZONE)


@pytest.mark.parametrize("day", [SHIPPED, OTHER], ids=str)
def test_a_case_of_one_and_a_half_million_is_graver_from_the_day_on_and_not_before(tmp_path: Path, day: date) -> None:
    policies = folder(tmp_path, day)
    last, first = moment(day - timedelta(days=1), 23, 59, 59), moment(day, 0, 0)
    assert graded(policies, (last, "1500000")) == [{"R17-serious"}]
    assert graded(policies, (first, "1500000")) == [{"R17-gravest"}]
    # what was given before the day counts: the same hospital, a yuan later, by another representative
    assert graded(policies, (last, "1499999"), (first, "1")) == [{"R17-serious"}, {"R17-gravest"}]
    # the company's day decides, not that of another zone
    utc = first.astimezone(SHANGHAI.zone).astimezone().isoformat()
    assert graded(policies, (datetime.fromisoformat(utc), "1500000")) == [{"R17-gravest"}]


def test_the_shipped_text_switches_on_the_first_of_june() -> None:
    sums = ("999999.99", "1000000", "1999999.99", "2000000")
    before = [graded(POLICIES, (moment(date(2025, 5, 31), 12), amount))[0] for amount in sums]
    after = [graded(POLICIES, (moment(SHIPPED, 12), amount))[0] for amount in sums]
    assert before == [{"R17-serious"}, {"R17-serious"}, {"R17-serious"}, {"R17-gravest"}]
    assert after == [{"R17-serious"}, {"R17-gravest"}, {"R17-gravest"}, {"R17-gravest"}]
