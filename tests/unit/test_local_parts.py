"""Parts of the local services that need no service: encodings, Native blocks, sessions, users, the data folder."""

import base64
import gzip
import os
import zlib
from pathlib import Path
from typing import Any, cast

import lz4.frame
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import UsageError
from streams.local.clickhouse.codec import Decoder, Encoder
from streams.local.clickhouse.engine import Connection, identifier, literal
from streams.local.clickhouse.errors import ClickHouseError, from_engine
from streams.local.clickhouse.native import reframe, split
from streams.local.clickhouse.sessions import Sessions
from streams.local.clickhouse.users import User, Users
from streams.local.folder import DataFolder

WRITER = User("pulse", readonly=False)


@given(st.lists(st.binary(max_size=200), max_size=6), st.sampled_from(["lz4", "zstd", "gzip", "deflate", ""]))
def test_what_is_encoded_decodes(pieces: list[bytes], name: str) -> None:
    encoder = Encoder(f"br, {name};q=0.5")
    wire = b"".join(encoder.feed(piece) for piece in pieces) + encoder.finish()
    decoder = Decoder(encoder.name)
    assert encoder.name == name
    assert b"".join(decoder.feed(wire[at : at + 7]) for at in range(0, len(wire), 7)) == b"".join(pieces)


def test_frames_may_follow_one_another() -> None:
    assert Decoder("lz4").feed(lz4.frame.compress(b"a") + lz4.frame.compress(b"b")) == b"ab"
    assert Decoder("gzip").feed(gzip.compress(b"a") + gzip.compress(b"b")) == b"ab"
    assert Decoder("deflate").feed(zlib.compress(b"a")) == b"a"


@pytest.mark.parametrize("name", ["gzip", "lz4", "zstd", "deflate"])
def test_a_broken_body_is_told(name: str) -> None:
    with pytest.raises(ClickHouseError, match="Cannot decompress the body"):
        Decoder(name).feed(b"this is not compressed at all")


def test_an_unknown_encoding_is_told() -> None:
    with pytest.raises(ClickHouseError, match="Unknown content encoding 'br'"):
        Decoder("br")


def test_native_blocks_by_hand() -> None:
    column = b"\x01t\x08DateTime" + (7).to_bytes(4, "little") * 2
    text = b"\x01s\x06String\x01a\x02bc"
    block = b"\x02\x02" + column + text
    header = b"\x01\x00\x02\xff\xff\xff\xff\x00"
    zone = "DateTime('UTC')"
    assert reframe(block, 0) == block
    assert reframe(block, 54405) == header + block
    zoned = b"\x02\x02\x01t\x0fDateTime('UTC')" + (7).to_bytes(4, "little") * 2 + text
    assert reframe(block, 54405, [zone, "String"]) == header + zoned
    flagged = header + b"\x02\x02" + column[:11] + b"\0" + column[11:] + text[:9] + b"\0" + text[9:]
    assert reframe(block * 2, 54454, one=False) == flagged * 2


def test_type_arguments_are_cut_outside_brackets_and_quotes() -> None:
    assert split("a Tuple(x Int8, y Enum8('p,(' = 1)), `b,` String") == [
        "a Tuple(x Int8, y Enum8('p,(' = 1))",
        "`b,` String",
    ]


def test_quoting() -> None:
    assert literal("it's \\") == "'it\\'s \\\\'"
    assert identifier("a`b") == "`a\\`b`"


def test_engine_errors_keep_their_number() -> None:
    error = from_engine(RuntimeError("Query failed: Code: 60. DB::Exception: no table. (UNKNOWN_TABLE)"))
    assert (error.code, error.status, error.text[:9]) == (60, 404, "Code: 60.")
    assert from_engine(RuntimeError("odd")).code == 1002


def test_sessions_are_for_one_request_at_a_time_and_end() -> None:
    sessions, query = Sessions(), {"session_id": "s", "session_timeout": "10"}
    assert sessions.take(WRITER, {}) is None
    held = sessions.take(WRITER, query)
    assert held is not None
    with pytest.raises(ClickHouseError, match=r"Code: 373\."):
        sessions.take(WRITER, query)
    assert sessions.take(User("reader", readonly=True), query) is not held
    held.connection = cast("Any", object())
    assert sessions.give_back(held, query, now=100.0) is None
    assert sessions.expired(now=109.0) == []
    assert sessions.take(WRITER, {**query, "session_check": "1"}) is held
    sessions.give_back(held, query, now=120.0)
    assert sessions.expired(now=131.0) == [held.connection]
    with pytest.raises(ClickHouseError, match=r"Code: 372\."):
        sessions.take(WRITER, {**query, "session_check": "1"})


def test_a_wrong_session_timeout_is_told_before_the_session_is_taken() -> None:
    sessions = Sessions()
    with pytest.raises(ClickHouseError, match="Invalid session timeout: 'soon'"):
        sessions.take(WRITER, {"session_id": "s", "session_timeout": "soon"})
    assert sessions.take(WRITER, {"session_id": "s"}) is not None


@pytest.mark.parametrize(
    ("headers", "query", "name"),
    [
        ({"X-ClickHouse-User": "pulse", "X-ClickHouse-Key": "p:w"}, {}, "pulse"),
        ({"Authorization": "Basic " + base64.b64encode(b"reader:r").decode()}, {}, "reader"),
        ({}, {"user": "pulse", "password": "p:w"}, "pulse"),
    ],
)
def test_users(headers: dict[str, str], query: dict[str, str], name: str) -> None:
    assert Users({"pulse": "p:w", "reader": "r"}).authenticate(headers, query).name == name


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, {}),
        ({"Authorization": "Basic ???"}, {}),
        ({"Authorization": "Basic " + base64.b64encode(b"\xff:x").decode()}, {}),
        ({}, {"user": "nobody", "password": ""}),
        ({}, {"user": "pulse", "password": "пароль"}),
        ({"X-ClickHouse-User": "pulse"}, {"user": "reader", "password": "r"}),
    ],
)
def test_strangers(headers: dict[str, str], query: dict[str, str]) -> None:
    with pytest.raises(ClickHouseError) as error:
        Users({"pulse": "p:w", "reader": "r"}).authenticate(headers, query)
    assert (error.value.code, error.value.status) == (516, 403)


def test_setting_names_are_names() -> None:
    connection = Connection(lambda: cast("Any", _Deaf()), WRITER, "tag")
    with pytest.raises(ClickHouseError, match="Unknown setting"):
        connection.set({"a = 1, b": "2"})


class _Deaf:
    def query(self, *_: Any, **__: Any) -> "_Deaf":
        return self

    def bytes(self) -> bytes:
        return b""


def test_the_folder_keeps_passwords_and_lets_go(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    passwords = folder.credentials()
    assert passwords == folder.credentials()
    assert set(passwords) == {"pulse", "reader"}
    with pytest.raises(UsageError, match=f"is in use by process {os.getpid()}: stop it, or choose another folder"):
        DataFolder(tmp_path / "data")
    folder.announce({"redis_url": "x"})
    folder.release()
    assert not (tmp_path / "data" / "local.json").exists()
    again = DataFolder(tmp_path / "data")
    assert again.credentials() == passwords
    again.release()
