"""`pulse lights`: the alert lights as they stand, and one with every number and its past."""

import json
import sys
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams import lights_view
from streams import settings as settings_module
from streams.cli.sql import complaints
from streams.errors import UsageError
from streams.lights_view import Shown
from streams.settings import Settings
from streams.supervisor import reach

_WIDE = 1_000_000

Data = Annotated[Path | None, typer.Option("--data", help="Folder that `pulse up` used.")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]
OfKpi = Annotated[str, typer.Option("--kpi", help="Only those of this KPI.")]
OfOwner = Annotated[str, typer.Option("--owner", help="Only those of this node or rep.")]
OfProduct = Annotated[str, typer.Option("--product", help="Only those of this product or line; '-': of all products.")]


class Period(StrEnum):
    """Calendar periods."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class State(StrEnum):
    """Colours."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    GREY = "grey"


class Level(StrEnum):
    """Whose lights."""

    REP = "rep"
    TEAM = "team"
    REGION = "region"
    COMPANY = "company"


OfPeriod = Annotated[Period | None, typer.Option("--period", help="Only those of months, quarters or years.")]
On = Annotated[
    datetime | None,
    typer.Option("--on", formats=["%Y-%m-%d"], help="Periods that hold this day; today when left out."),
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Alert lights: a figure against its target.", rich_markup_mode=None)
    group.command("list")(list_)
    group.command("show")(show)
    app.add_typer(group, name="lights")


def list_(  # noqa: PLR0913, PLR0917 - one parameter an option
    state: Annotated[State | None, typer.Option("--state", help="Only those of this colour.")] = None,
    level: Annotated[Level | None, typer.Option("--level", help="Only those of reps, teams, regions, company.")] = None,
    kpi: OfKpi = "",
    owner: OfOwner = "",
    product: OfProduct = "",
    period: OfPeriod = None,
    on: On = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """List lights, the worst first."""
    settings = settings_module.load()
    day = _day(on, settings)
    asked = lights_view.Asked(day, kpi, owner, product, period or "", state or "", level or "")
    with reach.clickhouse(settings, data, writer=False) as client, complaints():
        found = lights_view.lights(client, asked)
    if as_json:
        sys.stdout.write(_json([_plain(item) for item in found]))
    elif found:
        _print_list(found)
        sys.stdout.write(f"{len(found)} lights: {_counts(found)}\n")
    else:
        sys.stdout.write(
            f"no light is on for a period that holds {day}: publish targets, or take another day with --on\n"
        )


def show(
    owner: Annotated[str, typer.Argument(help="Node or rep whose light it is.")],
    kpi: Annotated[str, typer.Argument(help="Its KPI.")],
    product: OfProduct = "-",
    period: OfPeriod = None,
    on: On = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Show every number of a light, why it is what it is, and what it was before."""
    settings = settings_module.load()
    day = _day(on, settings)
    with reach.clickhouse(settings, data, writer=False) as client, complaints():
        found = lights_view.lights(client, lights_view.Asked(day, kpi, owner, product, period or ""))
        pasts = [lights_view.changes(client, item) for item in found]
    if not found:
        msg = f"{owner} has no light for {kpi} on {day}: `pulse lights list --owner {owner}` shows those it has"
        raise UsageError(msg)
    if as_json:
        rows = [_plain(item) | {"changes_before": past} for item, past in zip(found, pasts, strict=True)]
        sys.stdout.write(_json(rows))
        return
    for item, past in zip(found, pasts, strict=True):
        _print_light(item, past)


def _day(on: datetime | None, settings: Settings) -> date:
    return on.date() if on else lights_view.today(settings.time_zone)


def _print_list(found: Sequence[Shown]) -> None:
    names = ("state", "cause", "kpi", "period", "level", "owner", "product", "value", "target", "attainment", "elapsed")
    right = {"value", "target", "attainment", "elapsed", "pace", "forecast"}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in (*names, "pace", "forecast", "since (UTC)"):
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for item in found:
        shares = (item["attainment"], item["elapsed"], item["pace"])
        table.add_row(
            Text(item["state"], style=_STYLES.get(item["state"], "")),
            item["cause"],
            item["kpi_id"],
            f"{item['period']} {item['period_start']}",
            item["owner_level"],
            Text(_named(item["owner_name"], item["owner_id"])),
            Text(item["product_name"] or item["product_key"]),
            *map(_amount, (item["value"], item["target"])),
            *map(_percent, shares),
            _amount(item["forecast"]),
            f"{item['since']:%Y-%m-%d %H:%M}",
        )
    _console().print(table)


_STYLES = {"green": "green", "amber": "yellow", "red": "red"}


def _print_light(item: Shown, past: Sequence[Shown]) -> None:
    product = f", {item['product_name'] or item['product_key']}" if item["product_key"] else ""
    owner = _named(item["owner_name"], item["owner_id"])
    sys.stdout.write(
        f"{item['kpi_id']}, {item['period']} {item['period_start']} to {item['period_end']}, "
        f"{item['owner_level']} {owner}{product}\n"
    )
    for name, text in _lines(item):
        sys.stdout.write(f"  {name:<14} {text}\n")
    for change in past:
        sys.stdout.write(
            f"  {change['changed_at']:%Y-%m-%d %H:%M:%S} UTC  {change['previous_state']} → {change['state']} "
            f"({change['cause']}), value {_amount(change['value'])} of {_amount(change['target'])}\n"
        )


def _lines(item: Shown) -> list[tuple[str, str]]:
    waits = item["pending_state"] != item["state"]
    turning = f", turning {item['pending_state']}" if waits else ""
    ends = f"{_amount(item['forecast_low'])} to {_amount(item['forecast_high'])}"
    return [
        ("state", f"{item['state']} since {item['since']:%Y-%m-%d %H:%M:%S} UTC, by {item['cause']}{turning}"),
        (
            "value",
            f"{_amount(item['value']) or 'none yet'} of {_amount(item['target'])} ({_percent(item['attainment'])})",
        ),
        ("elapsed", f"{_percent(item['elapsed'])}, so {_amount(item['expected'])} is due"),
        ("pace", f"{item['pace_state']}: {_percent(item['pace'])} of what is due"),
        ("period rule", item["period_state"]),
        ("forecast", f"{item['forecast_state']}: {_amount(item['forecast'])}, 80 % interval {ends}"),
        ("policy", f"version {item['policy_version']}" if item["policy_version"] else "built in"),
        ("judged", f"{item['judged_at']:%Y-%m-%d %H:%M:%S} UTC"),
    ]


def _named(name: str, identity: str) -> str:
    return f"{name} ({identity})" if name else identity


def _amount(value: Decimal | None) -> str:
    if value is None:
        return ""
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _percent(share: Decimal | None) -> str:
    return "" if share is None else f"{share * 100:.2f} %"


def _counts(found: Sequence[Shown]) -> str:
    return ", ".join(
        f"{count} {state}" for state in lights_view.STATES if (count := sum(item["state"] == state for item in found))
    )


def _plain(item: Shown) -> dict[str, Any]:
    """As JSON carries it: decimals as texts with all their digits, days and moments in ISO form."""
    return {name: _plain_value(value) for name, value in item.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.isoformat() if isinstance(value, date) else value


def _json(content: Any) -> str:
    return json.dumps(content, ensure_ascii=False, indent=1, default=_plain_value) + "\n"


def _console() -> Console:
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDE, highlight=False)
