"""Rejects: the wrong rows of a file, in a file of their own that is mended and imported again.

Such a file has two columns more than the first one. `pulse_row` says which row of which file a row was, and which dead
letters it left: its ids stay those of the first file, so nothing counts twice, and its letters are settled. The other
one is for the person who mends it.
"""

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from streams.errors import InvalidError, UsageError
from streams.importing.records import BadRecord, Record

ROW, REASON = "pulse_row", "pulse_reason"
OWN_COLUMNS = (ROW, REASON)
_ORIGIN = re.compile(r"row-(\d+)-([0-9a-f]{16})((?:-[0-9a-f]{32})*)")
_PACKED = ".gz"
_FORMATS = {".xlsm": ".xlsx", ".ndjson": ".jsonl"}


@dataclass(frozen=True, slots=True)
class Origin:
    """Which row of which file a row was at first.

    Attributes:
        line: where it stood.
        content: first digits of the hash of that file's content.
        letters: ids of the dead letters it left.
    """

    line: int
    content: str
    letters: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The text of `pulse_row`.

        Example:
            >>> str(Origin(17, "9f86d081884c7d65"))
            'row-17-9f86d081884c7d65'
        """
        return "-".join(("row", str(self.line), self.content, *self.letters))

    @classmethod
    def parse(cls, text: object) -> Self:
        """The origin a cell of `pulse_row` names.

        Raises:
            InvalidError: the cell is blank or was changed.
        """
        match = _ORIGIN.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            msg = f"{ROW} is blank or changed: leave this column as it was; new rows go into a file without it"
            raise InvalidError(msg)
        return cls(int(match[1]), match[2], tuple(filter(None, match[3].split("-"))))

    @classmethod
    def found_in(cls, raw: bytes) -> Self | None:
        """The origin named in a row that cannot be taken apart."""
        match = _ORIGIN.search(raw.replace(b"\0", b"").decode("latin-1"))
        return cls.parse(match[0]) if match else None


class Reject(NamedTuple):
    """A wrong row; without an origin only when somebody changed the origin in a file of rejects."""

    origin: Origin | None
    reason: str
    record: Record | BadRecord


def bare_name(path: Path) -> str:
    """Name of a file without what packs it.

    Example:
        >>> bare_name(Path("sales.csv.gz"))
        'sales.csv'
    """
    return path.name.removesuffix(_PACKED)


def check_target(target: Path, source: Path) -> None:
    """Refuse a place where rejects cannot be written.

    Raises:
        UsageError: it exists, has another format than the source, or its folder is missing.
    """
    suffix = Path(bare_name(source)).suffix.lower()
    wanted = _FORMATS.get(suffix, suffix)
    if target.suffix.lower() != wanted:
        msg = f"--rejected {target}: wrong rows of {source.name} go into a file of its format: end the name in {wanted}"
        raise UsageError(msg)
    if target.exists():
        msg = f"--rejected {target} exists: name another file, or remove it if its rows are mended and imported"
        raise UsageError(msg)
    if not target.parent.is_dir():
        msg = f"--rejected {target}: the folder {target.parent} does not exist"
        raise UsageError(msg)


def write(target: Path, content: bytes) -> None:
    """Write the file, which must be new.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        with target.open("xb") as file:
            file.write(content)
    except OSError as error:
        msg = f"{target} cannot be written: {error.strerror or error}; name another with --rejected"
        raise UsageError(msg) from error


def csv_line(values: Sequence[str], delimiter: str, quote: str) -> str:
    """Values as one line of CSV, with its end."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quotechar=quote, lineterminator="\n").writerow(values)
    return out.getvalue()


def json_line(line: str, reject: Reject) -> str:
    """A JSON line with the two own fields in front; what follows stays as it came, valid or not."""
    own = json.dumps({ROW: str(reject.origin), REASON: reject.reason}, ensure_ascii=False)[:-1]
    rest = line.strip().removeprefix("{")
    return f"{own}{'' if rest.lstrip().startswith('}') else ', '}{rest}\n"


def renewed(line: str, reject: Reject) -> str:
    """The line of a file of rejects that is wrong again, under its newest letters."""
    line = line.rstrip("\r\n")
    return f"{line if reject.origin is None else _ORIGIN.sub(str(reject.origin), line, count=1)}\n"


def table(columns: Sequence[str], rejects: Sequence[Reject]) -> tuple[list[str], list[list[Any]]]:
    """Names and rows of a table with the own columns first, whether or not it had them; rows may be too long."""
    kept = [index for index, name in enumerate(columns) if name not in OWN_COLUMNS]
    rows = []
    for reject in rejects:
        values = reject.record.values or ()
        own = ("" if reject.origin is None else str(reject.origin), reject.reason)
        rows.append([*own, *(values[index] for index in kept), *values[len(columns) :]])
    return [*OWN_COLUMNS, *(columns[index] for index in kept)], rows
