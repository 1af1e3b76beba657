"""What the product needs of ClickHouse over HTTP; holds for the local endpoint and for a real server alike."""

import asyncio
import gzip
import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import uuid4

import clickhouse_connect
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from streams.clickhouse import parse_url

NOON = datetime(2024, 2, 29, 12, 30, 15, 123456, tzinfo=UTC)
HOSTILE = ["it's", 'say "x"', "back\\slash", "tab\there", "line\nbreak", "`tick`", "); DROP TABLE x; --", "中文 ✓", ""]


def http(
    url: str, query: dict[str, str], *, body: bytes | None = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """A plain request, as curl sends it; status, headers in lower case, body."""
    arguments = parse_url(url)
    login = {"X-ClickHouse-User": arguments["username"], "X-ClickHouse-Key": arguments["password"]}
    scheme = "https" if arguments["secure"] else "http"
    address = f"{scheme}://{arguments['host']}:{arguments['port']}/?{urllib.parse.urlencode(query)}"
    request = urllib.request.Request(address, data=body, headers={**login, **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()


def code_of(error: pytest.ExceptionInfo[DatabaseError]) -> str:
    """ClickHouse's number in a driver error, as text."""
    return str(error.value).split("code: ", 1)[1].split(",", 1)[0]


# --- queries -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE)
def test_bound_parameters_arrive_as_they_are(writer: Client, text: str) -> None:
    sql = "SELECT {text:String}, length({text:String}), {n:Int32}, {day:Date}, {amount:Decimal(38, 6)}"
    row = writer.query(
        sql, parameters={"text": text, "n": -7, "day": date(2024, 2, 29), "amount": Decimal("0.1")}
    ).first_row
    assert row == (text, len(text.encode()), -7, date(2024, 2, 29), Decimal("0.1"))


def test_bound_lists_and_moments(writer: Client) -> None:
    sql = "SELECT has({ids:Array(String)}, 'b'), {at:DateTime64(6, 'UTC')}, {none:Nullable(String)}"
    row = writer.query(
        sql, parameters={"ids": ["a'", "b"], "at": NOON, "none": None}, column_formats=None, query_tz="UTC"
    ).first_row
    assert row[0] == 1
    assert row[1].replace(tzinfo=UTC) == NOON
    assert row[2] is None


def test_types_survive_the_way_out(writer: Client) -> None:
    sql = """SELECT toDecimal128('11798987642.195417', 6), CAST(NULL, 'Nullable(Int64)'), [1, 2],
        (1, 'a'), map('k', 2), toLowCardinality('x'), toDate32('1969-12-31'), toUInt64(18446744073709551615),
        [tuple('p', toDecimal128('1.5', 6))], toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0'), true"""
    row = writer.query(sql).first_row
    assert row[0] == Decimal("11798987642.195417")
    assert row[1:6] == (None, [1, 2], (1, "a"), {"k": 2}, "x")
    assert row[6:9] == (date(1969, 12, 31), 18446744073709551615, [("p", Decimal("1.5"))])
    assert str(row[9]) == "61f0c404-5cb3-11e7-907b-a6006ad3dba0"
    assert row[10] is True


def test_moments_keep_their_zone(writer: Client) -> None:
    sql = """SELECT toDateTime('2024-01-01 08:00:00', 'Asia/Shanghai'),
        toDateTime64('2024-01-01 08:00:00.5', 3, 'Asia/Shanghai')"""
    for moment in writer.query(sql).first_row:
        assert moment.utcoffset().total_seconds() == 8 * 3600
        assert moment.hour == 8


def test_settings_reach_the_statement_and_stay_there(writer: Client) -> None:
    sql = "SELECT toInt64(getSetting('max_block_size')), toInt64(getSetting('max_partitions_per_insert_block'))"
    assert writer.query(sql, settings={"max_block_size": 1234, "max_partitions_per_insert_block": 7}).first_row == (
        1234,
        7,
    )
    assert writer.query(sql).first_row != (1234, 7)


def test_empty_results_keep_their_columns(writer: Client) -> None:
    result = writer.query("SELECT number AS n, toString(number) AS s FROM numbers(0)")
    assert result.result_rows == []
    assert result.column_names in {("n", "s"), ()}
    assert writer.query_arrow("SELECT number AS n FROM numbers(0)").num_rows == 0


def test_arrow_out(writer: Client) -> None:
    sql = "SELECT number AS n, toDecimal128(number, 6) AS d, toString(number) AS s FROM numbers(100000) ORDER BY n"
    answer = writer.query_arrow(sql, use_strings=True)
    assert answer.num_rows == 100_000
    assert answer.slice(99_999, 1).to_pylist() == [{"n": 99_999, "d": Decimal("99999.000000"), "s": "99999"}]


def test_streams_hand_out_blocks(writer: Client) -> None:
    with writer.query_row_block_stream(
        "SELECT number FROM numbers(500000)", settings={"max_block_size": 50_000}
    ) as rows:
        sizes = [len(block) for block in rows]
    assert sum(sizes) == 500_000
    assert len(sizes) > 3
    with writer.query_arrow_stream("SELECT number FROM numbers(100000)") as batches:
        assert sum(batch.num_rows for batch in batches) == 100_000


def test_a_stream_left_early_frees_the_server(writer: Client) -> None:
    with writer.query_row_block_stream("SELECT number FROM numbers(50000000)") as rows:
        next(iter(rows))
    assert writer.query("SELECT 1").first_row == (1,)


@pytest.mark.parametrize("method", ["lz4", "zstd", "gzip", "br", False])
def test_compression_both_ways(writer_url: str, database: str, table: str, method: Any) -> None:
    if method == "br":
        pytest.importorskip("brotli")
    client = clickhouse_connect.get_client(**{**parse_url(writer_url), "database": database}, compress=method)
    client.command(f"CREATE TABLE {table} (n UInt64, s String) ENGINE = MergeTree ORDER BY n")
    client.insert(table, [[n, f"value {n % 7}"] for n in range(20_000)], column_names=["n", "s"])
    assert client.query(f"SELECT count(), sum(n), uniqExact(s) FROM {table}").first_row == (20_000, 199_990_000, 7)
    assert len(client.query(f"SELECT s FROM {table}").result_rows) == 20_000
    client.close()


# --- inserts -------------------------------------------------------------------------------------------------------


def test_native_insert(writer: Client, table: str) -> None:
    writer.command(
        f"CREATE TABLE {table} (id UInt64, at DateTime64(6, 'UTC'), amount Decimal(38, 6), name LowCardinality(String),"
        " note Nullable(String), tags Array(String), lines Array(Tuple(product String, quantity Decimal(38, 6))))"
        " ENGINE = MergeTree ORDER BY id"
    )
    row = [1, NOON, Decimal("-0.000001"), "n", None, HOSTILE, [("p", Decimal("2.5"))]]
    summary = writer.insert(table, [row], column_names=["id", "at", "amount", "name", "note", "tags", "lines"])
    assert summary.written_rows == 1
    stored = writer.query(f"SELECT amount, name, note, tags, toUnixTimestamp64Micro(at), lines.1, lines.2 FROM {table}")
    micro = int(NOON.timestamp()) * 1_000_000 + NOON.microsecond
    assert stored.first_row == (Decimal("-0.000001"), "n", None, HOSTILE, micro, ["p"], [Decimal("2.5")])


def arrow_rows(count: int, first: int = 0) -> pa.Table:
    """Rows with every type that the engine writes."""
    line = pa.struct([("product", pa.string()), ("quantity", pa.decimal128(38, 6))])
    return pa.table(
        {
            "id": pa.array(range(first, first + count), pa.uint64()),
            "at": pa.array([NOON] * count, pa.timestamp("us", "UTC")),
            "day": pa.array([NOON.date()] * count, pa.date32()),
            "amount": pa.array([Decimal("11798987642.195417")] * count, pa.decimal128(38, 6)),
            "rate": pa.array([None] * count, pa.decimal128(38, 6)),
            "team": pa.array(["north"] * count, pa.string()),
            "lines": pa.array([[{"product": "p", "quantity": Decimal("1.5")}]] * count, pa.list_(line)),
            "raw": pa.array([b"\xff\x00raw"] * count, pa.binary()),
        }
    )


ARROW_COLUMNS = (
    "id UInt64, at DateTime64(6, 'UTC'), day Date32, amount Decimal(38, 6), rate Nullable(Decimal(38, 6)),"
    " team LowCardinality(String), lines Array(Tuple(product String, quantity Decimal(38, 6))), raw String"
)


def test_arrow_insert_is_exact_and_replaces(writer: Client, table: str) -> None:
    writer.command(
        f"CREATE TABLE {table} ({ARROW_COLUMNS}, version UInt64 DEFAULT 1) ENGINE = ReplacingMergeTree(version)"
        " PARTITION BY toYear(at) ORDER BY id"
    )
    for _ in range(2):
        assert (
            writer.insert_arrow(
                table, arrow_rows(10_000), settings={"max_partitions_per_insert_block": 500}
            ).written_rows
            == 10_000
        )
    row = writer.query(
        "SELECT count(), sum(amount), countIf(rate IS NULL), any(lines), any(hex(raw)), any(toString(at))"
        f" FROM {table} FINAL"
    ).first_row
    assert row[:3] == (10_000, Decimal("117989876421954.170000"), 10_000)
    assert row[3:] == ([{"product": "p", "quantity": Decimal("1.5")}], "FF00726177", "2024-02-29 12:30:15.123456")
    writer.command(f"OPTIMIZE TABLE {table} FINAL")
    assert writer.query(f"SELECT count() FROM {table}").first_row == (10_000,)


def test_a_wrong_insert_writes_nothing(writer: Client, table: str) -> None:
    writer.command(f"CREATE TABLE {table} (n UInt8) ENGINE = MergeTree ORDER BY n")
    with pytest.raises(DatabaseError):
        writer.raw_insert(table, ["n"], b"1\n2\nthree\n", fmt="TSV")
    with pytest.raises(DatabaseError):
        writer.insert_arrow(table, pa.table({"other": [1]}))
    assert writer.query(f"SELECT count() FROM {table}").first_row == (0,)


def test_text_inserts(writer: Client, writer_url: str, database: str, table: str) -> None:
    writer.command(f"CREATE TABLE {table} (n UInt64, s String) ENGINE = MergeTree ORDER BY n")
    writer.command(f"INSERT INTO {table} VALUES (1, 'a;b'), (1 + 1, concat('x', 'y'))")
    writer.command(f"INSERT INTO {table} SELECT number + 3, 'sel' FROM numbers(2)")
    writer.raw_insert(table, ["n", "s"], '{"n": 5, "s": "json"}\n', fmt="JSONEachRow")
    body = gzip.compress(b'6,csv\n7,"two\nlines"\n')
    query = {"query": f"INSERT INTO {table} FORMAT CSV", "database": database}
    assert http(writer_url, query, body=body, headers={"Content-Encoding": "gzip"})[0] == 200
    rows = writer.query(f"SELECT n, s FROM {table} ORDER BY n").result_rows
    assert rows == [(1, "a;b"), (2, "xy"), (3, "sel"), (4, "sel"), (5, "json"), (6, "csv"), (7, "two\nlines")]


def test_large_inserts_come_in_pieces(writer: Client, writer_url: str, database: str, table: str) -> None:
    writer.command(f"CREATE TABLE {table} (s String) ENGINE = MergeTree ORDER BY tuple()")
    body = b"".join(b"%d %s\n" % (n, b"x" * 100) for n in range(50_000))
    assert http(writer_url, {"query": f"INSERT INTO {table} FORMAT TSV", "database": database}, body=body)[0] == 200
    assert writer.query(f"SELECT count(), max(length(s)) FROM {table}").first_row == (50_000, 106)


# --- statements the product runs -----------------------------------------------------------------------------------


def test_comments_columns_and_tables_can_be_read_back(writer: Client, database: str, table: str) -> None:
    writer.command(f"CREATE TABLE {table} (n UInt64 COMMENT 'first') ENGINE = MergeTree ORDER BY n COMMENT 'kept'")
    writer.command(f"ALTER TABLE {table} COMMENT COLUMN n 'it''s the second'")
    writer.command(f"ALTER TABLE {table} ADD COLUMN m Nullable(String) COMMENT 'new'")
    sql = """SELECT name, type, comment FROM system.columns
        WHERE database = {d:String} AND table = {t:String} ORDER BY position"""
    names = {"d": database, "t": table}
    assert writer.query(sql, parameters=names).result_rows == [
        ("n", "UInt64", "it's the second"),
        ("m", "Nullable(String)", "new"),
    ]
    sql = "SELECT comment, engine FROM system.tables WHERE database = {d:String} AND name = {t:String}"
    assert writer.query(sql, parameters=names).first_row == ("kept", "MergeTree")


def test_views_joins_and_final(writer: Client, table: str) -> None:
    writer.command(
        f"CREATE TABLE {table} (k String, at DateTime, v UInt64) ENGINE = ReplacingMergeTree(v) ORDER BY (k, at)"
    )
    writer.command(f"INSERT INTO {table} VALUES ('a', '2024-01-01 00:00:00', 1), ('a', '2024-02-01 00:00:00', 2)")
    writer.command(f"INSERT INTO {table} VALUES ('a', '2024-02-01 00:00:00', 3)")
    writer.command(f"CREATE OR REPLACE VIEW {table}_view AS SELECT k, at, v FROM {table} FINAL")
    sql = f"""SELECT e.k, r.v FROM (SELECT 'a' AS k, toDateTime('2024-03-01 00:00:00') AS at) AS e
        ASOF LEFT JOIN {table}_view AS r ON e.k = r.k AND e.at >= r.at"""
    assert writer.query(sql).result_rows == [("a", 3)]
    assert writer.query(f"SELECT count(), sum(v) FROM {table}_view").first_row == (2, 4)
    writer.command(f"DROP VIEW {table}_view")


def test_commands_answer_with_values(writer: Client, table: str) -> None:
    assert writer.command("SELECT 41 + 1") == 42
    assert writer.command(f"EXISTS TABLE {table}") == 0
    writer.command(f"CREATE TABLE {table} (n UInt8) ENGINE = MergeTree ORDER BY n")
    assert "CREATE TABLE" in str(writer.command(f"SHOW CREATE TABLE {table}"))
    assert writer.command(f"EXISTS TABLE {table}") == 1


# --- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT nothing_of_this_name", "47"),
        ("SELECT * FROM no_such_table", "60"),
        ("SELECT no_such_function(1)", "46"),
        ("SELEC 1", "62"),
        ("SELECT 1; SELECT 2", "62"),
        ("SELECT throwIf(number = 3) FROM numbers(10)", "395"),
        ("SELECT {missing:String}", "456"),
    ],
)
def test_errors_carry_their_code(writer: Client, writer_url: str, sql: str, code: str) -> None:
    with pytest.raises(DatabaseError) as error:
        writer.query(sql)
    assert code_of(error) == code
    status, headers, body = http(writer_url, {}, body=sql.encode())
    assert status >= 400
    assert headers["x-clickhouse-exception-code"] == code
    assert body.startswith(f"Code: {code}. DB::Exception: ".encode())


def test_unknown_database_and_setting(writer_url: str) -> None:
    assert http(writer_url, {"query": "SELECT 1", "database": "no_such"})[1]["x-clickhouse-exception-code"] == "81"
    assert http(writer_url, {"query": "SELECT 1", "no_such": "1"})[1]["x-clickhouse-exception-code"] == "115"


def test_an_error_after_the_first_rows_is_not_a_whole_answer(writer: Client) -> None:
    sql = "SELECT throwIf(number = 4000000), toString(number) FROM numbers(5000000)"
    with (
        pytest.raises(Exception, match=r"395|throwIf|IncompleteRead|broken"),
        writer.query_row_block_stream(sql, settings={"max_block_size": 65_536, "max_threads": 1}) as rows,
    ):
        for _ in rows:
            pass
    assert writer.query("SELECT 1").first_row == (1,)


def test_wrong_passwords_are_refused(writer_url: str) -> None:
    arguments = parse_url(writer_url)
    with pytest.raises(DatabaseError) as error:
        clickhouse_connect.get_client(**{**arguments, "password": "wrong"})
    assert code_of(error) == "516"
    wrong = f"http://{arguments['username']}:wrong@{arguments['host']}:{arguments['port']}"
    status, headers, _ = http(wrong, {"query": "SELECT 1"})
    assert status in {401, 403}
    assert headers["x-clickhouse-exception-code"] == "516"


# --- the reader ----------------------------------------------------------------------------------------------------


def test_the_reader_reads(writer: Client, reader: Client, table: str) -> None:
    writer.command(f"CREATE TABLE {table} (n UInt64) ENGINE = MergeTree ORDER BY n")
    writer.command(f"INSERT INTO {table} SELECT number FROM numbers(1000)")
    sql = f"SELECT count() FROM {table} WHERE n < {{limit:UInt64}}"
    assert reader.query(sql, parameters={"limit": 10}, settings={"max_execution_time": 5}).first_row == (10,)
    assert reader.query_arrow(f"SELECT n FROM {table}").num_rows == 1000


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO {t} VALUES (1)",
        "DROP TABLE {t}",
        "TRUNCATE TABLE {t}",
        "ALTER TABLE {t} DELETE WHERE 1",
        "OPTIMIZE TABLE {t} FINAL",
        "CREATE TABLE {t}_2 (n UInt64) ENGINE = Memory",
        "CREATE DATABASE {t}_d",
        "SET readonly = 0",
    ],
)
def test_the_reader_cannot_write(writer: Client, reader: Client, table: str, sql: str) -> None:
    writer.command(f"CREATE TABLE {table} (n UInt64) ENGINE = MergeTree ORDER BY n")
    with pytest.raises(DatabaseError) as error:
        reader.command(sql.format(t=table))
    assert code_of(error) in {"164", "497"}


def test_the_reader_cannot_insert(writer: Client, reader: Client, table: str) -> None:
    writer.command(f"CREATE TABLE {table} (n UInt64) ENGINE = MergeTree ORDER BY n")
    with pytest.raises(DatabaseError) as error:
        reader.insert(table, [[1]], column_names=["n"])
    assert code_of(error) in {"164", "497"}
    with pytest.raises(DatabaseError) as error:
        reader.insert_arrow(table, pa.table({"n": pa.array([1], pa.uint64())}))
    assert code_of(error) in {"164", "497"}


def test_readonly_is_a_setting_too(writer: Client, writer_url: str, database: str, table: str) -> None:
    writer.command(f"CREATE TABLE {table} (n UInt64) ENGINE = MergeTree ORDER BY n")
    insert = f"INSERT INTO {table} SELECT 1"
    for query in ({"readonly": "1"}, {"readonly": "2"}):
        status, headers, _ = http(writer_url, {**query, "database": database}, body=insert.encode())
        assert (status >= 400, headers.get("x-clickhouse-exception-code")) == (True, "164")
    # a GET is read-only as well
    assert http(writer_url, {"query": insert, "database": database})[1]["x-clickhouse-exception-code"] == "164"
    assert writer.query(f"SELECT count() FROM {table}").first_row == (0,)


# --- sessions ------------------------------------------------------------------------------------------------------


@pytest.fixture
def session(writer_url: str, database: str) -> Iterator[Client]:
    """A client with a session of its own."""
    client = clickhouse_connect.get_client(**{**parse_url(writer_url), "database": database}, session_id=uuid4().hex)
    yield client
    client.close()


def test_sessions_keep_temporary_tables_and_settings(session: Client, writer: Client) -> None:
    session.command("CREATE TEMPORARY TABLE mine (n UInt64)")
    session.command("SET max_block_size = 4321")
    session.insert("mine", [[1], [2]], column_names=["n"])
    assert session.query("SELECT sum(n) FROM mine").first_row == (3,)
    block_size = "SELECT toInt64(getSetting('max_block_size'))"
    assert session.query(block_size, settings={"max_block_size": 99}).first_row == (99,)
    assert session.query(block_size).first_row == (4321,)
    assert writer.query(block_size).first_row != (4321,)
    with pytest.raises(DatabaseError) as error:
        writer.query("SELECT sum(n) FROM mine")
    assert code_of(error) == "60"


def test_sessions_survive_an_error(session: Client) -> None:
    session.command("CREATE TEMPORARY TABLE mine (n UInt64)")
    with pytest.raises(DatabaseError):
        session.query("SELECT nothing_of_this_name")
    assert session.query("SELECT count() FROM mine").first_row == (0,)


def test_session_check(writer_url: str) -> None:
    query = {"query": "SELECT 1", "session_id": uuid4().hex, "session_check": "1"}
    assert http(writer_url, query)[1]["x-clickhouse-exception-code"] == "372"
    query = {"query": "SELECT 1", "session_id": query["session_id"]}
    assert http(writer_url, query)[2] == b"1\n"
    assert http(writer_url, {**query, "session_check": "1"})[2] == b"1\n"


# --- plain HTTP ----------------------------------------------------------------------------------------------------


def test_plain_requests(writer_url: str) -> None:
    arguments = parse_url(writer_url)
    with urllib.request.urlopen(f"http://{arguments['host']}:{arguments['port']}/ping", timeout=5) as answer:
        assert answer.read() == b"Ok.\n"
    assert http(writer_url, {"query": "SELECT 1"})[2] == b"1\n"
    assert http(writer_url, {"query": "SELECT "}, body=b"2 + 2 FORMAT CSV")[2] == b"4\n"
    assert http(writer_url, {"user": arguments["username"]}, body=b"SELECT 'a\\tb' AS x FORMAT TSVRaw")[2] == b"a\tb\n"
    status, headers, body = http(writer_url, {"query": "SELECT number AS n FROM numbers(2) FORMAT JSON"})
    assert status == 200
    assert headers["content-type"].startswith("application/json")
    assert [int(row["n"]) for row in json.loads(body)["data"]] == [0, 1]
    _, headers, body = http(writer_url, {"query": "SELECT 1", "default_format": "JSONEachRow", "query_id": "mine-1"})
    assert json.loads(body) == {"1": 1}
    assert headers["x-clickhouse-query-id"] == "mine-1"
    assert headers["x-clickhouse-format"] == "JSONEachRow"
    assert "read_rows" in json.loads(headers["x-clickhouse-summary"])


def test_basic_authorization_and_url_users(writer_url: str) -> None:
    arguments = parse_url(writer_url)
    login = {"user": arguments["username"], "password": arguments["password"]}
    address = f"http://{arguments['host']}:{arguments['port']}/?" + urllib.parse.urlencode(
        {**login, "query": "SELECT 5"}
    )
    with urllib.request.urlopen(address, timeout=5) as answer:
        assert answer.read() == b"5\n"


def test_compressed_plain_answers(writer_url: str) -> None:
    query = {"query": "SELECT number FROM numbers(100000)", "enable_http_compression": "1"}
    _, headers, body = http(writer_url, query, headers={"Accept-Encoding": "gzip"})
    assert headers["content-encoding"] == "gzip"
    assert gzip.decompress(body).count(b"\n") == 100_000


# --- concurrency ---------------------------------------------------------------------------------------------------


async def test_many_concurrent_async_queries(writer_url: str, database: str) -> None:
    client = await clickhouse_connect.get_async_client(
        **{**parse_url(writer_url), "database": database}, autogenerate_session_id=False
    )
    answers = await asyncio.gather(
        *(client.query("SELECT {n:UInt32} + sum(number) FROM numbers(100000)", parameters={"n": n}) for n in range(50))
    )
    assert [answer.first_row[0] for answer in answers] == [4_999_950_000 + n for n in range(50)]
    await client.close()


def test_readers_while_inserting(writer_url: str, writer: Client, reader: Client, table: str) -> None:
    writer.command(f"CREATE TABLE {table} ({ARROW_COLUMNS}) ENGINE = MergeTree ORDER BY id")
    rows = [arrow_rows(2_000, first) for first in range(0, 20_000, 2_000)]
    thread = threading.Thread(target=lambda: [writer.insert_arrow(table, part) for part in rows])
    thread.start()
    seen = [0]
    while thread.is_alive():
        seen.append(reader.query(f"SELECT count() FROM {table}").first_row[0])
    thread.join()
    seen.append(reader.query(f"SELECT count() FROM {table}").first_row[0])
    assert all(before <= after for before, after in pairwise(seen))
    assert all(count % 2_000 == 0 for count in seen)
    assert seen[-1] == 20_000
