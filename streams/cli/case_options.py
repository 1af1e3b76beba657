"""Options that `pulse alerts` and `pulse cases` share, and the way of a command to the desk and back."""

import getpass
import json
import sys
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from schemas.cases import CaseCommand, CaseEvent, Person
from streams import cases_view
from streams import settings as settings_module
from streams.cli.sql import complaints
from streams.desk import asking
from streams.desk.alive import is_alive
from streams.errors import InvalidError, UnavailableError, UsageError
from streams.supervisor import reach


class Colour(StrEnum):
    """Colours of alerts."""

    RED = "red"
    AMBER = "amber"
    YELLOW = "yellow"


class State(StrEnum):
    """States of cases."""

    OPEN = "open"
    IN_REVIEW = "in_review"
    NEEDS_MORE = "needs_more"
    CLOSED = "closed"


class Verdict(StrEnum):
    """What a closed case came to."""

    VALID = "valid"
    FALSE_ALARM = "false_alarm"
    TOLERATED = "tolerated"


class Role(StrEnum):
    """Roles of people."""

    REP = "rep"
    MANAGER = "manager"
    COMPLIANCE = "compliance"
    OPERATIONS = "operations"
    FINANCE = "finance"
    AUDITOR = "auditor"


Case = Annotated[
    str, typer.Argument(metavar="CASE", help="Id of the case, which is that of its alert, or its beginning.")
]
As = Annotated[str, typer.Option("--as", metavar="PERSON", help="Who does it; the login name when left out.")]
In = Annotated[Role, typer.Option("--role", help="Role in which it is done.")]
Remark = Annotated[str, typer.Option("--remark", help="What is to be remembered.")]
Needed = Annotated[str, typer.Option("--remark", help="Why; needed.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait for what becomes of it.")]
Wait = Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds to wait for what becomes of it.")]
CommandId = Annotated[str, typer.Option("--command-id", help="Identity of the command: one sent twice counts once.")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]
Data = Annotated[Path | None, typer.Option("--data", help="Folder that `pulse up` uses.")]


@dataclass(frozen=True)
class Doing:
    """How a command is given.

    Attributes:
        person: who gives it.
        role: in which role.
        no_wait: whether its answer is not waited for.
        timeout_s: how long it is.
        command_id: of the command; made up when empty.
        as_json: whether the answer is JSON.
        data: folder of the running `pulse up`.
    """

    person: str
    role: Role
    no_wait: bool
    timeout_s: float
    command_id: str
    as_json: bool
    data: Path | None


def give(doing: Doing, case: str, action: str, **more: Any) -> None:
    """Send a command, and say what became of it.

    Raises:
        UsageError: it cannot be sent as it is.
        InvalidError: the desk refused it.
        UnavailableError: no desk answered.
    """
    settings = reach.running(settings_module.load(), doing.data)
    if settings.kafka_url is None:
        msg = "no Kafka to send it to: start `pulse up`, or set PULSE_KAFKA_URL"
        raise UsageError(msg)
    with reach.clickhouse(settings, doing.data, writer=False) as client, complaints():
        named = {name: cases_view.full_id(client, value) for name, value in more.items() if name == "other_case_id"}
        command = _command(doing, cases_view.full_id(client, case), action, {**more, **named})
        asking.send(settings, command)
        if doing.no_wait:
            _say(doing, command, None)
            return
        event = asking.wait(client, command, doing.timeout_s)
    if event is None:
        raise UnavailableError(unanswered(is_alive(settings), doing.timeout_s))
    if event.outcome == "refused" and not doing.as_json:
        msg = f"refused: {event.reason}"
        raise InvalidError(msg)
    _say(doing, command, event)
    if event.outcome == "refused":
        raise typer.Exit(1)


def unanswered(desk_runs: bool, timeout_s: float) -> str:
    """Why nothing became of a command, and what to do."""
    if desk_runs:
        return f"the desk did not answer within {timeout_s:g} s: `pulse cases show` tells later what became of it"
    return "no desk runs, so the command waits on its topic: start `pulse up`, or `pulse desk`"


def _command(doing: Doing, case_id: str, action: str, more: dict[str, Any]) -> CaseCommand:
    try:
        return CaseCommand(
            command_id=doing.command_id or uuid.uuid4().hex,
            case_id=case_id,
            action=action,
            by=Person(person_id=doing.person or getpass.getuser(), role=doing.role.value),
            at=datetime.now(UTC),
            **{name: value or None for name, value in more.items()},
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        said = first["msg"].removeprefix("Value error, ")
        msg = f"{where}: {said}" if where else said
        raise UsageError(msg) from None


def _say(doing: Doing, command: CaseCommand, event: CaseEvent | None) -> None:
    if doing.as_json:
        told = {"command_id": command.command_id, "case_id": command.case_id, "outcome": "sent"}
        content = told if event is None else event.model_dump(mode="json")
        sys.stdout.write(json.dumps(content, ensure_ascii=False) + "\n")
    elif event is None:
        sys.stdout.write(f"sent as {command.command_id}\n")
    else:
        verdict = f", {event.verdict}" if event.verdict else ""
        assignee = f", assigned to {event.assignee}" if event.assignee else ""
        sys.stdout.write(f"done: {event.case_id[: cases_view.SHORT_ID]} is {event.state}{verdict}{assignee}\n")
