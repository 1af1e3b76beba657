"""An answer in encoded pieces, made on a worker thread."""

import json
import re
from collections.abc import Iterator
from time import monotonic

from streams.local.clickhouse import native
from streams.local.clickhouse.codec import Encoder
from streams.local.clickhouse.engine import Connection
from streams.local.clickhouse.errors import ClickHouseError
from streams.local.clickhouse.request import Question

#: Formats without header, footer or length, whose pieces can be sent as they come.
_PIECEWISE = frozenset(
    {
        "native",
        "tsv",
        "tabseparated",
        "tsvraw",
        "tabseparatedraw",
        "csv",
        "rowbinary",
        "jsoneachrow",
        "jsoncompacteachrow",
        "jsonlines",
        "ndjson",
        "lineasstring",
        "null",
    }
)
_FORMAT_CLAUSE = re.compile(rb"(?i)\s+FORMAT\s+\w+\s*;?\s*\Z")
_PIECE_S = 0.1


class Result:
    """Runs a statement and hands its answer out.

    Attributes:
        rows: handed out so far, as far as the engine tells.
        size: bytes before compression.
    """

    def __init__(self, connection: Connection, question: Question, encoder: Encoder) -> None:
        self._question = question
        self._connection = connection
        self._encoder = encoder
        self._chunks: Iterator[tuple[bytes, int]] | None = None
        self.rows = 0
        self.size = 0

    def pull(self, limit: int) -> tuple[bytes, bool]:
        """About `limit` bytes, fewer when they take long; and whether the answer ended.

        Raises:
            ClickHouseError: what the engine said.
        """
        if self._chunks is None:
            self._chunks = self._run()
        taken: list[bytes] = []
        size, until = 0, monotonic() + _PIECE_S
        while size < limit and not (size and monotonic() > until):
            chunk = next(self._chunks, None)
            if chunk is None:
                return b"".join(taken) + self._encoder.finish(), True
            data, rows = chunk
            taken.append(self._encoder.feed(data))
            size += len(data)
            self.rows += rows
            self.size += len(data)
        return b"".join(taken), False

    def close(self) -> None:
        """Give up what was not pulled."""
        if isinstance(self._chunks, Iterator) and hasattr(self._chunks, "close"):
            self._chunks.close()

    def _run(self) -> Iterator[tuple[bytes, int]]:
        question, output = self._question, self._question.output
        text = question.statement.text
        if question.statement.streams and output.lower() in _PIECEWISE:
            chunks = self._connection.stream(text, output, question.parameters)
            yield from self._reframed(chunks) if output == "Native" and question.revision else chunks
            return
        data = self._connection.query(text, output, question.parameters)
        if data:
            yield native.reframe(data, question.revision, one=False) if output == "Native" else data, 0

    def _reframed(self, chunks: Iterator[tuple[bytes, int]]) -> Iterator[tuple[bytes, int]]:
        types: list[str] | None = None
        for data, rows in chunks:
            if types is None:
                types = self._types() if native.has_plain_date_time(data) else []
            yield native.reframe(data, self._question.revision, types), rows

    def _types(self) -> list[str]:
        """Types of the answer's columns, which the engine's Native format shortens; asked on another connection."""
        text = _FORMAT_CLAUSE.sub(b"", self._question.statement.text).rstrip(b"; \n")
        other = self._connection.twin()
        try:
            rows = other.query(b"DESCRIBE TABLE (" + text + b"\n)", "JSONCompactEachRow", self._question.parameters)
            return [json.loads(row)[1] for row in rows.splitlines()]
        except ClickHouseError:  # it names a temporary table: the client shows UTC
            return []
        finally:
            other.close()
