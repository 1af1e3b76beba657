"""What the local endpoint adds to the contract: nothing of the host can be reached through it."""

import ctypes
import http.client
import struct
import threading
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from streams.clickhouse import parse_url
from streams.local import LocalServices


@pytest.fixture(scope="module")
def local_url(services: LocalServices) -> str:
    return str(services.urls["clickhouse_url"])


def ask(url: str, sql: str, query: str = "") -> tuple[int, dict[str, str], bytes]:
    """One POST; status, headers in lower case, body."""
    arguments = parse_url(url)
    connection = http.client.HTTPConnection(arguments["host"], arguments["port"], timeout=20)
    login = {"X-ClickHouse-User": arguments["username"], "X-ClickHouse-Key": arguments["password"]}
    connection.request("POST", "/?" + query, body=sql.encode(), headers=login)
    answer = connection.getresponse()
    headers = {name.lower(): value for name, value in answer.getheaders()}
    body = answer.read()
    connection.close()
    return answer.status, headers, body


@pytest.mark.parametrize("user", ["clickhouse_url", "clickhouse_reader_url"])
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM file('/etc/passwd', 'LineAsString')",
        "SELECT file('/etc/passwd')",
        "SELECT `file`('/etc/passwd')",
        "SELECT 'it''s', \"file\" /* ( */ ('/etc/passwd')",
        "SELECT $$'$$, file('/etc/passwd'), $$'$$",
        "SELECT ‘'’, file('/etc/passwd'), ‘'’",
        "SELECT a$b$c, file('/etc/passwd'), a$b$c",
        "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
        "SELECT * FROM remote('127.0.0.1:1', 'system', 'one')",
        "SELECT * FROM s3('http://127.0.0.1:1/bucket/key', 'CSV', 'a Int8')",
        "SELECT * FROM executable('ls', 'TSV', 'a String')",
        "SELECT * FROM python('os')",
        "SELECT * FROM sqlite('/tmp/a.db', 't')",
        "SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')",
        "SELECT * FROM default.`/etc/passwd`",
        "SELECT 1 INTO OUTFILE '/tmp/never'",
        "SELECT arrayMap(file, ['/etc/passwd'])",
        "SELECT * APPLY file FROM (SELECT '/etc/passwd')",
        "SELECT * APPLY(`file`) FROM (SELECT '/etc/passwd')",
        "SELECT hasColumnInTable('127.0.0.1:1', 'system', 'one', 'dummy')",
    ],
)
def test_the_host_is_out_of_reach(services: LocalServices, user: str, sql: str) -> None:
    status, headers, body = ask(services.urls[user], sql)
    assert status >= 400
    assert headers["x-clickhouse-exception-code"] in {"497", "481"}
    assert b"root:" not in body


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO FUNCTION file('/tmp/never', 'CSV', 'a Int8') VALUES (1)",
        "CREATE TABLE never (a Int8) ENGINE = URL('http://127.0.0.1:1', 'CSV')",
        "CREATE TABLE never (a Int8) ENGINE = File(CSV, '/tmp/never')",
        "CREATE TABLE never (a Int8) ENGINE = EmbeddedRocksDB(0, '/tmp/never') PRIMARY KEY a",
        "CREATE DATABASE never ENGINE = SQLite('/tmp/never')",
        "CREATE VIEW never AS SELECT file('/etc/passwd')",
        "CREATE FUNCTION never AS x -> x",
        "CREATE USER never",
        "GRANT ALL ON *.* TO default",
        "BACKUP DATABASE pulse TO Disk('default', 'never')",
        "DROP DATABASE system",
        "SYSTEM SHUTDOWN",
    ],
)
def test_the_writer_stays_inside_the_database(local_url: str, sql: str) -> None:
    assert ask(local_url, sql)[1]["x-clickhouse-exception-code"] == "497"


def test_columns_may_be_called_file(local_url: str) -> None:
    assert ask(local_url, "WITH file AS (SELECT 1 AS file) SELECT max(file) FROM file WHERE file IN (1)")[2] == b"1\n"


def has_landlock() -> bool:
    return int(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), 1)) > 0


@pytest.mark.skipif(not has_landlock(), reason="this kernel has no Landlock, or forbids it")
@pytest.mark.parametrize("path", ["/etc/passwd", "{data}/credentials.json", "{data}/local.json", "/proc/self/environ"])
def test_the_kernel_refuses_what_the_lexer_overlooks(services: LocalServices, path: str) -> None:
    file = path.format(data=Path(f"/proc/{services.pid}/cwd").resolve())
    sql = f"SELECT * FROM format(Values, 's String', '(fi\\x6ce(''{file}''))')"
    status, headers, body = ask(services.urls["clickhouse_reader_url"], sql)
    assert (status, headers["x-clickhouse-exception-code"]) == (500, "76")
    assert b"Permission denied" in body


def test_values_cannot_read_files(local_url: str) -> None:
    ask(local_url, "CREATE TABLE IF NOT EXISTS notes (s String) ENGINE = MergeTree ORDER BY s")
    assert ask(local_url, "INSERT INTO notes VALUES (file('/etc/passwd'))")[1]["x-clickhouse-exception-code"] == "497"
    assert ask(local_url, "INSERT INTO notes FORMAT values (file('/etc/passwd'))")[0] == 403
    assert ask(local_url, "INSERT INTO notes VALUES ('the word file (1) is fine')")[0] == 200
    assert ask(local_url, "SELECT count() FROM notes WHERE s LIKE '%file (%'")[2] == b"1\n"
    ask(local_url, "DROP TABLE notes")


@pytest.mark.parametrize("setting", ["allow_python_table_function", "implicit_select"])
def test_limits_cannot_be_lifted(local_url: str, setting: str) -> None:
    assert ask(local_url, f"SET {setting} = 1")[0] >= 400
    assert ask(local_url, "SELECT 1", f"{setting}=1")[0] >= 400


def test_memory_of_a_query_is_limited(local_url: str) -> None:
    sql = "SELECT length(groupArray(toString(number))) FROM numbers(1000000000)"
    assert ask(local_url, sql, "max_memory_usage=100000000")[1]["x-clickhouse-exception-code"] == "241"


def test_a_client_that_leaves_stops_its_query(local_url: str, writer: Client) -> None:
    arguments = parse_url(local_url)
    connection = http.client.HTTPConnection(arguments["host"], arguments["port"], timeout=20)
    login = {"X-ClickHouse-User": arguments["username"], "X-ClickHouse-Key": arguments["password"]}
    endless = "SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 77"
    connection.request("POST", "/", body=endless, headers=login)
    running = "SELECT count() FROM system.processes WHERE query LIKE '%= 77%' AND query NOT LIKE '%processes%'"

    def reaches(count: bytes) -> bool:
        return any(ask(local_url, running)[2] == count or threading.Event().wait(0.05) for _ in range(200))

    assert reaches(b"1\n")
    connection.close()
    assert reaches(b"0\n")
    assert writer.command("SELECT 1") == 1


def test_sessions_never_mix_answers(local_url: str) -> None:
    broken = ask(
        local_url, "SELECT throwIf(number = 100000), number FROM numbers(200000) FORMAT JSON", "session_id=mixed"
    )
    assert broken[1]["x-clickhouse-exception-code"] == "395"
    assert ask(local_url, "SELECT 1", "session_id=mixed")[2] == b"1\n"
    assert ask(local_url, "SELECT 2", "session_id=mixed&session_timeout=1&close_session=1")[2] == b"2\n"
    assert ask(local_url, "SELECT 3", "session_id=mixed&session_check=1")[1]["x-clickhouse-exception-code"] == "372"


TYPED = """SELECT number AS n, toString(number) AS s, toDateTime('2024-01-01 08:00:00', 'Asia/Shanghai') AS t,
    toLowCardinality(toString(number % 3)) AS lc, CAST(if(number % 2, NULL, number), 'Nullable(UInt64)') AS nu,
    [toDecimal128(number, 6)] AS a, map('k', number) AS m, (number, [toLowCardinality('x')]) AS tu,
    toFixedString('abc', 3) AS f, CAST('a', 'Enum8(\\'a\\' = 1, \\'b,(\\' = 2)') AS e, [(1, 'x')] AS ne,
    toDateTime64('2024-01-01 08:00:00.5', 3, 'UTC') AS d FROM numbers(5)"""


@pytest.mark.parametrize("revision", [0, 54405, 54460])
def test_native_blocks_follow_the_revision(local_url: str, revision: int) -> None:
    query = f"default_format=Native&client_protocol_version={revision}&session_timezone=UTC"
    body = ask(local_url, TYPED, query)[2]
    header = struct.pack("<BBBiB", 1, 0, 2, -1, 0) if revision else b""
    assert body.startswith(header + bytes([12, 5]))
    flag = b"\0" if revision == 54460 else b""
    zoned = b"\x01t" + (b"\x19DateTime('Asia/Shanghai')" if revision else b"\x08DateTime") + flag
    assert zoned in body
    for name, kind in [
        ("n", "UInt64"),
        ("lc", "LowCardinality(String)"),
        ("f", "FixedString(3)"),
        ("d", "DateTime64(3, 'UTC')"),
    ]:
        assert bytes([len(name)]) + name.encode() + bytes([len(kind)]) + kind.encode() + flag in body
    last = bytes([1]) + b"d" + bytes([20]) + b"DateTime64(3, 'UTC')" + flag
    assert len(body) - body.index(last) - len(last) == 5 * 8


def test_unspoken_dialects_are_refused(local_url: str) -> None:
    assert ask(local_url, "SELECT 1", "compress=1")[1]["x-clickhouse-exception-code"] == "48"


def test_errors_in_the_driver_carry_the_version(writer: Client) -> None:
    with pytest.raises(DatabaseError, match=r"\(version \d+\."):
        writer.query("SELECT nope")
