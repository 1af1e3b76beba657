"""Kinds of values in a rule, read off the event and reference models."""

from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AwareDatetime

from schemas.base import Model


@dataclass(frozen=True)
class Kind:
    """A kind of value.

    Attributes:
        name: as messages call it.
        item: kind of the items of a list.
        model: class of a record.
        choices: the only texts there are, where the field has a fixed set.
        is_folded: whether its texts are kept without case and width.
    """

    name: str
    item: "Kind | None" = None
    model: type[Model] | None = None
    choices: frozenset[str] | None = field(default=None, compare=False)
    is_folded: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        """As messages call it."""
        return self.name


TRUTH = Kind("yes or no")
NUMBER = Kind("number")
TEXT = Kind("text")
DAY = Kind("day")
MOMENT = Kind("moment")
CLOCK = Kind("time of day")
DURATION = Kind("length of time")
WINDOW = Kind("window")
_SCALARS: dict[object, Kind] = {bool: TRUTH, int: NUMBER, float: NUMBER, Decimal: NUMBER, str: TEXT, date: DAY}
_SCALARS |= {datetime: MOMENT, AwareDatetime: MOMENT, time: CLOCK}


def list_of(item: Kind) -> Kind:
    """A list of such items.

    >>> str(list_of(TEXT))
    'list of text'
    """
    return Kind(f"list of {item.name}", item=item)


def record_of(model: type[Model]) -> Kind:
    """A record of a model."""
    name = getattr(model, "kind_name", None) or model.__name__.lower()
    return Kind(f"record {name}", model=model)


def kind_of(annotation: Any) -> Kind:
    """Kind of a field's values, present ones.

    >>> kind_of(str | None).name, kind_of(tuple[int, ...]).name, sorted(kind_of(Literal["a", "b"]).choices)
    ('text', 'list of number', ['a', 'b'])
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kind_of(arguments[0])
    if origin in {Union, UnionType}:
        return kind_of(next(kind for kind in arguments if kind is not type(None)))
    if origin is Literal:
        return Kind(TEXT.name, choices=frozenset(arguments))
    if origin is tuple:
        return list_of(kind_of(arguments[0]))
    return _SCALARS.get(annotation) or record_of(annotation)


def holds_float(annotation: Any) -> bool:
    """Whether a field's values are binary numbers, which a rule reads as they are written."""
    return annotation is float or any(holds_float(part) for part in get_args(annotation) if part is not ...)
