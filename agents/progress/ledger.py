"""Ledgers of distinct KPIs: which values were seen, and who is credited.

A sum of parts cannot tell how many *different* institutions a team reached, so each value (member) has one place
where all reps report what they saw of it. From these reports it follows to whom the member counts: for a plain
distinct to every rep that saw it and all nodes above them, for a first-ever KPI to the rep of the very first event.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from agents.intake.directory import Directory, Node, Path
from agents.progress.calendar import period_start
from agents.progress.cells import REP, path_of
from agents.progress.groups import LedgerSpec

#: What a rep reports of a member, by entry key. First-ever: `product key` -> [day of the first event, its µs since
#: 1970, its event id, next later day or None]; all None once withdrawn. Plain: text of product key, month and path ->
#: [1, or 0 once withdrawn; product key, first day of the month, path].
Report = dict[str, list[Any]]


class Credit(NamedTuple):
    """A member that counts one for a node (or rep) in a bucket, under a product key."""

    level: str
    entity_id: str
    bucket: str
    product_key: str


def see_first(report: Report, key: str, day: int, at_us: int, event_id: str) -> bool:
    """Enter one event into a first-ever report; whether the report changed."""
    old = report.get(key)
    if old is None or old[0] is None:  # never seen, or withdrawn
        report[key] = [day, at_us, event_id, None]
        return True
    is_later = (old[0], old[1], old[2]) <= (day, at_us, event_id)
    if is_later and (day == old[0] or (old[3] is not None and day >= old[3])):
        return False  # nearly always
    first = min(old[:3], [day, at_us, event_id])
    days = sorted({old[0], day, *([old[3]] if old[3] is not None else [])})
    new = [*first, days[1] if len(days) > 1 else None]
    report[key] = new
    return new != old


class Member:
    """One value of a distinct KPI with the reports of all reps, and who was told that it counts for them.

    A credit can be taken back, so it must never be told without a trace: `told` is written to the checkpoint store
    *before* anything is said (the product key stays `pending` meanwhile), and only the next checkpoint speaks. A crash
    in between finds in `told` everybody who may have heard something, and says it again.
    """

    __slots__ = ("kpi", "pending", "reports", "told", "value")

    def __init__(self, kpi: str, value: str) -> None:
        self.kpi = kpi
        self.value = value
        self.reports: dict[str, dict[str, list[Any]]] = {}
        """By rep, then entry key: [stamp, …entry]."""
        self.told: dict[str, set[Credit]] = {}
        """Credits that were, or are about to be, told, by product key."""
        self.pending: set[str] = set()
        """Product keys whose credits the next checkpoint tells."""

    @property
    def id(self) -> str:
        """Message key, and the child name under which it counts."""
        return f"@{self.kpi}|{self.value}"

    def take(self, rep_id: str, stamp: int, report: Report) -> bool:
        """Replace what a rep reported, unless it reported something newer; whether anything changed."""
        said = self.reports.setdefault(rep_id, {})
        moved = False
        for key, entry in report.items():
            old = said.get(key)
            if old is None or (old[0] <= stamp and old[1:] != entry):
                said[key] = [stamp, *entry]
                moved = True
        return moved

    def forget_older(self, stamp: int, reps: Callable[[str], bool]) -> bool:
        """Withdraw what some reps reported before `stamp`; whether anything changed."""
        moved = False
        for rep_id, entries in self.reports.items():
            if reps(rep_id):
                for key, entry in entries.items():
                    if entry[0] < stamp and entry[1]:
                        entries[key] = [entry[0], *withdrawn(entry[1:])]
                        moved = True
        return moved

    def next_credits(self, due: set[Credit]) -> list[tuple[Credit, bool]]:
        """Who must be told now, and whether the member counts for them; what is new waits for the checkpoint after."""
        by_key: dict[str, set[Credit]] = {}
        for credit in due:
            by_key.setdefault(credit.product_key, set()).add(credit)
        said = [(credit, credit in due) for key in sorted(self.pending) for credit in sorted(self.told.get(key, ()))]
        for key in self.pending:
            self.told[key] = self.told.get(key, set()) & by_key.get(key, set())
        self.pending = {key for key in {*by_key, *self.told} if by_key.get(key, set()) != self.told.get(key, set())}
        for key in self.pending:
            self.told[key] = self.told.get(key, set()) | by_key.get(key, set())
        self.told = {key: credits_ for key, credits_ in self.told.items() if credits_}
        return said

    def due(self, spec: LedgerSpec, directory: Directory) -> set[Credit]:
        """Who the member counts for, by what is reported now."""
        return set(self._due_first(spec, directory) if spec.first_ever else self._due_plain(spec))

    def _due_first(self, spec: LedgerSpec, directory: Directory) -> Iterable[Credit]:
        by_key: dict[str, list[tuple[list[Any], str]]] = {}
        for rep_id, entries in self.reports.items():
            for key, entry in entries.items():
                if entry[1] is not None:
                    by_key.setdefault(key, []).append((entry[1:], rep_id))
        for key, found in by_key.items():
            (first_day, *_), rep_id = min(found, key=lambda item: (item[0][:3], item[1]))
            later = [day for entry, _ in found for day in (entry[0], entry[3]) if day is not None and day > first_day]
            if _confirmed(spec, first_day, min(later, default=None)):
                path = directory.path(rep_id, first_day)
                yield from _credits(spec, rep_id, path, first_day, key)

    def _due_plain(self, spec: LedgerSpec) -> Iterable[Credit]:
        for rep_id, entries in self.reports.items():
            for _stamp, present, product_key, month, path in entries.values():
                if present:
                    yield from _credits(spec, rep_id, path_of(path), month, product_key)


def withdrawn(entry: Sequence[Any]) -> list[Any]:
    """The entry that takes `entry` back; a plain one names its product key second, a first-ever one has numbers."""
    return [0, *entry[1:]] if isinstance(entry[1], str) else [None] * len(entry)


def _confirmed(spec: LedgerSpec, first_day: int, next_day: int | None) -> bool:
    if spec.confirmed_within_days is None:
        return True
    return next_day is not None and next_day - first_day <= spec.confirmed_within_days


def _credits(spec: LedgerSpec, rep_id: str, path: Path, day: int, product_key: str) -> Iterable[Credit]:
    for period in spec.periods:
        bucket = f"{period[0]}{period_start(period, day)}"
        for level, node_id in (Node(REP, rep_id), *path):
            yield Credit(level, node_id, bucket, product_key)
