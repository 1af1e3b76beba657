"""Visits: the month's call plan laid over the working days, then walked day by day."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from math import cos, radians
from random import Random
from typing import Any, NamedTuple

from streams.simulator.calendar import working_days
from streams.simulator.catalog import ITEMS, MATERIALS, of_line
from streams.simulator.chance import pick, stream
from streams.simulator.company import Company, Doctor, Territory
from streams.simulator.made import DAY_S, Made, Today
from streams.simulator.periods import last_of_month, month_of
from streams.simulator.planting import Label
from streams.simulator.references import planned_calls
from streams.simulator.stories import FAKED_DAYS, Effects

#: Calls a rep makes on a day at most; more would be remarkable in itself.
MOST = 9
#: Seconds of the day: first check-in from 9:00, none in the lunch break, the last one over by 17:50.
_OPENS, _LUNCH, _REOPENS, _CLOSES = 9 * 3_600, 11 * 3_600 + 50 * 60, 13 * 3_600 + 30 * 60, 17 * 3_600 + 50 * 60
_OFFICE_DAYS = 0.1
#: Calls on the institution (pharmacy, administration) on top of the doctors', per field day.
_HOUSE_CALLS = 0.9
_KEPT = 0.97
#: Multiples of it spread evenly over a circle, so that no day gets much more than another.
_GOLDEN = 0.618034
_SHORTEST_S, _SPREAD_S = 360, 2_400
_JOINT = 0.05
_ZONES = ("学术会议室", "科室示教室", "接待室", "医师办公区")
_FEEDBACK = (
    "认可疗效数据，愿意了解最新指南",
    "希望提供更多真实世界研究资料",
    "关注医保支付政策",
    "对依从性管理感兴趣，约定下次科室会",
    "时间有限，仅简单交流",
    "建议补充老年患者数据",
    "对用药方案有疑问，已记录并转医学部",
)
_MADE_UP = "客户认可产品"
_WEEKEND = 5
#: A report after that is late.
LATE_S = 90 * 60

#: Number of an institution in the territory, and of a doctor; None: the institution itself.
Call = tuple[int, int | None]


class FieldWork:
    """Makes the visits of a company.

    Args:
        company: whose.
        effects: of the stories.
    """

    def __init__(self, company: Company, effects: Effects) -> None:
        self._company = company
        self._effects = effects
        self._month = lru_cache(2)(self._plan_month)
        self._shown = [self._materials(line) for line in range(3)]
        self.faked: dict[int, list[tuple[int, str]]] = defaultdict(list)
        self.labels: list[Label] = []

    def day(self, today: Today) -> Iterator[Made]:
        """All visits of a working day, territory by territory."""
        plan = self._month(month_of(today.day))
        for territory in self._company.territories:
            if not (calls := plan[territory.number].get(today.ordinal)):
                continue
            rng = stream(self._company.seed, "visits", territory.number, today.ordinal)
            faking = self._effects.is_faking(today.day, territory.team) and rng.random() < FAKED_DAYS
            yield from (
                self._make_up(rng, today, territory, calls) if faking else self._walk(rng, today, territory, calls)
            )

    def _plan_month(self, month: date) -> list[dict[int, list[Call]]]:
        days = [day.toordinal() for day in working_days(month, last_of_month(month))]
        return [self._plan(territory, month, days) for territory in self._company.territories]

    def _plan(self, territory: Territory, month: date, days: list[int]) -> dict[int, list[Call]]:
        """Every doctor's calls at even distances over the rep's field days."""
        rng = stream(self._company.seed, "plan", territory.number, month)
        field = [day for day in days if rng.random() >= _OFFICE_DAYS] or days
        calls: dict[int, list[Call]] = {day: [] for day in field}
        for number, doctor in enumerate(territory.doctors):
            wanted = min(planned_calls(doctor.segment, len(days)), len(field))
            offset = (rng.random() * 0.3 + number * _GOLDEN) % 1.0 * len(field)
            for turn in range(wanted):
                if rng.random() < _KEPT:
                    calls[field[int(offset + turn * len(field) / wanted) % len(field)]].append((doctor.site, number))
        for day in field:
            if rng.random() < _HOUSE_CALLS:
                calls[day].append((int(rng.random() * len(territory.sites)), None))
        return calls

    # --- honest days --------------------------------------------------------------------------------------------------

    def _walk(self, rng: Random, today: Today, territory: Territory, planned: list[Call]) -> Iterator[Made]:
        left = self._effects.visits_left(today.day, territory.region)
        calls = [call for call in planned if left == 1.0 or rng.random() < left]
        if today.day.weekday() >= _WEEKEND:
            calls = [call for call in calls if not territory.sites[call[0]].is_windowed]
        second = _OPENS + int(rng.random() * 1_500)
        here: int | None = None
        for place, number in _route(territory, calls)[:MOST]:
            if place != here:
                second += 0 if here is None else int(territory.travel_s[here][place] * (1.0 + 0.4 * rng.random()))
                here = place
            second += 240 + int(rng.random() * 660)
            if _LUNCH <= second < _REOPENS:
                second = _REOPENS + int(rng.random() * 600)
            draw = rng.random()
            duration = _SHORTEST_S + int(draw * draw * _SPREAD_S)
            if second + duration > _CLOSES:
                return
            yield self._visit(rng, today, territory, Moments(place, number, second, duration))
            second += duration

    def _visit(self, rng: Random, today: Today, territory: Territory, moments: "Moments") -> Made:
        site = territory.sites[moments.place]
        leaves = moments.second + moments.duration
        draw = rng.random()
        on_site = moments.doctor is None or draw < 0.88  # noqa: PLR2004 - the rest of the shares follows
        channel = "face_to_face" if on_site else "phone" if draw < 0.94 else "video" if draw < 0.98 else "message"  # noqa: PLR2004
        latency = _latency(rng, leaves)
        event = self._frame(today, territory, moments, leaves + latency)
        if latency > LATE_S:
            self._label(today, event, "late report", "R20-late")
        event["channel"] = channel
        if on_site:
            event["check_in"] = _fix(rng, site.latitude, site.longitude, 80.0)
            event["check_out"] = _fix(rng, site.latitude, site.longitude, 80.0)
            event["zone"] = pick(rng, _ZONES)
            if site.needs_appointment:
                event["appointment_id"] = f"AP{event['event_id'].rpartition('-')[2]}"
        if moments.doctor is not None:
            self._conversation(rng, today, territory, event)
        return today.made(self._reported(event), "visit", territory.rep_id, event)

    def _conversation(self, rng: Random, today: Today, territory: Territory, event: dict[str, Any]) -> None:
        products = of_line(territory.line)
        first = rng.random() < 0.6  # noqa: PLR2004
        order = products if first else products[::-1]
        talked = order if rng.random() < 0.55 else order[:1]  # noqa: PLR2004
        event["details"] = [
            {"product_id": ITEMS[item].product_id, "indication": pick(rng, ITEMS[item].indications)} for item in talked
        ]
        if rng.random() < 0.55:  # noqa: PLR2004
            name = pick(rng, self._shown[territory.line][talked[0]])
            event["materials"] = [{"material_id": name, "version": str(today.day.year)}]
        score = 6.6 + 4.0 * (rng.random() + rng.random() - 1.0)
        event["feedback_score"] = round(min(10.0, max(0.0, score)), 1)
        if rng.random() < 0.6:  # noqa: PLR2004
            event["feedback_text"] = pick(rng, _FEEDBACK)
        if rng.random() < _JOINT:
            event["companions"] = [self._company.teams[territory.team].manager_id]

    # --- made-up days -------------------------------------------------------------------------------------------------

    def _make_up(self, rng: Random, today: Today, territory: Territory, calls: list[Call]) -> Iterator[Made]:
        """The day's calls, "made" from the sofa within an hour or two and reported in the evening."""
        home = territory.sites[0]
        latitude, longitude = home.latitude + 0.06 + 0.02 * rng.random(), home.longitude + 0.05 + 0.02 * rng.random()
        second, reported = _OPENS + int(rng.random() * 25_000), 20 * 3_600 + int(rng.random() * 3_600)
        doctors = [doctor for _, doctor in calls if doctor is not None]
        told: list[Moments] = []
        for doctor in rng.sample(doctors, min(MOST, len(doctors))):
            moments = Moments(territory.doctors[doctor].site, doctor, second, 60 + int(rng.random() * 200))
            event = self._frame(today, territory, moments, reported)
            event["channel"] = "face_to_face"
            event["check_in"] = _fix(rng, latitude, longitude, 30.0)
            event["check_out"] = _fix(rng, latitude, longitude, 30.0)
            product = ITEMS[of_line(territory.line)[0]]
            event["details"] = [{"product_id": product.product_id, "indication": product.indications[0]}]
            event["feedback_score"] = 9.0
            event["feedback_text"] = _MADE_UP
            self._label(today, event, "faked_visits", *_broken(today, territory, moments, told))
            made = today.made(self._reported(event), "visit", territory.rep_id, event)
            self.faked[territory.team].append((made.at, made.event_id))
            yield made
            told.append(moments)
            second += moments.duration - 30 + int(rng.random() * 240)
            reported += 30 + int(rng.random() * 120)

    def _label(self, today: Today, event: dict[str, Any], story: str, *rules: str) -> None:
        """Say what an event of a story or habit breaks."""
        rep, name, at = event["rep_id"], event["event_id"], today.midnight + event["_reported"]
        self.labels += [Label(rule, "hit", "rep", rep, "visit", rep, name, story, at) for rule in rules]

    # --- parts --------------------------------------------------------------------------------------------------------

    def _frame(self, today: Today, territory: Territory, moments: "Moments", reported: int) -> dict[str, Any]:
        doctor: Doctor | None = None if moments.doctor is None else territory.doctors[moments.doctor]
        arrives = today.stamp(moments.second)
        event: dict[str, Any] = {
            "event_id": today.new_id("visit"),
            "occurred_at": arrives,
            "recorded_at": today.stamp(reported),
            "source": "crm",
            "rep_id": territory.rep_id,
            "institution_id": territory.sites[moments.place].institution_id,
            "check_in_at": arrives,
            "check_out_at": today.stamp(moments.second + moments.duration),
            "_reported": reported,
        }
        if doctor is not None:
            event["hcp_id"] = doctor.hcp_id
        return event

    @staticmethod
    def _reported(event: dict[str, Any]) -> int:
        return int(event.pop("_reported"))

    @staticmethod
    def _materials(line: int) -> dict[int, tuple[str, ...]]:
        return {item: tuple(f"{ITEMS[item].product_id}-{suffix}" for suffix, _ in MATERIALS) for item in of_line(line)}


class Moments(NamedTuple):
    """Where, whom, when and how long (seconds)."""

    place: int
    doctor: int | None
    second: int
    duration: int


def _broken(today: Today, territory: Territory, moments: Moments, told: list[Moments]) -> Iterator[str]:
    """Rules that a made-up visit breaks: no appointment is made for it, and its hours are anybody's."""
    site, second = territory.sites[moments.place], moments.second
    yield from ("R19-far", "R20", "R20-late")
    if site.needs_appointment:
        yield "R03"
    is_open = today.day.weekday() < _WEEKEND and (second <= 12 * 3_600 or second >= _REOPENS)
    if site.is_windowed and not is_open:
        yield "R04"
    ends = second + moments.duration
    others = (one for one in told if one.place != moments.place)
    if any(one.second < ends and one.second + one.duration > second for one in others):
        yield "R21-overlap"


def _route(territory: Territory, calls: list[Call]) -> list[Call]:
    """The calls in the order of the way: always on to the nearest institution."""
    waiting: dict[int, list[Call]] = {}
    for call in calls:
        waiting.setdefault(call[0], []).append(call)
    route: list[Call] = []
    here = next(iter(waiting), 0)
    while waiting:
        ways = territory.travel_s[here]
        here = min(waiting, key=ways.__getitem__)
        route += waiting.pop(here)
    return route


def _latency(rng: Random, leaves: int) -> int:
    """Seconds until the visit is in the CRM: mostly within the hour, rarely only next morning."""
    draw = rng.random()
    if draw < 0.92:  # noqa: PLR2004
        return 120 + int(rng.random() * 3_000)
    if draw < 0.98:  # noqa: PLR2004
        return 3_600 + int(rng.random() * 7_200)
    return DAY_S - leaves + 8 * 3_600 + int(rng.random() * 3_600)


def _fix(rng: Random, latitude: float, longitude: float, spread_m: float) -> dict[str, float]:
    """A position at most `spread_m` away to each side."""
    degrees = spread_m / 111_000
    return {
        "latitude": round(latitude + (2 * rng.random() - 1) * degrees, 6),
        "longitude": round(longitude + (2 * rng.random() - 1) * degrees / cos(radians(latitude)), 6),
        "accuracy_m": round(5 + 30 * rng.random(), 1),
    }
