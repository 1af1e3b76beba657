"""Whose past a rule looks back on: it is judged where that past is kept, so there is one place a rule.

Rules about a representative's own past are judged with the events of that representative; rules about a professional or
an institution with the events of all representatives that concern them.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from agents.compliance.errors import RuleError
from agents.compliance.nodes import Node
from schemas.base import Model
from schemas.events import EVENT_MODELS

#: Name of a professional the event names, whoever that is; rules that use it are judged once for each.
PERSON = "person"
#: What may stand behind `hcp=` and `institution=`.
FIELDS = {"hcp": ("hcp_id", "payee_id", PERSON), "institution": ("institution_id",)}
#: Fields in which an event names professionals.
_NAMING = frozenset({"hcp_id", "payee_id", "attendees"})


class Place(NamedTuple):
    """Whose past a rule looks at.

    Attributes:
        subject: rep, hcp or institution.
        field: field of the event that names it; `person`: each professional it names.
    """

    subject: str
    field: str


#: Rules that look back on nobody else are judged with the representative's events.
REP = Place("rep", "rep_id")


def names_persons(model: type[Model]) -> bool:
    """Whether events of a kind name professionals."""
    return not _NAMING.isdisjoint(model.model_fields)


def professionals(event: Any) -> tuple[str, ...]:
    """Every professional an event names, once: visited, asked, paid or attending."""
    fields = event.__dict__  # asking a model for a field it does not have takes a microsecond
    found = [fields.get("hcp_id"), *(person.hcp_id for person in fields.get("attendees", ()))]
    if fields.get("payee_kind") == "hcp":
        found.append(event.payee_id)
    return tuple(dict.fromkeys(key for key in found if key is not None))


def subjects_of(event: Any, place: Place) -> tuple[str, ...]:
    """Ids of those a rule with this place is judged for, when this event comes."""
    if place.field == PERSON:
        return professionals(event)
    fields = event.__dict__
    if place.field == "payee_id" and fields.get("payee_kind") != "hcp":
        return ()  # a vendor or a department has no past of a professional
    key = fields.get(place.field)
    return () if key is None else (key,)


def whole_past(kind: str, subject: str) -> list[Place]:
    """Whose pasts events of a kind belong to: of professionals all the event names, of institutions its own.

    >>> whole_past("activity", "hcp"), whole_past("visit", "hcp"), whole_past("sale", "hcp")
    ([Place(subject='hcp', field='person')], [Place(subject='hcp', field='hcp_id')], [])
    """
    fields = EVENT_MODELS[kind].model_fields
    if subject == "institution":
        return [Place(subject, field) for field in FIELDS[subject] if field in fields]
    naming = _NAMING & fields.keys()
    return [Place(subject, "hcp_id" if naming == {"hcp_id"} else PERSON)] if naming else []


def walk(root: Node) -> Iterator[Node]:
    """A node with all its parts, the first first."""
    waiting = [root]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += reversed(part.parts)


def place_of(texts: Sequence[tuple[tuple[str, ...], Node]]) -> tuple[Place, tuple[tuple[str, ...], RuleError] | None]:
    """The place of a rule's parts, and what stands against it.

    Args:
        texts: the nodes by the field they stand in.

    Returns:
        The place, and the field and error of the first part that belongs elsewhere.
    """
    looks = [(path, part) for path, root in texts for part in walk(root) if part.look is not None]
    place = looks[0][1].look.place if looks and looks[0][1].look is not None else REP
    for path, part in looks:
        if part.look is not None and (what := _refusal(part.look.place, place)) is not None:
            return place, (path, RuleError(what, part.line, part.column))
    if place.field != PERSON:
        for path, root in texts:
            for part in walk(root):
                if part.op == PERSON:
                    what = "person is known where a rule looks back with hcp=person only: name hcp_id or payee_id"
                    return place, (path, RuleError(what, part.line, part.column))
    return place, None


def _refusal(found: Place, place: Place) -> str | None:
    """Why a rule at a place cannot look back on what it found; None where it can."""
    known = FIELDS.get(found.subject)
    if known is not None and found.field not in known:
        offered = " or ".join(f"{found.subject}={field}" for field in known)
        return f"{found.subject}={found.field} names nobody whose past is at hand: write {offered}"
    if found != place:
        return (
            f"this looks back on {_words(found)}, the rule on {_words(place)} before: a rule looks back on one "
            "subject, make two rules of it"
        )
    return None


def _words(place: Place) -> str:
    return "the representative" if place == REP else f"{place.subject}={place.field}"
