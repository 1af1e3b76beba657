"""The pack on a simulated company: what hits is what was planted, or what is counted by hand."""

from collections import defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
from rule_world import SHANGHAI

from agents.compliance.nodes import Frame
from agents.compliance.world import MemoryHistory, References, World
from agents.intake.directory import Directory
from agents.intake.locating import CheckIns, Locator
from schemas.events import EVENT_MODELS
from streams import compliance_policy
from streams.simulator.labels import labels
from streams.simulator.world import COMPANY_ZONE, Plan, Simulation

ROOT = Path(__file__).parents[2]
START, END = date(2026, 7, 1), datetime(2026, 7, 22, tzinfo=COMPANY_ZONE)


@lru_cache
def judged() -> tuple[dict[str, set[str]], list[tuple[str, dict[str, Any]]], set[str], dict[str, Any]]:
    """Ids of the events each rule hits, the raw events, those that are made up, and the doctors."""
    simulation = Simulation(Plan(START, END, seed=7, reps=30))
    raw = [(made.kind, orjson.loads(made.value)) for made in simulation.events() if made.kind != "market"]
    rows: dict[str, list[Any]] = defaultdict(list)
    for row in simulation.references():
        rows[row.kind_name].append(row)
    pack = compliance_policy.load(ROOT / "policies", SHANGHAI)
    history = MemoryHistory()
    directory, locator, check_ins = Directory(rows), Locator(SHANGHAI), CheckIns()
    world = World(References(rows, directory), history, SHANGHAI, pack.lists)
    hits: dict[str, set[str]] = defaultdict(set)
    for kind, fields in raw:
        event = EVENT_MODELS[kind].model_validate(fields)
        if kind == "visit":
            moment = SHANGHAI.microseconds(event.check_in_at)
            before = check_ins.check_in_before(event.rep_id, moment, event.event_id)
            check_ins.add(event.rep_id, event.event_id, locator.note(event, directory, before).check_in)
        frame = Frame(event, world)
        for entry in pack.entries:
            if entry.compiled.judge(frame) == "hit":
                hits[entry.rule.id].add(event.event_id)
        history.add(event)
    stories = labels(simulation)["stories"]
    faked = {event_id for story in stories for event_id in story.get("event_ids", ())}
    return hits, raw, faked, {row.hcp_id: row.segment for row in rows["hcp"]}


def visits() -> list[dict[str, Any]]:
    return [fields for kind, fields in judged()[1] if kind == "visit"]


def test_visits_made_up_at_home_are_found_and_nothing_else() -> None:
    hits, _, faked, _ = judged()
    assert len(faked) > 50
    assert hits["R19-far"] == faked
    assert hits["R20"] == faked
    for rule in ("R03", "R04", "R21-overlap"):
        assert hits[rule] < faked, rule


def test_an_honest_company_breaks_no_other_rule() -> None:
    expected = {"R19-far", "R20", "R03", "R04", "R21-overlap", "R20-late", "R22", "R23", "R27"}
    assert {rule for rule, found in judged()[0].items() if found} <= expected


def test_late_reports_are_those_of_the_clock() -> None:
    late = {
        fields["event_id"]
        for fields in visits()
        if datetime.fromisoformat(fields["recorded_at"]) - datetime.fromisoformat(fields["check_out_at"])
        > timedelta(minutes=90)
    }
    assert len(late) > 50
    assert judged()[0]["R20-late"] == late


def test_too_many_visits_to_one_doctor_are_counted_in_the_order_they_happened() -> None:
    """July is one month: of every doctor the visits beyond the limit of the class hit, whoever came."""
    segments, earlier, expected = judged()[3], defaultdict[str, list[str]](list), set()
    for fields in visits():
        doctor = fields.get("hcp_id")
        if doctor is not None:
            moment = fields["occurred_at"]  # all of them with the same offset
            times = sum(one <= moment for one in earlier[doctor]) + 1
            if times > {"A": 8, "B": 4}.get(segments[doctor], 2):
                expected.add(fields["event_id"])
            earlier[doctor].append(moment)
    assert sum(map(len, earlier.values())) > 1_000
    assert judged()[0]["R23"] == expected


def test_entertainment_is_held_against_the_sales_of_the_representative() -> None:
    spent: dict[str, Decimal] = defaultdict(Decimal)
    sold: dict[str, Decimal] = defaultdict(Decimal)
    expected = set()
    for kind, fields in judged()[1]:
        rep = fields["rep_id"]
        if kind == "sale":
            sold[rep] += Decimal(str(fields["amount"]))
        elif kind == "activity" and fields["kind"] == "meal":
            spent[rep] += Decimal(str(fields["amount"]))
            if spent[rep] > sold[rep] * Decimal("0.005"):
                expected.add(fields["event_id"])
    assert judged()[0]["R27"] == expected
