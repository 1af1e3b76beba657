"""`pulse up` with its gateway: an event in, an alert out live, a case closed by the desk."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import data_folders
import pytest
from commands import Up, background, pulse_here, until
from gateway_parts import alert
from pydantic import SecretStr

from schemas.alerts import Alert
from schemas.reference import Product
from streams import references
from streams.alert_rows import alert_table
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
        data = data_folders.started(folder / "data")
        up = start("--data", data, "--gateway", PULSE_GATEWAY_PORT="0", PULSE_PARTITIONS="2")
        up.wait_until_started()
        yield Running(up, data)


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

    assert closed_by_the_desk(running, person)
    assert "revoked" in pulse_here(capsys, "gateway", "key", "revoke", "crm", *at).text
    until(lambda: running.ask("/v1/me", system)[0] == 401, "the key to end")


def closed_by_the_desk(running: Running, person: dict[str, str]) -> bool:
    """Close the case of a live alert; the desk does it once, however often it was asked."""
    path = f"/v1/cases/{3:032x}"
    with closing(connect(SecretStr(running.local["clickhouse_url"]))) as client:
        client.insert_arrow("alerts", alert_table([alert(3)], 1))
    wish = {"verdict": "tolerated", "remark": "节日慰问"}
    answers = [running.ask(f"{path}/close", {**person, "Idempotency-Key": "k"}, wish) for _ in range(2)]
    assert [status for status, _ in answers] == [202, 202]
    until(lambda: running.ask(path, person)[1].get("state") == "closed", "the case to be closed")
    case = running.ask(path, person)[1]
    assert (case["verdict"], case["closed_by"], case["remark"]) == ("tolerated", "ann", "节日慰问")
    done = [
        (entry["action"], entry["outcome"], entry["by_role"], entry["command_id"]) for entry in case["timeline"][1:]
    ]
    return done == [("close", "done", "compliance", answers[0][1]["command_id"])]


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
