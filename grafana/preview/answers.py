"""Answers of ClickHouse as the page needs them: columns with Grafana's field types, values fit for JSON."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

#: Beginning of ClickHouse's name of a type -> Grafana's.
_TYPES = (
    ("DateTime", "time"),
    ("Date", "day"),
    ("Int", "number"),
    ("UInt", "number"),
    ("Float", "number"),
    ("Decimal", "number"),
    ("Bool", "boolean"),
)


def field_type(name: str) -> str:
    """Grafana's type of a column: time, day, number, boolean or string.

    >>> field_type("LowCardinality(Nullable(String))"), field_type("Nullable(Decimal(38, 6))")
    ('string', 'number')
    """
    inner = name
    for wrapper in ("LowCardinality(", "Nullable("):
        inner = inner.removeprefix(wrapper)
    return next((kind for prefix, kind in _TYPES if inner.startswith(prefix)), "string")


def as_json(names: Sequence[str], types: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """An answer: fields, and rows of plain values. Times are milliseconds since 1970."""
    fields = [{"name": name, "type": field_type(kind)} for name, kind in zip(names, types, strict=True)]
    return {"fields": fields, "rows": [[_value(value) for value in row] for row in rows]}


def _value(value: Any) -> Any:
    match value:
        case datetime():
            aware = value if value.tzinfo else value.replace(tzinfo=UTC)
            return round(aware.timestamp() * 1_000)
        case date():
            return value.isoformat()
        case Decimal():
            return float(value) if value.is_finite() else None  # a drawn length or a rounded text, not a booked figure
        case float():
            return value if value - value == 0 else None  # neither NaN nor infinite
        case None | bool() | int() | str():
            return value
        case _:
            return str(value)
