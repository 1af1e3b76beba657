"""The log of changes in ClickHouse: read, and continued by one change at a time."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
from clickhouse_connect.driver.client import Client

from streams.clickhouse import translated
from streams.errors import InvalidError, UsageError
from streams.policies import digest_of
from streams.rule_changes import IN_FORCE, Change, RuleState, replay

TABLE = "rule_changes"
_COLUMNS = ("version", "change_id", "kind", "name", "at", "author", "remark", "hash", "rules", "detail", "text")
_READ = ", ".join(_COLUMNS[:-1])
#: Others may write at the same moment.
_ATTEMPTS = 10


def newest_version(client: Client) -> int:
    """Number of the newest change that may alter what is judged with; 0 before the first.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    kinds = ", ".join(f"'{kind}'" for kind in IN_FORCE)
    return int(_one(client, f"SELECT max(version) FROM {TABLE} WHERE kind IN ({kinds})"))


def changes(client: Client) -> list[Change]:
    """Every change in the order of their numbers, without texts.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    # one that met another under its number was written again, and stands where it was written last
    once = f"SELECT {_READ} FROM {TABLE} ORDER BY version DESC LIMIT 1 BY change_id"
    with translated():
        rows = client.query(f"SELECT * FROM ({once}) ORDER BY version, at, change_id").result_rows
    return [_change(*row) for row in rows]


def state(client: Client) -> RuleState:
    """What holds now.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    return replay(changes(client))


def files_of(client: Client, change: Change) -> dict[str, str]:
    """The files of a submitted or tried version, by name.

    Raises:
        InvalidError: the text is not the one that was written.
        UnavailableError: ClickHouse does not answer.
    """
    statement = f"SELECT text FROM {TABLE} WHERE change_id = {{change_id:String}} LIMIT 1"
    with translated():
        text = client.query(statement, parameters={"change_id": change.change_id}).first_row[0]
    if digest_of(text) != change.hash:
        msg = f"the text of {change.kind} {change.name} was altered in ClickHouse: submit the rules anew"
        raise InvalidError(msg)
    return orjson.loads(text)  # type: ignore[no-any-return] # what `text_of` wrote


def text_of(files: dict[str, str]) -> str:
    """Files as the one text that is kept and hashed; the same for the same files in any order."""
    return orjson.dumps(files, option=orjson.OPT_SORT_KEYS).decode()


def record(client: Client, change: Change) -> Change:
    """Write a change; returns it with its number.

    Raises:
        UsageError: it may not be made.
        InvalidError: somebody else was faster and it may not be made any more, or others write all the time.
        UnavailableError: ClickHouse does not answer.
    """
    why = state(client).refuses(change)
    if why is not None:
        raise UsageError(why)
    now = datetime.now(UTC)
    change = replace(change, at=now.replace(microsecond=now.microsecond // 1000 * 1000), change_id=uuid.uuid4().hex)
    for _ in range(_ATTEMPTS):
        change = replace(change, version=int(_one(client, f"SELECT max(version) FROM {TABLE}")) + 1)
        _insert(client, change)
        if _one(client, f"SELECT uniqExact(change_id) FROM {TABLE} WHERE version = {change.version:d}") == 1:
            if (why := state(client).made[change.change_id]) is not None:
                raise InvalidError(why)
            return change
    msg = "others change the rules all the time: look at `pulse policy history compliance` and try again"
    raise InvalidError(msg)


def _insert(client: Client, change: Change) -> None:
    row: list[Any] = [getattr(change, name) for name in _COLUMNS]
    row[_COLUMNS.index("detail")] = orjson.dumps(change.detail).decode()
    row[_COLUMNS.index("rules")] = list(change.rules)
    with translated():
        client.insert(TABLE, [row], column_names=_COLUMNS)


def _change(  # noqa: PLR0913, PLR0917 - one parameter a column
    version: int,
    change_id: str,
    kind: str,
    name: str,
    at: datetime,
    author: str,
    remark: str,
    digest: str,
    rules: list[str],
    detail: str,
) -> Change:
    moment = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    said = orjson.loads(detail)
    return Change(kind, name, author, version, change_id, moment, remark, digest, tuple(rules), said)


def _one(client: Client, statement: str) -> Any:
    with translated():
        return client.query(statement).first_row[0]
