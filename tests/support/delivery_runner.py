"""Runs the delivery service in a process of its own, as the desk does: `python delivery_runner.py`, until SIGTERM."""

import asyncio
import signal

from streams import logs, settings
from streams.delivery.service import DeliveryService


async def _main() -> None:
    loaded = settings.load()
    logs.setup(loaded)
    service, stop = DeliveryService(loaded), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await service.start()
    ends = [asyncio.create_task(stop.wait()), asyncio.create_task(service.failed.wait())]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    await service.stop()
    for task in ends:
        task.cancel()
    if service.failure is not None:
        raise service.failure


if __name__ == "__main__":
    asyncio.run(_main())
