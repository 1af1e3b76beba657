"""The text of an expression as a bounded syntax tree; what is no expression is refused here."""

import ast
import re
import warnings

from agents.compliance.errors import RuleError

#: Limits of one expression.
MOST_CHARACTERS, MOST_NODES, MOST_LEVELS = 4_000, 400, 30
_BRACKETS = {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}
#: Stands for a backslash while Python reads the text: in a rule it is a character like any other.
_BACKSLASH = "\x7f"
_UNSTORED = re.compile("[\x00\x7f\ud800-\udfff]")
_QUOTED = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"")


class Source:
    """An expression with the places of its parts.

    Args:
        text: the expression; it may go over several lines, and `#` begins a remark.

    Attributes:
        tree: root of its syntax tree.

    Raises:
        RuleError: the text is no expression, or larger than one may be.
    """

    def __init__(self, text: str) -> None:
        _check_size(text)
        self.lines = text.split("\n")
        self._wrapped = f"(\n{text}\n)".replace("\\", _BACKSLASH)
        self.tree = self._parsed(text)
        self._check_tree()

    def _parsed(self, text: str) -> ast.expr:
        if not any(_without_remark(line).strip() for line in self.lines):
            msg = "the expression is empty: write what must hold, for example amount > 300"
            raise RuleError(msg, 1, 1)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", SyntaxWarning)
                warnings.simplefilter("error", DeprecationWarning)
                tree = ast.parse(self._wrapped, mode="eval").body
        except SyntaxError as error:
            raise self._syntax_error(error) from None
        except (ValueError, MemoryError, RecursionError, Warning) as error:
            msg = f"this is no expression: {error or 'it is nested too deeply'}"
            raise RuleError(msg, 1, 1) from None
        if tree.lineno == 1:  # the bracket put around it was closed inside
            msg = "a closing bracket has no opening one: remove it"
            raise RuleError(msg, 1, 1)
        return tree

    def _syntax_error(self, error: SyntaxError) -> RuleError:
        """The error as Python tells it of the text in one line: there the bracket around it misleads nobody."""
        place = self._within((error.lineno or 2) - 1, error.offset or 1)
        remarks = [_without_remark(line) for line in self.lines]
        flat = " ".join(one.ljust(len(line)) for one, line in zip(remarks, self.lines, strict=True))
        flat = flat.replace("\\", _BACKSLASH)
        try:
            ast.parse(flat.lstrip(), mode="eval")
        except SyntaxError as better:
            error = better
            before = len(flat) - len(flat.lstrip())
            offset = before + better.offset - 1 if better.offset else len(flat.rstrip())
            for number, line in enumerate(self.lines, start=1):
                if offset <= len(line) or number == len(self.lines):
                    place = self._within(number, offset + 1)
                    break
                offset -= len(line) + 1
        except (ValueError, MemoryError, RecursionError):
            pass
        what = error.msg or "it cannot be read"
        if "U+007F" in what:
            what = "a backslash stands outside of a text"
        return RuleError(f"this is no expression: {what}", *place)

    def _within(self, line: int, column: int) -> tuple[int, int]:
        """A place that lies in the text, for an error that lies at its end."""
        line = min(max(line, 1), len(self.lines))
        return line, min(max(column, 1), len(self.lines[line - 1]) + 1)

    def place(self, part: ast.AST) -> tuple[int, int]:
        """Line and column of a part, from 1."""
        line = getattr(part, "lineno", 2) - 1
        before = self.lines[line - 1].encode()[: getattr(part, "col_offset", 0)]
        return line, len(before.decode(errors="ignore")) + 1

    def text(self, part: ast.AST) -> str:
        """A part as it is written, in one line."""
        found = ast.get_source_segment(self._wrapped, part) or ""
        lines = [line if "#" not in _QUOTED.sub("", line) else _without_remark(line) for line in found.split("\n")]
        return " ".join(" ".join(lines).split()).replace(_BACKSLASH, "\\")

    def literal(self, part: ast.Constant) -> str:
        """A text as it is written between its quotes; a backslash stands for itself.

        Raises:
            RuleError: it is more than one text in simple quotes.
        """
        written, value = ast.get_source_segment(self._wrapped, part), str(part.value)
        if written not in {f'"{value}"', f"'{value}'"}:
            what = "write a text once, in simple quotes: two without a comma between them would be one"
            raise self.error(part, what)
        return value.replace(_BACKSLASH, "\\")

    def error(self, part: ast.AST, what: str) -> RuleError:
        """An error at the place of a part."""
        return RuleError(what, *self.place(part))

    def _check_tree(self) -> None:
        count, waiting = 0, [(self.tree, 1)]
        while waiting:
            part, level = waiting.pop()
            count += 1
            if count > MOST_NODES:
                msg = f"the expression has more than {MOST_NODES} parts: split it into named parts or rules"
                raise RuleError(msg, 1, 1)
            if level > MOST_LEVELS:
                raise self.error(part, f"nested more than {MOST_LEVELS} deep: name inner parts under `let`")
            below = (child for child in ast.iter_child_nodes(part) if not isinstance(child, ast.expr_context))
            waiting += [(child, level + 1) for child in below]  # type: ignore[misc]


def _check_size(text: str) -> None:
    if len(text) > MOST_CHARACTERS:
        msg = f"the expression has {len(text)} characters: {MOST_CHARACTERS} is the most, split the rule"
        raise RuleError(msg, 1, 1)
    level = 0
    for number, line in enumerate(text.split("\n"), start=1):
        for column, character in enumerate(line, start=1):
            level += _BRACKETS.get(character, 0)
            if level > MOST_LEVELS * 2:
                msg = "brackets are nested too deeply: name inner parts under `let`"
                raise RuleError(msg, number, column)
        if (strange := _UNSTORED.search(line)) is not None:
            msg = "this character cannot be stored: remove it"
            raise RuleError(msg, number, strange.start() + 1)


def _without_remark(line: str) -> str:
    quote = ""
    for index, character in enumerate(line):
        if character == "#" and not quote:
            return line[:index]
        if character in "'\"" and quote in {"", character}:
            quote = "" if quote else character
    return line
