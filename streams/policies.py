"""Policies as text: read with the place of every mistake, published into ClickHouse, read back by workers."""

import getpass
import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from clickhouse_connect.driver.client import Client
from pydantic import ValidationError

from schemas.policy import KpiPolicy
from streams.clickhouse import translated
from streams.errors import UsageError

TABLE = "policy_versions"
KPIS = "kpis"
KPI_FILE = "kpis.yaml"
_COLUMNS = ("policy", "version", "hash", "effective_from", "published_at", "author", "text")
_MISTAKES_SHOWN = 5


def read(folder: Path) -> str:
    """Text of the KPI policy in `folder`.

    Raises:
        UsageError: there is none, or it cannot be read.
    """
    path = folder / KPI_FILE
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        msg = f"{path} does not exist: start where the folder is, or name it in PULSE_POLICIES"
    except UnicodeDecodeError as error:
        msg = f"{path} is not UTF-8 at byte {error.start}: save it as UTF-8"
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
    raise UsageError(msg)


def parse(text: str, name: str = KPI_FILE) -> KpiPolicy:
    """The KPI policy in `text`; `name` is the file that messages point at.

    Raises:
        UsageError: the first mistakes as `file:line:column: where: what`, one after the other.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise UsageError(_yaml_mistake(error, name)) from None
    except yaml.YAMLError as error:
        msg = f"{name}: {error}"
        raise UsageError(msg) from None
    if root is None:
        msg = f"{name} is empty: it needs a list `kpis`"
        raise UsageError(msg)
    if mistakes := [f"{_place(name, node)}: {key} stands twice: remove one" for key, node in _repeated(root)]:
        raise UsageError(_joined(mistakes))
    try:
        return KpiPolicy.model_validate(yaml.safe_load(text))
    except ValidationError as error:
        mistakes = [_mistake(name, root, item["loc"], item["msg"]) for item in error.errors(include_url=False)]
        raise UsageError(_joined(list(dict.fromkeys(mistakes)))) from None


def load(folder: Path) -> KpiPolicy:
    """The KPI policy in `folder`.

    Raises:
        UsageError: it is missing or wrong; the message names file, line and column.
    """
    return parse(read(folder), str(folder / KPI_FILE))


def publish(
    client: Client,
    text: str,
    *,
    policy: str = KPIS,
    author: str | None = None,
    effective_from: datetime | None = None,
) -> int:
    """Append `text` as the newest version, unless the newest already is this text; return its version.

    Args:
        client: ClickHouse, as the writer.
        text: the policy; checked before anything is written.
        policy: which policy it is.
        author: who publishes; the person logged in when left out.
        effective_from: from when it applies; now when left out.

    Raises:
        UsageError: the text is wrong.
        UnavailableError: ClickHouse does not answer.
    """
    if policy == KPIS:
        parse(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    newest = _newest(client, policy)
    if newest is not None and newest[1] == digest:
        return newest[0]
    version = newest[0] + 1 if newest else 1
    now = datetime.now(UTC)
    row = (policy, version, digest, effective_from or now, now, author or _login(), text)
    with translated():
        client.insert(TABLE, [row], column_names=_COLUMNS)
    return version


def current(client: Client) -> tuple[int, KpiPolicy]:
    """Version and content of the newest KPI policy.

    Raises:
        UsageError: none has been published.
        UnavailableError: ClickHouse does not answer.
    """
    newest = _newest(client, KPIS)
    if newest is None:
        msg = "no KPI policy is published: start `pulse up` once, which publishes policies/kpis.yaml"
        raise UsageError(msg)
    version, _digest, text = newest
    return version, parse(text, f"published KPI policy {version}")


def newest_version(client: Client) -> int:
    """Version of the newest KPI policy; 0 before the first.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    newest = _newest(client, KPIS)
    return newest[0] if newest is not None else 0


def _newest(client: Client, policy: str) -> tuple[int, str, str] | None:
    statement = (
        f"SELECT version, hash, text FROM {TABLE} WHERE policy = {{policy:String}} ORDER BY version DESC LIMIT 1"
    )
    with translated():
        rows: Sequence[tuple[int, str, str]] = client.query(statement, parameters={"policy": policy}).result_rows
    return rows[0] if rows else None


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user without a name
        return "unknown"


def _joined(mistakes: Sequence[str]) -> str:
    shown = list(mistakes[:_MISTAKES_SHOWN])
    if len(mistakes) > _MISTAKES_SHOWN:
        shown.append(f"and {len(mistakes) - _MISTAKES_SHOWN} more")
    return "; ".join(shown)


def _place(name: str, node: yaml.Node) -> str:
    return f"{name}:{node.start_mark.line + 1}:{node.start_mark.column + 1}"


def _yaml_mistake(error: yaml.MarkedYAMLError, name: str) -> str:
    mark = error.problem_mark or error.context_mark
    place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
    return f"{place}: no valid YAML: {error.problem or error.context}"


def _mistake(name: str, root: yaml.Node, loc: Sequence[int | str], text: str) -> str:
    node, path = _follow(root, loc)
    where = f"{'.'.join(path)}: " if path else ""
    return f"{_place(name, node)}: {where}{text.removeprefix('Value error, ')}"


def _follow(root: yaml.Node, loc: Sequence[int | str]) -> tuple[yaml.Node, list[str]]:
    """The node a pydantic location leads to as far as the text has it, and the readable path to it."""
    node, path = root, []
    for part in loc:
        child = _child(node, part)
        if child is not None:
            node = child
            path.append(_label(child) or str(part))
        elif isinstance(node, yaml.MappingNode) and isinstance(part, str) and part.isidentifier():
            path.append(part)  # a missing field: point at what should hold it
    return node, path


def _child(node: yaml.Node, part: int | str) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        found: yaml.Node = node.value[part]
        return found
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == str(part)), None)
    return None


def _label(node: yaml.Node) -> str | None:
    """The id of a list entry, which says more than its position."""
    if isinstance(node, yaml.MappingNode):
        return next((str(value.value) for key, value in node.value if key.value == "id"), None)
    return None


def _repeated(node: yaml.Node) -> Iterator[tuple[str, yaml.Node]]:
    """Keys that stand twice in one mapping; YAML would silently keep the last."""
    children: list[Any] = []
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    yield key.value, key
                seen.add(key.value)
            children.append(value)
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    for child in children:
        yield from _repeated(child)
