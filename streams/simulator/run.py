"""Sending a simulation: the past at once, then in step with the clock."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from streams.settings import Settings
from streams.simulator.files import write_labels
from streams.simulator.made import OFFSET_S, Made
from streams.simulator.sender import Sender
from streams.simulator.world import COMPANY_ZONE, Plan, Simulation, clock

_TELL_EVERY = 1_000
_TICK_S = 0.2


class StopSimulationError(Exception):
    """Raised by whoever wants a simulation to end."""


@dataclass
class Told:
    """How far a simulation is.

    Attributes:
        sent: events by kind.
        at: the company's clock, in seconds; see `Made.at`.
        note: what is waited for.
        is_live: whether the past is over.
        reference_rows: published.
    """

    sent: Counter[str] = field(default_factory=Counter)
    at: int = 0
    note: str | None = None
    is_live: bool = False
    reference_rows: int = 0

    def moment(self) -> datetime:
        """The company's clock."""
        return datetime.fromtimestamp(self.at - OFFSET_S, UTC).astimezone(COMPANY_ZONE)


class LiveRun:
    """A simulation that is sent.

    Args:
        plan: what to simulate; up to `plan.end` as fast as possible.
        settings: where the services are.
        tell: called often; raises `StopSimulationError` to end the run.
        speed: how many times faster than the clock it goes on after `plan.end`, until it has caught up with the clock;
            None: it ends there.
        labels: file that takes the labels of the days that were made at once.
    """

    def __init__(
        self,
        plan: Plan,
        settings: Settings,
        tell: Callable[[Told], None],
        *,
        speed: float | None = None,
        labels: Path | None = None,
    ) -> None:
        self.told = Told(at=clock(plan.end))
        self._plan = plan
        self._settings = settings
        self._tell = tell
        self._speed = speed
        self._labels = labels
        self._live_since_s = 0.0

    def run(self) -> Told:
        """Publish, send, and go on until told to stop.

        Raises:
            UsageError: a service is not set.
            UnavailableError: a service does not answer.
            StopSimulationError: `tell` asked for it.
        """
        sender = Sender(self._settings, self._note)
        try:
            simulation = Simulation(self._plan)
            self.told.reference_rows = len(rows := simulation.references())
            sender.publish(rows)
            self._send_all(sender, simulation)
        finally:
            sender.close()
        return self.told

    def _send_all(self, sender: Sender, simulation: Simulation) -> None:
        end = clock(self._plan.end)
        for made in self._days(sender, simulation):
            if made.at >= end and not self.told.is_live:
                self._catch_up(sender, simulation)
            if self.told.is_live:
                if self._speed is None:
                    return
                self._wait_for(sender, made, self._speed)
            self._send(sender, made)

    def _days(self, sender: Sender, simulation: Simulation) -> Iterator[Made]:
        """Events without end; later call plans are published when their time comes."""
        day = self._plan.start
        while True:
            if day > self._plan.last_day and day.day == 1:
                sender.publish(simulation.references(day))
            yield from simulation.day(day)
            day += timedelta(days=1)

    def _catch_up(self, sender: Sender, simulation: Simulation) -> None:
        """The past is over: everything has arrived, and the labels are known."""
        sender.flush()
        self.told.is_live, self._live_since_s = True, time.monotonic()
        self.told.at = clock(self._plan.end)
        if self._labels is not None:
            write_labels(simulation, self._labels)
        self._tell(self.told)

    def _wait_for(self, sender: Sender, made: Made, speed: float) -> None:
        while (now := self._virtual(speed)) < made.at:
            sender.check()
            self.told.at = now
            self._tell(self.told)
            time.sleep(_TICK_S)

    def _virtual(self, speed: float) -> int:
        """The company's clock, never ahead of the real one: events of the future are refused."""
        passed_s = int((time.monotonic() - self._live_since_s) * speed)
        return min(clock(self._plan.end) + passed_s, clock(datetime.now(UTC)))

    def _send(self, sender: Sender, made: Made) -> None:
        sender.send(made)
        told = self.told
        told.sent[made.kind] += 1
        told.at = made.at
        if told.sent.total() % _TELL_EVERY == 0:
            self._tell(told)

    def _note(self, note: str | None) -> None:
        self.told.note = note
        self._tell(self.told)
