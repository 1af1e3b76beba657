"""Rows validated in batches; what is wrong with one is said as on the stream, with the columns of the file."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

from agents.intake.decode import describe
from streams.errors import InvalidError

_KNOWN: frozenset[str] = frozenset(get_args(ErrorType))
_GOT = re.compile(r" \(got .*?\)(?=; |$)")


class Validator:
    """Turns rows into models.

    Args:
        model: what they become.
        labels: field → how messages name it.
    """

    def __init__(self, model: type[BaseModel], labels: Mapping[str, str]) -> None:
        self._labels = labels
        self._kind: str = getattr(model, "kind_name", model.__name__.lower())
        self._one = TypeAdapter(model)
        self._many = TypeAdapter(list[model])  # type: ignore[valid-type]

    def many(self, rows: Sequence[dict[str, Any]]) -> list[Any]:
        """A model for each row, or the `InvalidError` that says why there is none."""
        try:
            models: list[Any] = self._many.validate_python(rows)
        except ValidationError:
            return [self._attempt(row) for row in rows]
        return models

    def one(self, row: dict[str, Any]) -> Any:
        """The model of a row.

        Raises:
            InvalidError: naming the first field that is wrong.
        """
        try:
            return self._one.validate_python(row)
        except ValidationError as error:
            raise self._translated(error) from None

    def _attempt(self, row: dict[str, Any]) -> Any:
        try:
            return self.one(row)
        except InvalidError as error:
            return error

    def _translated(self, error: ValidationError) -> InvalidError:
        """In the words that refuse the same event on the stream, the fields named with their columns."""
        details = error.errors(include_url=False)
        lines = [_relabelled(detail, self._label(detail)) for detail in details]
        named = ValidationError.from_exception_data(error.title, lines)
        message = describe(self._kind, named)
        if any(detail["type"] == "timezone_aware" for detail in details):
            message += "; or name the time_zone in a mapping"
        return InvalidError(message)

    def _label(self, detail: ErrorDetails) -> tuple[str | int, ...]:
        place = ".".join(str(part) for part in detail["loc"])
        label = self._labels.get(place) or self._labels.get(str(detail["loc"][0]) if detail["loc"] else "", place)
        return (label,) if label else ()


def _relabelled(detail: ErrorDetails, label: tuple[str | int, ...]) -> InitErrorDetails:
    kind: Any = detail["type"]
    if kind not in _KNOWN:
        kind = PydanticCustomError(kind, detail["msg"])
    return InitErrorDetails(type=kind, loc=label, input=detail["input"], ctx=detail.get("ctx", {}))


def reason_of(message: str) -> str:
    """The message without the values of the row: what examples are counted under.

    Example:
        >>> reason_of("amount (column 'Sales'): not a number written like 1234.5 (got '12x')")
        "amount (column 'Sales'): not a number written like 1234.5"
    """
    return _GOT.sub("", message)
