"""Native blocks as newer clients ask for them.

The engine writes the format's first revision; a client that sends `client_protocol_version` expects a block header
from 51903 on, time zones in `DateTime` from 54337 on, and a serialization flag per column from 54454 on. Putting the
last two in means finding where each column ends.

Format: https://clickhouse.com/docs/interfaces/formats/Native
"""

import re
from collections.abc import Callable, Iterator, Sequence

from streams.local.clickhouse.errors import NOT_IMPLEMENTED, refusal

BLOCK_HEADER_REVISION = 51903
TIME_ZONE_REVISION = 54337
SERIALIZATION_REVISION = 54454

_BLOCK_HEADER = b"\x01\x00\x02\xff\xff\xff\xff\x00"
_DATE_TIME = b"\x08DateTime"
_WIDTHS: dict[str, int] = {
    **dict.fromkeys(("UInt8", "Int8", "Bool", "Enum8", "Nothing"), 1),
    **dict.fromkeys(("UInt16", "Int16", "BFloat16", "Date", "Enum16"), 2),
    **dict.fromkeys(("UInt32", "Int32", "Float32", "Date32", "DateTime", "IPv4", "Time", "Decimal32"), 4),
    **dict.fromkeys(("UInt64", "Int64", "Float64", "DateTime64", "Time64", "Decimal64"), 8),
    **dict.fromkeys(("UInt128", "Int128", "UUID", "IPv6", "Decimal128"), 16),
    **dict.fromkeys(("UInt256", "Int256", "Decimal256"), 32),
}
_DECIMAL_WIDTHS = ((9, 4), (18, 8), (38, 16), (76, 32))


def has_plain_date_time(blocks: bytes) -> bool:
    """Whether a column of the first block may be a DateTime that lost its time zone."""
    return _DATE_TIME in blocks[: 1 << 16]


def reframe(blocks: bytes, revision: int, types: Sequence[str] = (), *, one: bool = True) -> bytes:
    """Blocks of the first revision, rewritten for `revision`.

    Args:
        blocks: whole blocks, one after another.
        revision: what the client asked for.
        types: full type names of the columns, where they are known.
        one: whether it is a single block, as each piece of the engine's stream is.

    Raises:
        ClickHouseError: a column's type cannot be stepped over.
    """
    zoned = revision >= TIME_ZONE_REVISION and any(name.startswith("DateTime(") for name in types)
    flagged = revision >= SERIALIZATION_REVISION
    header = _BLOCK_HEADER if revision >= BLOCK_HEADER_REVISION else b""
    if not header or (one and not zoned and not flagged):
        return header + blocks
    return b"".join(_rewritten(blocks, header, b"\0" if flagged else b"", types if zoned else ()))


def _rewritten(blocks: bytes, header: bytes, flag: bytes, types: Sequence[str]) -> Iterator[bytes]:
    at = 0
    while at < len(blocks):
        yield header
        columns, begin = varint(blocks, at)
        rows, begin = varint(blocks, begin)
        yield blocks[at:begin]
        at = begin
        for column in range(columns):
            name_end = _after_text(blocks, at)
            type_end = _after_text(blocks, name_end)
            size, text = varint(blocks, name_end)
            given = blocks[text : text + size].decode()
            full = types[column] if given == "DateTime" and column < len(types) else given
            yield blocks[at:name_end] + _text(full) + flag
            at = _after_column(blocks, type_end, given, rows)
            yield blocks[type_end:at]


def varint(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length number and where it ends."""
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:  # noqa: PLR2004 - the top bit says that more follow
            return number, at


def _text(value: str) -> bytes:
    raw, size = value.encode(), bytearray()
    left = len(raw)
    while left > 127:  # noqa: PLR2004 - seven bits a byte
        size.append(left & 127 | 128)
        left >>= 7
    return bytes([*size, left]) + raw


def _after_text(data: bytes, at: int) -> int:
    size, at = varint(data, at)
    return at + size


def _after_column(data: bytes, at: int, name: str, rows: int) -> int:
    return _after_values(data, _after_prefix(at, name), name, rows) if rows else at


def _after_prefix(at: int, name: str) -> int:
    """LowCardinality writes its version once, ahead of all values of the column."""
    kind, inner = _parse(name)
    if kind == "LowCardinality":
        return at + 8
    if kind in {"Array", "Nullable", "Tuple", "Map", "Nested"}:
        for part in split(inner):
            at = _after_prefix(at, _element(part))
    return at


def _after_values(data: bytes, at: int, name: str, rows: int) -> int:
    kind, inner = _parse(name)
    width = _width(kind, inner)
    if width is not None:
        return at + width * rows
    if kind not in _STEPS:
        reason = f"{name} cannot be sent in the Native format of this client: cast it to a String."
        raise refusal(NOT_IMPLEMENTED, reason)
    return _STEPS[kind](data, at, inner, rows)


def _after_nullable(data: bytes, at: int, inner: str, rows: int) -> int:
    return _after_values(data, at + rows, inner, rows)


def _after_array(data: bytes, at: int, inner: str, rows: int) -> int:
    count = int.from_bytes(data[at + 8 * (rows - 1) : at + 8 * rows], "little") if rows else 0
    return _after_values(data, at + 8 * rows, inner, count)


def _after_map(data: bytes, at: int, inner: str, rows: int) -> int:
    return _after_array(data, at, f"Tuple({inner})", rows)


def _after_tuple(data: bytes, at: int, inner: str, rows: int) -> int:
    for part in split(inner):
        at = _after_values(data, at, _element(part), rows)
    return at


def _after_simple_aggregate(data: bytes, at: int, inner: str, rows: int) -> int:
    return _after_values(data, at, split(inner)[1], rows)


def _after_strings(data: bytes, at: int, _inner: str, rows: int) -> int:
    for _ in range(rows):
        size = data[at]
        at += 1
        if size > 127:  # noqa: PLR2004 - a longer number
            size, at = varint(data, at - 1)
        at += size
    return at


def _after_dictionary(data: bytes, at: int, inner: str, rows: int) -> int:
    if not rows:
        return at
    index_width = 1 << (data[at] & 0xFF)
    keys = int.from_bytes(data[at + 8 : at + 16], "little")
    kind, nested = _parse(inner)
    at = _after_values(data, at + 16, nested if kind == "Nullable" else inner, keys)
    count = int.from_bytes(data[at : at + 8], "little")
    return at + 8 + count * index_width


_STEPS: dict[str, Callable[[bytes, int, str, int], int]] = {
    "String": _after_strings,
    "Nullable": _after_nullable,
    "Array": _after_array,
    "Map": _after_map,
    "Nested": _after_map,
    "Tuple": _after_tuple,
    "LowCardinality": _after_dictionary,
    "SimpleAggregateFunction": _after_simple_aggregate,
}


def _width(kind: str, inner: str) -> int | None:
    if kind == "FixedString":
        return int(inner)
    if kind == "Decimal":
        precision = int(split(inner)[0])
        return next(width for most, width in _DECIMAL_WIDTHS if precision <= most)
    if kind.startswith("Interval"):
        return 8
    return _WIDTHS.get(kind)


def _parse(name: str) -> tuple[str, str]:
    kind, _, inner = name.partition("(")
    return kind.strip(), inner[:-1] if inner else ""


def _element(part: str) -> str:
    """Type of a tuple's element, which may carry a name."""
    named = re.match(r"(?:`(?:[^`\\]|\\.)*`|\w+)\s+(\w.*)\Z", part, re.DOTALL)
    return named[1] if named else part


def split(arguments: str) -> list[str]:
    """Arguments of a type, cut at the commas outside brackets and quotes."""
    parts, depth, begin = [], 0, 0
    for token in re.finditer(r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|[(),]", arguments):
        depth += (token[0] == "(") - (token[0] == ")")
        if token[0] == "," and depth == 0:
            parts.append(arguments[begin : token.start()].strip())
            begin = token.end()
    last = arguments[begin:].strip()
    return [*parts, last] if last else parts
