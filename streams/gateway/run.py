"""Runs the gateway: puts the parts together for these settings and serves until told to stop."""

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from types import FrameType

import structlog
import uvicorn
from confluent_kafka.admin import AdminClient
from pydantic import SecretStr
from starlette.types import ASGIApp

from streams.clickhouse import connect
from streams.errors import UsageError
from streams.gateway import keys
from streams.gateway.access import Bounds, Parts
from streams.gateway.app import create_app
from streams.gateway.feed import Hub, KafkaFeed
from streams.gateway.ingest import Rules
from streams.gateway.limits import RateLimit
from streams.gateway.readiness import Readiness
from streams.gateway.reading import Reading
from streams.gateway.rules import RulesInForce
from streams.gateway.sender import Sender
from streams.gateway.tokens import tokens_of
from streams.gateway.trees import Trees
from streams.producer import BulkProducer
from streams.settings import Settings

_BURST_S = 4.0
_STREAMS_EACH = 5
#: Reading the keys, and asking whether ClickHouse is there, must not hold up senders.
_SHORT_S = 3.0
_LEAVE_S = 2

_log = structlog.get_logger("gateway")


class _Server(uvicorn.Server):
    """Ends the streams as soon as a signal comes, so that they do not keep the process."""

    def __init__(self, config: uvicorn.Config, leaving: Callable[[], None], ready: Callable[[], object]) -> None:
        super().__init__(config)
        self._ready = ready
        self._leaving = leaving
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        """Begin to serve."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)  # type: ignore[arg-type]
        self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._leaving)
        super().handle_exit(sig, frame)


def serve(settings: Settings, host: str, port: int) -> None:
    """Serve until a signal comes.

    Raises:
        UsageError: a setting is missing, or the port is in use.
    """
    kafka_url, reader_url = _urls(settings)
    with ExitStack() as stack:
        sender = Sender(BulkProducer(kafka_url, client="pulse-gateway"))
        hub = Hub(settings.gateway_streams, _STREAMS_EACH)
        reading = Reading(lambda: connect(reader_url, timeout_s=settings.gateway_timeout_s), settings.time_zone)
        quick = Reading(lambda: connect(reader_url, timeout_s=_SHORT_S), settings.time_zone)
        parts = _parts(settings, sender, hub, (reading, quick))
        sender.start()
        stack.callback(sender.stop)
        stack.callback(reading.close)
        stack.callback(quick.close)
        app = create_app(parts, KafkaFeed(kafka_url, hub), settings.gateway_timeout_s)
        _serve(app, host, port, hub)


def _urls(settings: Settings) -> tuple[str, SecretStr]:
    if settings.kafka_url is None or settings.clickhouse_reader_url is None:
        missing = "PULSE_KAFKA_URL" if settings.kafka_url is None else "PULSE_CLICKHOUSE_READER_URL"
        msg = f"the gateway needs {missing}: set it, or start `pulse up`, which runs a gateway too"
        raise UsageError(msg)
    return settings.kafka_url, settings.clickhouse_reader_url


def _parts(settings: Settings, sender: Sender, hub: Hub, readings: tuple[Reading, Reading]) -> Parts:
    reading, quick = readings
    ahead = timedelta(seconds=settings.future_tolerance_s)
    in_force = RulesInForce(settings.policies, quick.client)
    in_force.look()
    admin = AdminClient({"bootstrap.servers": settings.kafka_url or "", "log_level": 2})
    return Parts(
        tokens=tokens_of(settings),
        keys=keys.Keys(lambda: keys.listed(quick.client())),
        limit=RateLimit(settings.gateway_requests_per_s, _BURST_S, time.monotonic),
        bounds=Bounds(settings.gateway_body_bytes, settings.max_event_bytes, settings.gateway_batch_events),
        rules=Rules(settings.max_event_bytes, ahead, in_force.suspicious),
        sender=sender,
        reading=reading,
        hub=hub,
        in_force=in_force,
        readiness=Readiness(
            {"broker": lambda: admin.list_topics(timeout=2), "clickhouse": lambda: quick.rows("SELECT 1")}
        ),
        trees=Trees(reading.reps_below),
    )


def _serve(app: ASGIApp, host: str, port: int, hub: Hub) -> None:
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http="h11",
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=1_000,
        timeout_graceful_shutdown=_LEAVE_S,
    )
    try:
        socket = config.bind_socket()
    except (OSError, SystemExit):
        msg = f"port {port} of {host} cannot be used: name another with --port or PULSE_GATEWAY_PORT"
        raise UsageError(msg) from None
    with socket:
        url = f"http://{host}:{socket.getsockname()[1]}/"
        _Server(config, hub.close, lambda: _log.info("gateway is ready", url=url)).run(sockets=[socket])
