"""What R06 stops of an import: the rules in force decide, whatever lies on the importing machine."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from agents.progress.calendar import CompanyTime
from schemas.outputs import DeadLetter
from streams import rule_lifecycle
from streams.importing.sinks import ServiceSink
from streams.settings import Settings

ROOT = Path(__file__).parents[2]
SECRET = "陈医生本月开了120盒"


def test_the_rules_in_force_guard_an_import_without_a_folder_of_policies(
    database: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "policies" / "compliance", tmp_path / "there" / "compliance")
    time = CompanyTime("Asia/Shanghai")
    rule_lifecycle.submit(database, tmp_path / "there", time, "ann")
    rule_lifecycle.approve(database, 1, time, "bob")
    sink = ServiceSink(Settings(policies=tmp_path / "nowhere"), lambda _: None)
    monkeypatch.setattr(sink, "_client", database)
    sink.store(
        [
            DeadLetter(
                dead_letter_id="L1",
                at=datetime.now(UTC),
                origin="import",
                topic="rep",
                raw=SECRET.encode(),
                step="import",
                error_class="InvalidError",
                message=f"got {SECRET}",
            )
        ]
    )
    ((raw, message),) = database.query("SELECT raw, message FROM dead_letters").result_rows
    assert (len(raw), "120" in message) == (0, False)
