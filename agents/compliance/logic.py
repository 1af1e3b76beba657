"""and, or, not, the conditional: three-valued, in whatever order the parts stand.

Missing is neither yes nor no. `and` is no as soon as one part is no, `or` is yes as soon as one part is yes, even where
another part is missing; only what could still go either way is missing.
"""

from collections.abc import Iterable, Sequence

from agents.compliance.kinds import TRUTH, Kind
from agents.compliance.nodes import Explanation, Frame, Node, Run, explain, folded, node


def all_of(parts: Sequence[Node]) -> Node:
    """Whether every part holds; evaluated from the left, up to the first no."""
    return folded(
        node(TRUTH, _first_decides([part.run for part in parts], decisive=False), parts, is_steady=True, op="and")
    )


def any_of(parts: Sequence[Node]) -> Node:
    """Whether one part holds; evaluated from the left, up to the first yes."""
    return folded(
        node(TRUTH, _first_decides([part.run for part in parts], decisive=True), parts, is_steady=True, op="or")
    )


def _first_decides(runs: Sequence[Run], *, decisive: bool) -> Run:
    if len(runs) == 2:  # noqa: PLR2004 - the usual case, a third faster than the loop
        return _of_two(*runs, decisive=decisive)

    def run(frame: Frame) -> bool | None:
        found: bool | None = not decisive
        for part in runs:
            value: bool | None = part(frame)
            if value is decisive:
                return decisive
            if value is None:
                found = None
        return found

    return run


def _of_two(first: Run, second: Run, *, decisive: bool) -> Run:
    def run(frame: Frame) -> bool | None:
        one: bool | None = first(frame)
        if one is decisive:
            return decisive
        other: bool | None = second(frame)
        return other if other is decisive or one is not None else None

    return run


def kleene(values: Iterable[bool | None], *, decisive: bool) -> bool | None:
    """`any` (decisive: yes) or `all` (decisive: no) of values some of which are missing.

    >>> kleene([False, None, True], decisive=True), kleene([False, None], decisive=True), kleene([], decisive=True)
    (True, None, False)
    """
    found: bool | None = not decisive
    for value in values:
        if value is decisive:
            return decisive
        if value is None:
            found = None
    return found


def negated(part: Node) -> Node:
    """Yes for no and no for yes."""
    inner = part.run

    def run(frame: Frame) -> bool | None:
        value = inner(frame)
        return None if value is None else not value

    return folded(node(TRUTH, run, [part], is_steady=True, op="not"))


def conditional(kind: Kind, condition: Node, chosen: Node, otherwise: Node) -> Node:
    """One value or another; missing where the condition is. Only the branch that counts is evaluated and explained."""
    test, yes, no = condition.run, chosen.run, otherwise.run

    def run(frame: Frame) -> object:
        found = test(frame)
        return None if found is None else yes(frame) if found else no(frame)

    def account(frame: Frame) -> list[Explanation]:
        found = test(frame)
        taken = [] if found is None else [chosen if found else otherwise]
        return [explain(part, frame) for part in (condition, *taken)]

    return folded(node(kind, run, [condition, chosen, otherwise], account, is_steady=True))
