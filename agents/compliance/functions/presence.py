"""What is there and what is not."""

from collections.abc import Sequence

from agents.compliance.comparison import common_kind
from agents.compliance.functions.registry import CallError, building
from agents.compliance.kinds import TRUTH
from agents.compliance.nodes import Frame, Node, folded, node


@building("present", None, gives=TRUTH, says="whether it is there; never missing", example="present(appointment_id)")
def present(arguments: Sequence[Node], _options: dict[str, Node]) -> Node:
    """Whether a value is there; an empty list is not, and neither is a text of blanks."""
    get = arguments[0].run

    def run(frame: Frame) -> bool:
        value = get(frame)
        return value is not None and value not in ([], ()) and not (isinstance(value, str) and not value.strip())

    return folded(node(TRUTH, run, arguments, is_steady=True))


@building("otherwise", None, None, gives=TRUTH, says="the first value, or the second where it is missing",
          example="otherwise(headcount, 1)")  # fmt: skip
def otherwise(arguments: Sequence[Node], _options: dict[str, Node]) -> Node:
    """The first value, or the second where the first is missing."""
    kind = common_kind([part.kind for part in arguments])
    if kind is None:
        msg = f"it must be a {arguments[0].kind}, like what it stands in for"
        raise CallError(msg, 1)
    first, second = arguments[0].run, arguments[1].run

    def run(frame: Frame) -> object:
        value = first(frame)
        return second(frame) if value is None else value

    return folded(node(kind, run, arguments, is_steady=True))
