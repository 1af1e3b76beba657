"""Rows validated in batches; what is wrong with one is said in the words of the file."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from streams.errors import InvalidError
from streams.importing.cells import shown

_QUOTED = (str, int, float)


class Validator:
    """Turns rows into models.

    Args:
        model: what they become.
        labels: field → how messages name it.
    """

    def __init__(self, model: type[BaseModel], labels: Mapping[str, str]) -> None:
        self._labels = labels
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
        details = error.errors(include_url=False)
        more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
        return InvalidError(self._explained(details[0]) + more)

    def _explained(self, detail: ErrorDetails) -> str:
        place = ".".join(str(part) for part in detail["loc"])
        label = self._labels.get(place) or self._labels.get(str(detail["loc"][0]) if detail["loc"] else "", place)
        if detail["type"] == "missing":
            return f"{label}: is blank or missing"
        if detail["type"] == "extra_forbidden":
            return f"{label}: unknown field"
        if detail["type"] == "timezone_aware":
            return f"{label}: {shown(detail['input'])} has no offset: write +08:00, or name the time_zone in a mapping"
        message = detail["msg"].removeprefix("Value error, ").removeprefix("Input ")
        value = f", got {shown(detail['input'])}" if isinstance(detail["input"], _QUOTED) else ""
        return f"{label}: {message}{value}" if label else f"{message}{value}"


def reason_of(message: str) -> str:
    """The message without the values of the row: what examples are counted under.

    Example:
        >>> reason_of("amount (column 'Sales'): '12x' is not a number written like 1234.5")
        "amount (column 'Sales'): … is not a number written like 1234.5"
    """
    place, colon, rest = message.partition(": ")
    if not colon:
        return message
    if rest.startswith("'") and (end := rest.rfind("' ")) > 0:
        rest = "…" + rest[end + 1 :]
    return f"{place}: {rest.partition(', got ')[0]}"
