"""The command `pulse import`: what it prints and how it ends."""

import json

import pytest
from test_import_mapping import HEADER, SALE
from typer.testing import CliRunner

from streams.cli import build
from streams.errors import UsageError

GOOD = "2024-01-01,r,c,p,1,2\n"


def pulse(tmp_path, content, *options, kind="sale"):
    (tmp_path / "f.csv").write_text(content)
    (tmp_path / "m.yaml").write_text(SALE)
    arguments = ["import", kind, str(tmp_path / "f.csv"), "--mapping", str(tmp_path / "m.yaml"), *options]
    return CliRunner().invoke(build("import"), arguments)


def test_dry_run_shows_events_and_problems(tmp_path):
    result = pulse(tmp_path, HEADER + GOOD * 7 + "gestern,r,c,p,1,2\n", "--dry-run")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "the first 5 mapped rows:"
    assert json.loads(lines[1])["rep_id"] == "r"
    assert lines[6] == "1 problem:"
    assert lines[7].startswith("  line 9: not a valid sale: occurred_at (column 'When'): not a date like")
    assert "7 of 8 rows would be sent as sale" in result.stdout
    assert result.stderr == ""


def test_dry_run_as_json(tmp_path):
    result = pulse(tmp_path, HEADER + GOOD, "--dry-run", "--json")
    summary = json.loads(result.stdout)
    assert (summary["sent"], summary["rows"], summary["dry_run"]) == (1, 1, True)
    assert summary["peak_memory_bytes"] > 1_000_000


def test_nothing_to_accept_is_a_failure(tmp_path):
    result = pulse(tmp_path, HEADER + "gestern,r,c,p,1,2\n", "--dry-run")
    assert result.exit_code == 1
    assert "1 × not a valid sale: occurred_at (column 'When'): not a date like" in result.stdout


def test_an_import_needs_a_broker(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = pulse(tmp_path, HEADER + GOOD)
    assert isinstance(result.exception, UsageError)
    assert "start `pulse up`, or set PULSE_KAFKA_URL" in str(result.exception)


@pytest.mark.parametrize("kind", ["visit", "sails"])
def test_wrong_kinds(tmp_path, kind):
    assert isinstance(pulse(tmp_path, HEADER + GOOD, "--dry-run", kind=kind).exception, UsageError)
