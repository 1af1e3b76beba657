"""Cases as a person reads them in a terminal."""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from streams.cases_view import COLOURS, SHORT_ID, Shown

_WIDE = 1_000_000
_STYLES = {"red": "red", "amber": "yellow", "yellow": "bright_yellow"}


def as_json(content: Any) -> str:
    """JSON for scripts: moments in ISO form."""
    return json.dumps(content, ensure_ascii=False, indent=1, default=_plain) + "\n"


def _plain(value: Any) -> str:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, date):
        return value.isoformat()
    msg = f"{type(value).__name__} has no JSON form"
    raise TypeError(msg)


def _harmless(text: str) -> str:
    """A text of somebody's on one line, without what would move the cursor: else it could pass for a line of ours."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def print_list(found: Sequence[Shown]) -> None:
    """A line a case, and how many there are."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for name in ("id", "colour", "state", "rule", "subject", "rep", "raised (UTC)", "assignee", "what happened"):
        table.add_column(name, no_wrap=name == "id", overflow="fold")
    for item in found:
        state = f"{item['state']} ({item['verdict']})" if item["verdict"] else item["state"]
        table.add_row(
            item["case_id"][:SHORT_ID],
            Text(item["colour"], style=_STYLES.get(item["colour"], "")),
            state,
            item["rule_id"],
            Text(_harmless(f"{item['subject_kind']} {item['subject_id']}")),
            Text(_harmless(item["rep_id"])),
            f"{item['raised_at']:%Y-%m-%d %H:%M:%S}",
            Text(_harmless(item["assignee"])),
            Text(_harmless(item["message_en"])),
        )
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else _WIDE, highlight=False).print(table)
    counted = Counter(item["colour"] for item in found)
    sys.stdout.write(f"{len(found)} cases: {', '.join(f'{counted[c]} {c}' for c in COLOURS if counted[c])}\n")


def print_case(item: Mapping[str, Any]) -> None:
    """Everything of one case."""
    sys.stdout.write(f"{item['case_id']}  {item['rule_id']}  {item['title_zh']}  {item['title_en']}\n")
    sys.stdout.write(f"  {_harmless(item['message_zh'])}\n  {_harmless(item['message_en'])}\n\n")
    for name, text in _facts(item):
        if text:
            sys.stdout.write(f"  {name:<13} {_harmless(text)}\n")
    for basis in item["basis"] or ():
        note = f" ({basis['note']})" if basis.get("note") else ""
        sys.stdout.write(f"  {'basis':<13} {basis['source']} {basis['article']}{note}\n")
    if item["explanation"]:
        sys.stdout.write("\nwhy\n")
        sys.stdout.writelines(f"  {line}\n" for line in _tree(item["explanation"], 0))
    sys.stdout.write("\nwhat happened since\n")
    sys.stdout.writelines(f"  {line(row)}\n" for row in item["timeline"])


def _facts(item: Mapping[str, Any]) -> list[tuple[str, str]]:
    verdict = f", {item['verdict']}" if item["verdict"] else ""
    seen = (
        f"{item['acknowledged_at']:%Y-%m-%d %H:%M:%S} UTC by {item['acknowledged_by']}"
        if item["acknowledged_at"]
        else ""
    )
    closed = f"{item['closed_at']:%Y-%m-%d %H:%M:%S} UTC by {item['closed_by']}" if item["closed_at"] else ""
    return [
        ("colour", f"{item['colour']} ({item['severity']})"),
        ("state", f"{item['state']}{verdict}"),
        ("subject", f"{item['subject_kind']} {item['subject_id']}"),
        ("rep", item["rep_id"]),
        ("team, region", ", ".join(filter(None, (item["team_id"], item["region_id"])))),
        ("institution", item["institution_id"]),
        ("professional", item["hcp_id"]),
        ("evidence", f"{item['event_kind']} {item['event_id']}, {item['occurred_at']:%Y-%m-%d %H:%M:%S} UTC"),
        ("raised", f"{item['raised_at']:%Y-%m-%d %H:%M:%S} UTC, rules version {item['rule_version']}"),
        ("owner", item["owner"]),
        ("assignee", item["assignee"]),
        ("acknowledged", seen),
        ("closed", closed),
        ("linked", ", ".join(item["linked"])),
    ]


def _tree(node: Mapping[str, Any], depth: int) -> Iterator[str]:
    value = node.get("value")
    yield f"{'  ' * depth}{_harmless(node['text'])} = {'(missing)' if value is None else _harmless(value)}"
    for part in node.get("parts", ()):
        yield from _tree(part, depth + 1)


def line(row: Shown) -> str:
    """A row of a timeline."""
    who = f" by {row['by_id']} ({row['by_role']})" if row["by_id"] else ""
    what = (
        f"{row['action']} refused: {row['reason']}"
        if row["outcome"] == "refused"
        else f"{row['action']} → {row['state']}"
    )
    rest = [f"verdict {row['verdict']}"] if row["verdict"] and row["outcome"] == "done" else []
    rest += [f"to {row['assignee']}"] if row["action"] == "assign" and row["outcome"] == "done" else []
    rest += [f"other case {row['other_case_id']}"] if row["other_case_id"] else []
    rest += [f"“{row['remark']}”"] if row["remark"] else []
    said = _harmless(f"{what}{who}{''.join(f', {text}' for text in rest)}")
    return f"{row['recorded_at']:%Y-%m-%d %H:%M:%S} UTC  {said}"
