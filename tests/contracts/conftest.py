"""The services under contract: the local ones, or a real ClickHouse when `PULSE_CLICKHOUSE_URL` names one."""

import os
from collections.abc import Iterator
from uuid import uuid4

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client

from streams.clickhouse import parse_url
from streams.local import LocalServices, start


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServices]:
    """All local services, one process for the whole run."""
    with start(tmp_path_factory.mktemp("contracts"), clickhouse_port=0) as running:
        yield running


@pytest.fixture(scope="session")
def writer_url(request: pytest.FixtureRequest) -> str:
    """URL of the user who may write."""
    return os.environ.get("PULSE_CLICKHOUSE_URL") or request.getfixturevalue("services").urls["clickhouse_url"]


@pytest.fixture(scope="session")
def reader_url(request: pytest.FixtureRequest) -> str:
    """URL of the read-only user."""
    if "PULSE_CLICKHOUSE_URL" not in os.environ:
        return request.getfixturevalue("services").urls["clickhouse_reader_url"]
    url = os.environ.get("PULSE_CLICKHOUSE_READER_URL")
    if not url:
        pytest.skip("PULSE_CLICKHOUSE_READER_URL names no read-only user of the real server")
    return url


@pytest.fixture(scope="session")
def database(writer_url: str) -> Iterator[str]:
    """A scratch database, dropped at the end."""
    name = f"pulse_contract_{uuid4().hex[:12]}"
    admin = clickhouse_connect.get_client(**{**parse_url(writer_url), "database": "default"})
    admin.command(f"CREATE DATABASE {name}")
    yield name
    admin.command(f"DROP DATABASE {name} SYNC")
    admin.close()


@pytest.fixture(scope="session")
def writer(writer_url: str, database: str) -> Iterator[Client]:
    """The writer in the scratch database, without a session, as the engine connects."""
    client = clickhouse_connect.get_client(
        **{**parse_url(writer_url), "database": database}, autogenerate_session_id=False
    )
    yield client
    client.close()


@pytest.fixture(scope="session")
def reader(reader_url: str, database: str) -> Iterator[Client]:
    """The reader in the scratch database."""
    client = clickhouse_connect.get_client(
        **{**parse_url(reader_url), "database": database}, autogenerate_session_id=False
    )
    yield client
    client.close()


@pytest.fixture
def table(writer: Client) -> Iterator[str]:
    """A fresh name; the table is dropped afterwards."""
    name = f"t_{uuid4().hex[:12]}"
    yield name
    writer.command(f"DROP TABLE IF EXISTS {name}")
