"""Run the page until it is told to stop."""

import asyncio
import signal
from collections.abc import Callable
from zoneinfo import ZoneInfo

from clickhouse_connect.driver.client import Client

from grafana.company import Company
from grafana.preview.model import shown_boards
from grafana.preview.questions import Questions
from grafana.preview.server import HOST, PreviewServer


def serve(client: Client, company: Company, port: int, announce: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        client: of the read-only user.
        company: whose boards.
        port: loopback port; 0 takes a free one.
        announce: called with the address once the page is there.

    Raises:
        UsageError: the port is in use.
    """
    asyncio.run(_serve(client, company, port, announce))


async def _serve(client: Client, company: Company, port: int, announce: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = PreviewServer(shown_boards(company), Questions(client, ZoneInfo(company.time_zone)))
    announce(f"http://{HOST}:{await server.start(port)}/")
    try:
        await stop.wait()
    finally:
        await server.stop()
