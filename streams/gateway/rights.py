"""Who may see and do what. docs/gateway.md shows the same table, and a test compares."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from agents.cases.deciding import MAY
from schemas.cases import Action, PersonRole
from streams.gateway.problems import ProblemError

Area = Literal["alerts", "cases", "lights", "rules"]
#: Whose rows: everybody's, those of one's own tree, or one's own.
Reach = Literal["all", "tree", "own", "none"]
_EVERYTHING: Mapping[Area, Reach] = dict.fromkeys(get_args(Area), "all")

SEES: Mapping[PersonRole, Mapping[Area, Reach]] = {
    "compliance": _EVERYTHING,
    "auditor": _EVERYTHING,
    "operations": _EVERYTHING,
    "finance": {"alerts": "none", "cases": "none", "lights": "all", "rules": "all"},
    "manager": {"alerts": "tree", "cases": "tree", "lights": "tree", "rules": "all"},
    "rep": {"alerts": "own", "cases": "own", "lights": "own", "rules": "all"},
}
#: Roles that see how often a rule was right: figures over the whole company.
JUDGES: frozenset[PersonRole] = frozenset({"compliance", "auditor", "operations"})
ACTIONS: tuple[Action, ...] = get_args(Action)


@dataclass(frozen=True)
class Individual:
    """A person, as the token says.

    Attributes:
        subject: who.
        role: decides what may be seen and done.
        node: organisation node of a manager.
        rep_id: of a representative.
        name: as it is shown.
        expires_s: when the token ends, seconds since 1970.
    """

    subject: str
    role: PersonRole
    node: str | None
    rep_id: str | None
    name: str | None
    expires_s: float

    @property
    def person_id(self) -> str:
        """Who gives a command: of a representative the `rep_id`, by which the desk knows whose alerts are their own."""
        return self.rep_id if self.role == "rep" and self.rep_id is not None else self.subject

    @property
    def limited_as(self) -> str:
        """Name under which requests are counted."""
        return f"person:{self.subject}"


@dataclass(frozen=True)
class System:
    """A sending system, as its key says.

    Attributes:
        key_id: the part of the key that is no secret.
        name: of the key.
        kinds: kinds of events it may send.
        source: the `source` its events carry; empty: any.
    """

    key_id: str
    name: str
    kinds: frozenset[str]
    source: str

    @property
    def limited_as(self) -> str:
        """Name under which requests are counted."""
        return f"key:{self.key_id}"


Caller = Individual | System


def check_sees(person: Individual, area: Area) -> Reach:
    """How far the person sees.

    Raises:
        ProblemError: 403, not at all.
    """
    reach = SEES[person.role][area]
    if reach == "none":
        raise ProblemError(403, f"the role {person.role} does not see {area}: ask compliance")
    return reach


def check_may(person: Individual, action: Action) -> None:
    """Let the command through.

    Raises:
        ProblemError: 403, the role may not.
    """
    if action not in MAY[person.role]:
        allowed = ", ".join(name for name in ACTIONS if name in MAY[person.role]) or "nothing"
        raise ProblemError(403, f"the role {person.role} may not do {action} with a case; it may do: {allowed}")
