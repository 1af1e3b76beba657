"""Activities within their limits, and surveys."""

from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any

from streams.simulator.catalog import COURSES, ITEMS, LINES, of_line
from streams.simulator.chance import pick, stream
from streams.simulator.company import Company, Territory
from streams.simulator.made import Made, Today, money
from streams.simulator.periods import quarter_of

_MEETING = 1 / 8
_SATISFACTION, _QUIZ, _DONATION = 0.3, 0.05, 0.001
_FEWEST, _MOST = 2, 10
#: Money in cents: tea and cakes stay far below 300 yuan a head, a talk within 1,600 yuan.
MEAL_A_HEAD = (800, 1_500)
SPEAKER_FEE = (80_000, 160_000)
#: Tea is paid out of five thousandths of what one has sold in the quarter: from this day of it on, and by who sells.
_SOLD_ENOUGH_DAYS = 30
#: One day in so many a representative may pay a speaker: nobody comes near a limit.
_SPEAKER_DAYS = 20
_NOON, _MEAL_S, _MEETING_S = 12 * 3_600, 45 * 60, 60 * 60


class Engagement:
    """Makes the activities and surveys of a company.

    Args:
        company: whose.
    """

    def __init__(self, company: Company) -> None:
        self._company = company

    def day(self, today: Today) -> Iterator[Made]:
        """Activities and surveys of a working day."""
        for territory in self._company.territories:
            rng = stream(self._company.seed, "engagement", territory.number, today.ordinal)
            if rng.random() < _MEETING:
                yield from self._meeting(rng, today, territory)
            if rng.random() < _SATISFACTION:
                yield self._satisfaction(rng, today, territory)
            if rng.random() < _QUIZ:
                yield self._quiz(rng, today, territory)
            if rng.random() < _DONATION:
                yield self._donation(rng, today, territory)

    def _meeting(self, rng: Random, today: Today, territory: Territory) -> Iterator[Made]:
        """A departmental meeting at noon, later in the quarter with tea, now and then with a speaker.

        Institution and subject follow the calendar, so that nobody hears the same talk again soon.
        """
        place, subject = today.ordinal % len(territory.sites), today.ordinal // len(territory.sites)
        listeners = [doctor for doctor in territory.doctors if doctor.site == place][:_MOST]
        if len(listeners) < _FEWEST:
            return
        site, talks = territory.sites[place], LINES[territory.line].talks
        title = f"{talks[(subject + territory.number) % len(talks)]}科室会"
        number = today.number("activity")
        shared = {
            "source": "crm",
            "rep_id": territory.rep_id,
            "institution_id": site.institution_id,
            "attendees": [{"hcp_id": doctor.hcp_id, "name": doctor.name} for doctor in listeners],
            "headcount": len(listeners) + 1,
            "topic_text": title,
            "venue": f"{site.name}示教室",
            "product_ids": [ITEMS[item].product_id for item in of_line(territory.line)],
            "approval_id": f"MTG{number}",
        }
        times = {"started_at": today.stamp(_NOON), "ended_at": today.stamp(_NOON + _MEETING_S)}
        yield self._activity(today, number, "meeting", 0, {**shared, **times})
        if not territory.is_filed and today.day >= quarter_of(today.day) + timedelta(days=_SOLD_ENOUGH_DAYS):
            low, high = MEAL_A_HEAD
            meal = (len(listeners) + 1) * int(low + rng.random() * (high - low))
            payee = {"payee_kind": "vendor", "payee_id": f"V-{site.city.name_en.upper()[:3]}-01"}
            yield self._activity(today, today.number("activity"), "meal", meal, {**shared, **payee})
        if today.ordinal % _SPEAKER_DAYS == territory.number % _SPEAKER_DAYS:
            low, high = SPEAKER_FEE
            fee = int(low + rng.random() * (high - low)) // 10_000 * 10_000
            payee = {"payee_kind": "hcp", "payee_id": listeners[0].hcp_id}
            yield self._activity(today, today.number("activity"), "speaker_fee", fee, {**shared, **payee})

    @staticmethod
    def _activity(today: Today, number: str, kind: str, cents: int, fields: dict[str, Any]) -> Made:
        second = _NOON + (0 if kind == "meeting" else _MEAL_S)
        event = {
            "event_id": today.event_id("activity", number),
            "occurred_at": today.stamp(second),
            "kind": kind,
            "amount": money(cents),
            **fields,
        }
        return today.made(second, "activity", fields["rep_id"], event)

    def _donation(self, rng: Random, today: Today, territory: Territory) -> Made:
        number = today.number("activity")
        fields = {
            "source": "finance",
            "rep_id": territory.rep_id,
            "payee_kind": "foundation",
            "payee_id": "F-HEALTH",
            "topic_text": "基层医生培训公益项目",
            "approval_id": f"DON{number}",
        }
        return self._activity(today, number, "donation", 100_000 * (5 + int(rng.random() * 15)), fields)

    @staticmethod
    def _satisfaction(rng: Random, today: Today, territory: Territory) -> Made:
        doctor = pick(rng, territory.doctors)
        product = pick(rng, of_line(territory.line))
        second = 9 * 3_600 + int(rng.random() * 36_000)
        event = {
            "event_id": today.new_id("survey"),
            "occurred_at": today.stamp(second),
            "source": "survey",
            "rep_id": territory.rep_id,
            "kind": "satisfaction",
            "score": round(80 + 18 * (rng.random() + rng.random() - 1.0), 1),
            "institution_id": territory.sites[doctor.site].institution_id,
            "hcp_id": doctor.hcp_id,
            "product_id": ITEMS[product].product_id,
            "subject": "客户满意度",
        }
        return today.made(second, "survey", territory.rep_id, event)

    @staticmethod
    def _quiz(rng: Random, today: Today, territory: Territory) -> Made:
        second = 18 * 3_600 + int(rng.random() * 7_200)
        event = {
            "event_id": today.new_id("survey"),
            "occurred_at": today.stamp(second),
            "source": "training",
            "rep_id": territory.rep_id,
            "kind": "training_quiz",
            "score": round(84 + 16 * (rng.random() + rng.random() - 1.0), 0),
            "subject": pick(rng, COURSES),
        }
        return today.made(second, "survey", territory.rep_id, event)
