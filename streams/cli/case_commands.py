"""The commands that `pulse alerts` and `pulse cases` have in common."""

import sys
from typing import Annotated

import typer

from streams import cases_view
from streams import settings as settings_module
from streams.cli import case_text
from streams.cli.case_options import (
    As,
    AsJson,
    Case,
    Colour,
    CommandId,
    Data,
    Doing,
    In,
    Needed,
    NoWait,
    Remark,
    Role,
    State,
    Verdict,
    Wait,
    give,
)
from streams.cli.sql import complaints
from streams.supervisor import reach

_TIMEOUT_S = 10.0


def list_(  # noqa: PLR0913, PLR0917 - one parameter an option
    colour: Annotated[Colour | None, typer.Option("--colour", help="Only those of this colour.")] = None,
    state: Annotated[State | None, typer.Option("--state", help="Only those in this state.")] = None,
    rule: Annotated[str, typer.Option("--rule", help="Only those of this rule.")] = "",
    rep: Annotated[str, typer.Option("--rep", help="Only those of this representative.")] = "",
    region: Annotated[str, typer.Option("--region", help="Only those of this region.")] = "",
    assignee: Annotated[str, typer.Option("--assignee", help="Only those this person works on.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many at most.")] = 100,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """List them, the worst first. Those that are closed come last; of one colour the newest first."""
    asked = cases_view.Asked(colour or "", state or "", rule, rep, region, assignee, limit)
    with reach.clickhouse(settings_module.load(), data, writer=False) as client, complaints():
        found = cases_view.cases(client, asked)
    if as_json:
        sys.stdout.write(case_text.as_json(found))
    elif found:
        case_text.print_list(found)
    else:
        sys.stdout.write("no case matches\n")


def show(case: Case, as_json: AsJson = False, data: Data = None) -> None:
    """Show one with all that is known. Evidence, why it was raised, what the rule rests on, what happened since."""
    with reach.clickhouse(settings_module.load(), data, writer=False) as client, complaints():
        found = cases_view.case(client, cases_view.full_id(client, case))
    if as_json:
        sys.stdout.write(case_text.as_json(found))
    else:
        case_text.print_case(found)


def ack(  # noqa: PLR0913, PLR0917 - one parameter an option
    case: Case,
    person: As = "",
    role: In = Role.COMPLIANCE,
    remark: Remark = "",
    command_id: CommandId = "",
    no_wait: NoWait = False,
    timeout: Wait = _TIMEOUT_S,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Acknowledge it: somebody has seen it."""
    give(Doing(person, role, no_wait, timeout, command_id, as_json, data), case, "acknowledge", remark=remark)


def assign(  # noqa: PLR0913, PLR0917 - one parameter an option
    case: Case,
    to: Annotated[str, typer.Option("--to", metavar="PERSON", help="Who is to work on it.")],
    person: As = "",
    role: In = Role.COMPLIANCE,
    remark: Remark = "",
    command_id: CommandId = "",
    no_wait: NoWait = False,
    timeout: Wait = _TIMEOUT_S,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Assign it to somebody."""
    give(Doing(person, role, no_wait, timeout, command_id, as_json, data), case, "assign", to=to, remark=remark)


def close(  # noqa: PLR0913, PLR0917 - one parameter an option
    case: Case,
    verdict: Annotated[Verdict, typer.Option("--verdict", help="What it came to.")],
    remark: Needed,
    person: As = "",
    role: In = Role.COMPLIANCE,
    command_id: CommandId = "",
    no_wait: NoWait = False,
    timeout: Wait = _TIMEOUT_S,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Close it with a verdict and a remark."""
    doing = Doing(person, role, no_wait, timeout, command_id, as_json, data)
    give(doing, case, "close", verdict=verdict.value, remark=remark)
