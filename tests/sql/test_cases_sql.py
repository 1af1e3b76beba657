"""Cases in ClickHouse: the audit trail written and read back, and every view against a plain loop."""

import random
import re
import statistics
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alert_rows import NOW, alert, alert_id, store
from clickhouse_connect.driver.client import Client
from pydantic import SecretStr

from agents.cases.chain import Checker, Head, head_after, sealed
from agents.cases.deciding import Circumstances, Opening, decide, opened
from agents.cases.state import CaseState, applied
from schemas.alerts import Alert
from schemas.cases import CaseCommand, CaseEvent, Person
from schemas.reference import Rep
from streams import cases_view
from streams.clickhouse import connect
from streams.desk import audit
from streams.errors import InvalidError, UsageError
from streams.migrate import migrate
from streams.references import publish

SEVERITIES = ("prohibited", "avoid", "monitor")
DOCUMENT = Path(__file__).parents[2] / "docs" / "cases.md"
POINTS = {"prohibited": 20, "avoid": 5, "monitor": 1}


class Trail:
    """Alerts and what was done with them, as a desk writes it down."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.events: list[CaseEvent] = []
        self._heads: dict[int, Head] = {}
        self._cases: dict[str, CaseState] = {}
        self._commands = 0

    def open(self, name: object, **more: Any) -> str:
        one = alert(name, **more)
        self.alerts.append(one)
        case = self._cases[one.alert_id] = CaseState(one.alert_id)
        self._add(opened(case, Opening(one.alert_id, one.rule_id, one.rep_id, one.raised_at)), one.raised_at)
        return one.alert_id

    def do(self, case_id: str, action: str, at: datetime, person: str = "ann", **more: Any) -> None:
        self._commands += 1
        role = more.pop("role", "compliance")
        fields = {"command_id": f"c{self._commands}", "case_id": case_id, "action": action, "at": at, **more}
        command = CaseCommand.model_validate({**fields, "by": Person(person_id=person, role=role)})
        around = Circumstances(at, timedelta(), lambda other: other in self._cases)
        self._add(decide(self._cases[case_id], command, around), at)

    def _add(self, content: Any, at: datetime) -> None:
        assert content is not None
        chain = int(content["case_id"][0], 16) % 2
        event = sealed(content, chain, self._heads.get(chain, Head()), at)
        self._heads[chain] = head_after(event)
        self._cases[event.case_id] = applied(self._cases[event.case_id], event)
        self.events.append(event)


@pytest.fixture(scope="module")
def trail() -> Trail:
    """Sixty cases of four rules and six reps, worked at random."""
    choice, made = random.Random(7), Trail()
    raised = datetime.now(UTC).replace(microsecond=123_000) - timedelta(days=2)
    ids = []
    for number in range(60):
        occurred = raised - timedelta(days=choice.choice([0, 1, 30, 90, 200]), seconds=choice.randrange(9_000))
        more = {"rule_id": f"R{number % 4:02}", "rep_id": f"R{number % 6}", "severity": SEVERITIES[number % 3]}
        ids.append(made.open(number, **more, occurred_at=occurred, raised_at=raised))
    at = raised
    for _ in range(240):
        at += timedelta(seconds=choice.randrange(1, 600), microseconds=choice.randrange(10**6))
        action = choice.choice(
            ["acknowledge", "assign", "review", "need_more", "close", "close", "reopen", "link", "note"]
        )
        verdict = choice.choice(["valid", "false_alarm", "tolerated"])
        more = {"to": choice.choice("xy"), "verdict": verdict, "other_case_id": choice.choice(ids)}
        role = choice.choice(["compliance", "compliance", "compliance", "rep"])
        remark = choice.choice(["第一", "二"]) if action in {"close", "reopen", "need_more", "note"} else None
        made.do(choice.choice(ids), action, at, choice.choice(["ann", "bob"]), role=role, remark=remark, **more)
    assert {event.outcome for event in made.events} == {"done", "refused"}
    return made


@pytest.fixture(scope="module")
def filled(clickhouse_url: SecretStr, trail: Trail) -> Iterator[Client]:
    """A database with the trail in it, that no test changes."""
    with closing(connect(clickhouse_url, database="default")) as server:
        server.command("CREATE DATABASE test_cases")
        with closing(connect(clickhouse_url, database="test_cases")) as client:
            migrate(client)
            fill(client, trail)
            publish(client, [Rep(rep_id="R9", name="新人", team_id="T1")], "ops")
            yield client
        server.command("DROP DATABASE test_cases")


def fill(client: Client, trail: Trail) -> None:
    store(client, trail.alerts)
    store(client, trail.alerts[:5], version=2)
    audit.write(client, trail.events)
    audit.write(client, trail.events[10:30])  # a desk that took over wrote them again


def named(client: Client, statement: str) -> list[dict[str, Any]]:
    rows: Iterable[dict[str, Any]] = client.query(statement, tz_mode="aware").named_results()
    return list(rows)


def expected_cases(trail: Trail) -> dict[str, dict[str, Any]]:
    """What a person would write on the cover of each file."""
    covers: dict[str, dict[str, Any]] = {}
    for one in trail.alerts:
        blank = {"state": "open", "verdict": "", "assignee": "", "acknowledged_at": None, "acknowledged_by": ""}
        blank |= {"closed_at": None, "closed_by": "", "remark": "", "reopened": 0, "changed_at": one.raised_at}
        covers[one.alert_id] = {**blank, "linked": set[str]()}
    for event in trail.events:
        if event.outcome == "done" and event.by is not None:
            note_down(covers, event, event.by.person_id)
    return covers


def note_down(covers: dict[str, dict[str, Any]], event: CaseEvent, who: str) -> None:
    cover, at = covers[event.case_id], event.recorded_at
    cover |= {"changed_at": at, "remark": event.remark or cover["remark"]}
    if event.action in {"acknowledge", "review", "need_more", "close"} and cover["acknowledged_at"] is None:
        cover |= {"acknowledged_at": at, "acknowledged_by": who}
    match event.action:
        case "review":
            cover |= {"state": "in_review", "assignee": cover["assignee"] or who}
        case "need_more":
            cover |= {"state": "needs_more"}
        case "close":
            cover |= {"state": "closed", "verdict": event.verdict, "closed_at": at, "closed_by": who}
        case "reopen":
            cover |= {
                "state": "open",
                "verdict": "",
                "closed_at": None,
                "closed_by": "",
                "reopened": cover["reopened"] + 1,
            }
        case "assign":
            cover |= {"assignee": event.assignee}
        case "link":
            assert event.other_case_id
            cover["linked"].add(event.other_case_id)
            covers[event.other_case_id]["linked"].add(event.case_id)


def test_case_log_is_the_cover_of_each_file(filled: Client, trail: Trail) -> None:
    rows = {row["case_id"]: row for row in named(filled, "SELECT * FROM case_log")}
    covers = expected_cases(trail)
    found = {
        key: {**{name: row[name] for name in covers[key]}, "linked": set(row["linked"])} for key, row in rows.items()
    }
    assert found == covers
    states = {cover["state"] for cover in covers.values()}
    assert states == {"open", "in_review", "needs_more", "closed"}
    by_id = {one.alert_id: one for one in trail.alerts}
    for key, row in rows.items():
        one = by_id[key]
        assert (row["rule_id"], row["severity"], row["colour"]) == (one.rule_id, one.severity, one.colour)
        assert (row["message_zh"], row["message_en"]) == (one.message.zh, one.message.en)
        assert (row["occurred_at"], row["raised_at"]) == (one.occurred_at, one.raised_at)
        places = (row["rep_id"], row["team_id"], row["region_id"], row["event_id"], row["hcp_id"])
        assert places == (one.rep_id, "T1", "N", one.event_id, "")


def test_a_stored_alert_is_an_open_case_before_the_desk_saw_it(database: Client) -> None:
    store(database, [alert("new")])
    (row,) = named(database, "SELECT state, acknowledged_at, changed_at, linked FROM case_log")
    assert row == {"state": "open", "acknowledged_at": None, "changed_at": NOW, "linked": []}


def test_the_timeline_holds_every_row_in_order(filled: Client, trail: Trail) -> None:
    rows = named(filled, "SELECT * FROM case_timeline ORDER BY case_id, number")
    expected = []
    for case_id in sorted({event.case_id for event in trail.events}):
        own = [event for event in trail.events if event.case_id == case_id]
        for number, event in enumerate(own, start=1):
            by = (event.by.person_id, event.by.role) if event.by else ("", "")
            what = (
                event.action,
                event.outcome,
                event.reason or "",
                *by,
                event.remark or "",
                event.at,
                event.recorded_at,
            )
            rest = (event.state, event.verdict or "", event.assignee or "", event.other_case_id or "")
            expected.append((case_id, number, *what, *rest, event.chain, event.number))
    names = ("case_id", "number", "action", "outcome", "reason", "by_id", "by_role", "remark", "at", "recorded_at")
    names += ("state", "verdict", "assignee", "other_case_id", "chain", "chain_number")
    assert [tuple(row[name] for name in names) for row in rows] == expected


def test_precision_of_each_rule(filled: Client, trail: Trail) -> None:
    covers, counted = expected_cases(trail), defaultdict[str, defaultdict[str, int]](lambda: defaultdict(int))
    for one in trail.alerts:
        cover = covers[one.alert_id]
        counted[one.rule_id]["alerts"] += 1
        counted[one.rule_id]["closed" if cover["state"] == "closed" else "open"] += 1
        counted[one.rule_id][{"false_alarm": "false_alarms"}.get(cover["verdict"], cover["verdict"])] += 1
    rows = named(filled, "SELECT * FROM rule_precision ORDER BY rule_id")
    assert [row["rule_id"] for row in rows] == sorted(counted)
    for row in rows:
        want = counted[row["rule_id"]]
        names = ("alerts", "open", "closed", "valid", "false_alarms", "tolerated")
        assert [row[name] for name in names] == [want[name] for name in names]
        share = Decimal(want["valid"]) / Decimal(want["valid"] + want["false_alarms"])
        assert row["precision"] == share.quantize(Decimal("0.000001"))


def test_precision_is_empty_while_nobody_judged(database: Client) -> None:
    trail = Trail()
    trail.do(trail.open(1), "close", NOW + timedelta(hours=1), verdict="tolerated", remark="r")
    store(database, trail.alerts)
    audit.write(database, trail.events)
    (row,) = named(database, "SELECT * FROM rule_precision")
    assert (row["closed"], row["tolerated"], row["precision"]) == (1, 1, None)


def test_response_times_of_each_rule_and_colour(filled: Client, trail: Trail) -> None:
    covers, times = expected_cases(trail), defaultdict[tuple[str, str], list[list[float]]](lambda: [[], []])
    counted: defaultdict[tuple[str, str], int] = defaultdict(int)
    for one in trail.alerts:
        key = (one.rule_id, one.colour)
        counted[key] += 1
        for place, name in enumerate(("acknowledged_at", "closed_at")):
            if (moment := covers[one.alert_id][name]) is not None:
                times[key][place].append((moment - one.raised_at).total_seconds() / 60)
    rows = named(filled, "SELECT * FROM case_response_times")
    assert {(row["rule_id"], row["colour"]): row["cases"] for row in rows} == counted
    for row in rows:
        for minutes, name, count in zip(
            times[row["rule_id"], row["colour"]],
            ("minutes_to_acknowledge", "minutes_to_close"),
            ("acknowledged", "closed"),
            strict=True,
        ):
            assert row[count] == len(minutes)
            assert row[f"{name}_p50"] == pytest.approx(statistics.median(minutes))
            assert row[f"{name}_p95"] == pytest.approx(percentile(minutes, 0.95))


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def test_the_score_is_kpi_21(filled: Client, trail: Trail) -> None:
    rows = {row["rep_id"]: row for row in named(filled, "SELECT *, now64(6, 'UTC') AS now FROM compliance_scores")}
    covers = expected_cases(trail)
    assert set(rows) == {*(one.rep_id for one in trail.alerts), "R9"}
    for rep_id, row in rows.items():
        own = [one for one in trail.alerts if one.rep_id == rep_id]
        counting = [one for one in own if covers[one.alert_id]["verdict"] != "false_alarm"]
        days = [(row["now"] - one.occurred_at).total_seconds() / 86_400 for one in counting]
        lost = sum(POINTS[one.severity] * 2 ** (-age / 90) for one, age in zip(counting, days, strict=True))
        assert float(row["score"]) == pytest.approx(max(0.0, 100 - lost), abs=1e-4)
        red = [one for one in own if one.colour == "red" and covers[one.alert_id]["state"] != "closed"]
        assert (row["breaches"], row["red_open"]) == (len(counting), len(red))
    assert rows["R9"]["score"] == 100
    assert min(row["score"] for row in rows.values()) == 0
    assert any(0 < row["score"] < 100 for row in rows.values())


def test_the_documented_question_gives_the_score_of_another_day(filled: Client, trail: Trail) -> None:
    (statement,) = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), flags=re.DOTALL)
    then = (datetime.now(UTC) - timedelta(days=40)).replace(microsecond=0)
    asked, count = re.subn(r"2026-03-31 16:00:00", f"{then:%Y-%m-%d %H:%M:%S}", statement)
    assert count == 1
    covers, lost = expected_cases(trail), defaultdict[str, float](float)
    for one in trail.alerts:
        if one.occurred_at <= then and covers[one.alert_id]["verdict"] != "false_alarm":
            age = (then - one.occurred_at).total_seconds() / 86_400
            lost[one.rep_id] += POINTS[one.severity] * 2 ** (-age / 90)
    found = {row["rep_id"]: float(row["score"]) for row in named(filled, asked)}
    assert found == pytest.approx({rep_id: max(0.0, 100 - off) for rep_id, off in lost.items()}, abs=1e-3)
    assert len(found) >= 4


def test_a_dismissed_case_gives_its_points_back(database: Client) -> None:
    trail, now = Trail(), datetime.now(UTC)
    case_id = trail.open(1, occurred_at=now - timedelta(days=90), raised_at=now - timedelta(days=80))
    store(database, trail.alerts)
    score = "SELECT round(score, 2) FROM compliance_scores WHERE rep_id = 'R1'"
    assert database.query(score).first_row[0] == Decimal("90.00")  # 20 points, half of them left after 90 days
    trail.do(case_id, "close", now - timedelta(hours=1), verdict="false_alarm", remark="r")
    audit.write(database, trail.events)
    assert database.query(score).first_row[0] == 100
    trail.do(case_id, "reopen", now - timedelta(minutes=1), remark="r")
    audit.write(database, trail.events)
    assert database.query(score).first_row[0] == Decimal("90.00")


def test_the_trail_comes_back_as_it_was_written_and_holds(filled: Client, trail: Trail) -> None:
    rows, checker = list(audit.every_row(filled)), Checker()
    assert rows == sorted(trail.events, key=lambda event: (event.chain, event.number))
    for event in rows:
        checker.add(event)
    assert [one.broken_at for one in checker.chains.values()] == [None, None]
    assert list(audit.every_row(filled, 1)) == [event for event in rows if event.chain == 1]
    last = max((event for event in rows if event.chain == 1), key=lambda event: event.number)
    assert audit.head(filled, 1) == head_after(last)
    assert audit.head(filled, 5) == Head()


def test_a_trail_is_read_in_pages(filled: Client, trail: Trail, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "_ROWS_AT_ONCE", 7)
    assert len(list(audit.every_row(filled))) == len(trail.events)


def test_tampering_in_the_table_is_found(database: Client, trail: Trail) -> None:
    fill(database, trail)
    victim = next(event for event in trail.events if event.chain == 0 and event.number == 9)
    audit.write(database, [victim.model_copy(update={"remark": "I was never here"})])
    checker = Checker()
    for event in audit.every_row(database, 0):
        checker.add(event)
    assert checker.chains[0].broken_at == 9
    database.command(
        "INSERT INTO case_audit SELECT * REPLACE ('burnt' AS state) FROM case_audit WHERE number = 4 AND chain = 1"
    )
    with pytest.raises(InvalidError, match="chain 1 is broken at row 4: changed: state: Input should be 'open'"):
        list(audit.every_row(database, 1))


def test_answers_trails_and_openings_are_found(filled: Client, trail: Trail) -> None:
    event = trail.events[100]
    assert audit.answer(filled, event.case_id, event.command_id) == event
    assert audit.answer(filled, event.case_id, "other") is None
    wanted = [one.alert_id for one in trail.alerts]
    found = audit.trails(filled, [*wanted, "f" * 32])
    assert found == {case_id: [event for event in trail.events if event.case_id == case_id] for case_id in wanted}
    one = trail.alerts[0]
    assert audit.openings(filled, [one.alert_id, "f" * 32]) == [
        Opening(one.alert_id, one.rule_id, one.rep_id, one.raised_at)
    ]
    assert audit.known(filled, [one.alert_id, "f" * 32, "' OR 1 = 1"]) == {one.alert_id}


def test_alerts_without_a_case_are_found(database: Client, trail: Trail) -> None:
    fill(database, trail)
    assert (audit.unopened(database, 10), audit.count_unopened(database)) == ([], 0)
    late = [alert("late", raised_at=NOW + timedelta(seconds=5)), alert("early")]
    store(database, late)
    store(database, late, version=2)
    assert [item.case_id for item in audit.unopened(database, 10)] == [alert_id("early"), alert_id("late")]
    assert len(audit.unopened(database, 1)) == 1
    assert audit.count_unopened(database) == 2


def test_cases_are_listed_the_worst_first_and_by_every_filter(filled: Client, trail: Trail) -> None:
    covers = expected_cases(trail)
    rows = cases_view.cases(filled, cases_view.Asked(limit=1_000))
    order = [(row["state"] == "closed", ("red", "amber", "yellow").index(row["colour"])) for row in rows]
    assert order == sorted(order)
    assert len(rows) == 60
    asked = cases_view.Asked(colour="red", state="closed", rule="R00", rep="R0", region="N", limit=1_000)
    wanted = {
        one.alert_id
        for one in trail.alerts
        if (one.colour, one.rule_id, one.rep_id) == ("red", "R00", "R0") and covers[one.alert_id]["state"] == "closed"
    }
    assert {row["case_id"] for row in cases_view.cases(filled, asked)} == wanted != set()
    assert cases_view.cases(filled, cases_view.Asked(region="S")) == []
    mine = {key for key, cover in covers.items() if cover["assignee"] == "x"}
    assert {row["case_id"] for row in cases_view.cases(filled, cases_view.Asked(assignee="x"))} == mine != set()
    counts = cases_view.counts(filled)
    assert counts.alerts == {"red": 20, "amber": 20, "yellow": 20}
    still = [one.colour for one in trail.alerts if covers[one.alert_id]["state"] != "closed"]
    assert counts.open == {colour: still.count(colour) for colour in ("red", "amber", "yellow")}


def test_a_case_is_found_by_the_beginning_of_its_id(filled: Client, trail: Trail) -> None:
    one = trail.alerts[3]
    assert cases_view.full_id(filled, one.alert_id[:10].upper()) == one.alert_id
    whole = cases_view.case(filled, one.alert_id)
    assert whole["basis"] == [{"article": "第四条", "source": "反不正当竞争法", "note": None}]
    assert whole["explanation"]["parts"] == [{"text": "a", "value": "2", "parts": []}]
    assert len(whole["timeline"]) == sum(event.case_id == one.alert_id for event in trail.events)
    for wrong, why in {"xyz": "is no id", "": "is no id", "f" * 20: "no case starts", "f" * 33: "is no id"}.items():
        with pytest.raises(UsageError, match=why):
            cases_view.full_id(filled, wrong)
    with pytest.raises(UsageError, match="no case has the id"):
        cases_view.case(filled, "f" * 32)
