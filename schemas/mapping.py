"""Mapping files: which columns of somebody's file become which fields of ours.

Every field of the target is given by one *form*, told apart by the word it carries: a column, a constant, a stable id,
the row's own id, a month and a year, several columns joined, or a choice between them. All texts of the file are
read as text (YAML's guesses such as `NO` = false do not apply); the target's model turns them into its types.
"""

import codecs
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from schemas.base import Model

Separator = Annotated[str, Field(min_length=1, max_length=1)]
Thousands = Literal["", ",", ".", " ", "'", "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}"]
Names = Annotated[tuple[str, ...], Field(min_length=1)]


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _numeral(value: object) -> object:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        msg = f"{name!r} is no IANA time zone: write for example Asia/Shanghai or Europe/Berlin"
        raise ValueError(msg) from None
    return name


#: A number to compare with, as text or as YAML reads it.
Bound = Annotated[
    Annotated[str, Field(pattern=r"^[+-]?\d+(\.\d+)?$")],
    BeforeValidator(_numeral, json_schema_input_type=str | int | float),
]
OneOrMore = Annotated[Names, BeforeValidator(_listed, json_schema_input_type=str | Names)]
TimeZone = Annotated[str, AfterValidator(_known_zone)]


class Reader(Model):
    """How the file itself is read."""

    delimiter: Separator | None = None
    """CSV: what separates columns; `tab` for tabulators. Default: comma, in `.tsv` files tabulator."""
    quote: Separator = '"'
    """CSV: what surrounds texts that hold the delimiter or a line break."""
    encoding: str = "utf-8"
    """CSV and JSONL: for example utf-8, gb18030, cp1252."""
    sheet: str | None = None
    """XLSX: name of the sheet; default the first."""
    columns: Names | None = None
    """Names for the columns of a file without a header line."""
    skip_rows: Annotated[int, Field(ge=0)] = 0
    """Lines above the header that are no data."""
    decimal: Literal[".", ","] = "."
    """Decimal point or decimal comma."""
    thousands: Thousands = ""
    """What groups thousands."""
    blanks: tuple[str, ...] = ()
    """Texts that mean "nothing", for example `n/a`. Empty cells always do."""

    @field_validator("delimiter", mode="before")
    @classmethod
    def _tabulator(cls, value: object) -> object:
        return "\t" if value in {"tab", "\\t"} else value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str) -> str:
        try:
            return codecs.lookup(name).name
        except LookupError:
            msg = f"{name!r} is no encoding: write for example utf-8, gb18030 or cp1252"
            raise ValueError(msg) from None

    @model_validator(mode="after")
    def _signs_differ(self) -> Self:
        if self.decimal == self.thousands:
            msg = f"decimal and thousands are both {self.decimal!r}: they have to differ"
            raise ValueError(msg)
        return self


class ColumnField(Model):
    """The value of one column."""

    column: str
    values: dict[str, str] | None = None
    """Text in the file → text of the field."""
    others: Literal["refuse", "keep"] = "refuse"
    """What becomes of texts that `values` does not list."""
    format: OneOrMore | None = None
    """strptime format (or several, the first that fits) of a date or moment, for example `%d.%m.%Y %H:%M`."""
    time_zone: TimeZone | None = None
    """Zone of moments that carry no offset."""
    decimal: Literal[".", ","] | None = None
    thousands: Thousands | None = None
    remove: str | None = None
    """Text taken out of a number, for example `€`."""
    split: str | None = None
    """Separator of a list in one cell."""
    item: str | None = None
    """Field of the list's objects that each part fills, for example `product_id` of a visit's details."""
    default: str | None = None
    """Value when the cell is blank."""


class ConstantField(Model):
    """The same value in every row."""

    constant: Any


class StableIdField(Model):
    """An id made from one or more columns: the same texts always give the same id."""

    stable_id: OneOrMore
    prefix: str = ""
    default: str | None = None
    """Id when all the columns are blank."""


class RowIdField(Model):
    """An id of this row in this file: hash of the file's content and the row's number."""

    row_id: str
    """Readable prefix of the id."""


class MonthField(Model):
    """First day of a month, or a day in it, from several columns."""

    month: str
    """Column with the month: a name (English, German, French, Spanish, Polish, Chinese) or a number."""
    year: str
    day: str | None = None
    month_names: Annotated[tuple[str, ...], Field(min_length=12, max_length=12)] | None = None
    """Own names of the twelve months."""
    time_zone: TimeZone | None = None


class JoinField(Model):
    """Several columns as one text; blank ones are left out."""

    join: Names
    between: str = " "
    default: str | None = None


class Test(Model):
    """What a column must satisfy; several operators all hold. A blank cell satisfies only `blank` and `not_in`.

    A comparison of a cell that is no number makes the row wrong.
    """

    column: str
    equals: str | None = None
    in_: Annotated[tuple[str, ...] | None, Field(alias="in")] = None
    not_in: tuple[str, ...] | None = None
    below: Bound | None = None
    at_most: Bound | None = None
    above: Bound | None = None
    at_least: Bound | None = None
    blank: bool | None = None

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.model_fields_set == {"column"}:
            msg = "a test needs an operator: equals, in, not_in, below, at_most, above, at_least or blank"
            raise ValueError(msg)
        return self


class Choice(Test):
    """A test and the value when it holds; `and` adds tests on other columns."""

    and_: Annotated[tuple[Test, ...], Field(alias="and")] = ()
    then: "ThenValue"

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        if self.model_fields_set <= {"column", "then", "and_"}:
            msg = "a choice needs an operator: equals, in, not_in, below, at_most, above, at_least or blank"
            raise ValueError(msg)
        return self


class WhenField(Model):
    """The first choice whose test holds decides; otherwise `otherwise`."""

    when: Annotated[tuple[Choice, ...], Field(min_length=1)]
    otherwise: "ThenValue | None" = None


_FORMS = {
    "column": "column",
    "constant": "constant",
    "stable_id": "stable_id",
    "row_id": "row_id",
    "month": "month",
    "year": "month",
    "join": "join",
    "when": "when",
}
_FORM_CLASSES: dict[type, str] = {
    ColumnField: "column",
    ConstantField: "constant",
    StableIdField: "stable_id",
    RowIdField: "row_id",
    MonthField: "month",
    JoinField: "join",
    WhenField: "when",
}


def _form(value: object) -> str | None:
    if isinstance(value, dict):
        return next((form for word, form in _FORMS.items() if word in value), None)
    return _FORM_CLASSES.get(type(value))


Form = Annotated[
    Annotated[ColumnField, Tag("column")]
    | Annotated[ConstantField, Tag("constant")]
    | Annotated[StableIdField, Tag("stable_id")]
    | Annotated[RowIdField, Tag("row_id")]
    | Annotated[MonthField, Tag("month")]
    | Annotated[JoinField, Tag("join")]
    | Annotated[WhenField, Tag("when")],
    Discriminator(
        _form,
        custom_error_type="no_form",
        custom_error_message="say where the value comes from: a column's name, or one of "
        "column, constant, stable_id, row_id, month and year, join, when",
    ),
]


def _column(value: object) -> object:
    return {"column": value} if isinstance(value, str) else value


def _constant(value: object) -> object:
    return {"constant": value} if isinstance(value, str) else value


#: Where a field's value comes from; a plain text names a column.
FieldValue = Annotated[Form, BeforeValidator(_column, json_schema_input_type=str | Form)]
#: The same after `then` and `otherwise`, where a plain text is the value itself.
ThenValue = Annotated[Form, BeforeValidator(_constant, json_schema_input_type=str | Form)]


class ReferenceRows(Model):
    """Reference rows found in the same file: one for each different combination of the columns used."""

    kind: str
    """Reference kind: institution, rep, product, node, …"""
    fields: Annotated[dict[str, FieldValue], Field(min_length=1)]
    skip: tuple[Test, ...] = ()


class Mapping(Model):
    """One mapping file."""

    kind: str | None = None
    """Kind of event or reference data the rows become; checked against the command's."""
    description: str = ""
    reader: Reader = Reader()
    time_zone: TimeZone | None = None
    """Zone of dates and moments without offset; default the company's."""
    fields: dict[str, FieldValue] | None = None
    """Target field → where its value comes from. Missing: the file's columns bear the fields' own names."""
    skip: tuple[Test, ...] = ()
    """Rows that are no data, for example totals: left out when one of the tests holds."""
    reference: tuple[ReferenceRows, ...] = ()


Choice.model_rebuild()
WhenField.model_rebuild()
ReferenceRows.model_rebuild()
Mapping.model_rebuild()
