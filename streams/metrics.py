"""Metrics of a worker, in Prometheus' terms. Each help text says what to do when the number looks wrong."""

import time
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

#: A worker whose rounds of checkpoints take longer than this is not well.
STALE_S = 60.0


class Metrics:
    """All metrics of one worker, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self.events = Counter("pulse_events", "Messages read, by topic.", ["topic"], registry=registry)
        self.dead_letters = Counter(
            "pulse_dead_letters", "Messages set aside; look at `pulse dead-letters list`.", ["step"], registry=registry
        )
        self.quarantined = Counter(
            "pulse_quarantined",
            "Messages that were not let in (R06), by topic and what gave them away; look at `pulse quarantine list`.",
            ["topic", "found_in"],
            registry=registry,
        )
        self.rows_written = Counter("pulse_rows_written", "Rows inserted into ClickHouse.", registry=registry)
        self.unavailable = Counter(
            "pulse_unavailable", "Times a service did not answer; look at its health.", registry=registry
        )
        self.overtaken = Counter(
            "pulse_overtaken",
            "Offsets Kafka deleted before they were read: raise the retention, send them again.",
            ["topic"],
            registry=registry,
        )
        self.lag = Gauge("pulse_lag", "Messages not read yet; growing: add workers.", ["topic"], registry=registry)
        self.shards = Gauge("pulse_shards", "Shards this worker holds.", registry=registry)
        self.held = Gauge("pulse_held", "Events waiting for reference data: publish it.", registry=registry)
        self.waiting_rows = Gauge(
            "pulse_waiting_rows", "Rows not in ClickHouse yet; growing: ClickHouse is slow or away.", registry=registry
        )
        self.checkpoint_seconds = Histogram(
            "pulse_checkpoint_seconds",
            "Duration of a checkpoint; above 5 s: look at ClickHouse.",
            buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30),
            registry=registry,
        )
        self.last_checkpoint = Gauge(
            "pulse_last_checkpoint_seconds", "Time of the last checkpoint, seconds since 1970.", registry=registry
        )
        self.started = time.time()
        self._looked_s = 0.0

    def checkpointed(self, now: datetime) -> None:
        """Note a finished checkpoint."""
        self.last_checkpoint.set(now.timestamp())

    def looked(self) -> None:
        """Note that a round of checkpoints ended, even if there was nothing to write."""
        self._looked_s = time.time()

    def health(self, now_s: float) -> dict[str, Any]:
        """Whether the worker is well: `status`, lag in messages, age of the last look at a checkpoint in seconds."""
        looked_s = self._looked_s or self.started
        age_s = now_s - looked_s
        return {
            "status": "ok" if age_s < STALE_S else "checkpoints are late: look at ClickHouse, Redis and Kafka",
            "shards": int(_value(self.shards)),
            "lag": int(sum(sample.value for sample in next(iter(self.lag.collect())).samples)),
            "held": int(_value(self.held)),
            "waiting_rows": int(_value(self.waiting_rows)),
            "last_checkpoint": _value(self.last_checkpoint) or None,
            "seconds_since_last_round": round(age_s, 3),
        }


def _value(gauge: Gauge) -> float:
    return next(iter(gauge.collect())).samples[0].value
