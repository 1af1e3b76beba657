"""Taking statements apart: what they are, where their data begin, what they may not name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.local.clickhouse.errors import ClickHouseError
from streams.local.clickhouse.statements import forbid_host, parse


@pytest.mark.parametrize(
    ("sql", "first", "output", "data"),
    [
        (b"select 1", "SELECT", None, None),
        (b"(SELECT 1) UNION ALL (SELECT 2) FORMAT CSV;", "SELECT", "CSV", None),
        (b"-- a\n/* b */ # c\nWITH x AS (SELECT 1) SELECT format('{}', 'FORMAT CSV') FROM x", "WITH", None, None),
        (b"SELECT 1 AS `FORMAT` FORMAT JSON", "SELECT", "JSON", None),
        (b"INSERT INTO t FORMAT Native\n\n\x00\xff", "INSERT", "Native", b"\n\x00\xff"),
        (b"INSERT INTO t (a, `VALUES`) VALUES (1), ('x;y')", "INSERT", "Values", b"(1), ('x;y')"),
        (b"INSERT INTO t SETTINGS async_insert = 1 FORMAT TSV \r\n1\t2\n", "INSERT", "TSV", b"1\t2\n"),
        (b"INSERT INTO t SELECT number FROM numbers(3) FORMAT Null", "INSERT", "Null", None),
        (b"SELECT ';', \";\", `;`, $a$;$a$ -- ;", "SELECT", None, None),
    ],
)
def test_parts(sql: bytes, first: str, output: str | None, data: bytes | None) -> None:
    statement = parse(sql)
    assert (statement.words[0], statement.format, statement.data) == (first, output, data)


def test_the_text_of_an_insert_ends_before_its_data() -> None:
    assert parse(b" INSERT INTO t (a) FORMAT CSV\n1").text == b"INSERT INTO t (a)"
    assert parse(b" SELECT 1 FORMAT CSV ").text == b"SELECT 1 FORMAT CSV"


@pytest.mark.parametrize("sql", [b"", b" \n-- nothing", b"SELECT 1; SELECT 2", b"SELECT ';' ; DROP TABLE x"])
def test_not_one_statement(sql: bytes) -> None:
    with pytest.raises(ClickHouseError) as error:
        parse(sql)
    assert (error.value.code, error.value.status) == (62, 400)


@pytest.mark.parametrize(
    "sql", [b"INSERT INTO t VALUES (1)", b"KILL QUERY WHERE 1", b"DROP TABLE t", b"SYSTEM FLUSH LOGS"]
)
def test_what_a_reader_may_not(sql: bytes) -> None:
    with pytest.raises(ClickHouseError) as error:
        parse(sql).require_read()
    assert error.value.code == 164


@pytest.mark.parametrize("sql", [b"SELECT 1", b"SHOW TABLES", b"DESC t", b"EXPLAIN SELECT 1", b"SET max_threads = 1"])
def test_what_a_reader_may(sql: bytes) -> None:
    parse(sql).require_read()


@given(st.text(st.sampled_from("'\"`$\\/*-#\n;() ax‘’“”"), max_size=40))
def test_any_text_is_read_to_its_end(text: str) -> None:
    code = 0
    try:
        parse(text.encode())
    except ClickHouseError as error:
        code = error.code
    assert code in {0, 62}


@given(st.text(max_size=30))
def test_quoted_text_never_counts(text: str) -> None:
    quoted = "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    forbid_host(f"SELECT {quoted}, 'file(1)', 'INTO OUTFILE'".encode())
    with pytest.raises(ClickHouseError):
        forbid_host(f"SELECT {quoted}, file(1)".encode())
