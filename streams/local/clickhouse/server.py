"""The HTTP server: routes, worker threads, start and stop."""

import asyncio
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

from aiohttp import web

from streams.errors import UsageError
from streams.local.clickhouse.engine import Engine
from streams.local.clickhouse.exchange import Exchange
from streams.local.clickhouse.sessions import Sessions
from streams.local.clickhouse.users import READER, WRITER, Users

HOST = "127.0.0.1"
DATABASE = "pulse"
_THREADS = 32
_LINE_BYTES = 1 << 20
_BODY_BYTES = 64 << 20


class LocalClickHouse:
    """ClickHouse's HTTP interface on loopback; `open` it, then `close` it.

    Args:
        folder: of the database files.
        port: 0 takes a free one.
        passwords: of the writer and the reader.
        memory: bytes that all queries together may take.
    """

    def __init__(self, folder: Path, port: int, passwords: Mapping[str, str], memory: int) -> None:
        self._folder = folder
        self._port = port
        self._passwords = passwords
        self._memory = memory
        self.database = DATABASE
        self.users = Users(passwords)
        self.sessions = Sessions()
        self.workers = ThreadPoolExecutor(_THREADS, "query")
        self.helpers = ThreadPoolExecutor(2, "query-end")
        self._endings: set[asyncio.Task[None]] = set()
        self.engine: Engine

    async def open(self) -> None:
        """Open the database and the port.

        Raises:
            UsageError: the port is taken, or the database cannot be opened.
        """
        self._runner = web.AppRunner(
            self._application(),
            handler_cancellation=True,
            auto_decompress=False,
            access_log=None,
            shutdown_timeout=0.5,
            max_line_size=_LINE_BYTES,
            max_field_size=_LINE_BYTES,
        )
        await self._runner.setup()
        await self._listen()
        loop = asyncio.get_running_loop()
        self.engine = await loop.run_in_executor(self.helpers, self._open_engine)
        self._sweeper = asyncio.create_task(self._sweep())

    async def close(self) -> None:
        """Stop what runs, close the port and the database."""
        self._sweeper.cancel()
        await self._runner.cleanup()
        if self._endings:
            await asyncio.wait(self._endings, timeout=1.5)
        await asyncio.get_running_loop().run_in_executor(self.helpers, self.engine.close)

    def urls(self) -> dict[str, str]:
        """`clickhouse_url` of the writer and `clickhouse_reader_url`."""
        address = f"{HOST}:{self._port}/{DATABASE}"
        return {
            "clickhouse_url": f"http://{WRITER}:{self._passwords[WRITER]}@{address}",
            "clickhouse_reader_url": f"http://{READER}:{self._passwords[READER]}@{address}",
        }

    def keep(self, task: "asyncio.Task[None]") -> None:
        """Hold on to the ending of a request until it is done."""
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=_BODY_BYTES)
        application.router.add_get("/ping", _fine)
        application.router.add_get("/replicas_status", _fine)
        application.router.add_route("*", "/", self._serve)
        return application

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.method != "POST" and "query" not in request.query:
            return await _fine(request)
        exchange = Exchange(self, request)
        try:
            return await exchange.answer()
        finally:
            await exchange.end()

    async def _listen(self) -> None:
        site = web.TCPSite(self._runner, HOST, self._port)
        try:
            await site.start()
        except OSError as error:
            reason = os.strerror(error.errno or 0).lower()
            msg = (
                f"port {self._port} for ClickHouse cannot be used ({reason}): "
                "stop what holds it, or give another --clickhouse-port"
            )
            raise UsageError(msg) from None
        self._port = self._runner.addresses[0][1]

    def _open_engine(self) -> Engine:
        try:
            return Engine(self._folder, memory=self._memory, database=DATABASE)
        except Exception as error:
            first = str(error).strip().split("\n", 1)[0]
            msg = f"the database in {self._folder} does not open: {first}"
            raise UsageError(msg) from None

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(1)
            for connection in self.sessions.expired(monotonic()):
                await asyncio.get_running_loop().run_in_executor(self.helpers, connection.close)


async def _fine(_request: web.Request) -> web.Response:
    return web.Response(text="Ok.\n")
