"""Stand-ins for Kafka, Redis and ClickHouse in one process, for a machine that has none of them."""

from streams.local.launch import SERVICES, LocalServices, start

__all__ = ["SERVICES", "LocalServices", "start"]
