"""Mapping files as text: YAML read with line numbers, so that a mistake is named with its place."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from schemas import mapping as shapes
from schemas.mapping import Mapping
from streams.errors import UsageError

_SUFFIXES = ("", ".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class LoadedMapping:
    """A mapping and where its parts stand.

    Attributes:
        mapping: the validated content.
        path: its file; None for the mapping that follows from the file's own column names.
        root: YAML tree with line numbers.
    """

    mapping: Mapping
    path: Path | None = None
    root: yaml.Node | None = field(default=None, repr=False)

    def at(self, *parts: str | int) -> str:
        """`file:line: ` of the deepest of these parts that the text has; empty without a file."""
        return "" if self.path is None else f"{self.path}:{_line(self.root, parts)}: "


def find_mapping(wanted: Path, policies: Path) -> Path:
    """The mapping file somebody means: a path, or the bare name of one in the policies folder's `mappings/`.

    Raises:
        UsageError: there is none.
    """
    if wanted.is_file():
        return wanted
    folder = policies / "mappings"
    if len(wanted.parts) == 1:
        for suffix in _SUFFIXES:
            if (shipped := folder / f"{wanted}{suffix}").is_file():
                return shipped
    names = sorted(path.stem for path in folder.glob("*.y*ml"))
    close = get_close_matches(wanted.stem, names, n=1)
    hint = f": did you mean {close[0]}?" if close else f" and {folder} has none of that name: check the path"
    msg = f"mapping {wanted} does not exist{hint}"
    raise UsageError(msg)


def load_mapping(path: Path) -> LoadedMapping:
    """Read and check a mapping file.

    Raises:
        UsageError: naming the line and what is wrong with it.
    """
    root = _compose(path)
    for node, name in _doubles(root):
        msg = f"{path}:{node.start_mark.line + 1}: {name!r} stands twice: the second would hide the first"
        raise UsageError(msg)
    content = yaml.BaseLoader("").construct_document(root)  # every scalar stays text
    try:
        return LoadedMapping(Mapping.model_validate(content), path, root)
    except ValidationError as error:
        first = error.errors()[0]
        msg = f"{path}:{_line(root, first['loc'])}: {_explained(first)}"
        raise UsageError(msg) from None


def _compose(path: Path) -> yaml.Node:
    try:
        root = yaml.compose(path.read_text("utf-8-sig"), Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        msg = f"{path}:{line}: not YAML: {error.problem or error}"
        raise UsageError(msg) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        msg = f"{path} is not YAML text in UTF-8: {str(error).splitlines()[0]}"
        raise UsageError(msg) from None
    if not isinstance(root, yaml.MappingNode):
        msg = f"{path} is no mapping: it starts with words like kind:, fields:, reference:"
        raise UsageError(msg)
    return root


def _doubles(node: yaml.Node) -> Iterator[tuple[yaml.Node, str]]:
    children: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        names: set[Any] = set()
        for name, value in node.value:
            if name.value in names:
                yield name, name.value
            names.add(name.value if isinstance(name, yaml.ScalarNode) else id(name))
            children.append(value)
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    for child in children:
        yield from _doubles(child)


def _line(root: yaml.Node | None, parts: tuple[str | int, ...]) -> int:
    node, mark = root, root.start_mark if root is not None else None
    for part in parts:
        if isinstance(node, yaml.MappingNode):
            pair = next(((name, value) for name, value in node.value if name.value == part), None)
            if pair is not None:
                mark, node = pair[0].start_mark, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            mark = node.start_mark
    return mark.line + 1 if mark else 1


def _explained(error: ErrorDetails) -> str:
    place = ".".join(str(part) for part in _distinct(error["loc"]))
    if error["type"] == "extra_forbidden":
        word = str(error["loc"][-1])
        close = get_close_matches(word, _words(), n=1)
        return f"{place}: the word {word!r} is not known here{f': did you mean {close[0]!r}?' if close else ''}"
    if error["type"] == "missing":
        return f"{place}: is missing"
    message = error["msg"].removeprefix("Value error, ")
    return f"{place}: {message[:1].lower()}{message[1:]}" if place else message


def _distinct(parts: tuple[str | int, ...]) -> Iterator[str | int]:
    """The path without the names of forms, which repeat a word of the text or stand beside it."""
    previous: str | int | None = None
    for part in parts:
        if part != previous:
            yield part
        previous = part


def _words() -> set[str]:
    models = [shape for shape in vars(shapes).values() if isinstance(shape, type) and issubclass(shape, BaseModel)]
    return {field.alias or name for model in models for name, field in model.model_fields.items()}
