"""What the random company of `field_force` does in the field: calls on professionals, by plan, with position and time.

Drawn from numbers of its own, so that the rest of the company stays as it is.
"""

import random
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from schemas.reference import CalendarDay, CallPlan, Hcp, Institution, Reference

HCPS = tuple(f"D{number:02}" for number in range(1, 14))
MONTHS = tuple(date(2024, 11, 1) if n == 0 else date(2024, 12, 1) if n == 1 else date(2025, n - 1, 1) for n in range(5))


def work_references(reps: Iterable[str]) -> Iterable[Reference]:
    """Professionals with segments that change, a plan per month, the holidays of 2025."""
    rng = random.Random("field work")
    for number, hcp in enumerate(HCPS):
        yield Hcp(hcp_id=hcp, name=hcp, segment=(None, "A", "B", "C", "D")[number % 5])
    for hcp in HCPS[::4]:
        yield Hcp(hcp_id=hcp, name=hcp, segment="A", effective_from=date(2025, 1, rng.choice((1, 15))))
    for rep in reps:
        for month in MONTHS:
            for hcp in rng.sample(HCPS, 6):
                yield CallPlan(rep_id=rep, hcp_id=hcp, planned_calls=rng.randrange(4), effective_from=month)
    yield CalendarDay(day=date(2025, 1, 1), is_working_day=False, name="元旦")
    yield CalendarDay(day=date(2025, 1, 26), is_working_day=True, name="春节调休")
    for number in range(8):
        yield CalendarDay(day=date(2025, 1, 28) + timedelta(days=number), is_working_day=False, name="春节")


def located(institution: Institution, number: int) -> Institution:
    """The institution with a position (most have one), every third a target hospital."""
    position = {"latitude": 31 + number / 100, "longitude": 121.5} if number % 5 else {}
    return institution.model_copy(update={**position, "is_target": number % 3 == 0})


def visited(number: int, visit: dict[str, Any]) -> dict[str, Any]:
    """The visit with what it leaves out, each now and then."""
    rng = random.Random(number)
    began = datetime.fromisoformat(visit["occurred_at"])
    more: dict[str, Any] = {"channel": rng.choice(("face_to_face",) * 4 + ("phone",))}
    ended = began
    if rng.random() < 0.85:
        more["hcp_id"] = rng.choice(HCPS)
    if rng.random() < 0.8:
        ended = began + timedelta(seconds=rng.choice((120, 299, 300, 301, 1800)))
        more["check_out_at"] = ended.isoformat()
    if rng.random() < 0.7:
        latitude = 31 + int(visit["institution_id"][1:]) / 100 + rng.choice((0, 0, 0.001, 0.0021, -0.01))
        more["check_in"] = {"latitude": latitude, "longitude": 121.5}
        more["check_in"] |= {"accuracy_m": rng.choice((5, 40))} if rng.random() < 0.5 else {}
    if rng.random() < 0.8:
        late = timedelta(minutes=rng.choice((-3, 0, rng.expovariate(0.05), rng.expovariate(0.001))))
        more["recorded_at"] = (ended + late).isoformat()
    if rng.random() < 0.2:
        more["companions"] = ["M1"]
    return visit | more


def reported(number: int, report: dict[str, Any]) -> dict[str, Any]:
    """Two of three market reports with volumes instead of a price, one of them without the own volume."""
    rng = random.Random(number)
    if number % 3 == 0:
        return report
    kept = {name: report[name] for name in report if name not in {"competitor", "price"}}
    first = date(2024, 11, 1) + timedelta(days=rng.randrange(120))
    volumes = {"market_volume": str(rng.randrange(1000, 9000)), "period_from": first.isoformat()}
    volumes |= {"own_volume": str(rng.randrange(1000))} if rng.random() < 0.8 else {}
    territory = rng.choice(("T1", "T2", "T3", "T4", "N", "nobody's"))
    return {**kept, **volumes, "kind": "volume", "period_to": first.isoformat(), "territory_id": territory}
