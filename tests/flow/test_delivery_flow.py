"""Alerts on the topic until somebody is told: the service as a process, on the local services and a real receiver."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import data_folders
import pytest
import redis
from clickhouse_connect.driver.client import Client
from commands import Result, pulse_here
from delivery_samples import acted, alert
from pydantic import SecretStr
from receivers import Receiver, receiving

from schemas.alerts import Alert
from streams import local
from streams.clickhouse import connect
from streams.local import LocalServices
from streams.producer import BulkProducer
from streams.settings import Settings
from streams.supervisor.kafka_topics import ensure_topics
from streams.topics import ALERTS, CASES

ROOT = Path(__file__).parents[2]
WITHIN_S = 2.0
POLICY = """\
channels:
  hook: { kind: webhook, url_env: PULSE_CHANNEL_HOOK, secret_env: PULSE_CHANNEL_KEY, limit: 1 second }
recipients:
  desk: { title: { zh: 值班, en: Desk }, language: en, channels: [hook] }
routes:
  - when: { colours: [red, amber] }
    to: [desk]
escalation:
  levels: [{ after: 1 hour, to: [desk] }]
"""


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServices]:
    with local.start(data_folders.migrated(tmp_path_factory.mktemp("delivery")), clickhouse_port=0) as running:
        yield running


@dataclass
class Town:
    """Services, a receiver, and the process that tells."""

    services: LocalServices
    receiver: Receiver
    folder: Path
    client: Client
    process: "subprocess.Popen[bytes] | None" = None
    got: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PULSE_")}
        urls = {f"PULSE_{name.upper()}": str(value) for name, value in self.services.urls.items()}
        own = {"PULSE_POLICIES": self.folder, "PULSE_DATA": self.folder, "PULSE_SESSION_TIMEOUT_S": 3}
        channel = {"PULSE_CHANNEL_HOOK": self.receiver.url, "PULSE_CHANNEL_KEY": "key"}
        return clean | urls | {name: str(value) for name, value in own.items()} | channel

    def start(self) -> None:
        log = (self.folder / "log").open("ab")
        command = [sys.executable, str(ROOT / "tests" / "support" / "delivery_runner.py")]
        self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        log.close()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)

    def send(self, topic: str, key: str, value: str) -> None:
        producer = BulkProducer(self.services.urls["kafka_url"], "tests")
        producer.send(topic, key, value.encode())
        producer.flush()
        producer.close()

    def raise_(self, *alerts: Alert) -> None:
        for one in alerts:
            self.send(ALERTS, one.alert_id, one.model_dump_json())

    def store(self, *alerts: Alert) -> None:
        """As the worker's checkpoint does it."""
        rows = [_stored(one) for one in alerts]
        self.client.insert("alerts", [list(row.values()) for row in rows], column_names=list(rows[0]))

    @property
    def told(self) -> list[str]:
        """Alerts the receiver was told of, one by one."""
        return [notice["alert_id"] for _, body in self.receiver.got for notice in json.loads(body)["alerts"]]

    async def until(self, condition: Callable[[], bool], what: str, timeout_s: float = 30) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert self.process is None or self.process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, f"waited in vain for {what}\n{(self.folder / 'log').read_text()}"
            await asyncio.sleep(0.01)

    def statuses(self, one: Alert) -> dict[str, str]:
        """Status by kind of an alert's deliveries, as ClickHouse has them."""
        rows = self.client.query(
            "SELECT kind, status FROM delivery_log WHERE alert_id = {id:String}", {"id": one.alert_id}
        ).result_rows
        return {row[0]: row[1] for row in rows}


def _stored(one: Alert) -> dict[str, Any]:
    flat = one.model_dump(mode="json", exclude={"title", "message", "basis", "explanation"})
    flat = {name: value if value is not None or name == "period_start" else "" for name, value in flat.items()}
    flat |= {"occurred_at": one.occurred_at, "raised_at": one.raised_at, "version": 1}
    for name in ("title", "message"):
        flat |= {f"{name}_zh": getattr(one, name).zh, f"{name}_en": getattr(one, name).en}
    content = one.model_dump(mode="json")
    return flat | {name: json.dumps(content[name], ensure_ascii=False) for name in ("basis", "explanation")}


@pytest.fixture
async def town(services: LocalServices, tmp_path: Path) -> AsyncIterator[Town]:
    (tmp_path / "delivery.yaml").write_text(POLICY, encoding="utf-8")
    client = connect(SecretStr(services.urls["clickhouse_url"]))
    ensure_topics(Settings(_env_file=None, kafka_url=services.urls["kafka_url"]))
    async with receiving() as receiver:
        made = Town(services, receiver, tmp_path, client)
        yield made
        made.kill()
    client.close()


def now(number: int, ago_s: float = 0, **fields: Any) -> Alert:
    moment = (datetime.now(UTC) - timedelta(seconds=ago_s)).isoformat(timespec="milliseconds")
    return alert(number, raised_at=moment, occurred_at=moment, **fields)


async def test_an_alert_is_told_within_two_seconds_and_once_whatever_happens(town: Town) -> None:
    # stored while nobody listened: told at the start, which waits for a policy that is right
    missed = now(100)
    town.store(missed)
    (town.folder / "delivery.yaml").write_text("channels: []", encoding="utf-8")
    town.start()
    await town.until(lambda: "until it is mended" in (town.folder / "log").read_text(), "the complaint")
    (town.folder / "delivery.yaml").write_text(POLICY, encoding="utf-8")
    await town.until(lambda: missed.alert_id in town.told, "the stored alert")

    taken = []
    for number in range(5):
        one, began = now(number), time.monotonic()
        town.store(one)
        town.raise_(one)
        await town.until(lambda one=one: one.alert_id in town.told, "the alert")  # type: ignore[misc]
        taken.append(time.monotonic() - began)
    assert sorted(taken)[2] < WITHIN_S, taken  # the median: a busy machine is no fault of the code

    # nobody is told of a yellow one, and that is noted; somebody acts: the escalation is called off
    quiet = now(6, colour="yellow", severity="monitor")
    town.raise_(quiet)
    town.send(CASES, one.alert_id, acted(one).model_dump_json())
    await town.until(lambda: town.statuses(quiet) == {"first": "unrouted"}, "the note that nobody is told")
    off = {"first": "sent", "escalation": "called_off"}
    await town.until(lambda: town.statuses(one) == off, "the escalation to be called off")

    # killed in the middle of an attempt: what was told before is not told again, what hangs is
    town.receiver.answers = [(0, {})]
    hanging, before = now(7), len(town.receiver.got)
    town.store(hanging)
    town.raise_(hanging)
    await town.until(lambda: len(town.receiver.got) > before, "the attempt to begin")
    town.kill()
    town.raise_(now(0), missed)
    town.start()
    await town.until(lambda: town.statuses(hanging).get("first") == "sent", "the attempt to be repeated")
    once = (missed, *map(alert, range(5)))
    assert [town.told.count(one.alert_id) for one in once] == [1] * 6
    first, again = (headers["X-Pulse-Delivery"] for headers, _ in town.receiver.got[-2:])
    assert first == again

    # Redis loses everything, and the broker tells again: what waits is taken up, what is over is not
    last = now(9)
    with redis.Redis.from_url(town.services.urls["redis_url"]) as store:
        store.flushall()
        town.raise_(now(0), missed)
        town.store(last)
        town.raise_(last)
        await town.until(lambda: town.statuses(last).get("first") == "sent", "the last alert")
        await town.until(lambda: _waiting(store) == 7, "the escalations of all but one")
    assert [town.told.count(one.alert_id) for one in once] == [1] * 6


async def test_what_a_receiver_refuses_is_listed_and_taken_up_again_by_hand(
    town: Town, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def pulse(*arguments: str) -> Result:
        return pulse_here(capsys, "delivery", *arguments)

    for name, value in town.environment.items():
        if name.startswith("PULSE_"):
            monkeypatch.setenv(name, value)
    monkeypatch.chdir(town.folder)
    tried = await asyncio.to_thread(pulse, "test", "desk")
    assert (tried.code, tried.text) == (0, "hook: sent\n")
    assert json.loads(town.receiver.got[-1][1])["kind"] == "trial"
    town.receiver.answers = [(500, {}), (404, {})]
    assert "hook did not take the message" in (await asyncio.to_thread(pulse, "test", "desk")).complaint(1)

    refused = now(8)
    town.store(refused)
    town.start()
    town.raise_(refused)
    await town.until(lambda: town.statuses(refused).get("first") == "failed", "the failure")
    listed = (await asyncio.to_thread(pulse, "log", "--status", "failed", "--json")).json
    found = [(row["alert_id"], row["last_error"], row["rule_id"]) for row in listed]
    assert found == [(refused.alert_id, "answered 404", "R08")]
    again = await asyncio.to_thread(pulse, "retry", listed[0]["delivery_id"][:12])
    assert again.text.endswith("is taken up again\n")
    await town.until(lambda: town.statuses(refused).get("first") == "sent", "the second try")
    assert "only a failed one" in (await asyncio.to_thread(pulse, "retry", listed[0]["delivery_id"])).complaint(1)


def _waiting(store: Any) -> int:
    return int(store.hlen("{pulse-delivery}:items"))
