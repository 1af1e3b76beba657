"""`pulse sql`: what it accepts and how it writes an answer."""

import io
import json
from collections.abc import Callable, Iterator
from typing import TextIO

import pytest

from streams.cli import sql
from streams.errors import InvalidError, UsageError

TSV = [
    b"team\ttotal\tnote",
    b"String\tNullable(Decimal(38, 6))\tNullable(String)",
    "华东\t11798987642.195417\t\\N".encode(),
    b"North\t-2.5\ta\\tb\\\\c",
]


def written(write: Callable[[Iterator[bytes], TextIO], None], lines: list[bytes]) -> str:
    out = io.StringIO()
    write(iter(lines), out)
    return out.getvalue()


@pytest.mark.parametrize("statement", ["", " ; ", "\n"])
def test_an_empty_statement_is_refused(statement: str) -> None:
    with pytest.raises(UsageError, match="the statement is empty"):
        sql.checked(statement)


def test_the_closing_semicolon_is_taken_off() -> None:
    assert sql.checked(" SELECT 1 ;\n") == "SELECT 1"


@pytest.mark.parametrize("statement", ["SELECT 1 FORMAT JSON", "select 1 format CSV;"])
def test_an_own_format_is_refused(statement: str) -> None:
    with pytest.raises(UsageError, match="take --format"):
        sql.checked(statement)


def test_a_column_called_format_is_no_format() -> None:
    assert sql.checked("SELECT format FROM t WHERE format = 'x'")


def test_a_table_is_aligned_by_what_one_sees() -> None:
    rows = [line.rstrip() for line in written(sql.write_table, TSV).splitlines()]
    assert rows[0] == "team                 total   note"
    assert rows[2] == "华东    11798987642.195417"
    assert rows[3] == "North                 -2.5   a b\\c"


def test_long_cells_are_not_cut_when_piped() -> None:
    lines = [b"a\tb", b"String\tString", b"x" * 500 + b"\t" + b"y" * 500]
    assert "x" * 500 + "   " + "y" * 500 in written(sql.write_table, lines)


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in written(sql.write_table, [b"a", b"String", b"\x1b[31mred"])


def test_csv_has_nothing_for_null() -> None:
    assert written(sql.write_csv, TSV) == ("team,total,note\n华东,11798987642.195417,\nNorth,-2.5,a\tb\\c\n")


def test_json_keeps_every_digit() -> None:
    lines = [
        b'["n","d","f","list","none"]',
        b'["UInt64","Decimal(38, 6)","Float64","Array(Decimal(9, 2))","Nullable(Decimal(9, 2))"]',
        b'["18446744073709551615",11798987642.195417,0.1,[1,2.5],null]',
    ]
    assert json.loads(written(sql.write_json, lines)) == [
        {"n": 2**64 - 1, "d": "11798987642.195417", "f": 0.1, "list": ["1", "2.5"], "none": None}
    ]


def test_json_of_nothing_is_an_empty_array() -> None:
    assert json.loads(written(sql.write_json, [b'["a"]', b'["String"]'])) == []


def test_lines_are_put_together_across_blocks() -> None:
    assert list(sql.lines_of([b"a\tb\nc", b"d", b"\ne"])) == [b"a\tb", b"cd", b"e"]


@pytest.mark.parametrize(
    ("message", "short"),
    [
        (
            "ClickHouse refused: Code: 60. DB::Exception: Unknown table x. (UNKNOWN_TABLE) (version 26.9)",
            "ClickHouse refused: Unknown table x",
        ),
        ("ClickHouse refused: something else", "ClickHouse refused: something else"),
    ],
)
def test_complaints_are_short(message: str, short: str) -> None:
    assert sql.complaint(message) == short
    with pytest.raises(InvalidError, match=short), sql.complaints():
        raise InvalidError(message)
