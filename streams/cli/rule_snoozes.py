"""`pulse policy snooze|unsnooze|snoozes`: a rule that says nothing about one subject for a while."""

import json
import sys
from datetime import UTC, date, datetime
from typing import Annotated

import typer

from agents.progress.calendar import CompanyTime
from streams import policies, snoozes
from streams import settings as settings_module
from streams.cli.rule_steps import AsJson, Author, Data, announce, print_table, say
from streams.errors import UsageError
from streams.rule_changes import Change
from streams.settings import Settings
from streams.supervisor import reach

RuleId = Annotated[str, typer.Argument(metavar="RULE", help="Id of the rule.")]
Kind = Annotated[str, typer.Argument(metavar="SUBJECT_KIND", help="rep, hcp or institution.")]
Subject = Annotated[str, typer.Argument(metavar="SUBJECT_ID", help="Id of the subject.")]


def register(group: typer.Typer) -> None:
    """Add the commands."""
    group.command("snooze")(snooze)
    group.command("unsnooze")(unsnooze)
    group.command("snoozes")(list_them)


def snooze(
    rule_id: RuleId,
    subject_kind: Kind,
    subject_id: Subject,
    until: Annotated[str, typer.Option("--until", metavar="DAY", help="Last day it is silent: 2026-04-30.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept.")],
    author: Author = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Keep a rule silent about one subject. Its hits are still written down, but raise no alert."""
    settings = reach.announced(settings_module.load(), data)
    last = day_of(until, "--until")
    with reach.clickhouse(settings, data, writer=True) as client:
        change = snoozes.add(
            client,
            rule_id,
            subject_kind,
            subject_id,
            until=last,
            author=author or policies.login(),
            reason=reason,
            today=_today(settings),
            time=CompanyTime(settings.time_zone),
        )
    announce(settings, change)
    say(change, f"{rule_id} is silent about {subject_kind} {subject_id} until {last}", as_json=as_json)


def unsnooze(
    rule_id: RuleId,
    subject_kind: Kind,
    subject_id: Subject,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept.")] = "",
    author: Author = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """End a snooze at once."""
    settings = reach.announced(settings_module.load(), data)
    with reach.clickhouse(settings, data, writer=True) as client:
        change = snoozes.end(
            client, rule_id, subject_kind, subject_id, author=author or policies.login(), reason=reason
        )
    announce(settings, change)
    say(change, f"{rule_id} speaks about {subject_kind} {subject_id} again", as_json=as_json)


def list_them(
    all_of_them: Annotated[bool, typer.Option("--all", help="Those that are over too.")] = False,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """List what is snoozed, with who decided it and why."""
    settings = settings_module.load()
    with reach.clickhouse(settings, data, writer=False) as client:
        found = snoozes.there_are(client, None if all_of_them else _today(settings))
    if as_json:
        sys.stdout.write(json.dumps([_as_json(one) for one in found], ensure_ascii=False, indent=1) + "\n")
    elif found:
        rows = ((*one.name.split(" ", 2), one.detail["until"], one.author, one.remark) for one in found)
        print_table(("rule", "kind", "subject", "until", "author", "reason"), rows)
    else:
        sys.stdout.write("nothing is snoozed\n")


def _as_json(one: Change) -> dict[str, str]:
    rule_id, kind, subject = one.name.split(" ", 2)
    about = {"rule": rule_id, "subject_kind": kind, "subject_id": subject, "until": one.detail["until"]}
    return about | {"author": one.author, "reason": one.remark, "at": one.at.isoformat()}


def day_of(text: str, option: str) -> date:
    """A day as a person writes it.

    Raises:
        UsageError: it is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        msg = f"{option}: {text!r} is no day: write 2026-04-30"
        raise UsageError(msg) from None


def _today(settings: Settings) -> date:
    return date.fromordinal(CompanyTime(settings.time_zone).day_of(datetime.now(UTC)))
