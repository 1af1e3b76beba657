"""Reference data as the steps ask for it: is this id known, where did that rep belong on that day.

Built once per published version and never changed; a step that holds one sees one consistent company.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Generic, NamedTuple, TypeVar

from agents.intake.standing_data import StandingData
from schemas.events import EVENT_MODELS, Activity, Visit
from schemas.reference import LEVELS, Hcp, Institution, OrganisationNode, Product, Reference, Rep

Row = TypeVar("Row", bound=Reference)
Made = TypeVar("Made")
#: Products of one event, by day and for whoever asks: those of visits are many.
_MOST_REMEMBERED = 50_000


class Node(NamedTuple):
    """One node of the organisation tree."""

    level: str
    node_id: str


#: Fields that must name something known, the word for it and the table of this directory, by event kind.
_NAMED_BY: dict[str, tuple[tuple[str, str, str], ...]] = {
    kind: tuple(
        (field, word, table)
        for field, word, table in (
            ("rep_id", "rep", "reps"),
            ("institution_id", "institution", "institutions"),
            ("hcp_id", "HCP", "hcps"),
            ("product_id", "product", "products"),
        )
        if field in model.model_fields
    )
    for kind, model in EVENT_MODELS.items()
}

#: Nodes above a rep, lowest first; levels the company does not use are left out.
Path = tuple[Node, ...]


class Timeline(Generic[Row]):
    """The rows of one key in order of `effective_from`."""

    __slots__ = ("days", "rows")

    def __init__(self, rows: Iterable[Row]) -> None:
        self.rows = sorted(rows, key=lambda row: row.effective_from)
        self.days = [row.effective_from for row in self.rows]

    def on(self, day: date) -> Row | None:
        """The row in force on `day`; None before the first."""
        index = bisect_right(self.days, day)
        return self.rows[index - 1] if index else None


def _timelines(rows: Sequence[Any]) -> dict[str, Timeline[Any]]:
    grouped: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        grouped[row.key[0]].append(row)
    return {key: Timeline(of_key) for key, of_key in grouped.items()}


class Directory:
    """An immutable view of the reference data.

    Args:
        rows: reference rows by kind (`rep`, `node`, `institution`, `product`, `hcp`, …), newest text of each
            (key, effective_from).
        version: the published version the rows belong to; higher is newer.
    """

    def __init__(self, rows: Mapping[str, Sequence[Reference]], version: int = 0) -> None:
        self.version = version
        self.reps: dict[str, Timeline[Rep]] = _timelines(rows.get("rep", ()))
        self.nodes: dict[str, Timeline[OrganisationNode]] = _timelines(rows.get("node", ()))
        self.institutions: dict[str, Timeline[Institution]] = _timelines(rows.get("institution", ()))
        self.products: dict[str, Timeline[Product]] = _timelines(rows.get("product", ()))
        self.hcps: dict[str, Timeline[Hcp]] = _timelines(rows.get("hcp", ()))
        self.breaks = sorted(
            {day.toordinal() for tree in (self.reps, self.nodes) for line in tree.values() for day in line.days}
        )
        self.standing = StandingData(rows)
        self._paths: dict[tuple[str, int], Path] = {}
        self._territories: dict[tuple[str, int], Path] = {}
        self._lines: dict[tuple[str, int], str | None] = {}
        self._remembered: dict[tuple[Hashable, tuple[str, ...], int], Any] = {}

    def remembered(
        self,
        name: Hashable,
        products: tuple[str, ...],
        day: int,
        make: Callable[[tuple[str, ...], "Directory", int], Made],
    ) -> Made:
        """What `make` gives for products on a day, by name; the same few come again and again."""
        key = (name, products, day)
        found: Made | None = self._remembered.get(key)
        if found is None:
            if len(self._remembered) >= _MOST_REMEMBERED:
                self._remembered = {}
            found = self._remembered[key] = make(products, self, day)
        return found

    def path(self, rep_id: str, day: int) -> Path:
        """Nodes above `rep_id` on the day with ordinal `day`, lowest first; empty when it belongs to no team."""
        segment = bisect_right(self.breaks, day)
        path = self._paths.get((rep_id, segment))
        if path is None:
            path = self._paths[rep_id, segment] = self._climb(rep_id, date.fromordinal(day))
        return path

    def territory_path(self, node_id: str, day: int) -> Path:
        """The node `node_id` and those above it on the day, lowest first; empty when there is no such node."""
        segment = bisect_right(self.breaks, day)
        path = self._territories.get((node_id, segment))
        if path is None:
            path = self._territories[node_id, segment] = self._climb_from(node_id, date.fromordinal(day))
        return path

    def _climb(self, rep_id: str, day: date) -> Path:
        line = self.reps.get(rep_id)
        rep = line.on(day) if line else None
        return self._climb_from(rep.team_id if rep else None, day)

    def _climb_from(self, node_id: str | None, day: date) -> Path:
        path: list[Node] = []
        while node_id is not None and node_id in self.nodes:
            node = self.nodes[node_id].on(day)
            if node is None or (path and LEVELS.index(node.level) <= LEVELS.index(path[-1].level)):
                break  # not yet founded, or a loop: what is above counts nothing
            path.append(Node(node.level, node_id))
            node_id = node.parent_id
        return tuple(path)

    def line_of(self, product_id: str, day: int) -> str | None:
        """Product line of `product_id` on the day with ordinal `day`; None when it has none."""
        key = (product_id, day)
        if key not in self._lines:
            timeline = self.products.get(product_id)
            product = timeline.on(date.fromordinal(day)) if timeline else None
            self._lines[key] = product.line_id if product else None
        return self._lines[key]

    def unknown(self, event: Any) -> list[str]:
        """What the event names and nobody published, as 'rep R99'; empty when all is known.

        A name counts as known from the first publication on, whatever its `effective_from`: an event dated before
        is a question of validity, not of identity.
        """
        missing = [
            f"{word} {value}"
            for field, word, table in _NAMED_BY[event.kind_name]
            if (value := getattr(event, field)) is not None and value not in getattr(self, table)
        ]
        products = _listed_products(event)
        return missing + [f"product {product}" for product in products if product not in self.products]

    def stands_alike(self, other: "Directory") -> bool:
        """Whether call plans, calendar, professionals and representatives are the same in `other`."""
        return self.standing == other.standing and all(
            one.keys() == two.keys() and _same_rows(one, two)
            for one, two in ((self.reps, other.reps), (self.hcps, other.hcps))
        )

    def places_alike(self, other: "Directory", fields: Iterable[str] = (), territories: Iterable[str] = ()) -> bool:
        """Whether `other` puts every rep and product of this directory where this one does, on every day.

        Args:
            other: a newer directory.
            fields: fields of reference rows that filters read (`institution.country`); they must be the same, too.
            territories: nodes that markets were reported of, known here or not; they must stand where they did.
        """
        return (
            self._paths_alike(other, territories)
            and all(
                _changes(line, _LINE) == _changes(other.products.get(product), _LINE)
                for product, line in self.products.items()
            )
            and all(self._reads_alike(other, *field.split(".")) for field in fields)
        )

    def _reads_alike(self, other: "Directory", kind: str, field: str) -> bool:
        old, new = getattr(self, f"{kind}s"), getattr(other, f"{kind}s")
        return all(_changes(timeline, (field,)) == _changes(new.get(key), (field,)) for key, timeline in old.items())

    def _paths_alike(self, other: "Directory", territories: Iterable[str]) -> bool:
        """Whether reps and territories have the same paths on every day; only what moved is followed."""
        moved = {
            node_id
            for node_id in {*self.nodes, *other.nodes}
            if _changes(self.nodes.get(node_id), _NODE_PLACE) != _changes(other.nodes.get(node_id), _NODE_PLACE)
        }
        return all(self._path_alike(other, rep_id, moved) for rep_id in self.reps) and all(
            self._territory_alike(other, node_id, moved) for node_id in territories
        )

    def _territory_alike(self, other: "Directory", node_id: str, moved: set[str]) -> bool:
        above = self.ever_over(node_id) | other.ever_over(node_id)
        if above.isdisjoint(moved):
            return True
        lines = [tree[key] for tree in (self.nodes, other.nodes) for key in above if key in tree]
        days = {1} | {day.toordinal() for line in lines for day in line.days}
        return all(self.territory_path(node_id, day) == other.territory_path(node_id, day) for day in days)

    def _path_alike(self, other: "Directory", rep_id: str, moved: set[str]) -> bool:
        places = [_changes(directory.reps.get(rep_id), _REP_PLACE) for directory in (self, other)]
        above = self.ever_above(rep_id) | other.ever_above(rep_id)
        if places[0] == places[1] and above.isdisjoint(moved):
            return True
        lines = [
            tree.get(key)
            for both in (self, other)
            for tree, keys in ((both.reps, {rep_id}), (both.nodes, above))
            for key in keys
        ]
        days = {1} | {day.toordinal() for line in lines if line is not None for day in line.days}
        return all(self.path(rep_id, day) == other.path(rep_id, day) for day in days)

    def ever_above(self, rep_id: str) -> set[str]:
        """Every node that ever stands above a rep."""
        line = self.reps.get(rep_id)
        teams = {row.team_id for row in line.rows if row.team_id is not None} if line else set()
        return {node for team in teams for node in self.ever_over(team)}

    def ever_over(self, node_id: str) -> set[str]:
        """A node, and every one that ever stands above it."""
        waiting, found = [node_id], {node_id}
        while waiting:
            line = self.nodes.get(waiting.pop())
            new = {row.parent_id for row in line.rows if row.parent_id is not None} - found if line else set()
            found |= new
            waiting += new
        return found


#: What decides where a row stands in the tree.
_REP_PLACE: tuple[str, ...] = ("team_id",)
_NODE_PLACE: tuple[str, ...] = ("level", "parent_id")
#: What decides which line a product's figures roll up to.
_LINE: tuple[str, ...] = ("line_id",)


def _listed_products(event: Any) -> Iterable[str]:
    """Products an event names in lists."""
    if event.kind_name == Visit.kind_name:
        return dict.fromkeys(item.product_id for item in (*event.details, *event.samples))
    return event.product_ids if event.kind_name == Activity.kind_name else ()


def _changes(timeline: Timeline[Any] | None, names: tuple[str, ...]) -> list[tuple[date, tuple[Any, ...]]]:
    """The days on which one of the fields `names` changes, and to what."""
    changes: list[tuple[date, tuple[Any, ...]]] = []
    for row in timeline.rows if timeline else ():
        now = tuple(getattr(row, name) for name in names)
        if not changes or changes[-1][1] != now:
            changes.append((row.effective_from, now))
    return changes


def _same_rows(old: Mapping[str, Timeline[Any]], new: Mapping[str, Timeline[Any]]) -> bool:
    """Whether every key of `old` has the same rows in `new`."""
    return all(key in new and new[key].rows == timeline.rows for key, timeline in old.items())
