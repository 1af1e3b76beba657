"""Policies as text: read with the place of every mistake, published into ClickHouse, read back by workers."""

import getpass
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import yaml
from clickhouse_connect.driver.client import Client
from pydantic import BaseModel, ValidationError

from schemas.lights import LightPolicy
from schemas.policy import KpiPolicy
from streams.clickhouse import translated
from streams.errors import InvalidError, UsageError

TABLE = "policy_versions"
KPIS, LIGHTS = "kpis", "lights"
KPI_FILE, LIGHT_FILE = "kpis.yaml", "lights.yaml"
_COLUMNS = ("policy", "version", "hash", "effective_from", "published_at", "author", "text")
_MISTAKES_SHOWN, _SHOWN = 5, 40
#: ClickHouse keeps moments from here on.
_FIRST_MOMENT = datetime(1900, 1, 1, tzinfo=UTC)
_Policy = TypeVar("_Policy", bound=BaseModel)


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong in a policy; line and column count from 1, and are 0 when the whole file is meant."""

    file: str
    line: int
    column: int
    text: str

    def __str__(self) -> str:
        """As `file:line:column: what`."""
        if not self.line:
            return f"{self.file} {self.text}"
        return f"{self.file}:{self.line}:{self.column}: {self.text}"


class PolicyError(UsageError):
    """A policy is wrong; the message shows the first mistakes.

    Attributes:
        mistakes: all of them.
    """

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__(_joined(mistakes))
        self.mistakes = tuple(mistakes)


@dataclass(frozen=True)
class Version:
    """One published text of a policy."""

    policy: str
    version: int
    hash: str
    """SHA-256 of the text."""
    effective_from: datetime
    published_at: datetime
    author: str
    text: str


def read(folder: Path, file: str = KPI_FILE) -> str:
    """Text of a policy in `folder`.

    Raises:
        UsageError: there is none, or it cannot be read.
    """
    path = folder / file
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
        PolicyError: with every mistake and its place.
    """
    return _parsed(KpiPolicy, text, name, "it needs a list `kpis`")


def parse_lights(text: str, name: str = LIGHT_FILE) -> LightPolicy:
    """The policy of lights in `text`; `name` is the file that messages point at.

    Raises:
        PolicyError: with every mistake and its place.
    """
    return _parsed(LightPolicy, text, name, "it needs `defaults` or `kpis`")


def parse_as(model: type[_Policy], text: str, name: str, needs: str) -> _Policy:
    """The policy of a model in `text`; `name` is the file that messages point at, `needs` what an empty one lacks.

    Raises:
        PolicyError: with every mistake and its place.
    """
    return _parsed(model, text, name, needs)


def _parsed(model: type[_Policy], text: str, name: str, needs: str) -> _Policy:
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise PolicyError([_yaml_mistake(error, name)]) from None
    except yaml.reader.ReaderError as error:
        raise PolicyError([_unreadable(error, text, name)]) from None
    except RecursionError:
        raise PolicyError([Mistake(name, 0, 0, "is nested too deeply: write it flatter")]) from None
    if root is None:
        raise PolicyError([Mistake(name, 0, 0, f"is empty: {needs}")])
    mistakes = [_at(name, node, f"{key} stands twice: remove one") for key, node in _repeated(root)]
    try:
        policy = model.model_validate(yaml.safe_load(text))
    except yaml.MarkedYAMLError as error:
        raise PolicyError([*mistakes, _yaml_mistake(error, name)]) from None
    except ValidationError as error:
        found = [_mistake(name, root, item["loc"], item["msg"]) for item in error.errors(include_url=False)]
        raise PolicyError(list(dict.fromkeys([*mistakes, *found]))) from None
    except (ValueError, OverflowError):
        raise PolicyError([*mistakes, _impossible(root, name)]) from None
    if mistakes:
        raise PolicyError(mistakes)
    return policy


def mistake_at(text: str, name: str, loc: Sequence[int | str], what: str) -> Mistake:
    """A mistake at a place of a text that is valid YAML, for example at `("kpis", "visits")`."""
    root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    return _mistake(name, root, loc, what)


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
        UsageError: the text is wrong, or `effective_from` lies ahead.
        InvalidError: somebody else published another text at the same moment.
        UnavailableError: ClickHouse does not answer.
    """
    _PARSERS[policy](text)
    now = datetime.now(UTC)
    _check_moment(effective_from, now)
    digest = digest_of(text)
    before = newest(client, policy)
    if before is not None and before.hash == digest:
        return before.version
    version = before.version + 1 if before else 1
    row = (policy, version, digest, effective_from or now, now, author or login(), text)
    with translated():
        client.insert(TABLE, [row], column_names=_COLUMNS)
    _check_alone(client, policy, version)
    return version


def digest_of(text: str) -> str:
    """The hash a text is published under."""
    return hashlib.sha256(text.encode()).hexdigest()


def current(client: Client) -> tuple[int, KpiPolicy]:
    """Version and content of the newest KPI policy.

    Raises:
        UsageError: none has been published.
        UnavailableError: ClickHouse does not answer.
    """
    found = newest(client)
    if found is None:
        msg = (
            "no KPI policy is published: run `pulse policy publish`, or `pulse up`, which publishes policies/kpis.yaml"
        )
        raise UsageError(msg)
    return found.version, parse(found.text, f"published KPI policy {found.version}")


def current_lights(client: Client) -> tuple[int, LightPolicy]:
    """Version and content of the newest policy of lights; 0 and what is built in before the first.

    Raises:
        UsageError: what is published cannot be read by this version.
        UnavailableError: ClickHouse does not answer.
    """
    found = newest(client, LIGHTS)
    if found is None:
        return 0, LightPolicy()
    return found.version, parse_lights(found.text, f"published light policy {found.version}")


def newest_version(client: Client, policy: str = KPIS) -> int:
    """Version of the newest text of a policy; 0 before the first.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    statement = f"SELECT max(version) FROM {TABLE} WHERE policy = {{policy:String}}"
    with translated():
        return int(client.query(statement, parameters={"policy": policy}).first_row[0])


def newest(client: Client, policy: str = KPIS) -> Version | None:
    """The version in force; None before the first.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    found = _versions(client, policy, "ORDER BY version DESC, published_at DESC, hash LIMIT 1")
    return found[0] if found else None


def history(client: Client, policy: str = KPIS) -> list[Version]:
    """Every version, newest first.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    return _versions(client, policy, "ORDER BY version DESC, published_at DESC, hash")


def _versions(client: Client, policy: str, rest: str) -> list[Version]:
    statement = f"SELECT {', '.join(_COLUMNS)} FROM {TABLE} WHERE policy = {{policy:String}} {rest}"
    with translated():
        rows = client.query(statement, parameters={"policy": policy}).result_rows
    found = [Version(*row) for row in rows]
    return [replace(v, effective_from=_utc(v.effective_from), published_at=_utc(v.published_at)) for v in found]


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _check_moment(effective_from: datetime | None, now: datetime) -> None:
    if effective_from is None:
        return
    if effective_from > now:
        msg = (
            f"{effective_from.isoformat()} lies ahead, and workers adopt a policy as soon as it is published: "
            "leave --effective-from out and publish on that day"
        )
        raise UsageError(msg)
    if effective_from < _FIRST_MOMENT:
        msg = f"{effective_from.isoformat()} is too early: take a moment after 1900"
        raise UsageError(msg)


def _check_alone(client: Client, policy: str, version: int) -> None:
    """Two people may have read the same newest version; then both must know."""
    statement = f"SELECT uniqExact(hash) FROM {TABLE} WHERE policy = {{policy:String}} AND version = {{version:UInt64}}"
    with translated():
        texts = client.query(statement, parameters={"policy": policy, "version": version}).first_row[0]
    if texts > 1:
        msg = f"somebody else published another version {version} at the same moment: compare, then publish again"
        raise InvalidError(msg)


def login() -> str:
    """Who is logged in."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container's user without a name
        return "unknown"


def _joined(mistakes: Sequence[Mistake]) -> str:
    shown = [str(mistake) for mistake in mistakes[:_MISTAKES_SHOWN]]
    if len(mistakes) > _MISTAKES_SHOWN:
        shown.append(f"and {len(mistakes) - _MISTAKES_SHOWN} more")
    return "; ".join(shown)


def _at(name: str, node: yaml.Node, text: str) -> Mistake:
    return Mistake(name, node.start_mark.line + 1, node.start_mark.column + 1, text)


def _yaml_mistake(error: yaml.MarkedYAMLError, name: str) -> Mistake:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    return Mistake(name, line, column, f"no valid YAML: {error.problem or error.context}")


def _unreadable(error: yaml.reader.ReaderError, text: str, name: str) -> Mistake:
    before = text[: error.position]
    line, column = before.count("\n") + 1, error.position - (before.rfind("\n") + 1) + 1
    return Mistake(name, line, column, f"no valid YAML: the character {text[error.position]!r} may not stand here")


def _mistake(name: str, root: yaml.Node, loc: Sequence[int | str], text: str) -> Mistake:
    node, path = _follow(root, loc)
    where = f"{'.'.join(path)}: " if path else ""
    return _at(name, node, f"{where}{text.removeprefix('Value error, ')}")


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


def _repeated(root: yaml.Node) -> Iterator[tuple[str, yaml.Node]]:
    """Keys that stand twice in one mapping; YAML would silently keep the last."""
    for node in _nodes(root):
        seen: set[str] = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    yield key.value, key
                seen.add(key.value)


def _nodes(root: yaml.Node) -> Iterator[yaml.Node]:
    """Every value, in the order of the text; one that is referred to once, however often it is."""
    waiting, seen = [root], set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, yaml.MappingNode):
            waiting += [value for _, value in reversed(node.value)]
        elif isinstance(node, yaml.SequenceNode):
            waiting += reversed(node.value)


def _impossible(root: yaml.Node, name: str) -> Mistake:
    """The value that looks like a day or a number and is none: 2026-02-30, a thousand digits."""
    for node in _nodes(root):
        try:
            value = yaml.SafeLoader("").construct_object(node) if isinstance(node, yaml.ScalarNode) else None
            float(value if isinstance(value, int) else 0)
        except (ValueError, OverflowError) as error:
            return _at(name, node, f"{node.value[:_SHOWN]} is no value: {error}")
    return Mistake(name, 0, 0, "holds a value that does not exist")


_PARSERS = {KPIS: parse, LIGHTS: parse_lights}
