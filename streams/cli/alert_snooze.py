"""`pulse alerts snooze`: the rule of an alert says nothing about its subject for a while."""

from typing import Annotated

import typer

from streams import cases_view
from streams import settings as settings_module
from streams.cli import rule_snoozes
from streams.cli.case_options import As, AsJson, Case, Data
from streams.cli.sql import complaints
from streams.supervisor import reach


def snooze(
    case: Case,
    until: Annotated[str, typer.Option("--until", metavar="DAY", help="Last day it is silent: 2026-04-30.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept.")],
    person: As = "",
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Keep the rule of an alert silent about its subject. The case itself stays as it is."""
    with reach.clickhouse(settings_module.load(), data, writer=False) as client, complaints():
        found = cases_view.case(client, cases_view.full_id(client, case))
    subject = (found["rule_id"], found["subject_kind"], found["subject_id"])
    rule_snoozes.snooze(*subject, until, reason, person or None, as_json, data)
