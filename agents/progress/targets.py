"""Targets: how far one is reached, and how one breaks down to regions, teams and representatives."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple, TypeVar

from agents.intake.directory import Directory
from schemas.policy import Kpi
from schemas.reference import LEVELS, period_days

CENT = Decimal("0.01")
#: Levels below the company that a target breaks down to, from the top.
SPLIT_LEVELS = ("region", "team", "rep")


class Owner(NamedTuple):
    """Who is to reach a target: an organisation node or a representative."""

    level: str
    owner_id: str


#: What parts are named by; equal remainders are settled in its order.
Key = TypeVar("Key", str, Owner)
#: Owners in force on a day, each with the owners above it, lowest first.
Chains = dict[Owner, tuple[Owner, ...]]
#: The parts an owner's target breaks down into.
Tree = dict[Owner, tuple[Owner, ...]]


class Split(NamedTuple):
    """A target broken down."""

    parts: dict[Owner, Decimal]
    """Target of every owner, the root first, each above those below it."""
    notes: tuple[str, ...]
    """What a person should know about it."""


def attainment(value: Decimal | None, target: Decimal) -> Decimal | None:
    """Figure ÷ target to four places, half to even; None without a figure and for a target of zero.

    >>> attainment(Decimal("153053093"), Decimal("200000000")), attainment(Decimal("0.00005"), Decimal(1))
    (Decimal('0.7653'), Decimal('0.0000'))
    """
    return None if value is None or not target else _four_places(Fraction(value) / Fraction(target))


def elapsed_share(first: date, last: date, day: date) -> Decimal:
    """Share of the calendar days of a period that have passed, `day` included, to four places, half to even.

    >>> elapsed_share(date(2018, 4, 1), date(2018, 6, 30), date(2018, 5, 15))
    Decimal('0.4945')
    """
    length = (last - first).days + 1
    passed = min(max((day - first).days + 1, 0), length)
    return _four_places(Fraction(passed, length))


def _four_places(value: Fraction) -> Decimal:
    return Decimal(f"{round(value * 10_000)}E-4")  # `round` of a fraction is exact and half to even


def step_of(kpi: Kpi) -> Decimal:
    """Smallest part of a target: one for what is counted, a cent for everything else.

    Raises:
        ValueError: the KPI does not add up, so its target does not break down.
    """
    if kpi.aggregate not in {"sum", "count", "distinct", "days"}:
        msg = f"{kpi.id} is a {kpi.aggregate} and does not add up: give every owner a target of its own"
        raise ValueError(msg)
    return Decimal(1) if kpi.unit == "count" else CENT


def apportion(total: Decimal, weights: Mapping[Key, Decimal], step: Decimal = CENT) -> dict[Key, Decimal]:
    """Parts of `total` in proportion to `weights`, in whole steps, that add up to `total` exactly.

    Largest remainder: every part is its exact share rounded down, and the steps that are left go to the largest
    remainders, of equal ones to the smaller key. Weights that are all zero count as equal.

    >>> apportion(Decimal(100), {"a": Decimal(1), "b": Decimal(1), "c": Decimal(1)})
    {'a': Decimal('33.34'), 'b': Decimal('33.33'), 'c': Decimal('33.33')}

    Raises:
        ValueError: `total` is negative or no whole number of steps, or a weight is negative.
    """
    steps = Fraction(total) / Fraction(step)
    if steps.denominator != 1 or steps < 0:
        msg = f"{total:f} does not break down: a target is at least 0 and a multiple of {step}"
        raise ValueError(msg)
    exact = {key: Fraction(weights[key]) for key in sorted(weights)}
    if negative := [key for key, weight in exact.items() if weight < 0]:
        name = negative[0].owner_id if isinstance(negative[0], Owner) else negative[0]
        msg = f"the weight of {name} is negative: write 0 or more"
        raise ValueError(msg)
    whole = sum(exact.values())
    if not whole:
        exact, whole = dict.fromkeys(exact, Fraction(1)), Fraction(len(exact))
    counts, rests = {}, {}
    for key, weight in exact.items():
        share = steps * weight / whole
        counts[key] = share.numerator // share.denominator
        rests[key] = share - counts[key]
    left = steps.numerator - sum(counts.values())
    for key in sorted(rests, key=lambda key: (-rests[key], key))[:left]:
        counts[key] += 1
    places = step.as_tuple().exponent
    return {key: Decimal(f"{count}E{places}") for key, count in counts.items()}


def split(total: Decimal, root: Owner, tree: Tree, weights: Mapping[Owner, Decimal], step: Decimal = CENT) -> Split:
    """Break the target of `root` down along `tree`; at every owner the parts add up to its target exactly.

    Args:
        total: the target of `root`.
        root: whose target it is.
        tree: the owners below each owner.
        weights: of owners; left out means zero.
        step: smallest part of a target.

    Raises:
        ValueError: see `apportion`.
    """
    parts, notes = apportion(total, {root: Decimal(1)}, step), []
    waiting = [root]
    for parent in waiting:
        children = tree.get(parent, ())
        if not children:
            if parent.level != SPLIT_LEVELS[-1] and parts[parent] and _reaches_below(parent, tree):
                notes.append(f"{parent.level} {parent.owner_id} has nobody below it: {parts[parent]:f} stays with it")
            continue
        of_children = {child: weights.get(child, Decimal(0)) for child in children}
        if parts[parent] and not any(of_children.values()):
            notes.append(f"nobody below {parent.level} {parent.owner_id} has a weight: split evenly")
        parts |= apportion(parts[parent], of_children, step)
        waiting += children
    return Split(parts, tuple(notes))


def _reaches_below(owner: Owner, tree: Tree) -> bool:
    """Whether the breakdown has levels below that of `owner`."""
    levels = (*reversed(LEVELS), SPLIT_LEVELS[-1])
    lowest = max((levels.index(child.level) for children in tree.values() for child in children), default=0)
    return levels.index(owner.level) < lowest


def owners_on(directory: Directory, day: date) -> Chains:
    """Nodes and representatives in force on `day`, each with the nodes above it.

    A representative counts when it belongs to a team, is employed on the day and does not lead one (role manager).
    """
    chains: Chains = {}
    for node_id in sorted(directory.nodes):
        above = _climb(directory, node_id, day)
        if above:
            chains[above[0]] = above[1:]
    for rep_id in sorted(directory.reps):
        rep = directory.reps[rep_id].on(day)
        if rep is None or rep.role == "manager" or (rep.hired_on or day) > day or (rep.left_on or day) < day:
            continue
        if path := directory.path(rep_id, day.toordinal()):
            chains[Owner("rep", rep_id)] = tuple(Owner(*node) for node in path)
    return chains


def _climb(directory: Directory, node_id: str | None, day: date) -> tuple[Owner, ...]:
    """The node and those above it, lowest first; a parent that is not above its child ends the way."""
    path: list[Owner] = []
    while node_id is not None and node_id in directory.nodes:
        node = directory.nodes[node_id].on(day)
        if node is None or (path and LEVELS.index(node.level) <= LEVELS.index(path[-1].level)):
            break
        path.append(Owner(node.level, node_id))
        node_id = node.parent_id
    return tuple(path)


def tree_below(chains: Chains, root: Owner, levels: Iterable[str] = SPLIT_LEVELS) -> Tree:
    """Who is below whom when only `levels` below `root` are kept.

    An owner without a node of a level above it (a team right below the company) is a part of the next level up.
    """
    kept = set(levels)
    children: dict[Owner, list[Owner]] = defaultdict(list)
    for owner, above in chains.items():
        if owner.level in kept and root in above:
            parent = next(node for node in above if node == root or node.level in kept)
            children[parent].append(owner)
    return {parent: tuple(sorted(found)) for parent, found in children.items()}


def headcounts(chains: Chains) -> dict[Owner, Decimal]:
    """Representatives at and below every owner."""
    counts: Counter[Owner] = Counter()
    for owner, above in chains.items():
        if owner.level == "rep":
            counts.update((owner, *above))
    return {owner: Decimal(count) for owner, count in counts.items()}


def potentials(chains: Chains, root: Owner, given: Mapping[Owner, Decimal]) -> dict[Owner, Decimal]:
    """Weights of every owner below `root`: those given, else the sum of the owners right below."""
    tree = tree_below(chains, root)
    weights: dict[Owner, Decimal] = {}
    below_first = sorted(
        (owner for owner, above in chains.items() if root in above), key=lambda owner: -len(chains[owner])
    )
    for owner in below_first:
        own = given.get(owner)
        weights[owner] = own if own is not None else sum((weights[child] for child in tree.get(owner, ())), Decimal(0))
    return weights


def clamped(figures: Mapping[Owner, Decimal]) -> tuple[dict[Owner, Decimal], tuple[str, ...]]:
    """Figures as weights: negative ones count as zero, and a note says so."""
    notes = tuple(
        f"{owner.level} {owner.owner_id} has a negative history ({figure:f}): it counts as 0"
        for owner, figure in sorted(figures.items())
        if figure < 0
    )
    return {owner: max(figure, Decimal(0)) for owner, figure in figures.items()}, notes


def history_starts(period: str, start: date, last: int | None = None) -> Sequence[date]:
    """First days of the periods whose figures are weights: the one a year before, or the `last` ones before `start`.

    >>> history_starts("quarter", date(2018, 4, 1)), history_starts("quarter", date(2018, 4, 1), 2)
    ([datetime.date(2017, 4, 1)], [datetime.date(2018, 1, 1), datetime.date(2017, 10, 1)])
    """
    if last is None:
        return [start.replace(year=start.year - 1)]
    starts: list[date] = []
    for _ in range(last):
        start = period_days(period, start - timedelta(days=1))[0]
        starts.append(start)
    return starts
