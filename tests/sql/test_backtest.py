"""Drafts held against stored history: counts and samples worked out by hand with loops over the same events."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client

from agents.intake.touches import as_text
from agents.progress.calendar import CompanyTime
from schemas.events import Activity, Visit
from schemas.reference import OrganisationNode, Rep
from schemas.rows import EVENT_TABLES
from streams import backtest_run, references, rule_lifecycle, rule_lists
from streams.backtest import GAINED, IN_FORCE, LOST, Count
from streams.errors import UsageError
from streams.policies import PolicyError

ZONE = ZoneInfo("Asia/Shanghai")
TIME = CompanyTime("Asia/Shanghai")
FIRST, LAST = date(2026, 3, 1), date(2026, 3, 31)
HEAD = """\
examples:
  events:
    activity: {occurred_at: 2026-03-04T12:00:00+08:00, source: s, rep_id: R1, kind: meal, amount: 700, venue: 温泉}
    visit: {occurred_at: 2026-03-04T12:00:00+08:00, check_in_at: 2026-03-04T12:00:00+08:00, source: s, rep_id: R1,
            institution_id: I1, hcp_id: H1, channel: phone}
rules:
"""
RULE = """\
  - id: %s
    title: {zh: 规则, en: Rule}
    severity: 回避
    scope: {events: [%s]}
    when: %s
    message: {zh: "{rep_id}", en: "by {rep_id}"}
    basis: [{article: a, source: s}]
    effective_from: 2020-01-01
    owner: compliance
    tests: [%s]
"""
MONEY_TESTS = (
    "{case: a, expect: hit}, {case: b, expect: hit}, "
    "{case: c, expect: miss, event: {amount: 1}}, {case: d, expect: miss, event: {amount: 2}}"
)
PAST_VISITS = "[{times: 9, occurred_at: 2026-03-03T12:00:00+08:00, check_in_at: 2026-03-03T12:00:00+08:00}]"
OFTEN_TESTS = (
    f"{{case: a, expect: hit, past: {PAST_VISITS}}}, {{case: b, expect: hit, past: {PAST_VISITS}}}, "
    "{case: c, expect: miss}, {case: d, expect: miss}"
)
LISTS = "lists:\n  - id: venues\n    title: {zh: 场所, en: Venues}\n    values: [温泉]\n"


def money(most: int, venues: str = "venues") -> str:
    return RULE % ("MONEY", "activity", f'amount > {most} and in_list("{venues}", venue)', MONEY_TESTS)


def often(number: int) -> str:
    when = f"count(v for v in visits(last(30 * days), hcp=hcp_id)) >= {number}"
    return RULE % ("OFTEN", "visit", when, OFTEN_TESTS)


def write(folder: Path, *rules: str, lists: str = LISTS) -> Path:
    (folder / "compliance").mkdir(parents=True, exist_ok=True)
    (folder / "compliance" / "money.yaml").write_text(HEAD + "".join(rules), "utf-8")
    (folder / "compliance" / "lists.yaml").write_text(lists, "utf-8")
    return folder


def activity(number: int, rep: str, amount: int, day: date, venue: str = "温泉") -> Activity:
    moment = datetime(day.year, day.month, day.day, 12, tzinfo=ZONE)
    return Activity.model_validate(
        {"event_id": f"A{number}", "source": "s", "rep_id": rep, "occurred_at": moment, "kind": "meal"}
        | {"amount": amount, "venue": venue}
    )


def visit(number: int, rep: str, hcp: str, day: date) -> Visit:
    moment = datetime(day.year, day.month, day.day, 9, number % 60, tzinfo=ZONE)
    return Visit.model_validate(
        {"event_id": f"V{number}", "source": "s", "rep_id": rep, "occurred_at": moment, "check_in_at": moment}
        | {"institution_id": "I1", "hcp_id": hcp, "channel": "phone"}
    )


#: In the order in which they arrived; A4 comes late, A1 and A8 are not in March, A7 is elsewhere.
ACTIVITIES = [
    activity(number, f"R{number % 3}", amount, day, "食堂" if number == 7 else "温泉")
    for number, (amount, day) in enumerate(
        [
            (150, date(2026, 3, 1)),
            (400, date(2026, 2, 28)),
            (250, date(2026, 3, 10)),
            (350, date(2026, 3, 12)),
            (350, date(2026, 3, 2)),
            (500, date(2026, 3, 31)),
            (201, date(2026, 3, 31)),
            (900, date(2026, 3, 20)),
            (900, date(2026, 4, 1)),
        ]
    )
]
#: Two professionals, a visit every third day from the middle of February; two representatives take turns.
VISITS = [
    visit(number, f"R{number % 2}", f"H{number % 2}" if number % 5 else "H0", date(2026, 2, 10) + timedelta(number * 3))
    for number in range(17)
]


def store(client: Client, events: Sequence[Any]) -> None:
    """Rows of a single partition, in the order of the offsets."""
    kind = events[0].kind_name
    table = EVENT_TABLES[kind]
    rows = [(*table.to_row(event), day_of(event), 1, 0, offset, []) for offset, event in enumerate(events)]
    columns = [
        pa.array(values, field.type)
        for values, field in zip(zip(*rows, strict=True), table.arrow_schema(), strict=True)
    ]
    client.insert_arrow(table.table, pa.Table.from_arrays(columns, schema=table.arrow_schema()))


def day_of(event: Any) -> date:
    return event.occurred_at.astimezone(ZONE).date()


@pytest.fixture
def stored(database: Client, tmp_path: Path) -> Client:
    nodes = [
        OrganisationNode(node_id="CO", name="CO", level="company"),
        *(OrganisationNode(node_id=name, name=name, level="region", parent_id="CO") for name in ("EAST", "WEST")),
        *(OrganisationNode(node_id=f"{name}-1", name=name, level="team", parent_id=name) for name in ("EAST", "WEST")),
    ]
    reps = [Rep(rep_id=f"R{n}", name=f"R{n}", team_id="EAST-1" if n else "WEST-1") for n in range(3)]
    references.publish(database, [*nodes, *reps], "tests")
    store(database, ACTIVITIES)
    store(database, VISITS)
    folder = write(tmp_path / "now", money(300), often(3))
    rule_lifecycle.submit(database, folder, TIME, "ann")
    rule_lifecycle.approve(database, 1, TIME, "bob")
    return database


def region(rep: str) -> str:
    return "WEST" if rep == "R0" else "EAST"


def dear(most: int) -> set[str]:
    """Ids of dear activities in March, by a loop."""
    return {
        event.event_id
        for event in ACTIVITIES
        if event.amount > most and event.venue == "温泉" and FIRST <= day_of(event) <= LAST
    }


def frequent(number: int) -> set[str]:
    """Ids of visits in March to somebody with that many visits in the thirty days before, by a loop."""
    return {
        one.event_id
        for index, one in enumerate(VISITS)
        if FIRST <= day_of(one) <= LAST
        and sum(
            other.hcp_id == one.hcp_id and one.occurred_at - timedelta(days=30) <= other.occurred_at
            for other in VISITS[:index]
        )
        >= number
    }


def by_region(events: Sequence[Any], now: set[str], then: set[str]) -> dict[str, Count]:
    found: dict[str, Count] = {}
    for event in events:
        if event.event_id in now | then:
            before, after = event.event_id in now, event.event_id in then
            count = found.setdefault(region(event.rep_id), Count())
            count += Count(before, after, after and not before, before and not after)
    return found


def test_the_rules_in_force_alone(stored: Client) -> None:
    tested = backtest_run.run(stored, TIME, FIRST, LAST)
    outcome = tested.outcomes["live"]
    now = dear(300), frequent(3)
    assert now == ({"A3", "A4", "A5"}, frequent(3))
    assert 0 < len(now[1]) < len([one for one in VISITS if FIRST <= day_of(one) <= LAST])
    counted = {
        (rule, where): count.in_force for rule, regions in outcome.regions.items() for where, count in regions.items()
    }
    by_hand = Counter(("MONEY", region(event.rep_id)) for event in ACTIVITIES if event.event_id in now[0])
    by_hand.update(("OFTEN", region(event.rep_id)) for event in VISITS if event.event_id in now[1])
    assert counted == by_hand
    (first, *_) = outcome.samples["MONEY", IN_FORCE]
    assert (first.day, first.event_id, first.sentences["en"]) == (date(2026, 3, 2), "A4", "by R1")
    assert tested.derived == ()


def test_several_drafts_in_one_pass(stored: Client, tmp_path: Path) -> None:
    draft = tmp_path / "draft.yaml"
    draft.write_text(HEAD + money(200), "utf-8")
    folder = write(tmp_path / "then", often(4))
    outcomes = backtest_run.run(stored, TIME, FIRST, LAST, [draft, folder]).outcomes
    assert outcomes["draft"].regions == {"MONEY": by_region(ACTIVITIES, dear(300), dear(200))}
    gained = [sample.event_id for sample in outcomes["draft"].samples["MONEY", GAINED]]
    assert gained == ["A2", "A6"]
    assert outcomes["draft"].total("MONEY") == Count(3, 5, 2, 0)
    whole = outcomes["then"]
    assert whole.regions["OFTEN"] == by_region(VISITS, frequent(3), frequent(4))
    assert whole.total("OFTEN").lost > 0
    assert whole.total("MONEY") == Count(3, 0, 0, 3), "a folder without the rule takes it away"
    assert {sample.event_id for sample in whole.samples["MONEY", LOST]} == {"A3", "A4", "A5"}


def test_lists_of_a_draft_and_edits_of_those_in_force(stored: Client, tmp_path: Path) -> None:
    rule_lists.add(stored, "venues", ["食堂"], "ann", "too good")
    same = write(tmp_path / "same", money(300), often(3))
    other = write(tmp_path / "other", money(300), often(3), lists=LISTS.replace("[温泉]", "[温泉, 酒吧]"))
    outcomes = backtest_run.run(stored, TIME, FIRST, LAST, [same, other]).outcomes
    assert outcomes["same"].total("MONEY") == Count(4, 4, 0, 0)
    assert outcomes["other"].total("MONEY") == Count(4, 3, 0, 1), "its list begins anew, without the edit"


def test_what_cannot_be_tested_is_said(stored: Client, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--from 2026-03-31 lies after --to 2026-03-01"):
        backtest_run.run(stored, TIME, LAST, FIRST)
    draft = tmp_path / "draft.yaml"
    draft.write_text(HEAD + money(200).replace("amount > 200", "amout > 200"), "utf-8")
    with pytest.raises(PolicyError, match=rf"{draft}:11:11: MONEY\.when: .*amout"):
        backtest_run.run(stored, TIME, FIRST, LAST, [draft])
    draft.write_text(HEAD + money(200, "wards"), "utf-8")
    with pytest.raises(PolicyError, match="there is no list 'wards': there is venues"):
        backtest_run.run(stored, TIME, FIRST, LAST, [draft])
    with pytest.raises(UsageError, match="does not exist"):
        backtest_run.run(stored, TIME, FIRST, LAST, [tmp_path / "none.yaml"])
    stored.command("TRUNCATE TABLE rule_changes")
    with pytest.raises(UsageError, match="no rules are in force and no draft is named"):
        backtest_run.run(stored, TIME, FIRST, LAST)


def test_it_does_not_matter_in_which_order_events_came_to_whom_they_concern(stored: Client) -> None:
    came = [*VISITS[8:], *VISITS[:8]]
    for offset, one in enumerate(came):
        fields = {"subject_kind": "hcp", "subject_id": one.hcp_id, "event_kind": "visit", "rep_id": one.rep_id}
        fields |= {"event_id": one.event_id, "occurred_at": one.occurred_at, "event": as_text(one).decode()}
        row = fields | {"stream_partition": 0, "stream_offset": offset}
        stored.insert("touches", [list(row.values())], column_names=list(row))
    found: list[str] = []
    backtest_run.run(
        stored,
        TIME,
        FIRST,
        LAST,
        on_hits=lambda hits: found.extend(hit.event.event_id for hit in hits if hit.rule.rule.id == "OFTEN"),
    )
    assert len(found) == len(set(found))
    assert set(found) == frequent(3)
