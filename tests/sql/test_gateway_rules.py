"""The gateway reads the rules in force and the guard's words from ClickHouse, as the read-only user."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from gateway_parts import POLICIES, bearer, gateway
from structlog.testing import capture_logs

from agents.progress.calendar import CompanyTime
from schemas.outputs import DeadLetter
from streams import rule_lifecycle
from streams.errors import UnavailableError, UsageError
from streams.gateway.reading import Reading
from streams.gateway.rules import RulesInForce
from streams.importing.guarding import LetterGuard

TIME = CompanyTime("Asia/Shanghai")
#: A size of pack, which the shipped words take for a count.
WRONGLY = '{"hcp_id": "H1", "feedback_text": "处方经验：本品20盒装更方便"}'.encode()
COUNTED = '{"hcp_id": "H1", "feedback_text": "处方了20盒"}'.encode()
RULES = """\
examples:
  events:
    sale: {occurred_at: 2026-03-04T12:00:00+08:00, source: s, rep_id: R1, institution_id: I1, product_id: P1,
      quantity: 7, amount: 9}
rules:
  - id: X1
    title: {zh: 数量, en: Quantity}
    severity: 关注
    scope: {events: [sale]}
    when: quantity > 5
    message: {zh: 多, en: Much}
    basis: [{article: a, source: s}]
    effective_from: 2026-01-01
    owner: compliance
    tests:
      - {case: seven, expect: hit}
      - {case: eight, expect: hit, event: {quantity: 8}}
      - {case: five, expect: miss, event: {quantity: 5}}
      - {case: four, expect: miss, event: {quantity: 4}}
"""
INTAKE = (POLICIES / "compliance" / "intake.yaml").read_text("utf-8")
MENDED = INTAKE.replace("ignored: [开会", "ignored: [20盒装, 开会")


def put_in_force(client: Client, folder: Path, rules: str, intake: str | None) -> None:
    """Approve texts as the only ones."""
    (folder / "compliance").mkdir(exist_ok=True)
    (folder / "compliance" / "sales.yaml").write_text(rules, "utf-8")
    file = folder / "compliance" / "intake.yaml"
    file.unlink(missing_ok=True)
    if intake is not None:
        file.write_text(intake, "utf-8")
    number = int(rule_lifecycle.submit(client, folder, TIME, "ann").name)
    rule_lifecycle.approve(client, number, TIME, "bob")


def test_it_follows_what_is_approved_and_reads_the_folder_before(
    database: Client, reader: Client, tmp_path: Path
) -> None:
    followed = RulesInForce(POLICIES, lambda: reader)
    shipped = {rule["rule_id"] for rule in followed.listed()}
    assert {f"R{number:02}" for number in range(1, 29)} <= shipped
    assert (followed.suspicious(WRONGLY), followed.suspicious(COUNTED)) == (True, True)

    put_in_force(database, tmp_path, RULES, MENDED)
    assert followed.suspicious(WRONGLY), "not looked yet"
    followed.look()
    assert [rule["rule_id"] for rule in followed.listed()] == ["R06", "R26", "X1"]
    assert (followed.suspicious(WRONGLY), followed.suspicious(COUNTED)) == (False, True)

    put_in_force(database, tmp_path, RULES.replace("en: Quantity", "en: Number sold"), INTAKE)
    followed.look()
    assert [rule["title_en"] for rule in followed.listed()][2] == "Number sold"
    assert followed.suspicious(WRONGLY)

    put_in_force(database, tmp_path, RULES, None)
    followed.look()
    assert [rule["rule_id"] for rule in followed.listed()] == ["X1"]
    assert not followed.suspicious(COUNTED), "workers stop nothing either"


def test_the_running_gateway_looks_by_itself(database: Client, reader: Client, tmp_path: Path) -> None:
    followed = RulesInForce(POLICIES, lambda: reader, fresh_s=0.01)
    with gateway(Reading(lambda: reader, "Asia/Shanghai"), in_force=followed) as bench:
        put_in_force(database, tmp_path, RULES, MENDED)
        for _ in range(2_000):
            told = bench.client.get("/v1/rules", headers=bearer("auditor")).json()["items"]
            if len(told) == 3:
                break
    assert [rule["rule_id"] for rule in told] == ["R06", "R26", "X1"]


def test_while_clickhouse_is_away_the_last_rules_hold(database: Client, reader: Client, tmp_path: Path) -> None:
    is_away = True

    def client() -> Client:
        if is_away:
            msg = "ClickHouse does not answer"
            raise UnavailableError(msg)
        return reader

    put_in_force(database, tmp_path, RULES, MENDED)
    followed = RulesInForce(POLICIES, client)
    with capture_logs() as logs:
        assert followed.suspicious(WRONGLY), "the folder's words, at the start"
        followed.look()
        is_away = False
        followed.look()
        assert not followed.suspicious(WRONGLY)
        is_away = True
        followed.look()
        assert not followed.suspicious(WRONGLY)
    assert len(logs) == 2, "once for every time it went away"


def test_a_text_that_was_altered_is_not_taken(database: Client, reader: Client, tmp_path: Path) -> None:
    put_in_force(database, tmp_path, RULES, MENDED)
    followed = RulesInForce(POLICIES, lambda: reader)
    followed.look()
    put_in_force(database, tmp_path, RULES.replace("Quantity", "Altered"), None)
    database.command("ALTER TABLE rule_changes UPDATE text = '{}' WHERE name = '2' SETTINGS mutations_sync = 1")
    followed.look()
    assert [rule["title_en"] for rule in followed.listed()][2] == "Quantity"
    assert followed.suspicious(COUNTED)


def test_an_import_keeps_its_letters_by_the_same_words(database: Client, reader: Client, tmp_path: Path) -> None:
    row = DeadLetter(
        dead_letter_id="1",
        at=datetime(2026, 3, 10, tzinfo=UTC),
        origin="import",
        topic="visits",
        raw=WRONGLY,
        step="import",
        error_class="InvalidError",
        message="wrong",
    )
    _, before = LetterGuard(POLICIES, lambda: reader).divide([row])
    put_in_force(database, tmp_path, RULES, MENDED)
    kept, after = LetterGuard(POLICIES, lambda: reader).divide([row])
    assert (before, after, kept) == ([row], [], [row])


def test_without_anything_else_a_wrong_folder_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "compliance").mkdir()
    (tmp_path / "compliance" / "intake.yaml").write_text("location: 3\n")
    with pytest.raises(UsageError, match=r"intake\.yaml"):
        RulesInForce(tmp_path).look()
