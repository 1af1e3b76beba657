"""Changed copies: a file most of whose rows came before, in another file.

Rows whose ids are made from their file count once more when they come in a copy that differs in one sign. Such a copy
is recognised by a sketch: the smallest hashes of the different rows of a file. Of two files, the share of common
hashes among the smallest of both together estimates the share of rows they have in common (Broder's bottom-k sketch).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from pathlib import Path

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from streams.clickhouse import translated
from streams.errors import UsageError

TABLE = "imported_files"
#: Hashes in a sketch: the share is right within ± 5 points (two standard errors).
SIZE = 512
#: From this share of common rows on a file is a copy.
COPY_SHARE = 0.3
_READ = ("kind", "content", "file", "rows_sketch", "imported_at")
_SCHEMA = pa.schema(
    [
        ("kind", pa.string()),
        ("content", pa.string()),
        ("file", pa.string()),
        ("rows_sketch", pa.list_(pa.uint64())),
        ("imported_at", pa.timestamp("ms", tz="UTC")),
    ]
)


@dataclass(frozen=True, slots=True)
class ImportedFile:
    """A file whose rows have ids that are made from its content.

    Attributes:
        kind: of the events.
        content: hash of the content.
        file: its path, as it was named.
        rows_sketch: the smallest hashes of its different rows, ascending.
        imported_at: when its first rows were sent.
    """

    kind: str
    content: str
    file: str
    rows_sketch: tuple[int, ...]
    imported_at: datetime


def sketch(rows: Iterable[bytes], size: int = SIZE) -> tuple[int, ...]:
    """The `size` smallest hashes of the different rows, ascending; all of them when there are fewer."""
    smallest: set[int] = set()
    bound = 1 << 64
    for row in rows:
        value = int.from_bytes(blake2b(row, digest_size=8).digest())
        if value < bound:
            smallest.add(value)
            if len(smallest) >= 8 * size:
                smallest = set(sorted(smallest)[:size])
                bound = max(smallest)
    return tuple(sorted(smallest)[:size])


def common_share(one: Sequence[int], other: Sequence[int], size: int = SIZE) -> float:
    """Estimated share of rows that stand in both files among those that stand in any; exact for small files.

    Example:
        >>> common_share([1, 2, 3], [2, 3, 4])
        0.5
    """
    together = sorted({*one, *other})[:size]
    both = {*one} & {*other} & {*together}
    return len(both) / len(together) if together else 0.0


def check_copy(new: ImportedFile, known: Iterable[ImportedFile], *, as_new: bool) -> str | None:
    """What somebody should know before the rows are sent; None when there is nothing to say.

    Raises:
        UsageError: most rows came before, in a file of other content, and would count twice.
    """
    others = [(common_share(new.rows_sketch, file.rows_sketch), file) for file in known if file.content != new.content]
    if as_new or not others or any(new.content == file.content for file in known):
        return None
    share, nearest = max(others, key=lambda item: item[0])
    if share >= COPY_SHARE:
        msg = (
            f"{new.file} has about {share:.0%} of its rows in common with {nearest.file}, imported "
            f"{nearest.imported_at:%Y-%m-%d %H:%M} UTC; their ids depend on the file, so they would count twice: "
            "import only the mended rows, with the header, in a file of their own (--rejected FILE writes one when the "
            "first file is imported), or add --as-new to `pulse import` if all rows are new"
        )
        raise UsageError(msg)
    name = Path(new.file).name
    namesakes = [file for _share, file in others if Path(file.file).name == name]
    if not namesakes:
        return None
    newest = max(namesakes, key=lambda file: file.imported_at)
    return (
        f"note: another file named {name} was imported {newest.imported_at:%Y-%m-%d %H:%M} UTC with other content; "
        "rows that stand in both count twice"
    )


def read(client: Client, kind: str) -> list[ImportedFile]:
    """Files of this kind imported before.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    statement = f"SELECT {', '.join(_READ)} FROM {TABLE} FINAL WHERE kind = {{kind:String}}"
    with translated():
        result = client.query(statement, parameters={"kind": kind}, tz_mode="aware")
    return [ImportedFile(**{**row, "rows_sketch": tuple(row["rows_sketch"])}) for row in result.named_results()]


def remember(client: Client, file: ImportedFile) -> None:
    """Note that rows of the file were sent; noting it again changes nothing but the moment.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    row = {name: getattr(file, name) for name in _READ}
    with translated():
        client.insert_arrow(TABLE, pa.Table.from_pylist([row], schema=_SCHEMA))
