"""`pulse targets`: publish targets, break one down, and see how far they are reached."""

import getpass
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo

import typer
from clickhouse_connect.driver.client import Client
from pydantic import ValidationError
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.intake.directory import Directory
from agents.progress import targets as thinking
from agents.progress.targets import Chains, Owner, Split
from schemas.policy import Kpi
from schemas.reference import BEGINNING, Reference, Target
from streams import policies, references, targets
from streams import settings as settings_module
from streams.cli.sql import complaints
from streams.errors import InvalidError, UnavailableError, UsageError
from streams.settings import Settings
from streams.supervisor import reach
from streams.targets import Product, Standing

_WIDE = 1_000_000
_LEVEL_ORDER = ("company", "region", "team", "rep")
_PERIOD_ORDER = ("year", "quarter", "month")
_PRODUCT_ORDER = ("all", "line", "product")

Data = Annotated[Path | None, typer.Option("--data", help="Folder that `pulse up` used.")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]
Author = Annotated[str | None, typer.Option("--author", help="Who publishes.")]
Day = Annotated[
    datetime | None, typer.Option("--on", formats=["%Y-%m-%d"], help="Day to look at; today when left out.")
]


class Period(StrEnum):
    """Calendar periods."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class By(StrEnum):
    """Where weights come from."""

    HISTORY = "history"
    POTENTIAL = "potential"
    HEADCOUNT = "headcount"


class Request(NamedTuple):
    """What is to be broken down, and by what."""

    kpi: Kpi
    period: str
    start: date
    product: Product
    by: By
    weights: Path | None
    last: int | None
    levels: tuple[str, ...]
    effective_from: date


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Publish targets, split one, see what is reached.", rich_markup_mode=None)
    group.command("show")(show)
    group.command("split")(split)
    group.command("publish")(publish)
    app.add_typer(group, name="targets")


def show(
    kpi: Annotated[str, typer.Option("--kpi", help="Only those of this KPI.")] = "",
    period: Annotated[Period | None, typer.Option("--period", help="Only those for months, quarters or years.")] = None,
    owner: Annotated[str, typer.Option("--owner", help="Only those of this node or rep.")] = "",
    on: Day = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Show targets beside the newest figures of their periods.

    Those in force on the day, for the periods that contain it. Elapsed is the share of the period's calendar days up
    to and including the day.
    """
    settings = settings_module.load()
    day = on.date() if on else _today(settings)
    with reach.clickhouse(settings, data, writer=False) as client, complaints():
        found = targets.standings(client, day, kpi=kpi, period=period or "", owner=owner)
    found.sort(key=_order)
    if as_json:
        sys.stdout.write(json.dumps([_fields(item, day) for item in found], ensure_ascii=False, indent=1) + "\n")
    elif found:
        _print_standings(found, day)
        sys.stdout.write(f"elapsed: calendar days up to and including {day} ({settings.time_zone})\n")
    else:
        sys.stdout.write(f"no target is in force on {day} for a period that contains it; --on takes another day\n")


def publish(
    file: Annotated[Path, typer.Argument(help="YAML: `common` fields and a list `targets`.")],
    author: Author = None,
    data: Data = None,
) -> None:
    """Publish the targets of a YAML file. Other formats: `pulse import target FILE`."""
    settings = settings_module.load()
    rows = targets.read_yaml(file, policies.load(settings.policies))
    with reach.clickhouse(settings, data, writer=True) as client, complaints():
        version = _publish(client, reach.announced(settings, data), rows, author)
    sys.stdout.write(f"{file}: {len(rows)} targets are published (version {version})\n")


def split(  # noqa: PLR0913, PLR0917 (each is an option of the command)
    kpi: Annotated[str, typer.Option("--kpi", help="KPI of the target.")],
    period: Annotated[Period, typer.Option("--period", help="Period of the target.")],
    start: Annotated[datetime, typer.Option("--start", formats=["%Y-%m-%d"], help="First day of the period.")],
    by: Annotated[By, typer.Option("--by", help="What the parts are in proportion to.")],
    value: Annotated[str | None, typer.Option("--value", help="The target; the published one when left out.")] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Node to start from; the company when left out.")] = None,
    line: Annotated[str | None, typer.Option("--line", help="Target of a product line.")] = None,
    product: Annotated[str | None, typer.Option("--product", help="Target of a product.")] = None,
    weights: Annotated[Path | None, typer.Option("--weights", help="CSV owner_id,weight for --by potential.")] = None,
    last: Annotated[
        int | None, typer.Option("--last", min=1, max=60, help="History: the last N periods, not the year before.")
    ] = None,
    levels: Annotated[str, typer.Option("--levels", help="Levels to break down to.")] = "region,team,rep",
    effective_from: Annotated[
        datetime | None,
        typer.Option("--effective-from", formats=["%Y-%m-%d"], help="First day of a change within the period."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write a CSV for `pulse import target`.")] = None,
    publish_it: Annotated[bool, typer.Option("--publish", help="Publish the parts.")] = False,
    author: Author = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Break a target down to regions, teams and reps. At every level the parts add up to it exactly."""
    settings = settings_module.load()
    request = Request(
        targets.kpi_of(policies.load(settings.policies), kpi),
        period.value,
        start.date(),
        _product(line, product),
        by,
        weights,
        last,
        _levels(levels),
        effective_from.date() if effective_from else BEGINNING,
    )
    _check(request)
    with reach.clickhouse(settings, data, writer=publish_it) as client, complaints():
        rows = references.load(client)
        chains = thinking.owners_on(Directory(rows), request.start)
        root = _root(chains, owner, request.start)
        total = _total(value, request, root, rows, _today(settings))
        outcome = _split(request, chains, root, total, client)
        parts = _rows(request, outcome.parts, keep_root=value is not None)
        if publish_it:
            _publish(client, reach.announced(settings, data), parts, author)
    if out is not None:
        targets.save_csv(parts, out)
    sys.stderr.writelines(f"{note}\n" for note in outcome.notes)
    _write_split(outcome.parts, chains, as_json)


def _product(line: str | None, product: str | None) -> Product:
    if line and product:
        msg = "a target is for a line or for a product: leave --line or --product out"
        raise UsageError(msg)
    return Product("line", line) if line else Product("product", product) if product else Product("all", "")


def _levels(text: str) -> tuple[str, ...]:
    levels = tuple(part.strip() for part in text.split(","))
    if unknown := [level for level in levels if level not in thinking.SPLIT_LEVELS]:
        msg = f"there is no level {unknown[0]!r} to break down to: take some of {','.join(thinking.SPLIT_LEVELS)}"
        raise UsageError(msg)
    return levels


def _check(request: Request) -> None:
    """Refuse what cannot be broken down, before anything is read."""
    targets.check_kpi(request.kpi, request.period, request.product.level)
    if (request.weights is not None) != (request.by is By.POTENTIAL):
        msg = "--weights FILE and --by potential go together"
        raise UsageError(msg)
    if request.last is not None and request.by is not By.HISTORY:
        msg = "--last goes with --by history"
        raise UsageError(msg)
    try:
        thinking.step_of(request.kpi)
    except ValueError as error:
        raise UsageError(str(error)) from None
    _target(request, Owner("company", "-"), Decimal(0))


def _root(chains: Chains, owner: str | None, day: date) -> Owner:
    """The node to start from: the one named, or the only company."""
    nodes = [node for node in chains if node.level != "rep"]
    if owner is not None:
        found = [node for node in nodes if node.owner_id == owner]
        if not found:
            msg = f"there is no node {owner!r} in force on {day}: `pulse sql` on organisation_nodes_history shows them"
            raise UsageError(msg)
        return found[0]
    companies = [node for node in nodes if node.level == "company"]
    if len(companies) != 1:
        msg = f"{len(companies)} companies are in force on {day}: name the node to start from with --owner"
        raise UsageError(msg)
    return companies[0]


def _total(
    value: str | None, request: Request, root: Owner, rows: Mapping[str, Sequence[Reference]], today: date
) -> Decimal:
    if value is not None:
        return _target(request, root, value).value
    known = [row for row in rows["target"] if isinstance(row, Target)]
    found = targets.published(known, _target(request, root, Decimal(0)), max(today, request.effective_from))
    if found is None:
        msg = (
            f"no target of {request.kpi.id} is in force for {root.level} {root.owner_id} in the {request.period} from "
            f"{request.start}: name it with --value"
        )
        raise UsageError(msg)
    return found.value


def _split(request: Request, chains: Chains, root: Owner, total: Decimal, client: Client) -> Split:
    notes: tuple[str, ...] = ()
    match request.by:
        case By.HEADCOUNT:
            weights = thinking.headcounts(chains)
        case By.POTENTIAL if request.weights is not None:
            weights = thinking.potentials(chains, root, targets.read_weights(request.weights, chains))
        case _:
            starts = thinking.history_starts(request.period, request.start, request.last)
            figures = targets.figures(client, request.kpi.id, request.period, starts, request.product)
            weights, notes = thinking.clamped({owner: value for owner, value in figures.items() if owner in chains})
    tree = thinking.tree_below(chains, root, request.levels)
    if not tree:
        msg = f"nobody is below {root.level} {root.owner_id} at {','.join(request.levels)} on {request.start}"
        raise InvalidError(msg)
    try:
        outcome = thinking.split(total, root, tree, weights, thinking.step_of(request.kpi))
    except ValueError as error:
        raise UsageError(str(error)) from None
    return Split(outcome.parts, notes + outcome.notes)


def _target(request: Request, owner: Owner, value: object) -> Target:
    try:
        return Target.model_validate(
            {
                "kpi_id": request.kpi.id,
                "period": request.period,
                "period_start": request.start,
                "owner_level": owner.level,
                "owner_id": owner.owner_id,
                "product_level": request.product.level,
                "product_key": request.product.key,
                "value": value,
                "effective_from": request.effective_from,
            }
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = f"{first['loc'][0]}: " if first["loc"] else ""
        msg = f"{name}{first['msg'].removeprefix('Value error, ')}"
        raise UsageError(msg) from None


def _rows(request: Request, parts: Mapping[Owner, Decimal], *, keep_root: bool) -> list[Target]:
    """The parts as targets; the root's own only when it is new."""
    wanted = list(parts.items())[0 if keep_root else 1 :]
    return [_target(request, owner, value) for owner, value in wanted]


def _publish(client: Client, settings: Settings, rows: Sequence[Target], author: str | None) -> int:
    version = references.publish(client, rows, author or _user())
    if settings.redis_url is not None:
        try:
            references.announce(settings.redis_url, settings.group, version)
        except UnavailableError as error:
            sys.stderr.write(f"published, but the workers could not be told and will look by themselves: {error}\n")
    return version


def _today(settings: Settings) -> date:
    return datetime.now(ZoneInfo(settings.time_zone)).date()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "targets"


def _order(item: Standing) -> tuple[Any, ...]:
    """By KPI, period, product and level from the top; within them the best first."""
    reached = thinking.attainment(item.value, item.target)
    product = (_PRODUCT_ORDER.index(item.product_level), item.product_key)
    level = _LEVEL_ORDER.index(item.owner_level)
    best_first = (reached is None, -(reached or 0), item.owner_id)
    return item.kpi_id, _PERIOD_ORDER.index(item.period), item.period_start, product, level, best_first


def _fields(item: Standing, day: date) -> dict[str, Any]:
    reached = thinking.attainment(item.value, item.target)
    elapsed = thinking.elapsed_share(item.period_start, item.period_end, day)
    fields = item._asdict() | {"attainment": reached, "elapsed_share": elapsed}
    return {name: _plain(value) for name, value in fields.items()}


def _plain(value: Any) -> Any:
    """As JSON carries it: decimals as texts with all their digits, days in ISO form."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, date) else value


def _print_standings(found: Sequence[Standing], day: date) -> None:
    names = ("kpi", "period", "level", "owner", "product", "target", "value", "attainment", "elapsed")
    table = _table(names, right={"target", "value", "attainment", "elapsed"})
    for item in found:
        owner = f"{item.owner_name} ({item.owner_id})" if item.owner_name else item.owner_id
        elapsed = thinking.elapsed_share(item.period_start, item.period_end, day)
        reached = thinking.attainment(item.value, item.target)
        table.add_row(
            item.kpi_id,
            f"{item.period} {item.period_start}",
            item.owner_level,
            Text(owner),
            Text(item.product_name or item.product_key),
            _amount(item.target),
            "" if item.value is None else _amount(item.value),
            _percent(reached),
            _percent(elapsed),
        )
    _print(table)


def _write_split(parts: Mapping[Owner, Decimal], chains: Chains, as_json: bool) -> None:
    if as_json:
        rows = [
            {"owner_level": owner.level, "owner_id": owner.owner_id, "value": f"{value:f}"}
            for owner, value in parts.items()
        ]
        sys.stdout.write(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
        return
    table = _table(("level", "owner", "below", "target"), right={"target"})
    for owner, value in parts.items():
        above = next((node.owner_id for node in chains[owner] if node in parts), "")
        table.add_row(owner.level, Text(owner.owner_id), Text(above), _amount(value))
    _print(table)


def _amount(value: Decimal) -> str:
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _percent(share: Decimal | None) -> str:
    return "" if share is None else f"{share * 100:.2f} %"


def _table(names: Sequence[str], right: set[str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in names:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return table


def _print(table: Table) -> None:
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDE, highlight=False).print(table)
