"""Time from an event to its alert on the topic `alerts`: `python -m bench.alert_latency [--rate 1000] [--seconds 30]`.

Starts `pulse up` with its local services and the shipped rules, publishes a made-up company and sends events at the
given rate, a third of them visits, the others sales. Every hundredth is a visit in a forbidden zone (R05, judged with
its representative), and every hundredth one leaves eleven samples with a professional of its own (R24-cap, judged in
the professional's shard, over the topic `touches`).
Printed are percentiles in milliseconds from the call of the producer to the arrival at a consumer.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from confluent_kafka import Consumer

from bench.light_latency import GRACE_S, WARM_S, percentile, running
from schemas.reference import Hcp, Institution, OrganisationNode, Product, Reference, Rep
from streams import references
from streams.clickhouse import connect
from streams.producer import BulkProducer
from streams.settings import Settings
from streams.topics import ALERTS

REPS = 2_000
RULES = ("R05", "R24-cap")
_EVERY = 100
#: Which of a hundred events are visits.
_VISITS = frozenset({0, 50, *range(1, 32)})
_POLL_S = 0.01


def company(hcps: int) -> list[Reference]:
    """Representatives of one team, a hospital, a product and as many professionals as leave alerts."""
    rows: list[Reference] = [OrganisationNode(node_id="T", name="T", level="team")]
    filed = ({"filed_from": "2020-01-01"},)
    rows += [
        Rep.model_validate({"rep_id": f"R{number}", "name": f"R{number}", "team_id": "T", "filings": filed})
        for number in range(REPS)
    ]
    rows += [Hcp(hcp_id=f"D{number}", name=f"D{number}") for number in range(hcps)]
    return [*rows, Institution(institution_id="H", name="医院"), Product(product_id="P", name="药")]


class Sender(threading.Thread):
    """Sends visits at an even rate and remembers when each was sent.

    Args:
        settings: where the broker is.
        rate: events by second.
        count: how many.
    """

    def __init__(self, settings: Settings, rate: int, count: int) -> None:
        super().__init__(daemon=True)
        self.sent: dict[str, float] = {}
        self.wanted: dict[str, int] = defaultdict(int)
        self._producer = BulkProducer(settings.kafka_url or "", "bench")
        self._rate, self._count = rate, count

    def run(self) -> None:
        """Send all."""
        began = time.perf_counter()
        for number in range(self._count):
            due = began + number / self._rate
            if (wait := due - time.perf_counter()) > 0:
                time.sleep(wait)
            event = self._event(number)
            value = json.dumps(event).encode()
            self.sent[event["event_id"]] = time.perf_counter()
            self._producer.send("sales" if "amount" in event else "visits", event["rep_id"], value)
        self._producer.close()

    def _event(self, number: int) -> dict[str, Any]:
        now = datetime.now(UTC).isoformat()
        event: dict[str, Any] = {"event_id": f"B{number}", "occurred_at": now, "source": "bench"}
        event |= {"rep_id": f"R{number % REPS}", "institution_id": "H"}
        if number % _EVERY not in _VISITS:
            return event | {"product_id": "P", "quantity": 1, "amount": 1}
        event |= {"check_in_at": now, "check_out_at": now, "channel": "video"}
        if number % _EVERY == 0:
            self.wanted["R05"] += 1
            return event | {"zone": "药剂科"}
        if number % _EVERY == _EVERY // 2:
            self.wanted["R24-cap"] += 1
            sample = {"product_id": "P", "quantity": 11}
            return event | {"hcp_id": f"D{number // _EVERY}", "samples": [sample], "feedback_text": "按需提供样品"}
        return event


def watch(settings: Settings, sender: Sender, until: float) -> dict[str, dict[str, float]]:
    """Read the topic until all alerts have come; arrival by rule and event."""
    found: dict[str, dict[str, float]] = {rule: {} for rule in RULES}
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka_url,
            "group.id": f"bench-{uuid4()}",
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 10,
        }
    )
    consumer.subscribe([ALERTS])
    try:
        while time.perf_counter() < until:
            for message in consumer.consume(500, _POLL_S):
                content = json.loads(message.value() or b"{}")
                if content.get("rule_id") in found:
                    found[content["rule_id"]].setdefault(content["event_id"], time.perf_counter())
            if not sender.is_alive() and all(len(found[rule]) >= sender.wanted[rule] for rule in RULES):
                break
    finally:
        consumer.close()
    return found


def main() -> int:
    """Measure and print; 1 when not every alert came."""
    parser = argparse.ArgumentParser(prog="python -m bench.alert_latency", description=__doc__)
    parser.add_argument("--rate", type=int, default=1_000, help="events by second")
    parser.add_argument("--seconds", type=float, default=30, help="how long events are sent, at most 300")
    asked = parser.parse_args()
    count = int(asked.rate * min(asked.seconds, 300))
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as settings:
        with closing(connect(settings.clickhouse_url)) as client:
            version = references.publish(client, company(count // _EVERY + 1), "bench")
        if settings.redis_url is not None:
            references.announce(settings.redis_url, settings.group, version)
        time.sleep(3)
        sender = Sender(settings, asked.rate, count)
        began = time.perf_counter()
        sender.start()
        found = watch(settings, sender, began + asked.seconds + GRACE_S)
        return report(found, sender, began, asked.rate)


def report(found: dict[str, dict[str, float]], sender: Sender, began: float, rate: int) -> int:
    """Print the percentiles; returns the exit code."""
    print(f"event to alert on the topic, {rate} events/s, milliseconds")
    print(f"{'rule':<8} {'alerts':>8} {'p50':>7} {'p95':>7} {'p99':>7} {'max':>7}")
    for rule, arrived in found.items():
        values = sorted(at - sender.sent[name] for name, at in arrived.items() if sender.sent[name] - began > WARM_S)
        marks = [percentile(values, share) for share in (0.5, 0.95, 0.99, 1)] if values else []
        print(f"{rule:<8} {len(arrived):>8} " + " ".join(f"{mark * 1000:>7.0f}" for mark in marks))
    return int(any(len(found[rule]) != sender.wanted[rule] for rule in RULES))


if __name__ == "__main__":
    sys.exit(main())
