"""Alerts become cases, although the desk is killed, and people work them from the command line."""

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import data_folders
import pytest
from alert_rows import alert, alert_id, store
from clickhouse_connect.driver.client import Client
from commands import Up, background, pulse_here, until
from confluent_kafka import Consumer, TopicPartition

from schemas.alerts import Alert
from schemas.cases import CaseEvent
from streams.clickhouse import connect
from streams.desk import audit
from streams.producer import BulkProducer
from streams.settings import Settings
from streams.supervisor import reach
from streams.topics import ALERTS, CASES, COMMANDS

#: Those of the table alone come from a broker that was lost.
SENT, STORED_ALONE = range(40), range(40, 60)
ONE, OTHER = alert_id(0), alert_id(1)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Up, Path]]:
    """`pulse up` with alerts, of which each came twice, or is known from its table alone."""
    folder = tmp_path_factory.mktemp("cases")
    with background(folder) as start:
        up = start("--data", data_folders.started(folder / "data"))
        up.wait_until_started()
        settings = reach.announced(Settings(_env_file=None), folder / "data")
        with closing(connect(settings.clickhouse_url)) as client:
            made = alerts()
            send(settings, made[: len(SENT)] * 2)
            store(client, made)
            until(lambda: audit.count_unopened(client) == 0, "every alert to have a case")
        yield up, folder / "data"
        assert up.process.poll() is None, up.err.read_text()
        up.signal(signal.SIGTERM)
        result = up.wait(30)
        assert result.code == 0, result.err
        summary = result.events["summary"]
        assert (summary["alerts"], summary["cases_open"]) == ({"red": 30, "amber": 30}, {"red": 29, "amber": 30})


def alerts() -> list[Alert]:
    rules = {1: "R19-far"}
    return [
        alert(number, severity=("prohibited", "avoid")[number % 2], rule_id=rules.get(number, "R01"))
        for number in (*SENT, *STORED_ALONE)
    ]


def send(settings: Settings, alerts: list[Alert]) -> None:
    producer = BulkProducer(settings.kafka_url or "", "tests")
    for one in alerts:
        producer.send(ALERTS, one.alert_id, one.model_dump_json().encode())
    producer.flush()
    producer.close()


def count(client: Client) -> int:
    return int(client.query("SELECT count() FROM case_audit").first_row[0])


def on_the_topic(settings: Settings, wanted: int) -> dict[tuple[int, int], str]:
    """Hash of every row on the topic `cases`, by its place."""
    consumer = Consumer({"bootstrap.servers": settings.kafka_url, "group.id": "tests"})
    partitions = consumer.list_topics(CASES).topics[CASES].partitions
    consumer.assign([TopicPartition(CASES, number, 0) for number in partitions])
    found: dict[tuple[int, int], str] = {}

    def complete() -> bool:
        if (message := consumer.poll(0.2)) is not None and message.error() is None:
            event = CaseEvent.model_validate_json(message.value() or b"")
            assert message.key() == event.case_id.encode()
            assert found.setdefault((event.chain, event.number), event.hash) == event.hash
        return len(found) >= wanted

    until(complete, f"{wanted} rows on the topic")
    consumer.close()
    return found


def test_every_alert_has_its_case_once(running: tuple[Up, Path], capsys: Any) -> None:
    _up, data = running
    once_each(data, capsys)


def once_each(data: Path, capsys: Any) -> None:
    """Each alert has one first row, the chains hold, and every row went out on the topic."""
    settings = reach.announced(Settings(_env_file=None), data)
    with closing(connect(settings.clickhouse_url)) as client:
        rows = list(audit.every_row(client))
    assert sorted(event.case_id for event in rows if event.action == "open") == sorted(
        alert_id(number) for number in (*SENT, *STORED_ALONE)
    )
    checked = pulse_here(capsys, "audit", "verify", "--json", "--data", data).json
    assert {item["holds"] for item in checked["chains"]} == {True}
    assert sum(item["rows"] for item in checked["chains"]) == len(rows)
    assert on_the_topic(settings, len(rows)) == {(event.chain, event.number): event.hash for event in rows}


@pytest.mark.full
def test_every_alert_has_its_case_once_though_the_desk_is_killed(
    up: Callable[..., Up], tmp_path: Path, capsys: Any
) -> None:
    data = tmp_path / "data"
    started = up("--data", data, PULSE_SESSION_TIMEOUT_S="4")
    started.wait_until_started()
    settings, made = reach.announced(Settings(_env_file=None), data), alerts()
    with closing(connect(settings.clickhouse_url)) as client:
        for number in range(3):
            before = count(client)
            (desk,) = started.children("streams.cli desk")
            send(settings, made[number * 10 : number * 10 + 20])
            until(lambda before=before: count(client) > before, "a case")  # type: ignore[misc]
            os.kill(desk, signal.SIGKILL)
            until(lambda desk=desk: started.children("streams.cli desk") not in ([], [desk]), "a restart")  # type: ignore[misc]
        store(client, made)
        until(lambda: audit.count_unopened(client) == 0, "every alert to have a case")
    once_each(data, capsys)


def test_a_case_is_worked_to_its_end(running: tuple[Up, Path], capsys: Any) -> None:
    _up, data = running

    def say(*arguments: str, person: str = "ann", role: str = "compliance") -> str:
        done = pulse_here(capsys, *arguments, "--data", data, "--as", person, "--role", role)
        return done.text if done.code == 0 else done.complaint(1)

    short = ONE[:12]
    assert say("alerts", "ack", short, person="boss", role="manager") == f"done: {short} is open\n"
    assert say("cases", "ack", short) == "pulse: refused: the alert was acknowledged already, by boss\n".rstrip("\n")
    assert say("cases", "assign", short, "--to", "eve") == f"done: {short} is open, assigned to eve\n"
    assert say("cases", "review", short) == f"done: {short} is in_review, assigned to eve\n"
    assert say("cases", "need-more", short, "--remark", "照片?") == f"done: {short} is needs_more, assigned to eve\n"
    assert say("cases", "link", short, OTHER[:12]) == f"done: {short} is needs_more, assigned to eve\n"
    assert "may not close a case: ask compliance" in say(
        *("alerts", "close", short, "--verdict", "valid", "--remark", "x"), person="boss", role="manager"
    )
    closing_ = ("alerts", "close", short, "--verdict", "false_alarm", "--remark", "看错了", "--command-id", "once")
    assert say(*closing_) == f"done: {short} is closed, false_alarm, assigned to eve\n"
    assert say(*closing_) == f"done: {short} is closed, false_alarm, assigned to eve\n"  # the answer it has already
    assert "the case is closed (false_alarm): reopen it first" in say("cases", "note", short, "--remark", "x")
    assert "no such case" in say("cases", "note", "f" * 32, "--remark", "x")
    assert "needs remark" in pulse_here(capsys, "cases", "note", short, "--remark", "", "--data", data).complaint(2)

    shown = pulse_here(capsys, "cases", "show", short, "--json", "--data", data).json
    assert [(row["action"], row["outcome"], row["by_id"]) for row in shown["timeline"]] == [
        ("open", "done", ""),
        ("acknowledge", "done", "boss"),
        ("acknowledge", "refused", "ann"),
        ("assign", "done", "ann"),
        ("review", "done", "ann"),
        ("need_more", "done", "ann"),
        ("link", "done", "ann"),
        ("close", "refused", "boss"),
        ("close", "done", "ann"),
        ("note", "refused", "ann"),
    ]
    assert (shown["verdict"], shown["remark"], shown["linked"]) == ("false_alarm", "看错了", [OTHER])
    text = pulse_here(capsys, "alerts", "show", short, "--data", data).text
    for part in (
        "代表越界 0",
        "Went too far: 0",
        "反不正当竞争法 第四条",
        "a > 1 = true",
        "    a = 2",
        "“看错了”",
        "visit e-0",
    ):
        assert part in text


def test_the_list_filters(running: tuple[Up, Path], capsys: Any) -> None:
    _up, data = running
    text = pulse_here(capsys, "alerts", "list", "--colour", "amber", "--limit", 5, "--data", data).text
    assert text.splitlines()[-1] == "5 cases: 5 amber"
    found = pulse_here(capsys, "cases", "list", "--state", "closed", "--region", "N", "--json", "--data", data).json
    assert [item["case_id"] for item in found] == [ONE]
    assert pulse_here(capsys, "cases", "list", "--rule", "R99", "--data", data).text == "no case matches\n"


def test_the_rule_of_an_alert_is_snoozed_for_its_subject(running: tuple[Up, Path], capsys: Any) -> None:
    _up, data = running
    asked = ("--until", "2099-12-31", "--reason", "同一事件", "--as", "ann", "--data", data)
    done = pulse_here(capsys, "alerts", "snooze", OTHER[:12], *asked)
    assert done.text == "R19-far is silent about rep R1 until 2099-12-31\n", done.err
    (snoozed,) = pulse_here(capsys, "policy", "snoozes", "--json", "--data", data).json
    kept = {"rule": "R19-far", "subject_kind": "rep", "subject_id": "R1", "until": "2099-12-31", "author": "ann"}
    assert {name: snoozed[name] for name in (*kept, "reason")} == {**kept, "reason": "同一事件"}


def test_an_export_is_checked_without_a_database(running: tuple[Up, Path], capsys: Any, tmp_path: Path) -> None:
    _up, data = running
    export = pulse_here(capsys, "audit", "export", "--data", data).text
    lines, file = export.splitlines(keepends=True), tmp_path / "trail.jsonl"
    file.write_text(export, "utf-8")
    good = pulse_here(capsys, "audit", "verify", "--file", file)
    assert (good.code, good.text.splitlines()[-1]) == (0, f"{len(lines)} rows")
    heads = re.findall(r"head (\d+:\w{64})", good.text)
    assert len(heads) == 4
    (place,) = [number for number, line in enumerate(lines) if "看错了" in line]
    row = json.loads(lines[place])
    file.write_text("".join([*lines[:place], lines[place].replace("看错了", "真的"), *lines[place + 1 :]]), "utf-8")
    complaint = pulse_here(capsys, "audit", "verify", "--file", file).complaint(1)
    assert f"chain {row['chain']} is broken at row {row['number']}: changed" in complaint
    file.write_text("".join(lines[:-1]), "utf-8")
    assert pulse_here(capsys, "audit", "verify", "--file", file).code == 0
    asked = [part for head in heads for part in ("--head", head)]
    complaint = pulse_here(capsys, "audit", "verify", "--file", file, *asked).complaint(1)
    assert complaint.endswith("rows were cut off or written anew")
    file.write_text("{}\n", "utf-8")
    assert "trail.jsonl:1 is no row of the audit trail" in pulse_here(
        capsys, "audit", "verify", "--file", file
    ).complaint(1)
    assert "is no head" in pulse_here(capsys, "audit", "verify", "--file", file, "--head", "12").complaint(2)


def test_a_command_that_is_none_is_a_dead_letter(running: tuple[Up, Path], capsys: Any) -> None:
    _up, data = running
    settings = reach.announced(Settings(_env_file=None), data)
    producer = BulkProducer(settings.kafka_url or "", "tests")
    producer.send(COMMANDS, ONE, b'{"command_id": "x"}')
    producer.flush()
    producer.close()

    def letters() -> Any:
        return pulse_here(capsys, "dead-letters", "list", "--step", "command", "--json", "--data", data).json

    until(lambda: len(letters()) == 1, "the dead letter")
    (letter,) = letters()
    assert (letter["topic"], letter["error_class"]) == ("commands", "ValidationError")
    assert "case_id: Field required" in letter["message"]
