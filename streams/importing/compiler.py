"""Mappings compiled to closures: from a record's values to the fields of a model."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from difflib import get_close_matches
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from schemas.mapping import (
    Choice,
    ColumnField,
    ConstantField,
    JoinField,
    MonthField,
    RowIdField,
    StableIdField,
    Test,
    WhenField,
)
from streams.errors import InvalidError, UsageError
from streams.importing.cells import Format, converter, got
from streams.importing.choices import Holds, all_of, compile_test
from streams.importing.ids import row_id_prefix, stable_id
from streams.importing.mapping_file import LoadedMapping
from streams.importing.months import month_number
from streams.importing.records import Source
from streams.importing.rejects import ROW, Origin
from streams.importing.sources import content_hash
from streams.importing.targets import Target, targets_of

Form = ColumnField | ConstantField | StableIdField | RowIdField | MonthField | JoinField | WhenField
#: (a record's values, its line) → the value of one field, None for nothing.
Read = Callable[[Any, int], Any]
#: (a record's values, its line) → the fields that have a value.
Build = Callable[[Any, int], dict[str, Any]]
_PLAIN = Format()
_NUMBER = Target("number", "amount", required=False)
_YEAR = re.compile(r"\d{4}")
_REMEMBERED = 1_000_000


@dataclass(frozen=True)
class Context:
    """What the closures are built from.

    Attributes:
        source: the opened file.
        loaded: the mapping.
        zone: zone of moments without offset; None: the model refuses them.
    """

    source: Source
    loaded: LoadedMapping
    zone: ZoneInfo | None

    @cached_property
    def content(self) -> str:
        """Hash of the file's content."""
        return content_hash(self.source.path)

    @cached_property
    def form(self) -> Format:
        """How texts are read where the field says nothing else."""
        reader = self.loaded.mapping.reader
        return Format(self.zone, (), reader.decimal, reader.thousands)


def compile_fields(fields: Mapping[str, Form], model: type[BaseModel], context: Context, prefix: str = "") -> Build:
    """Closures that fill a model's fields; nested fields are named with a dot. Messages begin with the prefix.

    Raises:
        UsageError: a constant or default does not fit its field.
    """
    targets = targets_of(model)
    reads: dict[str, Read] = {}
    labels = {name: label_of(name, form) for name, form in fields.items()}
    for name, form in fields.items():
        head, dot, _ = name.partition(".")
        if not dot:
            reads[name] = _compile(form, targets[name], context)
        elif head not in reads:
            inner = {key[len(head) + 1 :]: value for key, value in fields.items() if key.startswith(f"{head}.")}
            reads[head] = _nested(compile_fields(inner, _model(targets[head]), context))
            labels[head] = head
    return _builder(tuple(reads.items()), {name: prefix + label for name, label in labels.items()})


def compile_skip(tests: tuple[Test, ...], context: Context) -> Holds | None:
    """Whether a row is to be left out; None when all rows stay."""
    holds = [_test(test, context) for test in tests]
    return (lambda values: any(test(values) for test in holds)) if holds else None


def columns_of(form: Form) -> Iterator[str]:
    """Columns a form reads."""
    match form:
        case ColumnField():
            yield form.column
        case StableIdField():
            yield from form.stable_id
        case JoinField():
            yield from form.join
        case MonthField():
            yield from (name for name in (form.month, form.year, form.day) if name is not None)
        case WhenField():
            for choice in form.when:
                yield choice.column
                yield from (test.column for test in choice.and_)
                yield from columns_of(choice.then)
            if form.otherwise is not None:
                yield from columns_of(form.otherwise)


def takes_row_id(form: Form) -> bool:
    """Whether the form may give an id that depends on the file."""
    if isinstance(form, WhenField):
        inner = [*(choice.then for choice in form.when), form.otherwise]
        return any(takes_row_id(one) for one in inner if one is not None)
    return isinstance(form, RowIdField)


def label_of(name: str, form: Form) -> str:
    """The field and its columns, as messages name them."""
    columns = list(dict.fromkeys(columns_of(form)))
    if not columns or columns == [name]:
        return name
    return f"{name} (column{'s' if len(columns) > 1 else ''} {', '.join(map(repr, columns))})"


def closest(word: str, known: Iterator[str] | tuple[str, ...]) -> str:
    """` - did you mean …?` for a misspelt word, or nothing."""
    names = {name.casefold(): name for name in known}
    close = get_close_matches(word.casefold(), names, n=1)
    return f": did you mean {names[close[0]]!r}?" if close else ""


def _builder(reads: tuple[tuple[str, Read], ...], labels: dict[str, str]) -> Build:
    def build(values: Any, line: int) -> dict[str, Any]:
        row: dict[str, Any] = {}
        name = ""
        try:
            for name, read in reads:
                value = read(values, line)
                if value is not None:
                    row[name] = value
        except InvalidError as error:
            msg = f"{labels[name]}: {error}"
            raise InvalidError(msg) from None
        return row

    return build


def _nested(build: Build) -> Read:
    return lambda values, line: build(values, line) or None


def _model(target: Target) -> type[BaseModel]:
    if target.model is None:
        msg = f"{target.name} has no fields of its own"
        raise UsageError(msg)
    return target.model


def _compile(form: Form, target: Target, context: Context) -> Read:
    return _COMPILERS[type(form)](form, target, context)


def _fixed(form: ConstantField, target: Target, context: Context) -> Read:
    value = _constant(form.constant, target, context)
    return lambda _values, _line: value


def _row_id(form: RowIdField, _target: Target, context: Context) -> Read:
    if context.source.holds_rejects:
        return _first_id(form.row_id, context.source.cell(ROW))
    prefix = row_id_prefix(form.row_id, context.content)
    return lambda _values, line: f"{prefix}{line}"


def _first_id(prefix: str, cell: Callable[[Any], Any]) -> Read:
    """The id the row would have had in the file it was first in."""

    def read(values: Any, _line: int) -> str:
        origin = Origin.parse(cell(values))
        return f"{row_id_prefix(prefix, origin.content)}{origin.line}"

    return read


def _constant(value: Any, target: Target, context: Context) -> Any:
    """A value of the mapping's own text: numbers with a point, dates in ISO form."""
    convert = converter(target, replace(_PLAIN, zone=context.zone))
    if not isinstance(value, str) or convert is None:
        return value
    try:
        return convert(value) if value else None
    except InvalidError as error:
        msg = f"{context.loaded.at('fields', target.name)}{target.name}: {error}"
        raise UsageError(msg) from None


def _column(form: ColumnField, target: Target, context: Context) -> Read:
    cell = context.source.cell(form.column)
    convert = converter(target, _format(form, context))
    default = None if form.default is None else _constant(form.default, target, context)
    if form.values is not None:
        listed = {text: _constant(value, target, context) for text, value in form.values.items()}
        convert = _translation(listed, (convert or _same) if form.others == "keep" else None)
    if convert is None:
        return (lambda values, _line: cell(values)) if default is None else _or_default(cell, _same, default)
    return _or_default(cell, convert, default)


def _or_default(cell: Callable[[Any], Any], convert: Callable[[Any], Any], default: Any) -> Read:
    def read(values: Any, _line: int) -> Any:
        value = cell(values)
        return default if value is None else convert(value)

    return read


def _same(value: Any) -> Any:
    return value


def _translation(listed: dict[str, Any], otherwise: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    def translate(value: Any) -> Any:
        text = str(value)
        if text in listed:
            return listed[text]
        if otherwise is not None:
            return otherwise(value)
        msg = f"not in the mapping's list of values: add it, or write others: keep{got(value)}"
        raise InvalidError(msg)

    return translate


def _format(form: ColumnField, context: Context) -> Format:
    base = context.form
    return Format(
        ZoneInfo(form.time_zone) if form.time_zone else base.zone,
        form.format or (),
        form.decimal or base.decimal,
        base.thousands if form.thousands is None else form.thousands,
        form.remove or "",
        form.split,
        form.item,
    )


def _stable_id(form: StableIdField, _target: Target, context: Context) -> Read:
    cells = [context.source.cell(column) for column in form.stable_id]
    only = cells[0] if len(cells) == 1 else None
    known: dict[Any, str] = {}

    def read(values: Any, _line: int) -> Any:
        parts = only(values) if only is not None else tuple([cell(values) for cell in cells])
        found = known.get(parts)
        return found if found is not None else make(parts)

    def make(parts: Any) -> Any:
        texts = [parts] if only is not None else parts
        if all(text is None for text in texts):
            return form.default
        if len(known) >= _REMEMBERED:
            known.clear()
        found = known[parts] = stable_id(form.prefix, ["" if text is None else str(text) for text in texts])
        return found

    return read


def _month(form: MonthField, target: Target, context: Context) -> Read:
    cells = [context.source.cell(column) for column in (form.month, form.year, form.day) if column is not None]
    zone = ZoneInfo(form.time_zone) if form.time_zone else context.zone
    known: dict[Any, str] = {}

    def read(values: Any, _line: int) -> Any:
        parts = tuple([cell(values) for cell in cells])
        found = known.get(parts)
        if found is None:
            if None in parts:
                return None
            day = _day(parts, form)
            moment = datetime(day.year, day.month, day.day, tzinfo=zone)
            found = known[parts] = day.isoformat() if target.shape == "date" else moment.isoformat()
        return found

    return read


def _day(parts: tuple[Any, ...], form: MonthField) -> date:
    month = month_number(str(parts[0]), form.month_names)
    if month is None:
        msg = f"not a month: list its names by month_names in the mapping{got(parts[0])}"
        raise InvalidError(msg)
    try:
        if not _YEAR.fullmatch(str(parts[1])):
            raise ValueError
        return date(int(parts[1]), month, int(str(parts[2])) if form.day else 1)
    except ValueError:
        msg = f"not a month and year{' and day' if form.day else ''}{got(' '.join(str(part) for part in parts))}"
        raise InvalidError(msg) from None


def _join(form: JoinField, _target: Target, context: Context) -> Read:
    cells = [context.source.cell(column) for column in form.join]

    def read(values: Any, _line: int) -> Any:
        parts = [str(part) for cell in cells if (part := cell(values)) is not None]
        return form.between.join(parts) if parts else form.default

    return read


def _when(form: WhenField, target: Target, context: Context) -> Read:
    choices = [(_choice(choice, context), _compile(choice.then, target, context)) for choice in form.when]
    otherwise = None if form.otherwise is None else _compile(form.otherwise, target, context)

    def read(values: Any, line: int) -> Any:
        for holds, then in choices:
            if holds(values):
                return then(values, line)
        return otherwise(values, line) if otherwise is not None else None

    return read


def _choice(choice: Choice, context: Context) -> Holds:
    return all_of([_test(test, context) for test in (choice, *choice.and_)])


def _test(test: Test, context: Context) -> Holds:
    number = converter(_NUMBER, context.form)
    return compile_test(test, context.source.cell(test.column), number or _same)


_COMPILERS: dict[type, Callable[[Any, Target, Context], Read]] = {
    ColumnField: _column,
    ConstantField: _fixed,
    StableIdField: _stable_id,
    RowIdField: _row_id,
    MonthField: _month,
    JoinField: _join,
    WhenField: _when,
}
