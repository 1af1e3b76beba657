"""`/metrics` and `/health` of a worker, on loopback only."""

import time

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from streams.errors import UsageError
from streams.metrics import Metrics

_HOST = "127.0.0.1"


class HealthServer:
    """Serves the numbers of one worker.

    Args:
        metrics: the numbers.
        port: loopback port; 0 takes a free one.
    """

    def __init__(self, metrics: Metrics, port: int) -> None:
        self._metrics = metrics
        self._port = port
        app = web.Application()
        app.router.add_get("/metrics", self._show_metrics)
        app.router.add_get("/health", self._show_health)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> int:
        """Listen; returns the port.

        Raises:
            UsageError: the port is in use.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, _HOST, self._port).start()
        except OSError as error:
            msg = f"port {self._port} is in use: choose another with PULSE_METRICS_PORT, or 0 for a free one"
            raise UsageError(msg) from error
        port: int = self._runner.addresses[0][1]
        return port

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _show_metrics(self, _request: web.Request) -> web.Response:
        body = generate_latest(self._metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _show_health(self, _request: web.Request) -> web.Response:
        health = self._metrics.health(time.time())
        return web.json_response(health, status=200 if health["status"] == "ok" else 503)
