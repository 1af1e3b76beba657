"""A job made ready: file opened, mapping checked against it and compiled."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from schemas import mapping as shapes
from schemas.mapping import ColumnField, Test
from schemas.reference import Reference
from streams.errors import UsageError
from streams.importing.choices import Holds
from streams.importing.compiler import (
    Build,
    Context,
    Form,
    closest,
    columns_of,
    compile_fields,
    compile_skip,
    label_of,
    takes_row_id,
)
from streams.importing.csv_source import CsvSource
from streams.importing.job import MODELS, ImportJob, Model, kind_of
from streams.importing.json_source import JsonSource
from streams.importing.mapping_file import LoadedMapping, find_mapping, load_mapping
from streams.importing.records import Source
from streams.importing.rejects import OWN_COLUMNS
from streams.importing.sources import open_source
from streams.importing.targets import Target, targets_of
from streams.settings import Settings

_SHOWN_COLUMNS = 40


@dataclass(frozen=True, slots=True)
class Rows:
    """How records become rows of one kind.

    Attributes:
        model: what they become.
        build: record → fields.
        labels: field → how messages name it.
        skip: rows to leave out.
        key: record → what two records that give the same row have in common; None: every record is its own.
    """

    model: Model
    build: Build
    labels: Mapping[str, str]
    skip: Holds | None = None
    key: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything an import needs to know.

    Attributes:
        job: what was asked for.
        source: the opened file.
        rows: how its records become events or reference rows.
        reference: reference rows found in the same file.
        context: what the closures share; knows the content's hash.
    """

    job: ImportJob
    source: Source
    rows: Rows
    reference: tuple[Rows, ...]
    context: Context

    @property
    def ids_depend_on_file(self) -> bool:
        """Whether ids of events depend on the file's content, so that a changed copy of it counts once more."""
        form = (self.context.loaded.mapping.fields or {}).get("event_id")
        return form is not None and not self.source.holds_rejects and takes_row_id(form)


def prepare(job: ImportJob, settings: Settings) -> Plan:
    """Open the file and compile the mapping.

    Raises:
        UsageError: file, mapping or their combination cannot be used.
        InvalidError: the file is empty or damaged.
    """
    path = None if job.mapping is None else find_mapping(job.mapping, settings.policies)
    loaded = LoadedMapping(shapes.Mapping()) if path is None else load_mapping(path)
    mapping = loaded.mapping
    if mapping.kind is not None and kind_of(mapping.kind) != job.kind:
        msg = f"{loaded.at('kind')}the mapping is for {mapping.kind}, not for {job.kind}"
        raise UsageError(msg)
    source = open_source(job.file, mapping.reader)
    zone = _zone(mapping.time_zone or settings.time_zone) if path else None
    context = Context(source, loaded, zone)
    rows = _main_rows(job, context)
    reference = tuple(_reference_rows(entry, index, context) for index, entry in enumerate(mapping.reference))
    return Plan(job, source, rows, reference, context)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        msg = f"PULSE_TIME_ZONE {name!r} is no IANA time zone: write for example Asia/Shanghai"
        raise UsageError(msg) from None


def _main_rows(job: ImportJob, context: Context) -> Rows:
    mapping = context.loaded.mapping
    _check_tests(mapping.skip, ("skip",), context)
    skip = compile_skip(mapping.skip, context)
    if mapping.fields is None:
        fields = _own_fields(job, context.source)
        if fields is None:
            return Rows(job.model, _own_names, {}, skip)
    else:
        fields = mapping.fields
        _check_fields(fields, job.model, ("fields",), context)
    labels = {name: label_of(name, form) for name, form in fields.items()}
    return Rows(job.model, compile_fields(fields, job.model, context, _refused(job.model)), labels, skip)


def _own_fields(job: ImportJob, source: Source) -> dict[str, Form] | None:
    """The file's columns as the fields of the same name; None when each record names its own."""
    if source.columns is None:
        return None
    names = [name for name in source.columns if not (source.holds_rejects and name in OWN_COLUMNS)]
    fields: dict[str, Form] = {name: ColumnField(column=name) for name in names}
    for name in fields:
        if (problem := _no_target(name, job.model)) is not None:
            hint = source.delimiter_hint() if isinstance(source, CsvSource) else ""
            msg = f"{source.path}: {problem}{hint}; for a file with its own columns write a mapping (--mapping)"
            raise UsageError(msg)
    if missing := _missing(fields, job.model):
        msg = (
            f"{source.path} has no column {', '.join(missing)}, which every {job.kind} needs: "
            "add it, or name where it comes from in a mapping (--mapping)"
        )
        raise UsageError(msg)
    return fields


def _refused(model: Model) -> str:
    """How the stream begins to say what is wrong."""
    return f"not a valid {model.kind_name}: "


def _own_names(values: Mapping[str, Any], _line: int) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in OWN_COLUMNS}


def _reference_rows(entry: shapes.ReferenceRows, index: int, context: Context) -> Rows:
    path = ("reference", index)
    model = MODELS[_kind_at(entry.kind, (*path, "kind"), context)]
    if not issubclass(model, Reference):
        msg = f"{context.loaded.at(*path, 'kind')}{entry.kind} is an event, not reference data"
        raise UsageError(msg)
    _check_fields(entry.fields, model, (*path, "fields"), context)
    _check_tests(entry.skip, (*path, "skip"), context)
    labels = {name: label_of(name, form) for name, form in entry.fields.items()}
    build = compile_fields(entry.fields, model, context, _refused(model))
    return Rows(model, build, labels, compile_skip(entry.skip, context), _key(entry, context))


def _key(entry: shapes.ReferenceRows, context: Context) -> Callable[[Any], Any] | None:
    if any(isinstance(form, shapes.RowIdField) for form in entry.fields.values()):
        return None
    columns = [column for form in entry.fields.values() for column in columns_of(form)]
    columns += [test.column for test in entry.skip]
    return context.source.key(tuple(dict.fromkeys(columns)))


def _kind_at(kind: str, path: tuple[str | int, ...], context: Context) -> str:
    try:
        return kind_of(kind)
    except UsageError as error:
        msg = f"{context.loaded.at(*path)}{error}"
        raise UsageError(msg) from None


def _check_fields(fields: Mapping[str, Form], model: Model, path: tuple[str | int, ...], context: Context) -> None:
    for name, form in fields.items():
        if (problem := _no_target(name, model)) is not None:
            msg = f"{context.loaded.at(*path, name)}{problem}"
            raise UsageError(msg)
        for column in columns_of(form):
            _check_column(column, (*path, name), context)
    if missing := _missing(fields, model):
        msg = f"{context.loaded.at(*path)}{model.kind_name} needs {', '.join(missing)}: say where it comes from"
        raise UsageError(msg)


def _check_tests(tests: tuple[Test, ...], path: tuple[str | int, ...], context: Context) -> None:
    for index, test in enumerate(tests):
        _check_column(test.column, (*path, index), context)


def _check_column(column: str, path: tuple[str | int, ...], context: Context) -> None:
    source = context.source
    if source.has_column(column):
        return
    names = source.seen_columns() if isinstance(source, JsonSource) else source.columns or ()
    listed = ", ".join(names[:_SHOWN_COLUMNS]) + (", …" if len(names) > _SHOWN_COLUMNS else "")
    hint = source.delimiter_hint() if isinstance(source, CsvSource) else ""
    msg = (
        f"{context.loaded.at(*path)}{source.path} has no column {column!r}{closest(column, names)} "
        f"(its columns: {listed}){hint}"
    )
    raise UsageError(msg)


def _no_target(name: str, model: Model) -> str | None:
    """Why the model has no such field; None when it has."""
    targets = targets_of(model)
    head, dot, rest = name.partition(".")
    target = targets.get(head)
    if target is None:
        return (
            f"{model.kind_name} has no field {head!r}{closest(head, tuple(targets))} (its fields: {_listed(targets)})"
        )
    if not dot:
        return None
    if target.model is None:
        return f"{head} has no fields of its own, so {name!r} is not possible"
    inner = targets_of(target.model)
    return None if rest in inner else f"{head} has no field {rest!r}{closest(rest, tuple(inner))}"


def _listed(targets: Mapping[str, Target]) -> str:
    return ", ".join(targets)


def _missing(fields: Mapping[str, Form], model: Model) -> list[str]:
    given = {name.partition(".")[0] for name in fields}
    return [name for name, target in targets_of(model).items() if target.required and name not in given]
