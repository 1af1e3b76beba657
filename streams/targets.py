"""Targets in ClickHouse and in files: read beside their figures, weigh by history, publish."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import yaml
from clickhouse_connect.driver.client import Client
from pydantic import ValidationError

from agents.progress.targets import Owner
from schemas.policy import Kpi, KpiPolicy
from schemas.reference import Target
from streams.clickhouse import translated
from streams.errors import UsageError

#: Columns of a file of targets, as `pulse import target` reads them.
FILE_COLUMNS = tuple(Target.model_fields)
_TARGETS_ON = """
    SELECT kpi_id, period, period_start, period_end, owner_level, owner_id, owner_name, product_level, product_key,
        product_name, target, value, effective_from, effective_to
    FROM target_attainment_history
    WHERE effective_from <= %(day)s AND (effective_to IS NULL OR effective_to >= %(day)s)
        AND period_start <= %(day)s AND period_end >= %(day)s
        AND (%(kpi)s = '' OR kpi_id = %(kpi)s)
        AND (%(period)s = '' OR period = %(period)s)
        AND (%(owner)s = '' OR owner_id = %(owner)s)"""
_COLUMNS = "kpi_id, period, period_start, product_level, product_key, value"
_HISTORY = f"""
    SELECT level, owner_id, sum(ifNull(value, 0)) AS total
    FROM
    (
        SELECT {_COLUMNS}, node_level AS level, node_id AS owner_id FROM node_totals FINAL
        UNION ALL
        SELECT {_COLUMNS}, 'rep' AS level, rep_id AS owner_id FROM kpi_cells FINAL
    )
    WHERE kpi_id = %(kpi)s AND period = %(period)s AND period_start IN %(starts)s
        AND product_level = %(product_level)s AND product_key = %(product_key)s
    GROUP BY level, owner_id"""


class Standing(NamedTuple):
    """A target in force on a day, and the newest figure of its whole period."""

    kpi_id: str
    period: str
    period_start: date
    period_end: date
    owner_level: str
    owner_id: str
    owner_name: str
    product_level: str
    product_key: str
    product_name: str
    target: Decimal
    value: Decimal | None
    effective_from: date
    effective_to: date | None


class Product(NamedTuple):
    """What a target is about: everything, a line or a product."""

    level: str
    key: str


def standings(client: Client, day: date, *, kpi: str = "", period: str = "", owner: str = "") -> list[Standing]:
    """Targets in force on `day` for the periods that contain it; empty filters let everything through.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    asked = {"day": day.isoformat(), "kpi": kpi, "period": period, "owner": owner}
    with translated():
        return [Standing(*row) for row in client.query(_TARGETS_ON, asked).result_rows]


def figures(client: Client, kpi: str, period: str, starts: Sequence[date], product: Product) -> dict[Owner, Decimal]:
    """The KPI's figures of nodes and representatives, added up over the periods that begin on `starts`.

    Raises:
        UnavailableError: ClickHouse does not answer.
    """
    asked: dict[str, Any] = {"kpi": kpi, "period": period, "starts": tuple(start.isoformat() for start in starts)}
    asked |= {"product_level": product.level, "product_key": product.key}
    with translated():
        rows = client.query(_HISTORY, asked).result_rows
    return {Owner(level, owner_id): total for level, owner_id, total in rows}


def published(rows: Sequence[Target], like: Target, day: date) -> Target | None:
    """The target with the key of `like` that is in force on `day`; None when there is none."""
    found = [row for row in rows if row.key == like.key and row.effective_from <= day]
    return max(found, key=lambda row: row.effective_from, default=None)


def kpi_of(policy: KpiPolicy, kpi_id: str) -> Kpi:
    """The KPI called `kpi_id`.

    Raises:
        UsageError: the policy has none.
    """
    for kpi in policy.kpis:
        if kpi.id == kpi_id:
            return kpi
    msg = f"there is no KPI {kpi_id!r}: the policy has {', '.join(kpi.id for kpi in policy.kpis)}"
    raise UsageError(msg)


def check_kpi(kpi: Kpi, period: str, product_level: str) -> None:
    """Refuse a target that no figure could ever be measured with.

    Raises:
        UsageError: the KPI keeps no figures of this period or product level.
    """
    kept = [name for name in kpi.periods if isinstance(name, str)]
    if period not in kept:
        msg = f"{kpi.id} has no figures per {period}: take {', '.join(kept)}, or add the period to the KPI"
        raise UsageError(msg)
    if product_level not in {"all", *kpi.dimensions}:
        msg = f"{kpi.id} has no figures per {product_level}: add {product_level} to the dimensions of the KPI"
        raise UsageError(msg)


def read_yaml(path: Path, policy: KpiPolicy) -> list[Target]:
    """Targets of a YAML file: `targets`, a list of rows, and `common`, fields that every row has unless it names them.

    Raises:
        UsageError: it cannot be read or is wrong; the message names the file and the line.
    """
    try:
        text = path.read_text("utf-8")
        root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        msg = f"{path} cannot be read: {' '.join(str(error).split())}"
        raise UsageError(msg) from None
    if not _is_target_file(content):
        msg = f"{path} holds no targets: write a list `targets`, and beside it at most `common`"
        raise UsageError(msg)
    nodes = next(value for key, value in root.value if key.value == "targets").value
    rows: list[Target] = []
    for node, fields in zip(nodes, content["targets"], strict=True):
        place = f"{path}:{node.start_mark.line + 1}"
        if not isinstance(fields, dict):
            msg = f"{place}: a target is a row of fields such as {{owner_id: T1, value: 100}}"
            raise UsageError(msg)
        rows.append(_target({**(content.get("common") or {}), **fields}, policy, place))
    return rows


def _is_target_file(content: object) -> bool:
    return (
        isinstance(content, dict)
        and set(content) <= {"common", "targets"}
        and isinstance(content.get("targets"), list)
        and isinstance(content.get("common") or {}, dict)
    )


def _target(fields: Mapping[str, Any], policy: KpiPolicy, place: str) -> Target:
    try:
        row = Target.model_validate(fields)
        check_kpi(kpi_of(policy, row.kpi_id), row.period, row.product_level)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(map(str, first["loc"]))
        msg = f"{place}: {name}{': ' if name else ''}{first['msg'].removeprefix('Value error, ')}"
    except UsageError as error:
        msg = f"{place}: {error}"
    else:
        return row
    raise UsageError(msg)


def write_csv(rows: Sequence[Target], out: TextIO) -> None:
    """Write targets as `pulse import target` reads them."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(FILE_COLUMNS)
    for row in rows:
        fields = dict(row)
        writer.writerow([*(fields[name] for name in FILE_COLUMNS if name != "value"), f"{row.value:f}"])


def save_csv(rows: Sequence[Target], path: Path) -> None:
    """`write_csv` into a file.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            write_csv(rows, file)
    except OSError as error:
        msg = f"{path} cannot be written: {error.strerror}"
        raise UsageError(msg) from None


def read_weights(path: Path, known: Mapping[Owner, Any]) -> dict[Owner, Decimal]:
    """Weights of a CSV file with the columns owner_id and weight.

    Raises:
        UsageError: it cannot be read, names somebody who is not in `known`, or a weight is no number of at least 0.
    """
    owners: dict[str, list[Owner]] = {}
    for owner in known:
        owners.setdefault(owner.owner_id, []).append(owner)
    weights: dict[Owner, Decimal] = {}
    for place, owner_id, text in _weight_rows(path):
        match owners.get(owner_id, []):
            case [owner]:
                pass
            case []:
                msg = f"{place}: {owner_id!r} is no node or rep in force at the start of the period: mend the id"
                raise UsageError(msg)
            case _:
                msg = f"{place}: {owner_id!r} is the id of a node and of a rep: leave it out"
                raise UsageError(msg)
        if owner in weights:
            msg = f"{place}: {owner_id!r} stands twice: remove one"
            raise UsageError(msg)
        weights[owner] = _weight(text, place)
    return weights


def _weight_rows(path: Path) -> Iterator[tuple[str, str, str]]:
    """Place, owner and weight of every line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if not {"owner_id", "weight"} <= set(reader.fieldnames or ()):
                msg = f"{path} needs the columns owner_id and weight"
                raise UsageError(msg)
            for row in reader:
                yield f"{path}:{reader.line_num}", (row["owner_id"] or "").strip(), (row["weight"] or "").strip()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"{path} cannot be read: {error}"
        raise UsageError(msg) from None


def _weight(text: str, place: str) -> Decimal:
    try:
        weight = Decimal(text)
    except InvalidOperation:
        weight = Decimal(-1)
    if not weight.is_finite() or weight < 0:
        msg = f"{place}: the weight {text!r} is no number of at least 0: write for example 12.5"
        raise UsageError(msg)
    return weight
