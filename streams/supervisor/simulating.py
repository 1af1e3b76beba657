"""The simulation of a run, in a thread, so that the workers stay watched meanwhile."""

from dataclasses import dataclass
from datetime import datetime

import structlog

from streams.settings import Settings
from streams.simulator.run import LiveRun, StopSimulationError, Told
from streams.simulator.world import COMPANY_ZONE, Plan, running_quarter
from streams.supervisor.background import Background

LABELS = "simulation-labels.json"
#: A company that `pulse up` fast-forwards through a running quarter within a minute on two cores.
UP_REPS = 60
#: Breaches of every rule a quarter, so that there are alerts to see.
UP_BREACHES = 1
_log = structlog.get_logger("simulator")


@dataclass(frozen=True)
class Ongoing:
    """A simulation that catches up with the clock and goes on.

    Attributes:
        plan: what to simulate; its end is where the past ends.
        speed: how many times faster than the clock it goes on, until it has caught up.
    """

    plan: Plan
    speed: float = 1.0


def ongoing(*, seed: int, reps: int, speed: float | None, now: datetime) -> Ongoing:
    """The running quarter until now; with a speed until half past eight, so that the day can pass before the eye.

    Raises:
        UsageError: no such company can be simulated.
    """
    start = running_quarter(now)
    if speed is None:
        return Ongoing(Plan(start, now, seed, reps, UP_BREACHES))
    morning = now.astimezone(COMPANY_ZONE).replace(hour=8, minute=30, second=0, microsecond=0)
    return Ongoing(Plan(start, min(morning, now), seed, reps, UP_BREACHES), speed)


class Simulating(Background):
    """Sends a simulation and remembers how far it is.

    Args:
        ongoing: what to simulate; None: nothing.
        settings: where the services are; the labels go to the data folder.
        go_on: whether to go on after the past.

    Attributes:
        reference_rows: published so far.
    """

    stop_error = StopSimulationError

    def __init__(self, ongoing: Ongoing | None, settings: Settings, *, go_on: bool) -> None:
        super().__init__("simulator")
        self.reference_rows = 0
        self._ongoing = ongoing
        self._settings = settings
        self._go_on = go_on
        self._is_live = False

    @property
    def is_busy(self) -> bool:
        """Whether events of the past are still being sent."""
        return self.is_alive() and not self._is_live

    def work(self) -> None:
        """Send everything."""
        if self._ongoing is None:
            return
        plan, speed = self._ongoing.plan, self._ongoing.speed if self._go_on else None
        LiveRun(plan, self._settings, self._tell, speed=speed, labels=self._settings.data / LABELS).run()

    def _tell(self, told: Told) -> None:
        self.check()
        self.reference_rows = told.reference_rows
        if told.is_live and not self._is_live:
            self._is_live = True
            _log.info("simulated until now", events=told.sent.total(), **told.sent)
        note = f" ({told.note})" if told.note else ""
        self.status = f"simulating {told.moment():%Y-%m-%d %H:%M}{note}"
