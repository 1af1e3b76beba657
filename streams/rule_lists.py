"""Named lists, edited while the rules that look into them stay as they are; every edit is a version of its own."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from clickhouse_connect.driver.client import Client

from agents.compliance.folding import fold
from schemas.compliance import MOST_LISTED
from streams import rule_books, rule_log
from streams.errors import UsageError
from streams.rule_changes import LISTED, Change

_LONGEST = 200


class Edit(NamedTuple):
    """What came of an edit.

    Attributes:
        change: the version; None where nothing had to change.
        values: how many the list has now.
        skipped: values that were there already.
    """

    change: Change | None
    values: int
    skipped: int


def values_in(path: Path) -> list[str]:
    """Values of a file with one in every line; empty lines and those that begin with # are skipped.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        msg = f"{path} is not UTF-8 at byte {error.start}: save it as UTF-8"
        raise UsageError(msg) from None
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise UsageError(msg) from None
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def add(client: Client, name: str, values: Sequence[str], author: str, reason: str) -> Edit:
    """Add values to a list; those it has are skipped.

    Raises:
        UsageError: there is no such list, a value is empty or too long, or the list would hold too many.
        InvalidError: the list was replaced at the same moment.
        UnavailableError: ClickHouse does not answer.
    """
    there = _values(client, name)
    for value in values:
        if not value.strip() or len(value) > _LONGEST:
            msg = f"a value has 1 to {_LONGEST} characters that are more than blanks, not as {value[:20]!r}"
            raise UsageError(msg)
    new = {fold(value): value for value in values if fold(value) not in there}
    if len(there) + len(new) > MOST_LISTED:
        msg = f"{name} would have {len(there) + len(new):,} values, and {MOST_LISTED:,} is the most: remove some first"
        raise UsageError(msg)
    skipped = len({fold(value) for value in values}) - len(new)
    change = _record(client, name, author, reason, {"add": list(new.values())}) if new else None
    return Edit(change, len(there) + len(new), skipped)


def remove(client: Client, name: str, values: Sequence[str], author: str, reason: str) -> Edit:
    """Remove values from a list.

    Raises:
        UsageError: there is no such list, or it does not have a value.
        InvalidError: the list was replaced at the same moment.
        UnavailableError: ClickHouse does not answer.
    """
    there = _values(client, name)
    gone = dict.fromkeys(fold(value) for value in values)
    if absent := [value for value in values if fold(value) not in there]:
        more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        msg = f"{name} does not have {absent[0]!r}{more}: `pulse policy list show {name}` shows what it has"
        raise UsageError(msg)
    change = _record(client, name, author, reason, {"remove": [there[value] for value in gone]}) if gone else None
    return Edit(change, len(there) - len(gone), 0)


def _values(client: Client, name: str) -> dict[str, str]:
    texts = rule_books.read(client)
    why = texts.state.refuses(Change(LISTED, name, "anybody"))
    if why is not None:
        raise UsageError(why)
    return texts.lists[name]


def _record(client: Client, name: str, author: str, reason: str, detail: dict[str, list[str]]) -> Change:
    return rule_log.record(client, Change(LISTED, name, author, remark=reason, detail=detail))
