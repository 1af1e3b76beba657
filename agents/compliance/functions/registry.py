"""Functions a rule may call: what they take, what they give, how they work."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.compliance.kinds import Kind
from agents.compliance.nodes import Call, Frame, Node, Run, folded, node

#: Work on present values.
Work = Callable[..., Any]
#: Builds the node itself, for functions that look at what is missing, at names or at constants.
Build = Callable[[Sequence[Node], dict[str, Node]], Node]
#: Kinds an argument may have; None: any.
Taken = tuple[Kind, ...] | None


class CallError(ValueError):
    """An argument is wrong.

    Attributes:
        index: which one, from 0.
    """

    def __init__(self, what: str, index: int = 0) -> None:
        super().__init__(what)
        self.index = index


@dataclass(frozen=True)
class Function:
    """One function.

    Attributes:
        name: as it is written.
        takes: kinds of its arguments, in order.
        gives: kind of its result.
        says: what it gives, for the table in docs/policy-language.md.
        build: makes the node.
        options: kinds of arguments given by name.
        example: a call.
        only: the one kind of event it can be asked of; None: all.
    """

    name: str
    takes: tuple[Taken, ...]
    gives: Kind
    says: str
    build: Build
    example: str
    options: dict[str, Kind] = field(default_factory=dict)
    only: str | None = None


#: All functions by name; filled by the modules of this package.
FUNCTIONS: dict[str, Function] = {}


def function(name: str, *takes: Taken, gives: Kind, says: str, example: str) -> Callable[[Work], Work]:
    """Register a function that works on present values and knows nothing of the event: missing in, missing out."""

    def register(work: Work) -> Work:
        def build(arguments: Sequence[Node], _options: dict[str, Node]) -> Node:
            run = _strict([part.run for part in arguments], work)
            return folded(node(gives, run, arguments, is_steady=True, call=Call(work, takes_frame=False)))

        FUNCTIONS[name] = Function(name, takes, gives, says, build, example)
        return work

    return register


def asking(name: str, *takes: Taken, gives: Kind, says: str, example: str) -> Callable[[Work], Work]:
    """Register a function that is handed the frame first, for reference data, lists, time or steps."""

    def register(work: Work) -> Work:
        def build(arguments: Sequence[Node], _options: dict[str, Node]) -> Node:
            run = _strict_with_frame([part.run for part in arguments], work)
            return node(gives, run, arguments, op=name, call=Call(work, takes_frame=True))

        FUNCTIONS[name] = Function(name, takes, gives, says, build, example)
        return work

    return register


def building(
    name: str,
    *takes: Taken,
    gives: Kind,
    says: str,
    example: str,
    options: dict[str, Kind] | None = None,
    only: str | None = None,
) -> Callable[[Build], Build]:
    """Register a function that makes its node itself."""

    def register(build: Build) -> Build:
        FUNCTIONS[name] = Function(name, takes, gives, says, build, example, options or {}, only)
        return build

    return register


def _strict(runs: Sequence[Run], work: Work) -> Run:
    if len(runs) == 1:
        return _strict_one(runs[0], work)

    def run(frame: Frame) -> Any:
        values = []
        for part in runs:
            if (value := part(frame)) is None:
                return None
            values.append(value)
        return work(*values)

    return run


def _strict_one(get: Run, work: Work) -> Run:
    def run(frame: Frame) -> Any:
        value = get(frame)
        return None if value is None else work(value)

    return run


def _strict_with_frame(runs: Sequence[Run], work: Work) -> Run:
    def run(frame: Frame) -> Any:
        values: list[Any] = [frame]
        for part in runs:
            if (value := part(frame)) is None:
                return None  # what stands behind, perhaps a look at the past, need not be known
            values.append(value)
        try:
            return work(*values)
        except OverflowError:  # a moment at the end of the calendar is another day elsewhere
            return None

    return run


def constant_of(argument: Node, index: int) -> Any:
    """Value of an argument that must not hang on the event.

    Raises:
        CallError: it does.
    """
    if not argument.is_constant:
        msg = f"{argument.text} hangs on the event: a literal or a threshold is needed here"
        raise CallError(msg, index)
    return argument.value
