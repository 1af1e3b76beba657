"""One request and its answer."""

import asyncio
import json
import secrets
import uuid
from collections.abc import Callable, Mapping
from time import monotonic, monotonic_ns
from typing import TYPE_CHECKING, TypeVar

from aiohttp import web

from streams.local.clickhouse.codec import Encoder
from streams.local.clickhouse.engine import Connection, Insert
from streams.local.clickhouse.errors import AUTHENTICATION_FAILED, ClickHouseError
from streams.local.clickhouse.request import Question, read
from streams.local.clickhouse.results import Result
from streams.local.clickhouse.sessions import Session
from streams.local.clickhouse.statements import forbid_host
from streams.local.clickhouse.users import User

if TYPE_CHECKING:
    from streams.local.clickhouse.server import LocalClickHouse

T = TypeVar("T")

_PIECE_BYTES = 1 << 20
_FIRST_BYTES = 1 << 19
_WHOLE = 1 << 40
_SUMMARY = (
    *("read_rows", "read_bytes", "written_rows", "written_bytes"),
    *("total_rows_to_read", "result_rows", "result_bytes"),
)


class Exchange:
    """Reads a request, runs it, writes the answer; then `end` gives back what it held."""

    def __init__(self, server: "LocalClickHouse", http: web.Request) -> None:
        self._server = server
        self._http = http
        self._arguments: Mapping[str, str] = http.query
        self._tag = str(uuid.uuid4())
        self._encoder = Encoder(
            http.headers.get("Accept-Encoding", "") if http.query.get("enable_http_compression") == "1" else ""
        )
        self._connection: Connection | None = None
        self._session: Session | None = None
        self._restore: str | None = None
        self._result: Result | None = None
        self._insert: Insert | None = None
        self._job: asyncio.Future[object] | None = None
        self._ending: asyncio.Task[None] | None = None
        self._begun_ns = monotonic_ns()
        self._headers = {
            "X-ClickHouse-Query-Id": http.query.get("query_id") or self._tag,
            "X-ClickHouse-Server-Display-Name": server.engine.display_name,
            "X-ClickHouse-Timezone": server.engine.timezone,
        }

    async def answer(self) -> web.StreamResponse:
        """The answer, or an error as ClickHouse tells it."""
        try:
            user = self._server.users.authenticate(self._http.headers, self._http.query)
            question = await read(self._http)
            if user.readonly or self._http.method != "POST":
                question.statement.require_read()
            if question.settings.get("readonly", "0") != "0" and not user.readonly:
                question.statement.require_read()
            self._arguments = question.arguments
            self._session = self._server.sessions.take(user, question.arguments)
            connection = await self._call(self._open, user, question)
            if question.statement.data is None:
                return await self._select(connection, question)
            return await self._take(connection, question)
        except ClickHouseError as error:
            await self.end()
            return self._failure(error)

    async def end(self) -> None:
        """Stop what still runs in the engine and give the connection back, once."""
        if self._ending is None:
            self._ending = asyncio.ensure_future(self._end())
            self._server.keep(self._ending)
        await asyncio.shield(self._ending)

    async def _end(self) -> None:
        helpers, loop = self._server.helpers, asyncio.get_running_loop()
        while self._job is not None and not self._job.done():
            tag = self._connection.tag if self._connection else self._tag
            await loop.run_in_executor(helpers, self._server.engine.kill, tag)
            await asyncio.wait([self._job], timeout=0.25)
        if self._job is not None and not self._job.cancelled():
            self._job.exception()
        await loop.run_in_executor(helpers, self._release)
        if self._session is not None:
            left = self._server.sessions.give_back(self._session, self._arguments, monotonic())
            if left is not None:
                await loop.run_in_executor(helpers, left.close)

    def _release(self) -> None:
        if self._result is not None:
            self._result.close()
        if self._insert is not None:
            self._insert.cancel()
        if self._connection is None:
            return
        if self._session is None or self._session.connection is not self._connection:
            self._connection.close()
        elif self._restore:
            self._connection.query(self._restore)

    async def _call(self, function: Callable[..., T], *arguments: object) -> T:
        """Run an engine call on a worker thread; when this request is cancelled it goes on until `end` stops it."""
        job = asyncio.get_running_loop().run_in_executor(self._server.workers, function, *arguments)
        self._job = job  # type: ignore[assignment]
        return await asyncio.shield(job)

    def _open(self, user: User, question: Question) -> Connection:
        session = self._session
        if session is None:
            connection = self._connection = self._server.engine.connect(user, self._tag)
            connection.use(question.database or self._server.database)
            connection.set(question.settings)
            connection.seal()
            return connection
        if session.connection is None:
            session.connection = self._server.engine.connect(user, self._tag)
            session.connection.use(self._server.database)
            session.connection.seal()
        connection = self._connection = session.connection
        if question.database:
            connection.use(question.database)
        settings = {name: value for name, value in question.settings.items() if name != "readonly"}
        self._restore = connection.exchange(settings)
        return connection

    async def _select(self, connection: Connection, question: Question) -> web.StreamResponse:
        result = self._result = Result(connection, question, self._encoder)
        limit = _WHOLE if question.arguments.get("wait_end_of_query") == "1" else _FIRST_BYTES
        data, done = await self._call(result.pull, limit)
        if result.size or question.statement.reads:
            self._headers["X-ClickHouse-Format"] = question.output
        self._headers["Content-Type"] = _content_type(question.output)
        self._summarise(read_rows=result.rows, result_rows=result.rows, result_bytes=result.size)
        if done:
            await self.end()
            return self._whole(data)
        return await self._stream(result, data)

    async def _stream(self, result: Result, data: bytes) -> web.StreamResponse:
        tag = secrets.token_hex(8)
        response = web.StreamResponse(headers={**self._encoded(), "X-ClickHouse-Exception-Tag": tag})
        await response.prepare(self._http)
        done = False
        try:
            while True:
                await response.write(data)
                if done:
                    break
                data, done = await self._call(result.pull, _PIECE_BYTES)
        except ClickHouseError as error:
            await response.write(self._encoder.feed(_broken_off(error.text, tag)) + self._encoder.finish())
            if self._http.transport is not None:
                self._http.transport.close()  # no last chunk: the client must not take this for a whole answer
            return response
        await self.end()  # the session is free before the client can know that the answer is over
        await response.write_eof()
        return response

    async def _take(self, connection: Connection, question: Question) -> web.StreamResponse:
        statement = question.statement
        insert = await self._call(connection.insert, statement.text, statement.format, question.parameters)
        self._insert = insert
        pending = bytearray(statement.data or b"")
        check = (statement.format or "").lower() == "values"
        async for piece in question.body:
            pending += piece
            if len(pending) >= _PIECE_BYTES and not check:
                await self._call(insert.append, bytes(pending))
                pending.clear()
        if check:
            forbid_host(bytes(pending))
        if pending:
            await self._call(insert.append, bytes(pending))
        rows, size = await self._call(insert.finish)
        self._insert = None
        self._summarise(written_rows=rows, written_bytes=size, result_rows=rows, result_bytes=size)
        self._headers["Content-Type"] = "text/plain; charset=UTF-8"
        await self.end()
        return self._whole(self._encoder.finish())

    def _summarise(self, **known: int) -> None:
        summary = {name: str(known.get(name, 0)) for name in _SUMMARY}
        summary["elapsed_ns"] = str(monotonic_ns() - self._begun_ns)
        self._headers["X-ClickHouse-Summary"] = json.dumps(summary)

    def _encoded(self) -> dict[str, str]:
        return {**self._headers, "Content-Encoding": self._encoder.name} if self._encoder.name else self._headers

    def _whole(self, data: bytes) -> web.Response:
        return web.Response(body=data, headers=self._encoded())

    def _failure(self, error: ClickHouseError) -> web.Response:
        self._headers["X-ClickHouse-Exception-Code"] = str(error.code)
        status = error.status
        if error.code == AUTHENTICATION_FAILED and "Authorization" not in self._http.headers:
            self._headers["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
            status = 401
        text = f"{error.text} (version {self._server.engine.version})\n"
        self._headers["Content-Type"] = "text/plain; charset=UTF-8"
        return web.Response(text=None, body=text.encode(), headers=self._headers, status=status)


def _broken_off(text: str, tag: str) -> bytes:
    message = text.encode() + b"\n"
    mark = tag.encode()
    return b"\r\n__exception__\r\n%b\r\n%b%d %b\r\n__exception__\r\n" % (mark, message, len(message), mark)


def _content_type(output: str) -> str:
    if output.startswith("JSON"):
        return "application/json; charset=UTF-8"
    if output in {"Native", "RowBinary", "Arrow", "ArrowStream", "Parquet"}:
        return "application/octet-stream"
    return "text/tab-separated-values; charset=UTF-8"
