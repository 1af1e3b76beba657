"""A simulated quarter, made once for all tests of a module that look at it."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any

import orjson

from schemas.reference import Reference
from streams.simulator.labels import labels
from streams.simulator.made import Made
from streams.simulator.world import COMPANY_ZONE, Plan, Simulation

START, END = date(2026, 7, 1), datetime(2026, 10, 1, tzinfo=COMPANY_ZONE)


@dataclass
class Quarter:
    """What a simulation made, as made and as read back."""

    simulation: Simulation
    made: list[Made]
    events: dict[str, list[dict[str, Any]]]
    references: list[Reference]
    labels: dict[str, Any]

    def story(self, kind: str) -> dict[str, Any]:
        """The label of the one story of that kind."""
        (found,) = (story for story in self.labels["stories"] if story["kind"] == kind)
        return dict(found)


@lru_cache(2)
def quarter(seed: int = 7, reps: int = 60) -> Quarter:
    """The third quarter of 2026."""
    simulation = Simulation(Plan(START, END, seed, reps))
    made = list(simulation.events())
    events: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in made:
        events[each.kind].append(orjson.loads(each.value))
    return Quarter(simulation, made, events, simulation.references(), labels(simulation))
