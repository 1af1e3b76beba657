"""The rule language: a whitelisted part of Python's expressions, with kinds that are checked, compiled once.

An expression is read (`syntax`), its kinds are checked against the models here, and it becomes a tree of nodes whose
closures are the fast path and whose parts are the explanation. docs/policy-language.md teaches it.
"""

import ast
from collections.abc import Sequence
from dataclasses import replace

from agents.compliance import arithmetic, comparison, logic, series
from agents.compliance.arithmetic import UNITS
from agents.compliance.comparison import exact
from agents.compliance.functions import FUNCTIONS
from agents.compliance.functions.registry import CallError, Function
from agents.compliance.kinds import (
    DAY,
    DURATION,
    NUMBER,
    TEXT,
    TRUTH,
    WINDOW,
    Kind,
    kind_of,
    list_of,
    record_of,
)
from agents.compliance.nodes import Frame, Node, constant, item_bit, node
from agents.compliance.places import PERSON, names_persons, walk
from agents.compliance.scope import (
    NOT_KEPT,
    NOT_KEPT_HINT,
    REFERENCE_OF_FIELD,
    Parameter,
    Scope,
    field_run,
    if_missing,
    names_of,
)
from agents.compliance.selections import SLOTS
from agents.compliance.syntax import Source
from agents.compliance.windows import WINDOWS
from schemas.base import Model
from schemas.events import EVENT_MODELS
from schemas.reference import REFERENCE_MODELS

#: Limits of an expression together with its named parts, and of a list that is written out.
MOST_SIZE, MOST_DEPTH, MOST_ITEMS = 1_000, 100, 1_000
_COMPARE = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
_ARITHMETIC = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


def compile_expression(text: str, scope: Scope, wanted: Kind | None = TRUTH) -> Node:
    """The node of an expression.

    Args:
        text: the expression.
        scope: the names it may use.
        wanted: kind it must give; None: any.

    Raises:
        RuleError: it is wrong; with line and column.
    """
    source = Source(text)
    made = _Reader(source, scope).read(source.tree)
    if wanted is not None and made.kind.name != wanted.name:
        msg = f"this gives a {made.kind}, and a {wanted} is needed: compare it with something"
        raise source.error(source.tree, msg)
    for what, found, most in (("parts", made.size, MOST_SIZE), ("levels", made.depth, MOST_DEPTH)):
        if found > most:
            msg = f"with its named parts the expression has {found} {what}, {most} is the most: split the rule"
            raise source.error(source.tree, msg)
    return made


class _Reader:
    """Checks one expression and builds its nodes."""

    def __init__(self, source: Source, scope: Scope) -> None:
        self._source, self._scope = source, scope
        self._model: type[Model] = EVENT_MODELS[scope.event_kind]
        self._loops: list[tuple[str, Kind, bool]] = []

    def read(self, part: ast.expr) -> Node:
        """The node of a part."""
        method = getattr(self, f"_read_{type(part).__name__.lower()}", None)
        if method is None:
            raise self._source.error(part, f"{_WORDS.get(type(part).__name__, 'this')} does not belong into a rule")
        made: Node = method(part)
        line, column = self._source.place(part)
        text = made.text or self._source.text(part)
        return replace(made, text=text, line=line, column=column)

    # ------------------------------------------------------------- literals and names

    def _read_constant(self, part: ast.Constant) -> Node:
        value = part.value
        if isinstance(value, bool):
            return constant(TRUTH, value, "")
        if isinstance(value, int | float):
            return self._number(part, value)
        if isinstance(value, str):
            return constant(TEXT, self._source.literal(part), "")
        raise self._source.error(part, f"{self._source.text(part)} is no value of a rule: write a number or a text")

    def _number(self, part: ast.Constant, value: int | float) -> Node:
        written = self._source.text(part).replace("_", "")
        if abs(value) >= 10**26 or len(written) > 40:  # noqa: PLR2004 - an amount has no more digits
            raise self._source.error(part, "a number has up to 26 digits before and some after the point")
        found = value if isinstance(value, int) else arithmetic.EXACT.create_decimal(written)
        return constant(NUMBER, found, "")

    def _read_list(self, part: ast.List | ast.Tuple) -> Node:
        if not part.elts:
            raise self._source.error(part, "an empty list holds nothing: name its values")
        if len(part.elts) > MOST_ITEMS:
            raise self._source.error(part, f"more than {MOST_ITEMS} values: put them into a named list")
        items = [self.read(item) for item in part.elts]
        kind = comparison.common_kind([item.kind for item in items])
        if kind is None or not all(item.is_constant for item in items):
            raise self._source.error(part, "a list holds literals or thresholds of one kind")
        return constant(list_of(Kind(kind.name)), tuple(item.value for item in items), "")

    _read_tuple = _read_list

    def _read_name(self, part: ast.Name) -> Node:
        name, scope = part.id, self._scope
        for depth, (variable, kind, _) in enumerate(self._loops):
            if name == variable:
                return Node(kind, name, series.reader(depth), reads=item_bit(depth), op="item")
        if name in scope.named:
            return replace(scope.named[name], text=name)
        if name in scope.parameters:
            return self._parameter(part, scope.parameters[name])
        if name in UNITS:
            return constant(DURATION, UNITS[name], name)
        if name in WINDOWS:
            return constant(WINDOW, WINDOWS[name], name)
        return self._event_name(part)

    def _parameter(self, part: ast.Name, value: Parameter) -> Node:
        if isinstance(value, str | bool):
            return constant(TEXT if isinstance(value, str) else TRUTH, value, part.id)
        if isinstance(value, int | float):
            return constant(NUMBER, exact(value), part.id)
        items = tuple(exact(item) if isinstance(item, float) else item for item in value)
        kinds = {isinstance(item, str) for item in items}
        if len(kinds) != 1:
            raise self._source.error(part, f"the threshold {part.id} mixes texts and numbers, or is empty")
        return constant(list_of(TEXT if kinds.pop() else NUMBER), items, part.id)

    def _event_name(self, part: ast.Name) -> Node:
        name, fields = part.id, self._model.model_fields
        if name == "day":
            return Node(DAY, name, lambda frame: frame.day, op="day")
        if name == PERSON and names_persons(self._model):
            return Node(TEXT, name, lambda frame: frame.person, op=PERSON)
        if name in NOT_KEPT and name in fields:
            raise self._source.error(part, f"{name} {NOT_KEPT_HINT}")
        if name in fields:
            kind = kind_of(fields[name].annotation)
            return Node(kind, name, field_run(self._model, name, _the_event, "event"), op=f".{name}")
        key = REFERENCE_OF_FIELD.get(name)
        if key is not None and key in fields:
            kind = record_of(REFERENCE_MODELS[name])
            return Node(kind, name, lambda frame: frame.row(name, key), op=f"row {name} {key}")
        if name in FUNCTIONS:
            raise self._source.error(part, f"{name} is a function: write {FUNCTIONS[name].example}")
        offered = ", ".join(sorted(names_of(self._scope)))
        raise self._source.error(
            part, f"there is no {name!r} in events of kind {self._scope.event_kind}: there is {offered}"
        )

    def _read_attribute(self, part: ast.Attribute) -> Node:
        record = self.read(part.value)
        model = record.kind.model
        if record.kind.item is not None and record.kind.item.model is not None:
            example = f"any(x.{part.attr} == … for x in {record.text})"
            raise self._source.error(part, f"{record.text} is a list: write for example {example}")
        if model is None:
            raise self._source.error(part, f"{record.text} is a {record.kind} and has no fields")
        if part.attr not in model.model_fields:
            offered = ", ".join(name for name in model.model_fields if name not in NOT_KEPT)
            raise self._source.error(part, f"{record.text} has no field {part.attr!r}: it has {offered}")
        if part.attr in NOT_KEPT:
            raise self._source.error(part, f"{part.attr} {NOT_KEPT_HINT}")
        kind = kind_of(model.model_fields[part.attr].annotation)
        read = field_run(model, part.attr, record.run, self._slot_of(record))
        return node(kind, read, [record], if_missing(record), is_steady=True, op=f".{part.attr}")

    def _slot_of(self, record: Node) -> str | None:
        """Where a frame holds a record, if it is an item that is never missing."""
        if record.op != "item":
            return None
        depth, is_sure = next(
            (depth, is_sure) for depth, (name, _, is_sure) in enumerate(self._loops) if name == record.text
        )
        return SLOTS[depth] if is_sure else None

    # ------------------------------------------------------------- operators

    def _truths(self, parts: Sequence[ast.expr]) -> list[Node]:
        return [self._truth(part) for part in parts]

    def _truth(self, part: ast.expr) -> Node:
        made = self.read(part)
        if made.kind.name != TRUTH.name:
            hint = "present(…) says whether it is there" if made.kind != NUMBER else "compare it, for example with > 0"
            raise self._source.error(part, f"{made.text} is a {made.kind}, not yes or no: {hint}")
        return made

    def _read_boolop(self, part: ast.BoolOp) -> Node:
        parts = self._truths(part.values)
        return logic.all_of(parts) if isinstance(part.op, ast.And) else logic.any_of(parts)

    def _read_unaryop(self, part: ast.UnaryOp) -> Node:
        if isinstance(part.op, ast.Not):
            return logic.negated(self._truth(part.operand))
        made = self.read(part.operand)
        if not isinstance(part.op, ast.USub) or made.kind.name not in {NUMBER.name, DURATION.name}:
            raise self._source.error(
                part, f"only a number or a length of time has a sign, {made.text} is a {made.kind}"
            )
        return self._with_value(part, arithmetic.opposite(made))

    def _read_ifexp(self, part: ast.IfExp) -> Node:
        condition, chosen, otherwise = self._truth(part.test), self.read(part.body), self.read(part.orelse)
        kind = comparison.common_kind([chosen.kind, otherwise.kind])
        if kind is None:
            msg = f"{chosen.text} is a {chosen.kind}, {otherwise.text} a {otherwise.kind}: both must be of one kind"
            raise self._source.error(part, msg)
        return logic.conditional(kind, condition, chosen, otherwise)

    def _read_binop(self, part: ast.BinOp) -> Node:
        sign = _ARITHMETIC.get(type(part.op))
        if sign is None:
            raise self._source.error(part, "this sign does not belong into a rule: there is + - * /")
        left, right = self.read(part.left), self.read(part.right)
        if (why := arithmetic.refusal(sign, left, right)) is not None:
            raise self._source.error(part, why)
        return self._with_value(part, arithmetic.combined(sign, left, right))

    def _with_value(self, part: ast.expr, made: Node) -> Node:
        if made.is_constant and made.value is None:
            msg = f"{self._source.text(part)} has no value: it divides by zero or is too large"
            raise self._source.error(part, msg)
        return made

    def _read_compare(self, part: ast.Compare) -> Node:
        sides = [self.read(side) for side in (part.left, *part.comparators)]
        tests = [
            self._compared(part, operator, left, right)
            for operator, left, right in zip(part.ops, sides, sides[1:], strict=False)
        ]
        if len(tests) == 1:
            return replace(tests[0], text="")
        return logic.all_of(tests)

    def _compared(self, part: ast.Compare, operator: ast.cmpop, left: Node, right: Node) -> Node:
        if isinstance(operator, ast.In | ast.NotIn):
            if (why := comparison.membership_refusal(left, right)) is not None:
                raise self._source.error(part, why)
            found = comparison.member(left, right)
            is_in = isinstance(operator, ast.In)
            return replace(found if is_in else logic.negated(replace(found, text=f"{left.text} in {right.text}")),
                           text=f"{left.text} {'in' if is_in else 'not in'} {right.text}")  # fmt: skip
        sign = _COMPARE.get(type(operator))
        if sign is None:
            raise self._source.error(part, "`is` does not belong into a rule: write ==, or present(…)")
        if (why := comparison.refusal(sign, left, right)) is not None:
            raise self._source.error(part, why)
        return replace(comparison.compared(sign, left, right), text=f"{left.text} {sign} {right.text}")

    # ------------------------------------------------------------- loops and calls

    def _read_generatorexp(self, part: ast.GeneratorExp | ast.ListComp) -> Node:
        loop = part.generators[0]
        if len(part.generators) > 1 or len(loop.ifs) > 1 or loop.is_async or not isinstance(loop.target, ast.Name):
            raise self._source.error(part, "write one loop with one condition: x.field for x in list if …")
        if len(self._loops) >= series.MOST_LOOPS:
            raise self._source.error(part, f"loops go {series.MOST_LOOPS} deep: split the rule")
        source = self.read(loop.iter)
        if source.kind.item is None:
            raise self._source.error(loop.iter, f"{source.text} is a {source.kind}, no list")
        name = loop.target.id
        if name in names_of(self._scope) or name in FUNCTIONS or name in {taken for taken, _, _ in self._loops}:
            raise self._source.error(loop.target, f"{name} is taken: name the item otherwise, for example x")
        self._loops.append((name, source.kind.item, not _is_made(source)))
        try:
            kept = self._truth(loop.ifs[0]) if loop.ifs else None
            element = self.read(part.elt)
        finally:
            self._loops.pop()
        is_item = isinstance(part.elt, ast.Name) and part.elt.id == name
        return series.each(len(self._loops), source, kept, element, is_item=is_item)

    _read_listcomp = _read_generatorexp

    def _read_call(self, part: ast.Call) -> Node:
        called = self._called(part)
        if called.only not in {None, self._scope.event_kind}:
            raise self._source.error(
                part, f"{called.name} can be asked of a {called.only} only, not of a {self._scope.event_kind}"
            )
        if len(part.args) != len(called.takes):
            counted = "1 value" if len(called.takes) == 1 else f"{len(called.takes) or 'no'} values"
            raise self._source.error(part, f"{called.name} takes {counted}: write for example {called.example}")
        arguments = [self._argument(called, index, given) for index, given in enumerate(part.args)]
        options = self._options(part, called)
        self._check_list(part, called, arguments)
        try:
            made = called.build(arguments, options)
            return made if made.look is None else replace(made, look=made.look._replace(depth=len(self._loops)))
        except CallError as error:
            where = part.args[error.index] if error.index < len(part.args) else part
            raise self._source.error(where, str(error)) from None

    def _called(self, part: ast.Call) -> Function:
        if isinstance(part.func, ast.Name) and part.func.id in FUNCTIONS:
            return FUNCTIONS[part.func.id]
        name = self._source.text(part.func)
        raise self._source.error(part.func, f"there is no function {name}: there is {', '.join(sorted(FUNCTIONS))}")

    def _argument(self, called: Function, index: int, given: ast.expr) -> Node:
        made = self.read(given)
        kinds = called.takes[index]
        if kinds is not None and made.kind.name not in {kind.name for kind in kinds}:
            wanted = " or a ".join(kind.name for kind in kinds)
            msg = f"{made.text} is a {made.kind}, {called.name} takes a {wanted} here: {called.example}"
            raise self._source.error(given, msg)
        return made

    def _options(self, part: ast.Call, called: Function) -> dict[str, Node]:
        options: dict[str, Node] = {}
        for given in part.keywords:
            kind = called.options.get(given.arg or "")
            if kind is None or given.arg is None:
                known = ", ".join(f"{name}=…" for name in called.options) or "nothing"
                raise self._source.error(given, f"{called.name} takes {known} by name")
            made = self.read(given.value)
            if made.kind.name != kind.name:
                raise self._source.error(given.value, f"{made.text} is a {made.kind}, {given.arg} takes a {kind}")
            options[given.arg] = made
        return options

    def _check_list(self, part: ast.Call, called: Function, arguments: Sequence[Node]) -> None:
        if called.name not in {"in_list", "named_list"}:
            return
        if not arguments[0].is_constant:
            raise self._source.error(part.args[0], "the name of a list is written out")
        if arguments[0].value not in self._scope.lists:
            offered = ", ".join(sorted(self._scope.lists)) or "none"
            raise self._source.error(part.args[0], f"there is no list {arguments[0].value!r}: there is {offered}")


def _the_event(frame: Frame) -> object:
    return frame.event


def _is_made(source: Node) -> bool:
    """Whether a list was made by a loop and may have gaps; lists of events and of their records have none."""
    return any(part.loop is not None or part.op == "each" for part in walk(source))


#: How what is refused is called.
_WORDS = {
    "Lambda": "a lambda",
    "Dict": "a {…}",
    "Set": "a {…}: write a list […]; it",
    "Subscript": "a […] behind a value",
    "JoinedStr": "an f-text",
    "NamedExpr": ":= (name parts under `let`); it",
    "Starred": "a *",
    "Await": "await",
    "Yield": "yield",
    "SetComp": "a {…}",
    "DictComp": "a {…}",
    "Slice": "a slice",
}
