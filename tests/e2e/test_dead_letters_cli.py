"""`pulse dead-letters` against local services: what is stored comes back byte for byte and can be sent again."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from commands import pulse
from confluent_kafka import Consumer, Message, TopicPartition
from pydantic import SecretStr

from schemas.outputs import DeadLetter
from streams import dead_letters, local
from streams.clickhouse import connect
from streams.errors import UsageError
from streams.migrate import migrate_database
from streams.settings import Settings
from streams.shards_view import ShardsView

NOW = datetime(2024, 5, 1, 3, 4, 5, 678_901, tzinfo=UTC)
SALE = b'{"event_id":"1", "rep_id":"R7", "amount":"x"}'


def letter(raw: bytes, offset: int = 0, **fields: Any) -> DeadLetter:
    known = {"topic": "sales", "partition": 1, "offset": offset, "key": b"R1", "origin": "stream", "step": "decode"}
    identity = dead_letters.letter_id("stream", "sales", 1, offset, raw)
    texts = {"error_class": "InvalidError", "message": "amount is no number: send digits"}
    at = NOW + timedelta(seconds=offset)
    return DeadLetter.model_validate({**known, **texts, "dead_letter_id": identity, "at": at, "raw": raw, **fields})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("services")
    with local.start(folder, clickhouse_port=0) as services:
        migrate_database(SecretStr(services.urls["clickhouse_url"]))
        yield folder


@pytest.fixture(scope="module")
def urls(data: Path) -> dict[str, Any]:
    import json  # noqa: PLC0415

    found: dict[str, Any] = json.loads((data / "local.json").read_text())
    return found


@pytest.fixture
def client(urls: dict[str, Any]) -> Iterator[Client]:
    found = connect(SecretStr(urls["clickhouse_url"]))
    found.command("TRUNCATE TABLE dead_letters")
    yield found
    found.close()


def newest_messages(urls: dict[str, Any], topic: str) -> list[Message]:
    consumer = Consumer({"bootstrap.servers": urls["kafka_url"], "group.id": "test", "log_level": 2})
    found: list[Message] = []
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    marks = {partition: consumer.get_watermark_offsets(TopicPartition(topic, partition)) for partition in partitions}
    consumer.assign([TopicPartition(topic, partition, low) for partition, (low, _high) in marks.items()])
    while len(found) < sum(high - low for low, high in marks.values()):
        found += consumer.consume(100, 5)
    consumer.close()
    return found


@pytest.mark.parametrize("raw", [b"", b"\xff\x00\xfe", "销售".encode("gb18030"), b"x" * 10_000_000])
def test_bytes_come_back_exactly(client: Client, raw: bytes) -> None:
    stored = letter(raw, key=b"\xfe")
    dead_letters.store(client, [stored])
    assert dead_letters.get(client, stored.dead_letter_id[:12]) == stored
    assert [found.raw_size for found in dead_letters.find(client)] == [len(raw)]


def test_storing_again_changes_nothing(client: Client) -> None:
    one, other = letter(b"a", 1), letter(b"b", 2, topic="visits", step="time")
    dead_letters.store(client, [one, other])
    dead_letters.mark_replayed(client, [one])
    dead_letters.store(client, [one, other])
    assert [(found.dead_letter_id, found.status) for found in dead_letters.find(client)] == [
        (other.dead_letter_id, "open"),
        (one.dead_letter_id, "replayed"),
    ]


def test_finding(client: Client) -> None:
    letters = [letter(b"a", 1), letter(b"b", 2, topic="visits"), letter(b"c", 3, step="time")]
    dead_letters.store(client, letters)

    def offsets(**asked: Any) -> list[int | None]:
        return [found.offset for found in dead_letters.find(client, **asked)]

    assert offsets() == [3, 2, 1]
    assert offsets(limit=1) == [3]
    assert offsets(topic="sales") == [3, 1]
    assert offsets(step="time") == [3]
    assert offsets(since=NOW + timedelta(seconds=2)) == [3, 2]
    assert offsets(status="replayed") == []


def test_an_id_must_fit_one_letter(client: Client) -> None:
    dead_letters.store(client, [letter(b"a", 1, dead_letter_id="ab1"), letter(b"b", 2, dead_letter_id="ab2")])
    with pytest.raises(UsageError, match="several dead letters start with ab"):
        dead_letters.get(client, "ab")
    with pytest.raises(UsageError, match="no dead letter starts with cd"):
        dead_letters.get(client, "cd")
    with pytest.raises(UsageError, match="'x%' is no dead letter id"):
        dead_letters.get(client, "x%")


def test_list_show_and_replay(client: Client, urls: dict[str, Any], data: Path) -> None:
    stream = letter(SALE, 17)
    line = letter(b"R1;x;\xff", 3, origin="import", file="sales.csv", line=3, partition=None)
    dead_letters.store(client, [stream, line])

    listed = pulse("dead-letters", "list", "--json", "--data", data).json
    assert {(item["topic"], item["file"], item["line"], item["status"]) for item in listed} == {
        ("sales", None, None, "open"),
        ("sales", "sales.csv", 3, "open"),
    }
    table = pulse("dead-letters", "list", "--data", data).text
    assert stream.dead_letter_id[:12] in table
    assert "sales[1]@17" in table
    assert "sales.csv:3" in table
    assert "amount is no number: send digits" in table

    shown = pulse("dead-letters", "show", stream.dead_letter_id[:12], "--data", data).text
    assert SALE.decode() in shown
    assert "amount is no number" in shown
    assert pulse("dead-letters", "show", line.dead_letter_id, "--raw", "--data", data).out == line.raw

    result = pulse("dead-letters", "replay", "--all", "--json", "--data", data)
    assert "1 dead letter was not sent again" in result.complaint(1)
    assert result.json["replayed"] == [stream.dead_letter_id]
    assert "or put the mended line, with the header, into a new file" in result.json["refused"][line.dead_letter_id]
    (message,) = newest_messages(urls, "sales")
    assert (message.key(), message.value()) == (b"R7", SALE)
    assert dict(message.headers() or [])["replay"] == stream.dead_letter_id.encode()
    assert [found.dead_letter_id for found in dead_letters.find(client, status="open")] == [line.dead_letter_id]
    assert "no dead letters" in pulse("dead-letters", "list", "--topic", "visits", "--data", data).text


def test_progress_of_shards_that_nobody_reads(urls: dict[str, Any]) -> None:
    settings = Settings(kafka_url=urls["kafka_url"], redis_url=SecretStr(urls["redis_url"]), _env_file=None)
    view = ShardsView(settings)
    assert view.partitions() == 4
    assert view.owned() == 0
    assert view.read().drained() == (view.read().total_lag == 0)
    view.close()
