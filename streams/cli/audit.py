"""`pulse audit`: export the audit trail of the cases, and check that nobody changed it."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from agents.cases.chain import Checked, Checker
from schemas.cases import CaseEvent
from streams import settings as settings_module
from streams.cli.case_options import AsJson, Data
from streams.cli.case_text import as_json as to_json
from streams.desk import audit
from streams.errors import InvalidError, UsageError
from streams.supervisor import reach

OfChain = Annotated[int | None, typer.Option("--chain", min=0, help="This chain alone.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Audit trail of the cases.", rich_markup_mode=None)
    group.command("verify")(verify)
    group.command("export")(export)
    app.add_typer(group, name="audit")


def export(chain: OfChain = None, data: Data = None) -> None:
    """Write every row as a line of JSON, to keep it elsewhere."""
    with reach.clickhouse(settings_module.load(), data, writer=False) as client:
        for event in audit.every_row(client, chain):
            sys.stdout.buffer.write(audit.message(event) + b"\n")
    sys.stdout.flush()


def verify(
    chain: OfChain = None,
    head: Annotated[
        list[str] | None,
        typer.Option(
            "--head", metavar="HASH", help="A head noted earlier must still be there; may be given several times."
        ),
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", help="Check an export instead of ClickHouse.")] = None,
    as_json: AsJson = False,
    data: Data = None,
) -> None:
    """Check that nobody changed the trail. No row was changed, taken away, put in or moved; print the heads.

    Keep the heads elsewhere: rows cut off the end are noticed when a head noted earlier is given.
    """
    checker = Checker(_hash(text) for text in head or ())
    if file is not None:
        _check(checker, _lines(file), chain)
    else:
        with reach.clickhouse(settings_module.load(), data, writer=False) as client:
            _check(checker, audit.every_row(client, chain), chain)
    found = sorted(checker.chains.values(), key=lambda checked: checked.chain)
    unmet = sorted(checker.unmet())
    if as_json:
        sys.stdout.write(to_json({"chains": [_plain(checked) for checked in found], "heads_missing": unmet}))
    else:
        _print(found)
    if faults := [
        *_faults(found),
        *(f"no chain holds the head {one}: rows were cut off or written anew" for one in unmet),
    ]:
        raise InvalidError("; ".join(faults))


def _hash(text: str) -> str:
    bare = text.strip().lower().rpartition(":")[2]
    if len(bare) != 64 or set(bare) - set("0123456789abcdef"):  # noqa: PLR2004 - SHA-256 in hex
        msg = f"{text!r} is no head: it is the 64 hex digits that `pulse audit verify` prints"
        raise UsageError(msg)
    return bare


def _check(checker: Checker, events: Iterable[CaseEvent], chain: int | None) -> None:
    for event in events:
        if chain is None or event.chain == chain:
            checker.add(event)


def _lines(file: Path) -> Iterator[CaseEvent]:
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _event(line, f"{file}:{number}")
    except OSError as error:
        msg = f"{file} cannot be read: {error.strerror}"
        raise UsageError(msg) from None


def _event(line: bytes, where: str) -> CaseEvent:
    try:
        return CaseEvent.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        msg = f"{where} is no row of the audit trail: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise InvalidError(msg) from None


def _print(found: Iterable[Checked]) -> None:
    rows = 0
    for checked in found:
        rows += checked.rows
        state = "holds" if checked.broken_at is None else f"broken at row {checked.broken_at}, {checked.fault}"
        sys.stdout.write(
            f"chain {checked.chain}: {checked.rows} rows, {state}; head {checked.head.number}:{checked.head.hash}\n"
        )
    sys.stdout.write(f"{rows} rows\n" if rows else "no rows: no case was opened yet\n")


def _faults(found: Iterable[Checked]) -> Iterator[str]:
    for checked in found:
        if checked.broken_at is not None:
            yield f"chain {checked.chain} is broken at row {checked.broken_at}: {checked.fault}"


def _plain(checked: Checked) -> dict[str, object]:
    return {
        "chain": checked.chain,
        "rows": checked.rows,
        "holds": checked.broken_at is None,
        "broken_at": checked.broken_at,
        "fault": checked.fault,
        "head": {"number": checked.head.number, "hash": checked.head.hash},
    }
