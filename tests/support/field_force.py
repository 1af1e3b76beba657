"""A small random company and what its field force sends: the same for the same seed, on every machine.

The organisation moves in the middle of months, products change their line, moments lie around midnight in Shanghai
and carry other offsets, and some messages are sent twice, late, with other content under a used id, or broken.
"""

import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from field_work import located, reported, visited, work_references

from schemas.reference import Institution, OrganisationNode, Product, Reference, Rep

FIRST_DAY = date(2024, 10, 20)
DAYS = 140
REPS = tuple(f"R{number:02}" for number in range(1, 11))
TEAMS = ("T1", "T2", "T3", "T4")
PRODUCTS = tuple(f"P{number}" for number in range(1, 8))
INSTITUTIONS = tuple(f"H{number:03}" for number in range(1, 181))
_ZONES = (timezone(timedelta(hours=8)), UTC, timezone(timedelta(hours=-5)), timezone(timedelta(hours=5, minutes=45)))


@dataclass(frozen=True)
class Message:
    """One message as it goes to the broker."""

    topic: str
    key: str
    value: bytes


@dataclass
class Company:
    """Reference data and messages of one seed."""

    seed: int
    references: list[Reference] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)


def company(seed: int, events: int = 1500) -> Company:
    """References and about `events` messages, in the order in which they are sent."""
    rng = random.Random(seed)
    return Company(seed, list(references(rng)), list(_messages(rng, events)))


def flat_company(seed: int, events: int = 1500) -> Company:
    """The same people, all directly under the company, and nothing unknown: no event waits, no total climbs far."""
    one = company(seed, events)
    rows = [row for row in one.references if not isinstance(row, OrganisationNode)]
    rows = [row.model_copy(update={"team_id": "C"}) if isinstance(row, Rep) else row for row in rows]
    messages = [each for each in one.messages if b"H999" not in each.value and b"R99" not in each.value]
    return Company(seed, [OrganisationNode(node_id="C", name="公司", level="company"), *rows], messages)


def references(rng: random.Random) -> Iterable[Reference]:
    """Company → two regions → four teams → ten reps, with moves in the middle of months."""
    yield OrganisationNode(node_id="C", name="公司", level="company")
    for region in ("N", "S"):
        yield OrganisationNode(node_id=region, name=region, level="region", parent_id="C")
    for number, team in enumerate(TEAMS):
        yield OrganisationNode(node_id=team, name=team, level="team", parent_id="NS"[number % 2])
    yield OrganisationNode(node_id="T2", name="T2", level="team", parent_id="N", effective_from=_some_day(rng))
    yield OrganisationNode(node_id="T4", name="T4", level="team", parent_id="C", effective_from=_some_day(rng))
    yield from _reps(rng)
    for number, product in enumerate(PRODUCTS):
        line = f"L{number % 3}" if number else None
        yield Product(product_id=product, name=product, line_id=line, is_new_drug=product in {"P3", "P5"})
    yield Product(product_id="P2", name="P2", line_id="L2", effective_from=_some_day(rng))
    for number, institution in enumerate(INSTITUTIONS, 1):
        yield located(Institution(institution_id=institution, name=institution, country="China"), number)
    yield from work_references(REPS)


def _reps(rng: random.Random) -> Iterable[Rep]:
    for number, rep in enumerate(REPS):
        hired = _some_day(rng) if number == 0 else date(1970, 1, 1)
        yield Rep(rep_id=rep, name=rep, team_id=TEAMS[number % len(TEAMS)], effective_from=hired)
    for rep in rng.sample(REPS[1:-1], 4):
        yield Rep(rep_id=rep, name=rep, team_id=rng.choice(TEAMS), effective_from=_some_day(rng))
    yield Rep(rep_id=REPS[-1], name=REPS[-1], team_id=None, effective_from=_some_day(rng))


def _some_day(rng: random.Random) -> date:
    return FIRST_DAY + timedelta(days=rng.randrange(20, DAYS - 20))


def _messages(rng: random.Random, count: int) -> Iterable[Message]:
    events = [_event(rng, number) for number in range(count)]
    events.sort(key=lambda pair: datetime.fromisoformat(pair[1]["occurred_at"]))
    sent = [_message(topic, event) for topic, event in events]
    for index in rng.sample(range(count), count // 10):  # late: long after its neighbours
        sent.append(sent[index])
        sent[index] = sent[rng.randrange(count)]  # … and in its place something sent twice
    for topic, event in rng.sample(events, count // 20):
        again = _again(rng, topic, event)
        sent.insert(rng.randrange(len(sent)), again)
    for message in _broken(rng):
        sent.insert(rng.randrange(len(sent)), message)
    return sent


def _event(rng: random.Random, number: int) -> tuple[str, dict[str, Any]]:
    make = rng.choices((_sale, _visit, _payment, _activity, _survey, _market), (50, 25, 15, 4, 4, 2))[0]
    topic, fields = make(rng)
    event = {"event_id": f"E{number:06}", "occurred_at": _moment(rng), "source": "crm", **fields}
    if topic == "market":
        return topic, reported(number, event)
    if topic == "visits":
        event = visited(number, {**event, "check_in_at": event["occurred_at"]})
    return topic, {**event, "rep_id": rng.choice(REPS)}


def _moment(rng: random.Random) -> str:
    day = FIRST_DAY + timedelta(days=rng.randrange(DAYS))
    hour = rng.choice((15, 16, 23, 0, rng.randrange(24)))  # 16:00 UTC is midnight in Shanghai
    at = datetime(
        day.year, day.month, day.day, hour, rng.randrange(60), rng.randrange(60), rng.randrange(10**6), tzinfo=UTC
    )
    return at.astimezone(rng.choice(_ZONES)).isoformat()


def _number(rng: random.Random, places: int) -> Decimal:
    return Decimal(rng.randrange(1, 10 ** (places + 4))).scaleb(-places)


def _sale(rng: random.Random) -> tuple[str, dict[str, Any]]:
    kind = rng.choices(("sale", "return", "adjustment"), (85, 12, 3))[0]
    sign = {"sale": 1, "return": -1, "adjustment": rng.choice((-1, 1))}[kind]
    quantity = Decimal(0) if rng.random() < 0.03 else sign * _number(rng, rng.choice((0, 0, 1, 6)))
    amount = sign * _number(rng, rng.choice((2, 2, 6)))
    fields: dict[str, Any] = {
        "institution_id": rng.choice(INSTITUTIONS),
        "product_id": rng.choice(PRODUCTS),
        "quantity": str(quantity),
        "amount": str(amount) if rng.random() < 0.5 else float(round(amount, 2)),
        "kind": kind,
    }
    if rng.random() < 0.6:
        fields["due_on"] = _due(rng)
    return "sales", fields


def _due(rng: random.Random) -> str:
    return (FIRST_DAY + timedelta(days=rng.randrange(DAYS + 60))).isoformat()


def _visit(rng: random.Random) -> tuple[str, dict[str, Any]]:
    products = rng.choices(PRODUCTS, k=rng.randrange(5))  # may be none, may name one twice
    return "visits", {"institution_id": rng.choice(INSTITUTIONS), "details": [{"product_id": p} for p in products]}


def _payment(rng: random.Random) -> tuple[str, dict[str, Any]]:
    amount = _number(rng, 2) * rng.choice((1, 1, 1, 1, -1))
    invoice = f"I{rng.randrange(10**6)}"
    institution = rng.choice(INSTITUTIONS)
    return "payments", {
        "institution_id": institution,
        "invoice_id": invoice,
        "amount": str(amount),
        "due_on": _due(rng),
    }


def _activity(rng: random.Random) -> tuple[str, dict[str, Any]]:
    return "activities", {"kind": "meal", "amount": str(_number(rng, 2)), "headcount": rng.randrange(1, 9)}


def _survey(rng: random.Random) -> tuple[str, dict[str, Any]]:
    return "surveys", {"kind": "satisfaction", "score": rng.randrange(101), "institution_id": rng.choice(INSTITUTIONS)}


def _market(rng: random.Random) -> tuple[str, dict[str, Any]]:
    fields = {"territory_id": rng.choice(TEAMS), "kind": "competitor_price", "product_id": rng.choice(PRODUCTS)}
    return "market", {**fields, "competitor": "另一家", "price": str(_number(rng, 2))}


def _again(rng: random.Random, topic: str, event: dict[str, Any]) -> Message:
    """The same event again: as it was, recorded at another time, or with other content under its id."""
    style = rng.choice(("same", "recorded", "conflict", "elsewhere"))
    if style == "elsewhere" and topic == "visits":  # another rep's visit that happens to carry the same id
        return _message(topic, {**event, "rep_id": rng.choice(REPS)})
    if style == "recorded":
        return _message(topic, {**dict(reversed(event.items())), "recorded_at": "2025-06-01T00:00:00Z"})
    if style == "conflict":
        return _message(topic, {**event, "source": "another system"})
    return _message(topic, event)


def _broken(rng: random.Random) -> Iterable[Message]:
    rep = rng.choice(REPS)
    _, sale = _sale(rng)
    good = {**sale, "occurred_at": _moment(rng), "source": "crm", "rep_id": rep}
    yield Message("sales", rep, b'{"event_id": "B1", ')
    yield Message("visits", rep, b"\xff\xfe not text")
    yield _message("sales", {**good, "event_id": "B2", "amount": "12,5O"})
    yield _message("sales", {**good, "event_id": "B3", "colour": "red"})
    yield _message("sales", {**good, "event_id": "B4", "occurred_at": "2024-12-01T10:00:00"})
    yield _message("sales", {**good, "event_id": "B5", "institution_id": "H999"})
    yield _message("sales", {**good, "event_id": "B6", "rep_id": "R99"})


def _message(topic: str, event: dict[str, Any]) -> Message:
    key = event["territory_id"] if topic == "market" else event["rep_id"]
    return Message(topic, key, json.dumps(event, ensure_ascii=False).encode())
