"""What an event costs on its way through the gateway, beside checking and producing it directly: `make bench-gateway`.

Local services run in a process of their own and the gateway in another; counted is processor time, the client's left
out. Directly means: the same check, the same producer, in this process.
"""

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import orjson
from pydantic import SecretStr

from agents.intake.decode import decode
from streams import local
from streams.clickhouse import connect
from streams.gateway import keys
from streams.gateway.examples import EVENTS
from streams.migrate import migrate_database
from streams.producer import BulkProducer
from streams.settings import Settings
from streams.supervisor.page import free_port
from streams.supervisor.services import environment, with_urls
from streams.topics import HEADER_EVENT_ID

_REPS = 200
_READY_S = 60
_TICKS = os.sysconf("SC_CLK_TCK")


class Gateway:
    """A gateway that runs, and a connection to it."""

    def __init__(self, pid: int, port: int, key: str) -> None:
        self._pid = pid
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"X-API-Key": key, "Content-Type": "application/x-ndjson"}

    def cpu_s(self) -> float:
        """Processor time it has used."""
        fields = Path(f"/proc/{self._pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def send(self, kind: str, events: Sequence[bytes]) -> None:
        """Send a batch; all of it must be accepted."""
        self._connection.request("POST", f"/v1/events/{kind}/batch", b"\n".join(events), self._headers)
        answer = self._connection.getresponse()
        told = json.loads(answer.read())
        if answer.status != http.HTTPStatus.ACCEPTED or told["accepted"] != len(events):
            raise SystemExit(str(told)[:500])


@contextmanager
def running(folder: Path, urls: dict[str, str]) -> Iterator[Gateway]:
    """A gateway on local services, with a key of its own."""
    url = SecretStr(urls["clickhouse_url"])
    migrate_database(url)
    key, kept = keys.make("bench", list(EVENTS), "", "bench")
    with closing(connect(url)) as client:
        keys.add(client, kept)
    settings = with_urls(Settings(data=folder, gateway_requests_per_s=1e6, jwt_secret=SecretStr("x" * 32)), urls)
    port = free_port(0)
    command = [sys.executable, "-m", "streams.cli", "gateway", "--port", str(port)]
    with subprocess.Popen(command, env=environment(settings)) as process:  # noqa: S603 - our own module
        try:
            _wait(port)
            yield Gateway(process.pid, port, key)
        finally:
            process.terminate()


def _wait(port: int) -> None:
    deadline_s = time.monotonic() + _READY_S
    while time.monotonic() < deadline_s:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        except OSError:
            pass
        time.sleep(0.05)
    msg = "the gateway did not get ready: its log stands above"
    raise SystemExit(msg)


def _events(kind: str, run: int, count: int) -> list[bytes]:
    return [
        orjson.dumps({**EVENTS[kind], "event_id": f"{run}-{number}", "rep_id": f"R-{number % _REPS}"})
        for number in range(count)
    ]


def _directly(producer: BulkProducer, kind: str, events: Sequence[bytes]) -> float:
    begun_s = time.process_time()
    for raw in events:
        event = decode(kind, raw, 1_000_000)
        producer.send(event.topic, event.owner, raw, {HEADER_EVENT_ID: event.event_id})
    producer.flush()
    return time.process_time() - begun_s


def measure(gateway: Gateway, producer: BulkProducer, kind: str, runs: int, count: int) -> tuple[float, float]:
    """Microseconds an event, by the gateway and directly: medians over runs, one after the other."""
    through, direct = [], []
    for run in range(runs):
        events = _events(kind, run, count)
        before_s = gateway.cpu_s()
        for begin in range(0, count, 5_000):
            gateway.send(kind, events[begin : begin + 5_000])
        through.append((gateway.cpu_s() - before_s) / count)
        direct.append(_directly(producer, kind, events) / count)
    return statistics.median(through) * 1e6, statistics.median(direct) * 1e6


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--events", type=int, default=20_000, help="events of a run")
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with local.start(folder, ["kafka", "clickhouse"], clickhouse_port=0) as services:
            bootstrap = str(services.urls["kafka_url"])
            producer = BulkProducer(bootstrap)
            with running(folder, services.urls) as gateway:
                for kind in ("visit", "sale"):
                    through, direct = measure(gateway, producer, kind, asked.runs, asked.events)
                    print(
                        f"{kind:<6} gateway {through:5.1f} µs an event, {1e6 / through:7,.0f} events/s a core;"
                        f" directly {direct:5.1f} µs; ratio {direct / through:.2f}"
                    )
            producer.close()


if __name__ == "__main__":
    main()
