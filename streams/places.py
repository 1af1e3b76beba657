"""Where a character of a YAML value stands in the file, whatever style the value is written in."""

from collections.abc import Sequence

import yaml

from streams.policies import mistake_at


def place_within(text: str, loc: Sequence[int | str], line: int, column: int) -> tuple[int, int]:
    """Line and column in the file of a place in a text value.

    Args:
        text: the file, valid YAML.
        loc: where the value stands, for example `("rules", 0, "when")`.
        line: line in the value, from 1.
        column: column in that line, from 1.
    """
    start = mistake_at(text, "", loc, "")
    value: object = yaml.safe_load(text)
    for part in loc:
        value = value[part]  # type: ignore[index]
    raw = _offset(text, start.line, start.column)
    if not isinstance(value, str):
        return start.line, start.column
    before = "\n".join([*value.split("\n")[: line - 1], value.split("\n")[line - 1][: column - 1]])
    at = _walk(text, raw, sum(not character.isspace() for character in before))
    return text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1


def _offset(text: str, line: int, column: int) -> int:
    lines = text.split("\n")
    return sum(len(one) + 1 for one in lines[: line - 1]) + column - 1


def _walk(text: str, at: int, visible: int) -> int:
    """Offset of the character that follows so many visible ones of the value that begins at `at`."""
    style = text[at] if text[at] in "|>'\"" else ""
    if style in {"|", ">"}:
        at = text.find("\n", at) + 1
    elif style:
        at += 1
    while at < len(text):
        length = _length(text, at, style)
        if not text[at].isspace():
            if visible == 0:
                return at
            visible -= 1
        at += length
    return max(at - 1, 0)


def _length(text: str, at: int, style: str) -> int:
    """Characters one character of the value takes in the file."""
    if style == "'" and text[at : at + 2] == "''":
        return 2
    return 2 if style == '"' and text[at] == "\\" else 1
