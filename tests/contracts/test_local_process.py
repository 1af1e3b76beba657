"""The process of the local services: start, stop, crash, locks, and what it says when it cannot start."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import clickhouse_connect
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error

from streams.clickhouse import parse_url
from streams.errors import UsageError
from streams.local import LocalServices, start


def client_of(services: LocalServices) -> Client:
    return clickhouse_connect.get_client(**parse_url(services.urls["clickhouse_url"]), autogenerate_session_id=False)


def only_clickhouse(data: Path, port: int = 0) -> LocalServices:
    return start(data, ["clickhouse"], clickhouse_port=port)


def until(condition: Callable[[], bool], timeout_s: float = 10) -> bool:
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        threading.Event().wait(0.02)
    return True


def test_a_crash_in_the_middle_of_inserts_loses_only_what_was_not_confirmed(tmp_path: Path) -> None:
    services = only_clickhouse(tmp_path)
    client = client_of(services)
    client.command("CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n")
    block = pa.table({"n": pa.array(range(1_000), pa.uint64())})
    confirmed = []

    def insert() -> None:
        try:
            while True:
                client.insert_arrow("t", block)
                confirmed.append(1)
        except Error:
            return

    thread = threading.Thread(target=insert)
    thread.start()
    assert until(lambda: len(confirmed) >= 5)
    os.kill(services.pid, signal.SIGKILL)
    thread.join()
    services.stop()
    client.close()
    with only_clickhouse(tmp_path) as again:
        client = client_of(again)
        count = client.command("SELECT count() FROM t")
        client.close()
    assert isinstance(count, int)
    assert count % 1_000 == 0
    assert len(confirmed) <= count // 1_000 <= len(confirmed) + 1


def test_sigterm_stops_running_queries_and_keeps_everything(tmp_path: Path) -> None:
    services = only_clickhouse(tmp_path)
    client = client_of(services)
    client.command("CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n")
    client.command("INSERT INTO t SELECT number FROM numbers(1000)")
    failed = threading.Event()

    def query() -> None:
        with pytest.raises(Error):
            client.command("SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1")
        failed.set()

    thread = threading.Thread(target=query)
    thread.start()
    other = client_of(services)
    assert until(
        lambda: other.command("SELECT count() FROM system.processes WHERE query LIKE '%numbers(1000000%'") != 0
    )
    begun = time.monotonic()
    os.kill(services.pid, signal.SIGTERM)
    assert until(lambda: not services.running)
    assert time.monotonic() - begun < 3
    thread.join()
    assert failed.is_set()
    client.close()
    other.close()
    services.stop()
    assert not (tmp_path / "local.json").exists()
    with only_clickhouse(tmp_path) as again:
        client = client_of(again)
        assert client.command("SELECT count() FROM t") == 1_000
        client.close()


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    script = f"""
import os, pathlib, streams.local
services = streams.local.start(pathlib.Path({str(tmp_path)!r}), ["redis"])
print(services.pid, flush=True)
os._exit(1)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    pid = int(done.stdout)

    def gone() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().split(")")[-1].split()[0] == "Z"
        except FileNotFoundError:
            return True

    assert until(gone)


def test_passwords_are_kept_and_private(tmp_path: Path) -> None:
    with start(tmp_path, ["redis", "clickhouse"], clickhouse_port=0) as first:
        urls = dict(first.urls)
        assert json.loads((tmp_path / "local.json").read_text()) == urls
        for name in ("local.json", "credentials.json"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    with only_clickhouse(tmp_path) as second:
        assert parse_url(second.urls["clickhouse_url"])["password"] == parse_url(urls["clickhouse_url"])["password"]
    assert set(urls) == {"redis_url", "clickhouse_url", "clickhouse_reader_url"}


def test_a_folder_has_one_holder(services: LocalServices) -> None:
    folder = next(Path(path) for path in [Path(f"/proc/{services.pid}/cwd").resolve()])
    with pytest.raises(UsageError, match=rf"is in use by process {services.pid}: stop it, or choose another folder"):
        start(folder, ["redis"])


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            UsageError, match=rf"port {port} for ClickHouse cannot be used \(address already in use\): stop"
        ):
            only_clickhouse(tmp_path, port)
        with pytest.raises(UsageError, match=rf"port {port} for Redis cannot be used"):
            start(tmp_path, ["redis"], redis_port=port)


def test_an_unwritable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        UsageError, match=r"file/data cannot be written \(not a directory\): make it writable, or choose"
    ):
        only_clickhouse(tmp_path / "file" / "data")
    if os.geteuid() != 0:
        tmp_path.chmod(0o500)
        with pytest.raises(UsageError, match=r"cannot be written \(permission denied\)"):
            only_clickhouse(tmp_path)
        tmp_path.chmod(0o700)


def test_broken_credentials_are_named(tmp_path: Path) -> None:
    (tmp_path / "credentials.json").write_text("{")
    with pytest.raises(UsageError, match=r"credentials\.json cannot be read: make it readable, or delete it"):
        only_clickhouse(tmp_path)


def test_unknown_services_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no local service 'kafak': name some of kafka, redis, clickhouse"):
        start(tmp_path, ["kafak"])


@pytest.mark.parametrize(("arguments", "message"), [(["--data", "/dev/null/x"], "/dev/null/x cannot be written")])
def test_errors_on_the_command_line_are_one_line(arguments: list[str], message: str) -> None:
    command = [sys.executable, "-m", "streams.local", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_odd_folder_names_do_no_harm(tmp_path: Path) -> None:
    folder = tmp_path / "a b/数据?x=1&y#z%20'\"<"
    with only_clickhouse(folder) as services:
        client = client_of(services)
        client.command("CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n")
        client.close()
    assert (folder / "clickhouse").is_dir()


def test_it_says_what_the_broker_cannot_do(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log, start(tmp_path, ["kafka"], stderr=log) as services:
        urls: dict[str, Any] = services.urls
    assert set(urls) == {"kafka_url", "broker_partition_bytes", "assign_delay_s"}
    assert "lives in memory" in (tmp_path / "log").read_text()
