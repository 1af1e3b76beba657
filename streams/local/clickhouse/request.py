"""What a request asks for: its statement, settings, parameters, and the data behind it."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from aiohttp import web

from streams.local.clickhouse.codec import Decoder
from streams.local.clickhouse.errors import (
    BAD_ARGUMENTS,
    NOT_IMPLEMENTED,
    QUERY_IS_TOO_LARGE,
    ClickHouseError,
    refusal,
)
from streams.local.clickhouse.statements import Statement, parse

#: Query-string names that belong to the interface; all others are settings, except `param_…`. `log_comment` is how
#: a request's work is found again when it must stop.
_OWN = frozenset(
    {
        "query",
        "user",
        "password",
        "database",
        "default_format",
        "session_id",
        "session_timeout",
        "session_check",
        "close_session",
        "query_id",
        "quota_key",
        "compress",
        "decompress",
        "wait_end_of_query",
        "buffer_size",
        "client_protocol_version",
        "role",
        "enable_http_compression",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "network_compression_method",
        "http_zlib_compression_level",
        "stacktrace",
        "http_make_head_request",
        "log_comment",
    }
)
_PARAMETER = "param_"
_LARGEST_QUERY = 16 << 20
_HEAD_BYTES = 1 << 16


@dataclass(frozen=True)
class Question:
    """A request, read.

    Attributes:
        statement: to run.
        arguments: the query string, and the form's fields.
        body: the rest of an INSERT's data, plain.
    """

    statement: Statement
    arguments: Mapping[str, str]
    headers: Mapping[str, str]
    body: AsyncIterator[bytes]

    @property
    def parameters(self) -> dict[str, str]:
        """Values of `{name:Type}`, escaped as in TSV."""
        cut = len(_PARAMETER)
        return {name[cut:]: value for name, value in self.arguments.items() if name.startswith(_PARAMETER)}

    @property
    def settings(self) -> dict[str, str]:
        """ClickHouse settings for this statement."""
        return {
            name: value
            for name, value in self.arguments.items()
            if name not in _OWN and not name.startswith(_PARAMETER)
        }

    @property
    def database(self) -> str:
        """Default database of unqualified names; empty when the request names none."""
        return self.arguments.get("database") or self.headers.get("X-ClickHouse-Database", "")

    @property
    def output(self) -> str:
        """Format of the answer."""
        asked = self.arguments.get("default_format") or self.headers.get("X-ClickHouse-Format")
        return self.statement.format or asked or "TabSeparated"

    @property
    def revision(self) -> int:
        """Revision of the Native format that the client reads; 0 for the first."""
        text = self.arguments.get("client_protocol_version", "")
        return int(text) if text.isdecimal() else 0


async def read(http: web.Request) -> Question:
    """Read a request up to where an INSERT's data begin.

    Raises:
        ClickHouseError: the statement is not one, is too long, or may not be run here.
    """
    if http.query.get("decompress") == "1" or http.query.get("compress") == "1":
        reason = "ClickHouse's own compressed blocks are not spoken here: use Accept-Encoding and Content-Encoding."
        raise refusal(NOT_IMPLEMENTED, reason)
    if http.content_type == "multipart/form-data":
        arguments = {**http.query, **await _form(http)}
        body = _nothing()
    else:
        arguments = dict(http.query)
        body = _plain(http)
    statement = await _statement(arguments.get("query", ""), body)
    return Question(statement, arguments, http.headers, body)


async def _statement(query: str, body: AsyncIterator[bytes]) -> Statement:
    sql = bytearray(query.strip().encode() + b"\n" if query.strip() else b"")
    async for piece in body:
        sql += piece
        if len(sql) >= _HEAD_BYTES and (found := _begun_insert(bytes(sql))):
            return found
        if len(sql) > _LARGEST_QUERY:
            raise refusal(QUERY_IS_TOO_LARGE, "Max query size exceeded.")
    return parse(bytes(sql))


def _begun_insert(sql: bytes) -> Statement | None:
    try:
        found = parse(sql)
    except ClickHouseError:  # cut in the middle of something; the whole decides
        return None
    return None if found.data is None else found


async def _plain(http: web.Request) -> AsyncIterator[bytes]:
    decoder = Decoder(http.headers.get("Content-Encoding", "").strip().lower())
    async for piece in http.content.iter_any():
        if plain := decoder.feed(piece):
            yield plain


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


async def _form(http: web.Request) -> dict[str, str]:
    post = await http.post()
    fields = {name: value for name, value in post.items() if isinstance(value, str)}
    if len(fields) < len(post):
        raise refusal(BAD_ARGUMENTS, "External tables are not supported here: use a temporary table in a session.")
    return fields
