"""Alerts under crashes: whatever happens, every breach is told, once, and as it would have been on a quiet day."""

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from field_force import Message
from simulated_engine import NOW, SimulatedEngine
from small_company import policy

from agents.compliance.rule_book import LIVE, RuleBook, RuleSet, Snooze
from agents.compliance.rules import compile_rule
from agents.progress.groups import MICRO
from schemas.compliance import Rule
from schemas.events import EVENT_MODELS
from schemas.policy import KpiPolicy
from schemas.reference import Hcp, Institution, Reference, Rep
from schemas.rows import EVENT_TABLES
from streams.engine.checkpoint import needs_checkpoint
from streams.topics import ALERTS

SHANGHAI = ZoneInfo("Asia/Shanghai")


def rule(name: str, kind: str, when: str, **more: Any) -> Rule:
    base = {
        "id": name,
        "title": {"zh": name, "en": name},
        "severity": "avoid",
        "scope": {"events": [kind]},
        "when": when,
        "message": {"zh": "{rep_id}", "en": "{rep_id}"},
        "basis": [{"article": "1", "source": "law"}],
        "effective_from": "2020-01-01",
        "owner": "compliance",
        "tests": [{"case": str(n), "expect": e} for n, e in enumerate(("hit", "hit", "miss", "miss"))],
    }
    return Rule.model_validate(base | more)


GIVEN = "sum(a.amount for a in activities(this_year, institution=institution_id))"
RULES = (
    rule("PLAIN", "visit", 'channel == "phone"'),
    rule("BUSY", "visit", "count(v for v in visits(last(3 * days))) >= 2"),
    rule("BUSY-DAY", "visit", "count(v for v in visits(today)) >= 1", once_per="day"),
    rule("OFTEN", "visit", "count(v for v in visits(this_month, hcp=hcp_id)) >= 3", once_per="month"),
    rule(
        "VALUE", "activity", "sum(a.amount for a in activities(this_year, institution=institution_id)) + amount >= 500"
    ),
    rule("IDLE", "activity", "count(v for v in visits(this_month)) < 4"),
)
BOOK = RuleBook(
    3,
    RuleSet(LIVE, 3, tuple(map(compile_rule, RULES))),
    (RuleSet("stricter", 2, (compile_rule(rule("PLAIN", "visit", 'channel in ["phone", "video"]')),)),),
    snoozes=(Snooze("PLAIN", "rep", "R1", date(2026, 2, 24), "ann", "agreed"),),
)


def references() -> list[Reference]:
    reps = [Rep(rep_id=f"R{n}", name=f"R{n}") for n in range(6)]
    hcps = [Hcp(hcp_id=f"H{n}", name=f"H{n}") for n in range(4)]
    return [
        *reps,
        *hcps,
        *(Institution(institution_id=f"I{n}", name=f"I{n}") for n in range(3)),
    ]


def messages(seed: int) -> list[Message]:
    """Visits and spending of February; some come twice."""
    rng, found = random.Random(seed), []
    for number in range(120):
        moment = NOW - timedelta(minutes=rng.randrange(60 * 24 * 28), seconds=number % 60)
        event: dict[str, Any] = {
            "event_id": f"E{number}",
            "source": "crm",
            "rep_id": f"R{rng.randrange(6)}",
            "institution_id": f"I{rng.randrange(3)}",
            "occurred_at": moment.isoformat(),
        }
        if rng.random() < 0.7:
            channel = rng.choice(["face_to_face", "phone", "video"])
            event |= {"hcp_id": f"H{rng.randrange(4)}", "check_in_at": event["occurred_at"], "channel": channel}
            topic = EVENT_MODELS["visit"].topic
        else:
            event |= {"kind": "meal", "amount": rng.randrange(1, 200)}
            topic = EVENT_MODELS["activity"].topic
        found.append(Message(topic, event["rep_id"], orjson.dumps(event)))
        if rng.random() < 0.15:
            found.append(rng.choice(found))
    return found


def told(engine: SimulatedEngine) -> dict[str, set[bytes]]:
    """What the topic `alerts` says of each alert, when it was judged aside."""
    found: dict[str, set[bytes]] = defaultdict(set)
    for (topic, _), records in engine.log.items():
        for record in records if topic == ALERTS else ():
            content = orjson.loads(record.value or b"")
            content.pop("raised_at")
            found[content["alert_id"]].add(orjson.dumps(content))
    return dict(found)


def disturbed(seed: int) -> SimulatedEngine:
    sent = messages(seed)
    engine = SimulatedEngine(small_policy(), references(), sent, 3, seed, rules=BOOK)
    rng = random.Random(-seed - 1)
    for _ in range(150):
        number = rng.randrange(3)
        what = rng.random()
        if what < 0.6:
            engine.take(number, rng.choice(["visits", "activities", "touches", "nodes"]), rng.randint(1, 12))
        elif what < 0.75:
            engine.checkpoint(number)
        elif what < 0.9:
            engine.checkpoint(number, rng.choice(["before", "after rows", "after messages", "after commit"]))
        elif what < 0.94:
            engine.lose_shard(number)
        elif what < 0.97:
            engine.set_back(number)
        else:
            engine.owned[number] = engine.open(number)
    engine.drain()
    return engine


def small_policy() -> KpiPolicy:
    return policy("{id: visits, source: visit, aggregate: count, unit: count, periods: [month]}")


def by_hand(engine: SimulatedEngine) -> set[tuple[str, str, str]]:
    """Rule, subject and evidence (event or period) of every alert there must be, with plain loops in order of time."""
    events: dict[tuple[str, str, str], Any] = {}
    for number in range(engine.partitions):
        for topic, kind in (("visits", "visit"), ("activities", "activity")):
            for record in engine.log[topic, number]:
                content = orjson.loads(record.value or b"")
                events.setdefault((kind, content["rep_id"], content["event_id"]), content)
    found: set[tuple[str, str, str]] = set()
    for (kind, *_), content in events.items():
        before = [(k, one) for (k, *_), one in events.items() if one is not content and moment(one) < moment(content)]
        found |= set(of_visit(content, before) if kind == "visit" else of_activity(content, before))
    return found


def moment(content: Any) -> datetime:
    return datetime.fromisoformat(content["occurred_at"]).astimezone(SHANGHAI)


def of_visit(content: Any, before: list[tuple[str, Any]]) -> Iterator[tuple[str, str, str]]:
    rep, name, at = content["rep_id"], content["event_id"], moment(content)
    own = [moment(one) for kind, one in before if kind == "visit" and one["rep_id"] == rep]
    if content["channel"] == "phone" and not (rep == "R1" and at.date() <= date(2026, 2, 24)):
        yield "PLAIN", rep, name
    if len([one for one in own if one >= at - timedelta(days=3)]) >= 2:
        yield "BUSY", rep, name
    if [one for one in own if one.date() == at.date()]:
        yield "BUSY-DAY", rep, at.date().isoformat()
    hcp = content["hcp_id"]
    same = [one for kind, one in before if kind == "visit" and one["hcp_id"] == hcp and moment(one).month == at.month]
    if len(same) >= 3:
        yield "OFTEN", hcp, at.date().replace(day=1).isoformat()


def of_activity(content: Any, before: list[tuple[str, Any]]) -> Iterator[tuple[str, str, str]]:
    rep, name, place, at = content["rep_id"], content["event_id"], content["institution_id"], moment(content)
    given = [Decimal(one["amount"]) for kind, one in before if kind == "activity" and one["institution_id"] == place]
    if sum(given) + Decimal(content["amount"]) >= 500:
        yield "VALUE", place, name
    visits = [one for kind, one in before if kind == "visit" and one["rep_id"] == rep and moment(one).month == at.month]
    if len(visits) < 4:
        yield "IDLE", rep, name


def raised(engine: SimulatedEngine) -> set[tuple[str, str, str]]:
    return {
        (one.rule_id, one.subject_id, one.event_id if one.period_start is None else one.period_start.isoformat())
        for one in engine.tableau.alerts.values()
    }


@pytest.mark.parametrize("seed", range(15))
def test_every_breach_is_told_once_whatever_happens(seed: int) -> None:
    quiet = SimulatedEngine(small_policy(), references(), messages(seed), 3, seed, rules=BOOK)
    quiet.drain()
    engine = disturbed(seed)
    for one in (quiet, engine):
        said, alerts = told(one), one.tableau.alerts
        assert said.keys() <= alerts.keys()
        assert {alerts[name].rule_id for name in alerts.keys() - said.keys()} <= {"IDLE"}
        # judged again after a crash by a past that grew meanwhile, an alert keeps its identity and tells newer numbers
        plain = [texts for name, texts in said.items() if one.tableau.alerts[name].rule_id == "PLAIN"]
        assert [texts for texts in plain if len(texts) != 1] == []
        # IDLE asks for what is not there: judged while visits are still to come it may say too much, never too little
        extra = {alert for alert in raised(one) - by_hand(one) if alert[0] != "IDLE"}
        assert (by_hand(one) - raised(one), extra) == (set(), set())
    assert {rule_id for rule_id, *_ in raised(engine)} == {one.id for one in RULES}
    statuses = set(engine.tableau.hits.values())
    assert {"raised", "repeated", "trial"} <= statuses <= {"raised", "repeated", "snoozed", "trial"}
    settled = [{hit for hit in one.tableau.hits if hit[1] != "IDLE"} for one in (quiet, engine)]
    assert settled[0] == settled[1]


@pytest.mark.parametrize("moment", [50, 150])
def test_what_comes_late_while_stored_events_are_read_goes_on_waiting(moment: int) -> None:
    """Other rules and reference data bring a checkpoint in between, and what it wrote was not read."""
    judging = SimulatedEngine(small_policy(), references(), [], 1, 1, rules=BOOK).owned[0].shard.judging
    judging.waiting = {("rep", "R1"): 100, ("rep", "R2"): 100}
    done = judging.begin_again(10)
    judging.late = {("rep", "R1"): moment}
    judging.settle()
    judging.judge_again([], done, NOW)
    assert judging.waiting == {("rep", "R1"): min(moment, 100)}
    judging.judge_again([], judging.begin_again(10), NOW)
    assert judging.waiting == {}


def test_hits_are_counted_once_however_often_they_are_judged() -> None:
    engine = SimulatedEngine(small_policy(), references(), messages(3), 3, 3, rules=BOOK)
    engine.drain()
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for owned in engine.owned.values():
        for (what, *rule_of), number in owned.shard.judging.judge.counts.items():
            counts[rule_of[0], rule_of[1]] += number if what == "hit" else 0
    wanted: dict[tuple[str, str], int] = defaultdict(int)
    for hit in engine.tableau.hits:
        wanted[hit[0], hit[1]] += 1
    assert len(wanted) == len(RULES) + 1
    assert counts == wanted


def test_what_an_event_broke_stands_beside_it_after_a_loss_too() -> None:
    engine = SimulatedEngine(small_policy(), references(), messages(1), 3, 1, rules=BOOK)
    engine.drain()
    engine.lose_redis()
    engine.drain()
    names = [*EVENT_TABLES["visit"].names, *(column.name for column in EVENT_TABLES["visit"].technical)]
    stored = {key: dict(zip(names, row, strict=True)) for key, row in engine.tableau.events["visit"].items()}
    live = {hit[5] for hit in engine.tableau.hits if hit[:2] == (LIVE, "PLAIN")}
    assert {name for (_, name), row in stored.items() if "PLAIN" in row["breaches"]} == live


def check_in(day: date) -> Message:
    at = f"{day}T10:00:00+08:00"
    visit = {"event_id": "V1", "source": "crm", "rep_id": "R1", "institution_id": "I1", "occurred_at": at}
    position = {"latitude": 31.2, "longitude": 121.4}
    return Message("visits", "R1", orjson.dumps(visit | {"check_in_at": at, "check_in": position}))


def stored_positions(engine: SimulatedEngine) -> list[bytes]:
    return [text for held in engine.store.shards.values() for text in held.fields.values() if b"121.4" in text]


def test_check_ins_outlast_a_shard_that_is_computed_anew() -> None:
    engine = SimulatedEngine(small_policy(), references(), [check_in(date(2026, 2, 24))], 1, 1, rules=BOOK)
    engine.drain()
    assert len(stored_positions(engine)) == 1
    engine.adopt(references(), 2)
    engine.drain()
    assert len(stored_positions(engine)) == 1
    engine.lose_worker(0)
    assert [one.longitude for one in engine.owned[0].shard.judging.journeys.of("R1")] == [121.4]


def test_check_ins_are_gone_a_day_after_the_last_came() -> None:
    """Of somebody who checks in no more, too: a raw trace may not grow old (R26)."""
    engine = SimulatedEngine(small_policy(), references(), [check_in(date(2026, 2, 24))], 1, 1, rules=BOOK)
    engine.drain()
    came = engine.now
    engine.lose_worker(0)
    engine.now = came + timedelta(hours=23)
    assert not engine.owned[0].shard.judging.journeys.is_due(engine.now)
    engine.drain()
    assert len(stored_positions(engine)) == 1
    engine.now = came + timedelta(hours=25)
    assert needs_checkpoint(engine.owned[0], engine.now)
    engine.drain()
    assert stored_positions(engine) == []
    assert engine.owned[0].shard.judging.journeys.of("R1") == []


def counted(engine: SimulatedEngine) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for _, cell in engine.tableau.cells.values():
        if cell.level == "rep" and cell.period == "month" and cell.value:
            found[cell.entity_id] += cell.value // MICRO
    return dict(found)


@pytest.mark.parametrize("seed", range(4))
def test_figures_leave_out_what_breaks_a_rule_and_stay_so_after_a_loss(seed: int) -> None:
    where = "{breaches: {not_in: [BUSY, PLAIN]}}"
    kpis = policy(f"{{id: visits, source: visit, aggregate: count, unit: count, periods: [month], where: {where}}}")
    engine = SimulatedEngine(kpis, references(), messages(seed), 3, seed, rules=BOOK)
    engine.drain()
    names = [*EVENT_TABLES["visit"].names, *(column.name for column in EVENT_TABLES["visit"].technical)]
    bad = {
        key
        for key, row in engine.tableau.events["visit"].items()
        if {"BUSY", "PLAIN"} & {*row[names.index("breaches")]}
    }
    wanted: dict[str, int] = defaultdict(int)
    for rep_id, event_id in engine.tableau.events["visit"]:
        wanted[rep_id] += (rep_id, event_id) not in bad
    assert bad
    assert counted(engine) == {rep: count for rep, count in wanted.items() if count}
    engine.lose_redis()
    engine.drain()
    assert counted(engine) == {rep: count for rep, count in wanted.items() if count}


def test_rules_that_come_later_know_what_was_before() -> None:
    """Other rules on a running engine: their past is complete; old events are judged only with new ones before them."""
    sent = messages(7)
    engine = SimulatedEngine(small_policy(), references(), sent[:90], 3, 7)
    engine.drain()
    engine.adopt_rules(BOOK)
    assert engine.tableau.alerts == {}
    for message in sent[90:]:
        engine.send(message.topic, message.key, message.value)
    engine.drain()
    new = {orjson.loads(message.value)["event_id"] for message in sent[90:]}
    old = {orjson.loads(message.value)["event_id"] for message in sent[:90]}
    whole = SimulatedEngine(small_policy(), references(), sent, 3, 7, rules=BOOK)
    whole.drain()
    wanted = {hit for hit in whole.tableau.hits if hit[5] in new - old and hit[1] != "IDLE"}
    assert {hit[1] for hit in wanted} == {"PLAIN", "BUSY", "BUSY-DAY", "OFTEN", "VALUE"}
    assert (
        wanted <= engine.tableau.hits.keys() <= whole.tableau.hits.keys()
    )  # an old one, where a new one came before it
    assert {hit[5] for hit in engine.tableau.hits if hit[1] == "PLAIN"} <= new


FED = rule("FED", "visit", "count(activities(last(90 * days), hcp=hcp_id)) >= 1")
CROWDED = rule("CROWDED", "activity", "count(visits(last(90 * days), institution=institution_id)) >= 2")
PAID = rule("PAID", "activity", "count(activities(this_year, hcp=payee_id)) >= 1")
FED_BEFORE = rule("FED", "visit", "count(activities(last(1 * days), hcp=hcp_id)) >= 1")


def event(kind: str, name: str, day: date, **fields: Any) -> Message:
    at = f"{day}T10:00:00+08:00"
    content = {"event_id": name, "source": "crm", "rep_id": "R1", "institution_id": "I1", "occurred_at": at} | fields
    content |= {"check_in_at": at} if kind == "visit" else {"kind": "meal", "amount": 1}
    return Message(EVENT_MODELS[kind].topic, content["rep_id"], orjson.dumps(content))


def book_of(*rules: Rule) -> RuleBook:
    return RuleBook(1, RuleSet(LIVE, 1, tuple(map(compile_rule, rules))))


#: A rule on events of one kind, and events before the one that hits: of another kind, or naming the person otherwise.
ELSEWHERE = {
    "another kind of a professional": (FED, [("activity", "A1", {"attendees": [{"hcp_id": "H1"}]})], {"hcp_id": "H1"}),
    "another kind of an institution": (CROWDED, [("visit", "V1", {"rep_id": "R2"}), ("visit", "V2", {})], {}),
    "named otherwise": (
        PAID,
        [("activity", "A1", {"rep_id": "R2", "attendees": [{"hcp_id": "H1"}]})],
        {"payee_kind": "hcp", "payee_id": "H1"},
    ),
}


@pytest.mark.parametrize("case", ELSEWHERE)
def test_a_rule_sees_all_of_the_past_it_looks_back_on(case: str) -> None:
    looking, before, last = ELSEWHERE[case]
    day = NOW.date() - timedelta(days=9)
    sent = [event(kind, name, day, **fields) for kind, name, fields in before]
    sent.append(event(looking.scope.events[0], "LAST", day + timedelta(days=1), **last))
    engine = SimulatedEngine(small_policy(), references(), sent, 3, 1, rules=book_of(looking))
    engine.drain()
    assert {(hit[1], hit[5]) for hit in engine.tableau.hits} == {(looking.id, "LAST")}


def test_a_rule_on_a_professional_waits_for_events_of_another_kind() -> None:
    """It asks for what is not there, and nobody knows which topic is read first."""
    unfed = rule("UNFED", "visit", "count(activities(last(90 * days), hcp=hcp_id)) < 1")
    day = NOW.date() - timedelta(days=9)
    sent = [event("visit", name, day, hcp_id=hcp) for name, hcp in (("FED", "H1"), ("UNFED", "H2"))]
    sent.append(event("activity", "A1", day - timedelta(days=1), attendees=[{"hcp_id": "H1"}]))
    engine = SimulatedEngine(small_policy(), references(), sent, 3, 1, rules=book_of(unfed))
    engine.drain()
    assert {hit[5] for hit in engine.tableau.hits} == {"UNFED"}
    assert {one.event_id for one in engine.tableau.alerts.values()} == {"UNFED"}


def test_a_rule_that_comes_to_look_farther_back_gets_what_lies_there() -> None:
    """Before, spending of the last day (and what may come late to it) travelled to professionals; then of 90 days."""
    long_ago, day = NOW.date() - timedelta(days=80), NOW.date() - timedelta(days=3)
    meal = event("activity", "A1", long_ago, attendees=[{"hcp_id": "H1"}])
    other = event("activity", "A2", day, attendees=[{"hcp_id": "H2"}])
    engine = SimulatedEngine(small_policy(), references(), [meal, other], 3, 1)
    engine.drain()
    for version, looking in enumerate((FED_BEFORE, FED), start=2):
        engine.adopt_rules(RuleBook(version, RuleSet(LIVE, version, (compile_rule(looking),))))
        engine.drain()
    last = event("visit", "LAST", day + timedelta(days=1), hcp_id="H1")
    engine.send(last.topic, last.key, last.value)
    engine.drain()
    assert {(hit[1], hit[5]) for hit in engine.tableau.hits} == {("FED", "LAST")}
