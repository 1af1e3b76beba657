"""`pulse desk`: a Faust app whose services keep the cases and tell people."""

import asyncio
import signal
import tempfile
from collections.abc import Callable
from typing import Any

import mode.loop
import uvloop

from streams import worker
from streams.delivery.service import DeliveryService
from streams.desk.case_service import CaseService
from streams.settings import Settings

#: What runs in the process. A service that cannot go on sets its event `failed` and says why in `failure`.
SERVICES: tuple[Callable[[Settings], Any], ...] = (CaseService, DeliveryService)


def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT.

    Raises:
        PulseError: what made the desk stop.
    """
    worker.require_urls(settings, "a desk")
    mode.loop.use("uvloop")
    with tempfile.TemporaryDirectory(prefix="pulse-desk-") as folder:
        uvloop.run(_serve(settings, folder))


async def _serve(settings: Settings, folder: str) -> None:
    services = [make(settings) for make in SERVICES]
    app = worker.build_app(settings, services, folder, name=f"{settings.group}-desk")
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, worker.stop_in_time, stop)
    try:
        await worker.until(app.start(), stop)
        await worker.until(_first_failure(services), stop)
    finally:
        worker.stop_in_time(stop)
        await app.stop()
    for service in services:
        if service.failure is not None:
            raise service.failure


async def _first_failure(services: list[Any]) -> None:
    waits = [asyncio.create_task(service.failed.wait()) for service in services]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
