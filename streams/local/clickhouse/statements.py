"""Just enough of ClickHouse's lexer to see what a statement is, where its data begin and what it may not name."""

import re
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
#: What takes the name of a function as its argument.
_TAKES_FUNCTIONS = re.compile(rb"(apply|array[a-z]+|map[a-z]+)\Z")
#: What parts the format's name from the data: blanks and one line end.
_LINE_END = re.compile(rb"\A[ \t\r]*\n?")
_READING = {"SELECT", "WITH", "FROM", "SHOW", "DESCRIBE", "DESC", "EXISTS", "EXPLAIN", "CHECK"}
_STREAMING = {"SELECT", "WITH", "FROM"}
_SESSION = {"SET", "USE"}
_WRITING = {"INSERT", "CREATE", "ALTER", "DROP", "TRUNCATE", "RENAME", "EXCHANGE", "OPTIMIZE", "SYSTEM", "ATTACH"}
_WRITING |= {"DETACH", "KILL", "GRANT", "REVOKE", "DELETE", "UPDATE", "BACKUP", "RESTORE", "UNDROP", "MOVE", "REPLACE"}


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
            ClickHouseError: 164, READONLY; 62, SYNTAX_ERROR, for a first word that begins no statement.
        """
        first = self.words[0]
        if first in _WRITING:
            raise refusal(READONLY, "Cannot execute query in readonly mode.")
        if not self.reads and first not in _SESSION:
            raise refusal(
                SYNTAX_ERROR, f"Syntax error: no statement begins with {first!r}; expected SELECT, WITH, SHOW, …"
            )


def parse(sql: bytes) -> Statement:
    """Take a statement apart.

    Raises:
        ClickHouseError: it is empty, there is a second one behind it, or it reaches outside the database.
    """
    scan = _Scan()
    for token in _TOKEN.finditer(sql):
        if token["skip"] is None and scan.ends_at(token):
            break
    if not scan.words:
        raise refusal(SYNTAX_ERROR, "Syntax error: Empty query.")
    end = len(sql) if scan.data_at is None else scan.clause_at
    forbid_host(sql[:end])
    data = None if scan.data_at is None else _LINE_END.sub(b"", sql[scan.data_at :], count=1)
    return Statement(sql[:end].strip(), tuple(scan.words), scan.format, data)


class _Scan:
    """State of reading a statement's tokens from left to right."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.format: str | None = None
        self.clause_at = 0
        self.data_at: int | None = None
        self._depth = 0
        self._previous = b""
        self._ended = False

    def ends_at(self, token: re.Match[bytes]) -> bool:
        """Take the next token; true when data follow it."""
        value = token[0]
        if self._ended:
            raise refusal(SYNTAX_ERROR, "Syntax error (Multi-statements are not allowed).")
        self._ended = value == b";"
        if not self.words and value == b"(":
            self.words.append("SELECT")
        self._depth += (value == b"(") - (value == b")")
        if self._depth == 0 and token["word"] is not None:
            self._take_word(token)
        self._previous = value.upper()
        return self.data_at is not None

    def _take_word(self, token: re.Match[bytes]) -> None:
        value = token[0]
        if self._previous == b"FORMAT" and self.words:
            self.format = value.decode(errors="replace")
            self.data_at = token.end() if self._inserts else None
            return
        word = value.upper().decode(errors="replace")
        self.words.append(word)
        if word == "FORMAT":
            self.clause_at = token.start()
        elif word == "VALUES" and self._inserts:
            self.format, self.clause_at, self.data_at = "Values", token.start(), token.end()

    @property
    def _inserts(self) -> bool:
        return self.words[0] == "INSERT" and not {"SELECT", "WITH"} & set(self.words)


def forbid_host(sql: bytes) -> None:
    """Refuse statements that would read or write files of the host, run programs or open connections.

    Table functions and engines are refused by the engine's own grants; this covers what has no grant and gives it
    ClickHouse's code. What it overlooks (expressions within strings) meets the confinement of the process.

    Raises:
        ClickHouseError: 497, ACCESS_DENIED.
    """
    if not _SUSPECT.search(sql):
        return
    tokens = [
        b"",
        b"",
        *(token[0].strip(b'`"').lower() for token in _TOKEN.finditer(sql) if token["skip"] is None),
        b"",
    ]
    for at in range(2, len(tokens) - 1):
        if _is_forbidden(tokens, at):
            reason = "is not allowed here: it reaches files, programs or other hosts."
            raise refusal(ACCESS_DENIED, f"{tokens[at].decode(errors='replace')} {reason}")


def _is_forbidden(tokens: list[bytes], at: int) -> bool:
    if tokens[at] in {b"outfile", b"infile"}:
        return True
    if not _HOST_FUNCTION.match(tokens[at]):
        return False
    caller = tokens[at - 2] if tokens[at - 1] == b"(" else tokens[at - 1]
    return tokens[at + 1] == b"(" or _TAKES_FUNCTIONS.match(caller) is not None
