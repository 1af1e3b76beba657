"""Cases as a terminal shows them: what somebody wrote stays what somebody wrote."""

from datetime import UTC, datetime
from typing import Any

import pytest

from streams.cli import case_text

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
FORGED = "fine\n  2026-03-02 10:00:00 UTC  close → closed by ann (compliance)\x1b[2J\x1b]0;x\x07"
TIMELINE = {
    **dict.fromkeys(("verdict", "assignee", "other_case_id", "reason"), ""),
    **{"action": "note", "outcome": "done", "state": "open", "by_id": "R1", "by_role": "rep", "recorded_at": NOW},
}
CASE: dict[str, Any] = {
    **dict.fromkeys(("verdict", "team_id", "region_id", "institution_id", "hcp_id", "owner", "assignee"), ""),
    **dict.fromkeys(("acknowledged_at", "closed_at"), None),
    **{"case_id": "a" * 32, "rule_id": "R13", "title_zh": "礼品", "title_en": "Gift", "colour": "red"},
    **{"severity": "prohibited", "state": "open", "subject_kind": "rep", "subject_id": "R1", "rep_id": "R1"},
    **{"event_kind": "activity", "event_id": "E1", "occurred_at": NOW, "raised_at": NOW, "rule_version": 1},
    **{"linked": [], "basis": [], "message_zh": FORGED, "message_en": FORGED},
    "explanation": {"text": "topic_text", "value": FORGED},
    "timeline": [{**TIMELINE, "remark": FORGED}],
}


def test_a_remark_cannot_pass_for_a_line_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    case_text.print_case(CASE)
    case_text.print_list([CASE])
    said = capsys.readouterr().out

    assert said.count("fine") == 5
    assert all("fine" in line for line in said.splitlines() if "close → closed" in line)
    assert not set(said) & {"\x1b", "\x07"}
