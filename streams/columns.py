"""The engine's whole numbers on their way into ClickHouse: columns of amounts and of days."""

from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from agents.progress.calendar import EPOCH_ORDINAL

_AMOUNT = pa.decimal128(38, 6)
_AMOUNT_BYTES = 16
#: Largest amount a column takes, in micro-units.
LARGEST = 10**38 - 1


def amounts(values: Iterable[int | None]) -> Any:
    """Micro-units as a Decimal(38, 6) column, without making a Decimal of each; one beyond 38 digits is left empty.

    >>> amounts([1_500_000, None, -1, 10**38]).to_pylist()
    [Decimal('1.500000'), None, Decimal('-0.000001'), None]
    """
    held = [value if value is not None and abs(value) <= LARGEST else None for value in values]
    data = b"".join((value or 0).to_bytes(_AMOUNT_BYTES, "little", signed=True) for value in held)
    column = pa.Array.from_buffers(_AMOUNT, len(held), [None, pa.py_buffer(data)])
    if any(value is None for value in held):
        return pc.if_else(pa.array([value is not None for value in held]), column, pa.scalar(None, _AMOUNT))
    return column


def days(ordinals: Iterable[int]) -> Any:
    """Ordinals of days as a Date column.

    >>> days([719_163, 737_061]).to_pylist()
    [datetime.date(1970, 1, 1), datetime.date(2019, 1, 2)]
    """
    return pa.array([ordinal - EPOCH_ORDINAL for ordinal in ordinals], pa.int32()).cast(pa.date32())
