"""Breaches planted on purpose, by people, in places and on days of their own, so that every event's rules are known.

A *scene* is one rule broken, and the same nearly broken, on one working day of a quarter by people who do nothing else
on that day. All scenes played once a quarter are a *round*. Labels are written here, by the hand that plants; nothing
is judged.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from typing import Any, Literal, NamedTuple

import orjson

from schemas.reference import FilingPeriod, Hcp, Institution, Reference, Rep
from streams.simulator.calendar import working_days
from streams.simulator.chance import stream
from streams.simulator.company import Company, Site
from streams.simulator.made import Made, Today
from streams.simulator.names import person
from streams.simulator.periods import months_later, quarter_of

#: hit or miss of a rule; quarantine: kept out as a whole (R06); withheld: its position is not looked at (R26).
Expect = Literal["hit", "miss", "quarantine", "withheld"]
#: Part of a quarter that scenes of records need: their people must have been seen on some days before.
_LAST_DAYS = 12
_STEP = 5
_SITE_STEP = 0.0015
#: What people of a round are for: a role for each line of the crew.
CREW: tuple[tuple[str, Literal["filed_rep", "sales", "cso"]], ...] = (
    ("filed", "filed_rep"),
    ("sales", "sales"),
    ("giver", "sales"),
    ("other", "sales"),
    ("several", "sales"),
    ("nearly", "sales"),
    ("host", "sales"),
    ("modest", "sales"),
    ("contract", "cso"),
    ("unfiled", "sales"),
    ("last_day", "sales"),
)
#: Whose past or conduct a rule is about, where it is not the representative's.
SUBJECT_FIELDS = {
    "R15": ("hcp", "payee_id"),
    "R18": ("hcp", "payee_id"),
    "R23": ("hcp", "hcp_id"),
    "R24-cap": ("hcp", "hcp_id"),
    "R25-often": ("hcp", "hcp_id"),
    "R17-near": ("institution", "institution_id"),
    "R17-nearer": ("institution", "institution_id"),
    "R17": ("institution", "institution_id"),
    "R17-serious": ("institution", "institution_id"),
    "R17-gravest": ("institution", "institution_id"),
}


class Label(NamedTuple):
    """What must come of one event under one rule, about one subject."""

    rule: str
    expect: Expect
    subject_kind: str
    subject_id: str
    event_kind: str
    rep_id: str
    event_id: str
    story: str
    """`breach`: a planted scene; otherwise the story or habit it comes from."""
    at: int
    """When the event reaches the company; see `Made.at`."""


@dataclass
class Scene:
    """What one scene makes: reference rows, events and their labels.

    Attributes:
        company: it plays in.
        day: when.
        number: of the scene.
        turn: of the round, from 0.
    """

    company: Company
    day: date
    number: int
    turn: int
    rows: list[Reference] = field(default_factory=list)
    made: list[Made] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Prepare ids and moments of the day."""
        self.today = Today(self.company.seed, self.day)
        self.quarter = self.day.year * 4 + (self.day.month - 1) // 3
        self._mark = f"{self.quarter % 100:02}{self.turn:02}{self.number:02}"

    def rep(self, name: str) -> str:
        """Somebody of the crew."""
        return crew_id(self.turn, name)

    def site(self, north: float = 0.0, **more: Any) -> str:
        """An institution of this scene, in the town of the round; `north` degrees away from it."""
        home, number = home_of(self.company, self.turn), sum(isinstance(row, Institution) for row in self.rows)
        institution = f"I9{self._mark}{number:02}"
        name, name_en = f"第{self._mark}{number}医院", f"Hospital No. {self._mark}{number}"
        place = {"latitude": round(home.latitude + _SITE_STEP * (number + 1) + north, 6), "longitude": home.longitude}
        base = {
            "institution_id": institution,
            "name": f"{home.city.name}{name}",
            "channel": "医院",
            "sub_channel": "二级",
        }
        base |= {"name_en": f"{home.city.name_en} {name_en}", "country": "中国", "city": home.city.name}
        self.rows.append(Institution.model_validate({**base, **place, "province": home.city.province, **more}))
        return institution

    def doctor(self, segment: str | None = "A", *, state: bool = True, hcp_id: str = "") -> str:
        """A professional of this scene."""
        number = sum(isinstance(row, Hcp) for row in self.rows)
        hcp = hcp_id or f"D9{self._mark}{number:02}"
        who = person(stream(self.company.seed, "planted", hcp))
        row = {"hcp_id": hcp, "name": who.name, "name_en": who.name_en, "segment": segment, "is_state_employee": state}
        self.rows.append(Hcp.model_validate(row))
        return hcp

    def at(self, institution: str) -> dict[str, float]:
        """The position of an institution of this scene."""
        row = next(row for row in self.rows if isinstance(row, Institution) and row.institution_id == institution)
        return {"latitude": row.latitude or 0.0, "longitude": row.longitude or 0.0}

    def visit(self, who: str, institution: str, start: int, **fields: Any) -> dict[str, Any]:
        """A visit of twenty minutes reported twenty minutes later, in its place; fields replace what it would be.

        Args:
            who: of the crew.
            institution: where.
            start: second of the day.
            fields: of the event; `lasts` and `told_after` in seconds.
        """
        ends = start + fields.pop("lasts", 1_200)
        told = ends + fields.pop("told_after", 1_200)
        event: dict[str, Any] = {
            "source": "crm",
            "institution_id": institution,
            "check_in_at": self.today.stamp(start),
            "check_out_at": self.today.stamp(ends),
            "recorded_at": self.today.stamp(told),
            "channel": "face_to_face",
            "check_in": self.at(institution),
            "zone": "学术会议室",
            "appointment_id": f"AP9{self._mark}{len(self.made)}",
        }
        event |= fields
        return self.event("visit", who, start, told, {name: one for name, one in event.items() if one is not None})

    def activity(self, who: str, kind: str, amount: str, second: int, **fields: Any) -> dict[str, Any]:
        """An activity of that kind and money."""
        event = {"source": "crm", "kind": kind, "amount": amount, "payee_kind": "none", "topic_text": "科室学术会"}
        event |= {"venue": "医院示教室", **fields}
        kept = {name: one for name, one in event.items() if one is not None}
        return self.event("activity", who, second, second, kept)

    def sale(self, who: str, institution: str, amount: str, second: int = 8 * 3_600, **fields: Any) -> dict[str, Any]:
        """A sales line."""
        event = {"source": "erp", "institution_id": institution, "product_id": "P-AN10", "quantity": 100}
        return self.event("sale", who, second, second, {**event, "amount": amount, "kind": "sale", **fields})

    def payment(self, who: str, institution: str, amount: str, source: str, second: int) -> dict[str, Any]:
        """A payment."""
        event = {"source": source, "institution_id": institution, "invoice_id": f"INV9{self._mark}", "amount": amount}
        return self.event("payment", who, second, second, {**event, "due_on": self.day.isoformat()})

    def event(self, kind: str, who: str, second: int, told: int, fields: dict[str, Any]) -> dict[str, Any]:
        """Any event of somebody of the crew."""
        number = f"{self.day:%Y%m%d}9{self.turn:02}{self.number:02}{len(self.made):02}"
        event = {"event_id": self.today.event_id(kind, number), "occurred_at": self.today.stamp(second)}
        event |= {"rep_id": self.rep(who), **fields}
        made = self.today.made(told, kind, event["rep_id"], event)
        self.made.append(made._replace(value=orjson.dumps(event)))
        return {**event, "_kind": kind, "_at": made.at}

    def label(self, event: dict[str, Any], expect: Expect, *rules: str, person: str | None = None) -> None:
        """Say what must come of an event under some rules."""
        for rule in rules:
            kind, named = SUBJECT_FIELDS.get(rule, ("rep", "rep_id"))
            subject = ("hcp", person) if person is not None else (kind, str(event[named]))
            kept = {"event_kind": event["_kind"], "rep_id": event["rep_id"], "event_id": event["event_id"]}
            self.labels.append(Label(rule, expect, *subject, **kept, story="breach", at=event["_at"]))

    def hit(self, event: dict[str, Any], *rules: str) -> None:
        """The event breaks these rules."""
        self.label(event, "hit", *rules)

    def miss(self, event: dict[str, Any], *rules: str) -> None:
        """The event nearly breaks these rules."""
        self.label(event, "miss", *rules)


Play = Callable[[Scene], None]


class Plays(NamedTuple):
    """The scenes of a round, in the order of their days."""

    any: tuple[Play, ...]
    late: tuple[Play, ...]
    """Of the quarter's end, whose people must have been seen before."""
    last: tuple[Play, ...]
    """Of the quarter's last working day."""


class Planting:
    """The planted breaches of a company.

    Args:
        company: whose.
        rounds: how often every scene is played in a quarter.
        start: first day of the simulation; a quarter begun before lacks the scenes that need its beginning.
        plays: the scenes.

    Attributes:
        labels: of the days asked for so far.
    """

    def __init__(self, company: Company, rounds: int, start: date, plays: "Plays") -> None:
        self._company = company
        self._rounds = rounds
        self._start = start
        self._plays = plays
        self._scenes = lru_cache(2)(self._scenes_of)
        self.labels: list[Label] = []

    def day(self, today: Today) -> Iterator[Made]:
        """What is planted on a day; its labels are noted."""
        for scene in self._scenes(quarter_of(today.day)).get(today.day, ()):
            self.labels += scene.labels
            yield from scene.made

    def rows(self, start: date, end: date) -> list[Reference]:
        """Reference rows of the quarters from `start` to `end` and of the one after."""
        quarters = list(_quarters(start, end))
        days = [_last_filed_day(quarter) for quarter in quarters]
        rows: list[Reference] = [
            _crew_row(self._company, turn, number, days) for turn in range(self._rounds) for number in range(len(CREW))
        ]
        for quarter in quarters:
            for scenes in self._scenes(quarter).values():
                rows += [row for scene in scenes for row in scene.rows]
        return rows

    def _scenes_of(self, quarter: date) -> dict[date, list[Scene]]:
        days = working_days(quarter, months_later(quarter, 3) - timedelta(days=1))
        early = days[:-_LAST_DAYS]
        found: dict[date, list[Scene]] = {}
        for turn in range(self._rounds):
            played = [
                (play, early[(number + _STEP * turn) % len(early)]) for number, play in enumerate(self._plays.any)
            ]
            late = self._plays.late if self._start <= quarter else ()
            played += [
                (play, days[len(early) + (number + turn) % (_LAST_DAYS - 1)]) for number, play in enumerate(late)
            ]
            played += [(play, days[-1]) for play in self._plays.last]
            for number, (play, day) in enumerate(played):
                scene = Scene(self._company, day, number, turn)
                play(scene)
                found.setdefault(day, []).append(scene)
        return found


def crew_id(turn: int, name: str) -> str:
    """Id of somebody of the crew of a round."""
    return f"R9{turn:02}{[one for one, _ in CREW].index(name):02}"


def home_of(company: Company, turn: int) -> Site:
    """The institution in whose neighbourhood a round plays."""
    return company.territories[turn * 7 % len(company.territories)].sites[0]


def _quarters(start: date, end: date) -> Iterator[date]:
    quarter, last = quarter_of(start), months_later(quarter_of(end), 3)
    while quarter <= last:
        yield quarter
        quarter = months_later(quarter, 3)


def _last_filed_day(quarter: date) -> date:
    """The last working day of a quarter: on it the filing of `last_day` ends."""
    return working_days(quarter, months_later(quarter, 3) - timedelta(days=1))[-1]


def _crew_row(company: Company, turn: int, number: int, last_days: Sequence[date]) -> Rep:
    name, role = CREW[number]
    rep = crew_id(turn, name)
    who = person(stream(company.seed, "crew", rep))
    home = company.territories[turn * 7 % len(company.territories)]
    team = next(team for team in company.teams[(turn + number) % 3 :] if team.region == home.region)
    hired_on = date(company.launched_on.year - 2, 3, 1)
    filings: tuple[FilingPeriod, ...] = (FilingPeriod(filed_from=hired_on, filing_number=f"YB{rep[1:]:0>8}"),)
    if name == "unfiled":
        filings = ()
    if name == "last_day":
        filings = tuple(
            FilingPeriod(filed_from=day - timedelta(days=60), filed_to=day, filing_number=f"YB{day:%Y%m%d}")
            for day in last_days
        )
    return Rep(
        rep_id=rep,
        name=who.name,
        name_en=who.name_en,
        role=role,
        team_id=team.node_id,
        filings=filings,
        hired_on=hired_on,
    )
