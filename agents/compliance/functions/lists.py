"""Named lists, kept beside the rules in lists.yaml."""

from collections.abc import Sequence
from dataclasses import replace

from agents.compliance.folding import fold
from agents.compliance.functions.registry import building, constant_of
from agents.compliance.kinds import TEXT, TRUTH, list_of
from agents.compliance.nodes import Frame, Node, node


@building("in_list", (TEXT,), (TEXT,), gives=TRUTH, says="whether a named list has the text, in any case or width",
          example='in_list("banned_vendors", payee_id)')  # fmt: skip
def in_list(arguments: Sequence[Node], _options: dict[str, Node]) -> Node:
    """Whether a value is on a list."""
    name, get = str(constant_of(arguments[0], 0)), arguments[1].run

    def run(frame: Frame) -> bool | None:
        value, listed = get(frame), frame.world.lists.get(name)  # a list may be taken away while rules run
        return None if value is None or listed is None else fold(value) in listed

    return node(TRUTH, run, arguments)


@building("named_list", (TEXT,), gives=list_of(TEXT), says="the texts of a named list",
          example='contains_any(venue, named_list("leisure_venues"))')  # fmt: skip
def named_list(arguments: Sequence[Node], _options: dict[str, Node]) -> Node:
    """Everything on a list."""
    name = str(constant_of(arguments[0], 0))
    return node(replace(list_of(TEXT), is_folded=True), lambda frame: frame.world.lists.get(name), arguments)
