"""Just enough of ClickHouse's lexer to see what a statement is, where its data begin and what it may not name."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from streams.local.clickhouse.errors import ACCESS_DENIED, READONLY, SYNTAX_ERROR, refusal

_TOKEN = re.compile(
    rb"(?P<skip>\s+|--[^\n]*|\#[ !][^\n]*|/\*.*?\*/)"
    rb"|(?P<text>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|'(?:[^'\\]|\\.|'')*'|\xe2\x80\x98.*?\xe2\x80\x99)"
    rb'|(?P<name>`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*"|\xe2\x80\x9c.*?\xe2\x80\x9d)'
    rb"|(?P<word>\w[\w$]*)|(?P<sign>.)",
    re.DOTALL,
)
#: What no grant of ClickHouse's covers and what reaches files, programs or other hosts, when an argument list follows.
_HOST_FUNCTION = re.compile(
    rb"(file|executable|executablepool|python|arrowstream|filesystem|eval|hascolumnintable|embeddedrocksdb|filelog"
    rb"|ai[a-z]+)\Z"
)
_SUSPECT = re.compile(
    rb"(?i)\b(file|executable|python|arrowstream|filesystem|eval|hascolumnintable|embeddedrocksdb|filelog|outfile|infile"
    rb"|executablepool|ai[a-z]+)\b"
)
_READING = {"SELECT", "WITH", "FROM", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN", "CHECK"}
_STREAMING = {"SELECT", "WITH", "FROM"}
_SESSION = {"SET", "USE"}


@dataclass(frozen=True)
class Statement:
    """One statement, cut from the data that follow it.

    Attributes:
        text: the statement without inline data and without the INSERT's FORMAT clause.
        words: its top-level words in upper case.
        format: named by FORMAT (or `Values`), None when it names none.
        data: inline data of an INSERT, as far as read; None when the statement takes no data.
    """

    text: bytes
    words: tuple[str, ...]
    format: str | None
    data: bytes | None

    @property
    def reads(self) -> bool:
        """Whether it answers with rows and changes nothing."""
        return self.words[0] in _READING

    @property
    def streams(self) -> bool:
        """Whether the engine can hand its result out piece by piece."""
        return self.words[0] in _STREAMING

    def require_read(self) -> None:
        """Let only reading statements and SET and USE through.

        Raises:
            ClickHouseError: 164, READONLY.
        """
        if not self.reads and self.words[0] not in _SESSION:
            raise refusal(READONLY, "Cannot execute query in readonly mode.")


def parse(sql: bytes) -> Statement:
    """Take a statement apart.

    Raises:
        ClickHouseError: it is empty, there is a second one behind it, or it reaches outside the database.
    """
    words: list[str] = []
    format_at: int | None = None
    name: str | None = None
    inserting = False
    depth = 0
    previous = b""
    ended = False
    for token in _TOKEN.finditer(sql):
        if token["skip"] is not None:
            continue
        value = token[0]
        if not words and value == b"(":
            words.append("SELECT")
        if ended:
            raise refusal(SYNTAX_ERROR, "Syntax error (Multi-statements are not allowed).")
        if value == b";":
            ended = True
            continue
        depth += (value == b"(") - (value == b")")
        if previous == b"FORMAT" and depth == 0 and token["word"] is not None and format_at is not None:
            name = value.decode(errors="replace")
            if inserting:
                return _with_data(sql, format_at, token.end(), words, name)
        elif token["word"] is not None and depth == 0 and not value[:1].isdigit():
            words.append(value.upper().decode(errors="replace"))
            inserting = words[0] == "INSERT" and not {"SELECT", "WITH"} & set(words)
            if words[-1] == "FORMAT":
                format_at = token.start()
            if words[-1] == "VALUES" and inserting:
                return _with_data(sql, token.start(), token.end(), words, "Values")
        previous = value.upper()
    if not words:
        raise refusal(SYNTAX_ERROR, "Syntax error: Empty query.")
    forbid_host(sql)
    return Statement(sql.strip(), tuple(words), name, None)


def _with_data(sql: bytes, clause: int, end: int, words: list[str], name: str) -> Statement:
    forbid_host(sql[:clause])
    start = end
    while sql[start : start + 1] in {b" ", b"\t", b"\r"}:
        start += 1
    if sql[start : start + 1] == b"\n":
        start += 1
    return Statement(sql[:clause].strip(), tuple(words), name, sql[start:])


def forbid_host(sql: bytes) -> None:
    """Refuse statements that would read or write files of the host, run programs or open connections.

    Table functions and engines are refused by the engine's own grants; this covers what has no grant.

    Raises:
        ClickHouseError: 497, ACCESS_DENIED.
    """
    if not _SUSPECT.search(sql):
        return
    named = b""
    for value in _names_and_signs(sql):
        if (value == b"(" and _HOST_FUNCTION.match(named)) or value in {b"outfile", b"infile"}:
            msg = "not allowed here: it reaches files, programs or other hosts."
            raise refusal(ACCESS_DENIED, f"{(named if value == b'(' else value).decode()} is {msg}")
        named = value


def _names_and_signs(sql: bytes) -> Iterator[bytes]:
    for token in _TOKEN.finditer(sql):
        if token["skip"] is None:
            yield token[0].strip(b'`"').lower()
