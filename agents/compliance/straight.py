"""The fast path of an expression, written out as one function of Python.

A tree of closures calls a function for every part. Where a part is a field, a comparison, `and`, `or`, `not`, a
difference of moments or a function of present values, it is written into one function instead; anything else is called
as before. Only names made here stand in that text: fields of the models, temporary names, constants and closures by
number; no word of a rule.
"""

from operator import attrgetter
from typing import Any

from agents.compliance.kinds import holds_float
from agents.compliance.nodes import Call, Node, Run

#: Deeper expressions, and longer `and` and `or`, are left to closures: brackets nest up to 200 deep in Python.
_DEEPEST, _LONGEST = 25, 6
#: What is written between two values: comparisons, and the difference of moments, which never fails.
_SIGNS = {sign: sign for sign in ("<", "<=", ">", ">=", "==", "!=")} | {"moments -": "-"}
_ROW = 3


def straight(root: Node) -> Run:
    """A function that gives what the node gives, at the same cost in steps."""
    if root.is_constant or not root.parts or root.depth > _DEEPEST:
        return root.run
    writer = _Writer()
    text = writer.write(root)
    if text == writer.call(root):
        return root.run
    begin = "    e = f.event\n" if "e." in text else ""
    exec(f"def run(f):\n{begin}    return {text}\n", writer.names)  # noqa: S102 - see above: no word of it is a rule's
    made: Run = writer.names["run"]
    return made


class _Writer:
    """Writes nodes as Python; what stands behind names is gathered."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}
        self._numbers: dict[int, str] = {}
        self._count = 0

    def _temporary(self) -> str:
        self._count += 1
        return f"t{self._count}"

    def _named(self, value: Any, letter: str) -> str:
        name = self._numbers.get(id(value))
        if name is None:
            name = self._numbers[id(value)] = f"{letter}{len(self._numbers)}"
            self.names[name] = value
        return name

    def call(self, part: Node) -> str:
        """The part as a call of its closure."""
        return f"{self._named(part.run, 'r')}(f)"

    def write(self, part: Node) -> str:
        """The part as an expression."""
        if part.is_constant:
            return self._named(part.value, "c")
        if type(part.run) is attrgetter:
            path: str = part.run.__reduce__()[1][0]  # as it is pickled
            return path.replace("event.", "e.", 1) if path.startswith("event.") else f"f.{path}"
        if part.op in _SIGNS:
            return self._with_both(part, _SIGNS[part.op])
        if part.op in {"and", "or"} and len(part.parts) <= _LONGEST:
            return self._decided(part.parts, part.op == "or")
        if part.op == "not":
            one = self._temporary()
            return f"(None if ({one} := {self.write(part.parts[0])}) is None else not {one})"
        return self._read(part) if part.call is None else self._called(part, part.call)

    def _called(self, part: Node, call: Call) -> str:
        """A function of the values of its parts, the first missing one of which ends it."""
        given, missing = (["f"] if call.takes_frame else []), []
        for one in part.parts:
            if one.is_constant and one.value is not None:
                given.append(self.write(one))
                continue
            given.append(self._temporary())
            missing.append(f"({given[-1]} := {self.write(one)}) is None")
        made = f"{self._named(call.work, 'w')}({', '.join(given)})"
        return f"(None if {' or '.join(missing)} else {made})" if missing else made

    def _with_both(self, part: Node, sign: str) -> str:
        left, right = part.parts
        one = self._temporary()
        first = f"({one} := {self.write(left)}) is None"
        if right.is_constant and right.value is not None:
            return f"(None if {first} else {one} {sign} {self.write(right)})"
        two = self._temporary()
        return f"(None if {first} or ({two} := {self.write(right)}) is None else {one} {sign} {two})"

    def _decided(self, parts: tuple[Node, ...], decisive: bool) -> str:
        """`and` and `or` of three values: the first part that decides ends it, a missing one does not."""
        first = self.write(parts[0])
        if len(parts) == 1:
            return first
        one, two, rest = self._temporary(), self._temporary(), self._decided(parts[1:], decisive)
        return (
            f"({decisive} if ({one} := {first}) is {decisive} else "
            f"({two} if ({two} := {rest}) is {decisive} or {one} is not None else None))"
        )

    def _read(self, part: Node) -> str:
        """A field of a record, or a row of reference data; otherwise a call."""
        words = part.op.split(" ")
        if words[0] == "row" and len(words) == _ROW:
            return f"f.row({words[1]!r}, {words[2]!r})"
        if not part.op.startswith(".") or len(part.parts) != 1:
            return self.call(part)
        model = part.parts[0].kind.model
        if model is None or holds_float(model.model_fields[part.op[1:]].annotation):
            return self.call(part)
        one = self._temporary()
        return f"(None if ({one} := {self.write(part.parts[0])}) is None else {one}{part.op})"
