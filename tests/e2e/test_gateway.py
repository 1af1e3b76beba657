"""`pulse up` with its gateway: an event in, an alert out live, a command on its way."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from commands import Up, background, pulse_here, until
from confluent_kafka import Consumer
from gateway_parts import alert
from pydantic import SecretStr

from schemas.alerts import Alert
from schemas.cases import CaseCommand
from schemas.reference import Product
from streams import references
from streams.clickhouse import connect
from streams.gateway.examples import EVENTS
from streams.gateway.shapes import AlertShown
from streams.gateway.stream import event_id_of
from streams.producer import BulkProducer

JSON = {"Content-Type": "application/json"}


class Running:
    """A `pulse up` with a gateway."""

    def __init__(self, up: Up, data: Path) -> None:
        self.up = up
        self.data = data
        started = json.loads(up.out.read_text().splitlines()[0])
        self.url = str(started["gateway_url"]).rstrip("/")
        self.local = json.loads((data / "local.json").read_text())
        until(self._answers, "the gateway")

    def _answers(self) -> bool:
        try:
            return self.ask("/readyz")[0] == 200
        except OSError:
            return False

    def ask(self, path: str, headers: dict[str, str] | None = None, body: Any = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        asked = urllib.request.Request(self.url + path, data, headers or {})
        try:
            with urllib.request.urlopen(asked, timeout=20) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("gateway")
    with background(folder) as start:
        up = start("--data", folder / "data", "--gateway", PULSE_GATEWAY_PORT="0", PULSE_PARTITIONS="2")
        up.wait_until_started()
        yield Running(up, folder / "data")


def test_the_whole_way(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    at = ("--data", running.data)
    key = pulse_here(capsys, "gateway", "key", "add", "crm", "--kinds", "market", "--source", "panel", *at).text.strip()
    token = pulse_here(capsys, "gateway", "token", "--as", "ann", "--role", "compliance", *at).text.strip()
    system, person = {"X-API-Key": key, **JSON}, {"Authorization": f"Bearer {token}", **JSON}
    with closing(connect(SecretStr(running.local["clickhouse_url"]))) as client:
        references.publish(client, [Product(product_id="P-1", name="一号")], "test")
        announce(running, client)
        assert running.ask("/v1/events/market", system, EVENTS["market"])[0] == 202
        until(lambda: client.query("SELECT count() FROM market_reports").first_row[0] == 1, "the event in ClickHouse")

    missed, live = streamed(running, person, alert(2)), streamed(running, person, alert(3), after=alert(1))
    assert (missed, live) == ([2], [2, 3])

    path = f"/v1/cases/{3:032x}/close"
    status, told = running.ask(path, person, {"verdict": "tolerated", "remark": "节日慰问"})
    assert status == 202
    command = command_of(running.local["kafka_url"])
    assert (command.command_id, command.case_id, command.verdict) == (told["command_id"], f"{3:032x}", "tolerated")
    assert (command.by.person_id, command.by.role, command.remark) == ("ann", "compliance", "节日慰问")
    assert "revoked" in pulse_here(capsys, "gateway", "key", "revoke", "crm", *at).text
    until(lambda: running.ask("/v1/me", system)[0] == 401, "the key to end")


def announce(running: Running, client: Any) -> None:
    references.announce(SecretStr(running.local["redis_url"]), "pulse", references.newest_version(client))


def streamed(running: Running, person: dict[str, str], one: Alert, after: Alert | None = None) -> list[int]:
    """Numbers of the alerts that come once somebody listens and `one` is raised."""
    place = {"Last-Event-ID": event_id_of(AlertShown.of(after))} if after else {}
    asked = urllib.request.Request(f"{running.url}/v1/alerts/stream", headers={**person, **place})
    found: list[int] = []
    with urllib.request.urlopen(asked, timeout=30) as stream:
        assert stream.readline() == b"retry: 3000\n"
        producer = BulkProducer(running.local["kafka_url"])
        producer.send("alerts", one.alert_id, one.model_dump_json().encode())
        producer.flush()
        while f"{one.alert_id}" not in {f"{number:032x}" for number in found}:
            line = stream.readline()
            assert line, "the stream ended"
            if line.startswith(b"data: "):
                found.append(int(json.loads(line[6:])["alert_id"], 16))
    return found


def test_a_gateway_alone_says_what_it_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "local.json").write_text("{}")
    assert "PULSE_KAFKA_URL" in pulse_here(capsys, "gateway", "--data", tmp_path).complaint(2)
    (tmp_path / "local.json").write_text(
        json.dumps({"kafka_url": "127.0.0.1:9", "clickhouse_reader_url": "http://reader:x@127.0.0.1:9/pulse"})
    )
    assert "PULSE_JWT_SECRET" in pulse_here(capsys, "gateway", "--data", tmp_path).complaint(2)
    said = pulse_here(capsys, "gateway", "token", "--as", "a", "--role", "rep", "--data", tmp_path)
    assert "start `pulse up` there first" in said.complaint(2)
    wrong = pulse_here(capsys, "gateway", "key", "add", "x", "--kinds", "visits", "--data", tmp_path)
    assert "there is no kind 'visits'" in wrong.complaint(2)


def command_of(url: str) -> CaseCommand:
    consumer = Consumer({"bootstrap.servers": url, "group.id": "test", "auto.offset.reset": "earliest"})
    consumer.subscribe(["commands"])
    try:
        found: list[bytes] = []
        until(lambda: _polled(consumer, found), "the command")
        return CaseCommand.model_validate_json(found[0])
    finally:
        consumer.close()


def _polled(consumer: Consumer, found: list[bytes]) -> bool:
    message = consumer.poll(0.1)
    if message is not None and message.error() is None:
        found.append(message.value())
    return bool(found)
