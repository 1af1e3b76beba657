"""The made-up company: who works where, for which doctors, in which hospitals.

A *place* is a quarter of a city with its institutions; the reps of a place share them, one rep for each product line. A
*territory* is one rep's part of it: the institutions and the doctors of the departments that line is for.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from math import asin, cos, radians, sin, sqrt
from typing import NamedTuple

from streams.simulator.catalog import ITEMS, LINES, of_line
from streams.simulator.chance import pick, stream
from streams.simulator.names import AREAS, HOSPITALS, Area, City, Person, person

#: Per 200 reps, as in the default company.
_SITES_PER_REP, _DOCTORS_PER_REP = 7.5, 30
_SMALL = 24
SMALLEST = 6
LARGEST = 20_000
_SEGMENTS = (("A", 0.30), ("B", 0.65), ("C", 0.90), ("D", 1.0))
_EARTH_M = 6_371_000.0
#: In town, door to door, plus parking and the way through the building.
_TOWN_M_PER_S, _PARKING_S = 7.0, 420
#: Every so many reps of a team is a filed academic representative, who sells nothing: a colleague books the sales.
_FILED_EVERY = 4


class Site(NamedTuple):
    """One institution."""

    institution_id: str
    name: str
    name_en: str
    channel: str
    sub_channel: str
    city: City
    latitude: float
    longitude: float
    size: float
    is_windowed: bool
    """Receives representatives on weekdays at fixed hours."""
    needs_appointment: bool
    needs_registration: bool
    is_target: bool


class Doctor(NamedTuple):
    """One health-care professional."""

    hcp_id: str
    name: str
    name_en: str
    site: int
    """Number of the institution in the territory."""
    department: str
    specialty: str
    segment: str


class OrderPoint(NamedTuple):
    """What one institution orders of one product."""

    site: int
    item: int
    low: int
    high: int


@dataclass(frozen=True)
class Territory:
    """One rep and what it works with."""

    number: int
    rep_id: str
    seller_id: str
    """Who books the sales: the rep, or a colleague of the team when the rep is filed as academic representative."""
    is_filed: bool
    name: Person
    hired_on: date
    region: int
    team: int
    line: int
    sites: tuple[Site, ...]
    travel_s: tuple[tuple[int, ...], ...]
    """Seconds from institution to institution."""
    doctors: tuple[Doctor, ...]
    orders: tuple[OrderPoint, ...]
    order_weights: tuple[float, ...]
    """Running sum of how often each is ordered; the last is the total."""
    orders_per_day: float
    """Mean on a usual working day, over all products."""


class Team(NamedTuple):
    """One team and its manager."""

    node_id: str
    name: str
    name_en: str
    region: int
    line: int
    manager_id: str


@dataclass(frozen=True)
class Company:
    """Everything that does not change from day to day."""

    seed: int
    reps: int
    launched_on: date
    """Day the new drug came to market."""
    regions: tuple[Area, ...]
    teams: tuple[Team, ...]
    territories: tuple[Territory, ...]
    sites: tuple[Site, ...]
    managers: dict[str, Person] = field(default_factory=dict)
    """Of the company, the regions and the teams, by id."""

    def region_id(self, number: int) -> str:
        """Node of a region."""
        return self.regions[number].node_id


def build(seed: int, reps: int, year: int) -> Company:
    """The company of that seed and size.

    Args:
        seed: any number; another seed is another company.
        reps: `SMALLEST` to `LARGEST`.
        year: the new drug came to market in September of the year before.
    """
    regions = AREAS if reps >= _SMALL else AREAS[:2]
    teams = tuple(_team(region, line) for region in range(len(regions)) for line in range(len(LINES)))
    depth = -(-reps // len(teams))
    places = len(regions) * depth
    wanted = round(_SITES_PER_REP * reps)
    sites_of = {
        (region, index): _sites(seed, regions[region], region, index, -(-(wanted - number) // places))
        for number, (region, index) in enumerate((r, i) for i in range(depth) for r in range(len(regions)))
    }
    territories = tuple(
        _territory(seed, number, teams, sites_of[teams[number % len(teams)].region, number // len(teams)], year, reps)
        for number in range(reps)
    )
    rng = stream(seed, "managers")
    heads = ["M-COMPANY", *(f"M-{area.node_id}" for area in regions), *(team.manager_id for team in teams)]
    everything = tuple(site for sites in sites_of.values() for site in sites)
    managers = {head: person(rng) for head in heads}
    return Company(seed, reps, date(year - 1, 9, 1), regions, teams, territories, everything, managers)


def distance_m(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Great-circle distance of two (latitude, longitude) in degrees, metres (haversine).

    >>> round(distance_m((31.23, 121.47), (31.23, 121.48)))
    951
    """
    first, second = radians(one[0]), radians(other[0])
    across = sin((second - first) / 2) ** 2
    across += cos(first) * cos(second) * sin(radians(other[1] - one[1]) / 2) ** 2
    return 2 * _EARTH_M * asin(sqrt(across))


def _team(region: int, line: int) -> Team:
    area, of = AREAS[region], LINES[line]
    node = f"TEAM-{area.node_id[-1]}-{of.line_id[2:]}"
    name_en = f"{area.name_en} {of.name_en} Team"
    return Team(node, f"{area.name[:2]}{of.name[:-1]}组", name_en, region, line, f"M-{node}")


def _sites(seed: int, area: Area, region: int, index: int, count: int) -> tuple[Site, ...]:
    rng = stream(seed, "place", region, index)
    city = area.cities[index % len(area.cities)]
    round_the_town = index // len(area.cities)
    middle = (city.latitude + rng.uniform(-0.12, 0.12), city.longitude + rng.uniform(-0.12, 0.12))
    sites = []
    for number in range(count):
        name, name_en, channel, sub_channel, size = HOSPITALS[number % len(HOSPITALS)]
        is_hospital = channel == "医院"
        # the running number tells institutions of one city apart
        running = round_the_town * (-(-count // len(HOSPITALS)) + 1) + number // len(HOSPITALS) + 1
        sites.append(
            Site(
                f"I{region + 1}{index:04}{number:03}",
                city.name + name.format(n=running),
                f"{city.name_en} {name_en.format(n=running)}",
                channel,
                sub_channel,
                city,
                round(middle[0] + rng.uniform(-0.03, 0.03), 6),
                round(middle[1] + rng.uniform(-0.035, 0.035), 6),
                round(size * rng.uniform(0.7, 1.3), 3),
                is_hospital and rng.random() < 0.2,  # noqa: PLR2004
                is_hospital and rng.random() < 0.15,  # noqa: PLR2004
                is_hospital and rng.random() < 0.4,  # noqa: PLR2004
                is_hospital and rng.random() < 0.35,  # noqa: PLR2004
            )
        )
    return tuple(sites)


def _territory(
    seed: int, number: int, teams: tuple[Team, ...], sites: tuple[Site, ...], year: int, reps: int
) -> Territory:
    rng = stream(seed, "territory", number)
    index, of_team = number // len(teams), number % len(teams)
    team = teams[of_team]
    colleague = number - len(teams)
    is_filed = index % _FILED_EVERY == _FILED_EVERY - 1
    orders, weights = _orders(seed, number, team.line, sites)
    return Territory(
        number,
        rep_id(number),
        rep_id(colleague if is_filed else number),
        is_filed,
        person(rng),
        date(year - 2, 1, 1) - timedelta(days=rng.randrange(3_000)),
        team.region,
        of_team,
        team.line,
        sites,
        tuple(tuple(_way_s(one, other) for other in sites) for one in sites),
        _doctors(seed, number, team.line, sites),
        orders,
        weights,
        0.2 * sum(site.size for site in sites),
    )


def rep_id(number: int) -> str:
    """Id of a rep by its number."""
    return f"R{number + 1:05}"


def _way_s(one: Site, other: Site) -> int:
    way_m = distance_m((one.latitude, one.longitude), (other.latitude, other.longitude))
    return int(way_m / _TOWN_M_PER_S) + _PARKING_S


def _doctors(seed: int, number: int, line: int, sites: tuple[Site, ...]) -> tuple[Doctor, ...]:
    rng = stream(seed, "doctors", number)
    where = [place for place, site in enumerate(sites) if site.channel != "药店"]
    weights = [sites[place].size for place in where]
    doctors = []
    for count, place in enumerate(rng.choices(where, weights, k=_DOCTORS_PER_REP)):
        department, specialty = pick(rng, LINES[line].departments)
        draw = rng.random()
        segment = next(name for name, share in _SEGMENTS if draw <= share)
        hcp = f"D{number + 1:05}{count + 1:02}"
        doctors.append(Doctor(hcp, *person(rng), place, department, specialty, segment))
    return tuple(doctors)


def _orders(
    seed: int, number: int, line: int, sites: tuple[Site, ...]
) -> tuple[tuple[OrderPoint, ...], tuple[float, ...]]:
    rng = stream(seed, "orders", number)
    points, weights, total = [], [], 0.0
    for place, site in enumerate(sites):
        for item in of_line(line):
            low, high = ITEMS[item].order
            points.append(OrderPoint(place, item, max(1, round(low * site.size)), max(2, round(high * site.size))))
            total += site.size * ITEMS[item].weight * rng.uniform(0.5, 1.5)
            weights.append(total)
    return tuple(points), tuple(weights)
