"""Rows: how events and reference data stand in ClickHouse.

The columns follow from the models: a field is a column, a list of models is an `Array(Tuple(…))` with named fields.
Positions are not stored: in their place stands what the intake found out about them (`Located`). Columns of single
values come first, then what was found, then lists. Times are instants in UTC; a time of day is its ISO text.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, time
from decimal import Decimal
from operator import attrgetter
from types import UnionType
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

import pyarrow as pa
from pydantic import AwareDatetime

from schemas.base import AMOUNT_PLACES, Model, Position
from schemas.events import EVENT_MODELS, Event, Findings, Located
from schemas.reference import REFERENCE_MODELS, Reference

M = TypeVar("M", bound=Model)
Row = tuple[Any, ...]


class Column(NamedTuple):
    """One column of a table."""

    name: str
    clickhouse_type: str
    arrow_type: Any
    """The pyarrow type whose values ClickHouse stores without loss."""
    comment: str


class Shape(NamedTuple):
    """The type of a column and whether it may be empty."""

    clickhouse_type: str
    arrow_type: Any
    nullable: bool = False

    def declared(self) -> str:
        """The ClickHouse type with its `Nullable`."""
        if not self.nullable:
            return self.clickhouse_type
        inner = self.clickhouse_type.removeprefix("LowCardinality(")
        if inner != self.clickhouse_type:
            return f"LowCardinality(Nullable({inner})"
        return f"Nullable({inner})"


_SCALARS: dict[Any, Shape] = {
    str: Shape("String", pa.string()),
    bool: Shape("Bool", pa.bool_()),
    int: Shape("UInt64", pa.uint64()),
    float: Shape("Float64", pa.float64()),
    Decimal: Shape(f"Decimal(38, {AMOUNT_PLACES})", pa.decimal128(38, AMOUNT_PLACES)),
    date: Shape("Date32", pa.date32()),
    AwareDatetime: Shape("DateTime64(6, 'UTC')", pa.timestamp("us", tz="UTC")),
    time: Shape("String", pa.string()),
}
_LOW_CARDINALITY = Shape("LowCardinality(String)", pa.string())
#: Text columns with few different values, although any text is allowed.
_FEW_VALUES = frozenset({"source", "currency"})

#: Comments of fields whose meaning is the same wherever they occur and whose model says nothing more.
_COMMENTS: dict[str, str] = {
    "amount": "Money in `currency`.",
    "appointment_id": "Appointment the visit was made under.",
    "appointment_required": "Whether representatives need an appointment.",
    "approval_id": "Approval of the spending in the source system.",
    "approved_on": "Day of internal approval.",
    "attendees": "People present, one by one.",
    "audience": "Whom the material may be shown to.",
    "channel": "How the contact took place.",
    "check_in_at": "When the visit began.",
    "check_out_at": "When the visit ended.",
    "city": "City.",
    "comment": "Free text of the answer.",
    "competitor": "Competing product or company.",
    "country": "Country.",
    "currency": "ISO 4217 code of the money.",
    "day": "The day meant.",
    "department": "Department within the institution.",
    "details": "Products presented, in order of presentation.",
    "ended_at": "When it ended.",
    "expires_on": "Last day the material may be used.",
    "feedback_text": "What the professional said, in the representative's words.",
    "filings": "Statutory filings (备案) of the representative.",
    "forbidden_zones": "Areas of the institution closed to representatives.",
    "hcp_id": "Health-care professional.",
    "hired_on": "First day of employment.",
    "institution_id": "Hospital, clinic or pharmacy.",
    "invoice_id": "Invoice the line belongs to.",
    "is_new_drug": "Whether the product counts as a new drug.",
    "is_state_employee": "Whether the professional works for a public institution.",
    "is_working_day": "Whether people work on the day.",
    "kind": "What kind of event it is.",
    "labels": "Approved indications and the days they are valid.",
    "latitude": "Degrees north, WGS 84.",
    "launched_on": "First day on the market.",
    "left_on": "Last day of employment.",
    "level": "Level in the tree: team, region or company.",
    "line_name": "Product line, in the company's language.",
    "line_name_en": "Product line, in English.",
    "longitude": "Degrees east, WGS 84.",
    "manager_id": "Person who leads the node.",
    "market_volume": "Units sold by all suppliers together.",
    "material_id": "Promotional or medical material.",
    "materials": "Materials shown.",
    "name": "Name, in the company's language.",
    "name_en": "Name, in English.",
    "node_id": "Organisation node.",
    "own_volume": "Units of the own product.",
    "payee_id": "Who received the money or benefit.",
    "payee_kind": "What the payee is.",
    "period_from": "First day reported.",
    "period_to": "Last day reported.",
    "planned_calls": "Calls planned in the month.",
    "price": "Price of the competing product.",
    "product_id": "Product.",
    "product_ids": "Products it was about.",
    "province": "Province.",
    "reception_windows": "When the institution receives representatives.",
    "registration_required": "Whether representatives must be registered here.",
    "rep_id": "Representative.",
    "samples": "Samples left.",
    "specialty": "Medical specialty.",
    "started_at": "When it began.",
    "sub_channel": "Finer channel, for example private or government.",
    "tender_id": "Tender (集采) notice.",
    "text": "Text of the notice.",
    "title": "Title.",
    "venue": "Where it took place.",
    "version": "Version of the material.",
}
#: Comments that the model gives for one kind of row only.
_COMMENTS_OF: dict[tuple[str, str], str] = {
    ("sale", "kind"): "sale, return or adjustment.",
    ("activity", "kind"): "meeting, speaker_fee, meal, gift, donation, sponsorship, training or other.",
    ("survey", "kind"): "satisfaction or training_quiz.",
    ("market", "kind"): "volume, competitor_price or tender.",
    ("hcp", "institution_id"): "Institution the professional works at.",
    ("hcp", "owner_rep_id"): "Representative who looks after the professional.",
}

#: What is kept of a position, in place of its coordinates.
LOCATED_COLUMNS: tuple[Column, ...] = (
    Column(
        "in_fence",
        "Nullable(Bool)",
        pa.bool_(),
        "Whether the check-in lies inside the fence of the institution, or may do so by its accuracy; NULL: unknown.",
    ),
    Column(
        "distance_band",
        "LowCardinality(Nullable(String))",
        pa.string(),
        "How far the check-in surely lies from the institution, its accuracy taken off, for example 200-500 m.",
    ),
    Column(
        "accuracy_m",
        "Nullable(Float64)",
        pa.float64(),
        "Radius of the 68 % confidence circle of the check-in, metres.",
    ),
    Column(
        "journey_kmh",
        "Nullable(Float64)",
        pa.float64(),
        "Least speed from the representative's check-in before, within a day, km/h; NULL where there is none.",
    ),
)

#: Columns the engine adds after those of the event.
TECHNICAL_COLUMNS: tuple[Column, ...] = (
    Column("day", "Date32", pa.date32(), "Company day of occurred_at."),
    Column("content_hash", "UInt64", pa.uint64(), "Hash of the content; the same for the same event sent again."),
    Column("stream_partition", "UInt16", pa.uint16(), "Kafka partition the event was read from."),
    Column("stream_offset", "UInt64", pa.uint64(), "Kafka offset the event was read at."),
    Column(
        "breaches",
        "Array(String)",
        pa.list_(pa.string()),
        "Rules of compliance on the representative's own conduct that the event hit, by id.",
    ),
)
#: Columns publishing adds after those of a reference row.
PUBLICATION_COLUMNS: tuple[Column, ...] = (
    Column("published_version", "UInt64", pa.uint64(), "Publication that brought this text; higher is newer."),
    Column("published_at", "DateTime64(3, 'UTC')", pa.timestamp("ms", tz="UTC"), "When it was published."),
    Column("author", "String", pa.string(), "Who published it."),
)


@dataclass(frozen=True, slots=True)
class Table(Generic[M]):
    """A ClickHouse table that holds the models of one kind."""

    table: str
    """Name of the ClickHouse table."""
    model: type[M]
    columns: tuple[Column, ...]
    """Columns of the model, without the technical ones."""
    technical: tuple[Column, ...]
    """Columns that are filled in outside the model; they follow `columns`."""
    content: Callable[[M], Row]
    """All that the source sent, positions too; it is hashed to tell duplicates from conflicts, and kept nowhere."""
    kept: Callable[[Row, M], Row]
    """Values in the order of `columns`, as pyarrow takes them, from the content: found instead of positions."""
    to_event: Callable[[Mapping[str, Any]], M]
    """The model of a row as `to_pylist()` or `named_results()` gives it; other columns are ignored.

    Raises:
        pydantic.ValidationError: when the row does not hold a valid model.
        KeyError: when a column is missing.
    """

    def to_row(self, model: M) -> Row:
        """Values in the order of `columns`, as pyarrow takes them."""
        return self.kept(self.content(model), model)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the model's columns."""
        return tuple(column.name for column in self.columns)

    def arrow_schema(self) -> Any:
        """The pyarrow schema of a whole row, technical columns included."""
        return pa.schema([(column.name, column.arrow_type) for column in (*self.columns, *self.technical)])


EventTable = Table[Event]
ReferenceTable = Table[Reference]


def _unwrap(annotation: Any) -> tuple[Any, bool]:
    """The bare type of an annotation, and whether None is allowed."""
    if get_origin(annotation) is Annotated:
        return _unwrap(get_args(annotation)[0])
    if get_origin(annotation) in {Union, UnionType}:
        kept = [argument for argument in get_args(annotation) if argument is not type(None)]
        return _unwrap(kept[0])[0], len(kept) < len(get_args(annotation))
    return annotation, False


def _shape(name: str, annotation: Any) -> Shape:
    bare, nullable = _unwrap(annotation)
    if get_origin(bare) is tuple:
        inner = _shape("", get_args(bare)[0])
        return Shape(f"Array({inner.declared()})", pa.list_(inner.arrow_type))
    if isinstance(bare, type) and issubclass(bare, Model):
        fields = [(key, _shape("", field.annotation)) for key, field in bare.model_fields.items()]
        named = ", ".join(f"{key} {shape.declared()}" for key, shape in fields)
        return Shape(f"Tuple({named})", pa.struct([(key, shape.arrow_type) for key, shape in fields]))
    few = get_origin(bare) is Literal or name in _FEW_VALUES
    return (_LOW_CARDINALITY if few else _SCALARS[bare])._replace(nullable=nullable)


def _comment(model: type[Event | Reference], name: str) -> str:
    own = _COMMENTS_OF.get((model.kind_name, name)) or model.model_fields[name].description
    return " ".join((own or _COMMENTS[name]).split())


class _Parts(NamedTuple):
    """The fields of a model by the form their columns take."""

    single: tuple[str, ...]
    positions: tuple[str, ...]
    lists: tuple[str, ...]
    times: frozenset[str]


def _parts(model: type[Model]) -> _Parts:
    bare = {name: _unwrap(field.annotation)[0] for name, field in model.model_fields.items()}
    positions = tuple(name for name, kind in bare.items() if kind is Position)
    lists = tuple(name for name, kind in bare.items() if get_origin(kind) is tuple)
    single = tuple(name for name in bare if name not in {*positions, *lists})
    return _Parts(single, positions, lists, frozenset(name for name in single if bare[name] is AwareDatetime))


def _columns(model: type[Event | Reference], parts: _Parts) -> Iterator[Column]:
    for name in parts.single:
        shape = _shape(name, model.model_fields[name].annotation)
        yield Column(name, shape.declared(), shape.arrow_type, _comment(model, name))
    if parts.positions:
        yield from LOCATED_COLUMNS
    for name in parts.lists:
        shape = _shape(name, model.model_fields[name].annotation)
        yield Column(name, shape.declared(), shape.arrow_type, _comment(model, name))


def _plain(value: Any) -> Any:
    """A value inside a list, as pyarrow takes it."""
    if isinstance(value, Model):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, time) else value


def _fields(value: Model) -> dict[str, Any]:
    """`_plain` for a model of single values: what it is made of is all there is."""
    return dict(vars(value))


_position = attrgetter(*Position.model_fields)
_NO_POSITION = (None,) * len(Position.model_fields)


def _converter(model: type[Model], name: str) -> Callable[[Any], Any]:
    """What turns one item of the list `name` into what pyarrow takes."""
    item = _unwrap(get_args(_unwrap(model.model_fields[name].annotation)[0])[0])[0]
    if not issubclass(item, Model):
        return _plain
    flat = all(_unwrap(field.annotation)[0] in {str, int, date} for field in item.model_fields.values())
    return _fields if flat else _plain


def _content_maker(model: type[Model], parts: _Parts) -> Callable[[Any], Row]:
    """`content`, prepared once: a table of single values is read by one C call."""
    single = attrgetter(*parts.single)
    if not parts.positions and not parts.lists:
        return single
    nested = attrgetter(*parts.positions, *parts.lists, parts.single[0])  # at least two names: always a tuple
    converters = [_converter(model, name) for name in parts.lists]
    n_positions = len(parts.positions)

    def content(event: Any) -> Row:
        values = nested(event)
        row: list[Any] = [*single(event)]
        for value in values[:n_positions]:
            row += _position(value) if value is not None else _NO_POSITION
        for convert, value in zip(converters, values[n_positions:], strict=False):  # the last one is the padding
            row.append([convert(item) for item in value] if value else [])
        return tuple(row)

    return content


def _keeper(parts: _Parts) -> Callable[[Row, Any], Row]:
    """`kept`, prepared once."""
    if not parts.positions:
        return lambda content, _event: content
    before = len(parts.single)
    after = before + len(parts.positions) * len(Position.model_fields)
    return lambda content, event: (*content[:before], *event.findings.located, *content[after:])


def _event_maker(model: type[M], parts: _Parts) -> Callable[[Mapping[str, Any]], M]:
    def to_event(row: Mapping[str, Any]) -> M:
        values: dict[str, Any] = {name: row[name] for name in (*parts.single, *parts.lists)}
        for name in parts.times:
            if (moment := values[name]) is not None and moment.tzinfo is None:  # the driver gives UTC without saying so
                values[name] = moment.replace(tzinfo=UTC)
        event = model.model_validate(values)
        if parts.positions:
            event.found(Findings((), Located(*(row[column.name] for column in LOCATED_COLUMNS))))  # type: ignore[attr-defined]
        return event

    return to_event


def _table(name: str, model: type[Any], technical: tuple[Column, ...]) -> Table[Any]:
    parts = _parts(model)
    columns = tuple(_columns(model, parts))
    content, keeper = _content_maker(model, parts), _keeper(parts)
    return Table(name, model, columns, technical, content, keeper, _event_maker(model, parts))


#: Tables of the events, by kind; each has the name of the topic.
EVENT_TABLES: dict[str, EventTable] = {
    kind: _table(model.topic, model, TECHNICAL_COLUMNS) for kind, model in EVENT_MODELS.items()
}
_REFERENCE_TABLE_NAMES = {"node": "organisation_nodes"}
#: Tables of the reference data, by kind.
REFERENCE_TABLES: dict[str, ReferenceTable] = {
    kind: _table(_REFERENCE_TABLE_NAMES.get(kind, f"{kind}s"), model, PUBLICATION_COLUMNS)
    for kind, model in REFERENCE_MODELS.items()
}
