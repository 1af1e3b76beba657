"""Time from an event to the alert light it moves: `python -m bench.light_latency [--rate 1000] [--seconds 30]`.

Starts `pulse up` with its local services in a folder that is removed afterwards, publishes a made-up company with a
target for everybody, and sends sales of one yuan each at the given rate. Every event moves the light of its
representative, team and the company; it has arrived when the row in the table `lights` counts it, asked for over and
over with one query. Printed are percentiles in milliseconds by level; the query's own time is in them.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from schemas.reference import Institution, OrganisationNode, Product, Reference, Rep, Target, period_days
from streams import references
from streams import settings as settings_module
from streams.clickhouse import connect
from streams.producer import BulkProducer
from streams.settings import Settings
from streams.supervisor import reach

TEAMS, REPS_A_TEAM = 10, 20
LEVELS = ("rep", "team", "company")
#: Not measured: the workers and the page cache warm up.
WARM_S = 5.0
GRACE_S = 15.0
#: Between two queries, so that the watching takes little of what is watched.
_PAUSE_S = 0.05
_READ = "SELECT owner_level, owner_id, toInt64(value) FROM lights FINAL WHERE value IS NOT NULL"


def company(day: datetime) -> list[Reference]:
    """A company, its teams and representatives, each with a target for the running quarter."""
    start, _ = period_days("quarter", day.date())
    rows: list[Reference] = [
        OrganisationNode(node_id="C", name="公司", level="company"),
        _target("company", "C", start),
    ]
    rows += [Institution(institution_id="H", name="医院"), Product(product_id="P", name="药")]
    for team in range(TEAMS):
        rows.append(OrganisationNode(node_id=f"T{team}", name=str(team), level="team", parent_id="C"))
        rows.append(_target("team", f"T{team}", start))
        for number in range(REPS_A_TEAM):
            name = f"R{team}-{number}"
            rows += [Rep(rep_id=name, name=name, team_id=f"T{team}"), _target("rep", name, start)]
    return rows


def _target(level: str, owner: str, start: object) -> Target:
    fields = {"kpi_id": "sales_amount", "period": "quarter", "period_start": start, "value": 1_000_000}
    return Target.model_validate(fields | {"owner_level": level, "owner_id": owner})


class Sender(threading.Thread):
    """Sends sales at an even rate and remembers when.

    Args:
        settings: where the broker is.
        rate: events by second.
        seconds: how long.

    Attributes:
        sent: moments of sending by owner, in order; the n-th raises the owner's figure to n.
    """

    def __init__(self, settings: Settings, rate: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self.sent: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._producer = BulkProducer(settings.kafka_url or "", "bench")
        self._rate, self._count = rate, int(rate * seconds)

    def run(self) -> None:
        """Send all."""
        began = time.perf_counter()
        for number in range(self._count):
            due = began + number / self._rate
            if (wait := due - time.perf_counter()) > 0:
                time.sleep(wait)
            self._send(number)
        self._producer.close()

    def _send(self, number: int) -> None:
        team, place = number % TEAMS, number // TEAMS % REPS_A_TEAM
        rep = f"R{team}-{place}"
        event = {"event_id": f"B{number}", "occurred_at": datetime.now(UTC).isoformat(), "source": "bench"}
        event |= {"rep_id": rep, "institution_id": "H", "product_id": "P", "kind": "sale"}
        value = json.dumps(event | {"quantity": 1, "amount": 1}).encode()
        at = time.perf_counter()
        for owner in (("rep", rep), ("team", f"T{team}"), ("company", "C")):
            self.sent[owner].append(at)
        self._producer.send("sales", rep, value)


def watch(settings: Settings, sender: Sender, until: float) -> dict[str, list[float]]:
    """Ask for the lights until all events have arrived; latencies by level, in seconds."""
    seen: dict[tuple[str, str], int] = defaultdict(int)
    found: dict[str, list[float]] = defaultdict(list)
    began = time.perf_counter()
    with closing(connect(settings.clickhouse_url)) as client:
        while time.perf_counter() < until:
            time.sleep(_PAUSE_S)
            rows = client.query(_READ).result_rows
            now = time.perf_counter()
            for level, owner, value in rows:
                moments = sender.sent[level, owner]
                fresh = moments[seen[level, owner] : value]
                seen[level, owner] = value
                found[level] += [now - at for at in fresh if at - began > WARM_S]
            if not sender.is_alive() and all(seen[owner] >= len(at) for owner, at in sender.sent.items()):
                break
    return found


@contextmanager
def running(folder: Path) -> Iterator[Settings]:
    """`pulse up` without a simulation, ended afterwards; the settings reach it."""
    options = ["up", "--data", str(folder), "--no-simulate", "--json", "--clickhouse-port", "0"]
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "streams.cli", *options], stdout=subprocess.PIPE, stderr=log
        )
        try:
            if process.stdout is None or not process.stdout.readline():
                msg = f"pulse up did not start: {(folder / 'up.log').read_text()[-500:]}"
                raise SystemExit(msg)
            yield reach.announced(settings_module.load(), folder)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of the sorted `values` do not exceed."""
    return values[min(len(values) - 1, int(share * len(values)))]


def main() -> int:
    """Measure and print; 1 when not every event arrived."""
    parser = argparse.ArgumentParser(prog="python -m bench.light_latency", description=__doc__)
    parser.add_argument("--rate", type=int, default=1_000, help="events by second")
    parser.add_argument("--seconds", type=float, default=30, help="how long events are sent, at most 300")
    asked = parser.parse_args()
    seconds = min(asked.seconds, 300)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as settings:
        with closing(connect(settings.clickhouse_url)) as client:
            version = references.publish(client, company(datetime.now(ZoneInfo(settings.time_zone))), "bench")
        if settings.redis_url is not None:
            references.announce(settings.redis_url, settings.group, version)
        time.sleep(2)
        sender = Sender(settings, asked.rate, seconds)
        sender.start()
        found = watch(settings, sender, time.perf_counter() + seconds + GRACE_S)
    return report(found, asked.rate)


def report(found: dict[str, list[float]], rate: int) -> int:
    """Print the percentiles; returns the exit code."""
    print(f"event to light row readable in ClickHouse, {rate} events/s, milliseconds")
    print(f"{'level':<8} {'events':>8} {'p50':>7} {'p95':>7} {'p99':>7} {'max':>7}")
    missing = 0
    for level in LEVELS:
        values = sorted(found[level])
        marks = [percentile(values, share) for share in (0.5, 0.95, 0.99, 1)] if values else []
        print(f"{level:<8} {len(values):>8} " + " ".join(f"{mark * 1000:>7.0f}" for mark in marks))
        missing += not values
    return 1 if missing else 0


if __name__ == "__main__":
    raise SystemExit(main())
