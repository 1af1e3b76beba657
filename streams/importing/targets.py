"""What the fields of a model take: the shape decides how a cell is turned into a value."""

import types
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel

Shape = Literal["moment", "date", "time", "amount", "number", "flag", "text", "object", "list"]
_SHAPES: dict[Any, Shape] = {
    AwareDatetime: "moment",
    datetime: "moment",
    date: "date",
    time: "time",
    Decimal: "amount",
    float: "number",
    int: "number",
    bool: "flag",
    str: "text",
}


@dataclass(frozen=True, slots=True)
class Target:
    """One field of a model.

    Attributes:
        name: field name.
        shape: what it takes.
        required: whether it has no default.
        model: the nested model of an object.
    """

    name: str
    shape: Shape
    required: bool
    model: type[BaseModel] | None = None


def targets_of(model: type[BaseModel]) -> dict[str, Target]:
    """The fields of a model by name."""
    return {name: _target(name, field.annotation, field.is_required()) for name, field in model.model_fields.items()}


def _target(name: str, annotation: Any, required: bool) -> Target:
    inner = _bare(annotation)
    if inner in _SHAPES:
        return Target(name, _SHAPES[inner], required)
    if isinstance(inner, type) and issubclass(inner, BaseModel):
        return Target(name, "object", required, inner)
    if get_origin(inner) is Literal:
        return Target(name, "text", required)
    return Target(name, "list", required)


def _bare(annotation: Any) -> Any:
    """The type without `Annotated` and without `| None`."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in {Union, types.UnionType}:
        inner = [part for part in get_args(annotation) if part is not type(None)]
        return _bare(inner[0]) if len(inner) == 1 else annotation
    return annotation
