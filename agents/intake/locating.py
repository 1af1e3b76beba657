"""R26: where a visit took place, reduced to what may be kept before anything is kept.

A fix is used in memory, once, as the event arrives. Inside the fence or not, a band of distance, the accuracy and the
least speed since the check-in before are kept; the coordinates are not. Of a fix from outside working hours, or of
somebody who must agree and did not, nothing is worked out at all.
"""

from bisect import bisect_right
from collections import defaultdict
from datetime import date, datetime
from itertools import pairwise
from math import asin, cos, radians, sin, sqrt
from typing import Any, NamedTuple

from agents.intake.directory import Directory
from agents.progress.calendar import CompanyTime
from schemas.base import Position
from schemas.events import Event, Findings, Located
from schemas.intake_policy import LocationRule, Withheld

#: Ends of the bands of distance, metres. They are fixed: a band that is stored cannot be split afterwards.
BAND_EDGES_M = (100, 200, 500, 1_000, 5_000, 20_000)
#: Lower end of every band by its name; a distance of exactly an upper end belongs to the band below.
BANDS: dict[str, int] = {f"{low}-{high} m": low for low, high in pairwise((0, *BAND_EDGES_M))}
BANDS[f"over {BAND_EDGES_M[-1]} m"] = BAND_EDGES_M[-1]
_BAND_NAMES = tuple(BANDS)
_EARTH_M = 6_371_008.8
_DAY_US = 86_400_000_000
_SECOND_US = 1_000_000
_NOTHING = Located()


class CheckIn(NamedTuple):
    """A fix of a representative, for as long as a journey may begin there: a day."""

    moment_us: int
    """Microseconds since 1970."""
    latitude: float
    longitude: float
    accuracy_m: float | None


class Location(NamedTuple):
    """What is kept of an event's positions, and what was not even looked at."""

    located: Located = _NOTHING
    withheld: Withheld | None = None
    """Why a position should not have been sent: hours, or consent; None: nothing was wrong."""
    check_in: CheckIn | None = None
    """The fix itself, for the next journey; it must not leave memory. None where it may not be used."""


class Locator:
    """Locates the events of one company.

    Args:
        time: company time.
        rule: hours and consent; the built-in ones when left out.
    """

    def __init__(self, time: CompanyTime, rule: LocationRule | None = None) -> None:
        self._time = time
        self.rule = rule or LocationRule()

    def locate(self, event: Any, directory: Directory, before: CheckIn | None = None) -> Location:
        """What may be kept of where a visit took place.

        Args:
            event: any event; only a visit has positions.
            directory: institutions, consents, working days.
            before: the representative's check-in before this one.
        """
        fix, leaving = getattr(event, "check_in", None), getattr(event, "check_out", None)
        if fix is None and leaving is None:
            return Location()
        day = self._time.day_of(event.occurred_at)
        if not self._has_consent(event.rep_id, directory, day):
            return Location(withheld="consent")
        is_late = leaving is not None and not self._at_work(event.check_out_at or event.check_in_at, directory)
        if fix is None or not self._at_work(event.check_in_at, directory):
            return Location(withheld="hours" if fix is not None or is_late else None)
        here = CheckIn(self._time.microseconds(event.check_in_at), fix.latitude, fix.longitude, fix.accuracy_m)
        line = directory.institutions.get(event.institution_id)
        located = found(fix, line.on(date.fromordinal(day)) if line is not None else None)
        located = located._replace(journey_kmh=None if before is None else speed_kmh(before, here))
        return Location(located, "hours" if is_late else None, here)

    def note(self, event: Event, directory: Directory, before: CheckIn | None = None) -> Location:
        """`locate`, and note it beside the event."""
        location = self.locate(event, directory, before)
        if location.located is not _NOTHING:
            event.found(Findings(event.findings.breaches, location.located))
        return location

    def _has_consent(self, rep_id: str, directory: Directory, day: int) -> bool:
        line = directory.reps.get(rep_id)
        row = line.on(date.fromordinal(day)) if line is not None else None
        said = row.location_consent if row is not None else None
        return not self.rule.require_consent if said is None else said

    def _at_work(self, moment: datetime, directory: Directory) -> bool:
        local = moment.astimezone(self._time.zone)
        if not self.rule.opens <= local.time() <= self.rule.closes:
            return False
        return not self.rule.working_days_only or directory.standing.is_working_day(local.toordinal())


def found(fix: Position, site: Any) -> Located:
    """A fix beside an institution's position and fence; unknown without them.

    >>> from schemas.reference import Institution
    >>> site = Institution(institution_id="I1", name="I1", latitude=31.0, longitude=121.0)
    >>> found(Position(latitude=31.002, longitude=121.0, accuracy_m=10), site)
    Located(in_fence=False, distance_band='200-500 m', accuracy_m=10.0, journey_kmh=None)
    """
    if site is None or site.latitude is None or site.longitude is None:
        return Located(accuracy_m=fix.accuracy_m)
    away = distance_m(fix.latitude, fix.longitude, site.latitude, site.longitude) - (fix.accuracy_m or 0.0)
    return Located(away <= site.fence_radius_m, band(away), fix.accuracy_m)


def band(away_m: float) -> str:
    """Name of the band of a distance.

    >>> band(-3.0), band(200.0), band(200.1), band(50_000.0)
    ('0-100 m', '100-200 m', '200-500 m', 'over 20000 m')
    """
    return _BAND_NAMES[sum(away_m > edge for edge in BAND_EDGES_M)]


def speed_kmh(before: CheckIn, here: CheckIn) -> float | None:
    """Least speed between two check-ins at most a day apart; each may be off by its accuracy.

    >>> speed_kmh(CheckIn(0, 31.0, 121.0, None), CheckIn(3_600_000_000, 32.0, 121.0, 195.0))
    111.0
    """
    passed_us = here.moment_us - before.moment_us
    if not 0 <= passed_us <= _DAY_US:
        return None
    away = distance_m(before.latitude, before.longitude, here.latitude, here.longitude)
    sure = max(away - (before.accuracy_m or 0.0) - (here.accuracy_m or 0.0), 0.0)
    return round(sure / max(passed_us, _SECOND_US) * _SECOND_US * 3.6, 1)


def distance_m(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Metres between two points on the sphere, by the haversine formula.

    >>> round(distance_m(31.0, 121.0, 31.001, 121.0), 1)
    111.2
    """
    north, other_north = radians(latitude), radians(other_latitude)
    across = sin((other_north - north) / 2) ** 2
    across += cos(north) * cos(other_north) * sin(radians(other_longitude - longitude) / 2) ** 2
    return 2 * _EARTH_M * asin(sqrt(min(across, 1.0)))


class CheckIns:
    """Check-ins in memory, for tests of rules: each representative's own, in order of time."""

    def __init__(self) -> None:
        self._of: dict[str, list[tuple[int, int, str, CheckIn]]] = defaultdict(list)

    def add(self, rep_id: str, event_id: str, check_in: CheckIn | None) -> None:
        """Remember a fix; None is nothing to remember."""
        if check_in is not None:
            held = self._of[rep_id]
            held.append((check_in.moment_us, len(held), event_id, check_in))
            held.sort()

    def check_in_before(self, rep_id: str, moment_us: int, event_id: str) -> CheckIn | None:
        """The last check-in of a representative up to a moment, another than that of the event itself."""
        held = self._of.get(rep_id, [])
        for _, _, owner, check_in in reversed(held[: bisect_right(held, moment_us, key=lambda one: one[0])]):
            if owner != event_id:
                return check_in if moment_us - check_in.moment_us <= _DAY_US else None
        return None
