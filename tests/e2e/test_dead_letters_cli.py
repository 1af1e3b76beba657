"""`pulse dead-letters` against local services: what is stored comes back byte for byte and can be sent again."""

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import data_folders
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from commands import Result, pulse, pulse_here, pulse_inside
from confluent_kafka import Consumer, Message, TopicPartition
from pydantic import SecretStr

from schemas.events import Sale
from schemas.outputs import DeadLetter
from schemas.rows import EVENT_TABLES
from streams import dead_letters, local
from streams.clickhouse import connect
from streams.errors import UsageError
from streams.settings import Settings
from streams.shards_view import ShardsView

NOW = datetime(2024, 5, 1, 3, 4, 5, 678_901, tzinfo=UTC)
SALE = b'{"event_id":"1", "rep_id":"R7", "amount":"x"}'
SALE_FIELDS = {
    "event_id": "1",
    "occurred_at": "2024-05-01T00:00:00Z",
    "source": "erp",
    "rep_id": "R7",
    "institution_id": "I1",
    "product_id": "P1",
}


def letter(raw: bytes, offset: int = 0, **fields: Any) -> DeadLetter:
    known = {"topic": "sales", "partition": 1, "offset": offset, "key": b"R1", "origin": "stream", "step": "decode"}
    identity = dead_letters.letter_id("stream", "sales", 1, offset, raw)
    texts = {"error_class": "InvalidError", "message": "amount is no number: send digits"}
    at = NOW + timedelta(seconds=offset)
    return DeadLetter.model_validate({**known, **texts, "dead_letter_id": identity, "at": at, "raw": raw, **fields})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = data_folders.migrated(tmp_path_factory.mktemp("services"))
    with local.start(folder, clickhouse_port=0):
        yield folder


@pytest.fixture(scope="module")
def urls(data: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((data / "local.json").read_text())
    return found


@pytest.fixture
def client(urls: dict[str, Any]) -> Iterator[Client]:
    found = connect(SecretStr(urls["clickhouse_url"]))
    found.command("TRUNCATE TABLE dead_letters")
    yield found
    found.close()


Here = Callable[..., Result]


@pytest.fixture
def here(data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Here:
    """Runs `pulse dead-letters` in this process, which starts no Python anew."""
    for name in [name for name in os.environ if name.startswith("PULSE_")]:
        monkeypatch.delenv(name)

    return lambda *arguments: pulse_here(capsys, "dead-letters", *arguments, "--data", data)


def newest_messages(urls: dict[str, Any], topic: str) -> list[Message]:
    consumer = Consumer({"bootstrap.servers": urls["kafka_url"], "group.id": "test", "log_level": 2})
    found: list[Message] = []
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    marks = {partition: consumer.get_watermark_offsets(TopicPartition(topic, partition)) for partition in partitions}
    consumer.assign([TopicPartition(topic, partition, low) for partition, (low, _high) in marks.items()])
    total = sum(high - low for low, high in marks.values())
    while len(found) < total:
        found += consumer.consume(total - len(found), 5)
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
    table = pulse_inside("dead-letters", "list", "--data", data).text
    assert stream.dead_letter_id[:12] in table
    assert "sales[1]@17" in table
    assert "sales.csv:3" in table
    assert "amount is no number: send digits" in table

    shown = pulse_inside("dead-letters", "show", stream.dead_letter_id[:12], "--data", data).text
    assert SALE.decode() in shown
    assert "amount is no number" in shown
    assert pulse_inside("dead-letters", "show", line.dead_letter_id, "--raw", "--data", data).out == line.raw

    result = pulse_inside("dead-letters", "replay", "--all", "--json", "--data", data)
    assert "1 dead letter was not sent again" in result.complaint(1)
    assert result.json["replayed"] == [stream.dead_letter_id]
    assert "or put the mended line, with the header, into a new file" in result.json["refused"][line.dead_letter_id]
    (message,) = newest_messages(urls, "sales")
    assert (message.key(), message.value()) == (b"R7", SALE)
    assert dict(message.headers() or [])["replay"] == stream.dead_letter_id.encode()
    assert [found.dead_letter_id for found in dead_letters.find(client, status="open")] == [line.dead_letter_id]
    assert "no open dead letters" in pulse_inside("dead-letters", "list", "--topic", "visits", "--data", data).text

    again = pulse_inside("dead-letters", "replay", stream.dead_letter_id, "--json", "--data", data)
    assert "1 dead letter was not sent again" in again.complaint(1)
    assert again.json["refused"][stream.dead_letter_id] == ("it was replayed before: add --again to send it once more")
    assert len(newest_messages(urls, "sales")) == 1
    assert (
        "replayed 1, left 0"
        in pulse_inside("dead-letters", "replay", stream.dead_letter_id, "--again", "--data", data).text
    )
    assert len(newest_messages(urls, "sales")) == 2


@pytest.mark.parametrize(
    ("option", "name", "message"),
    [
        ("--topic", "sale", "no dead letter has the topic 'sale': did you mean sales?"),
        (
            "--topic",
            "x",
            "known are visits, sales, payments, activities, surveys, market, nodes, touches, alerts, commands, rep, ",
        ),
        ("--step", "x", "no dead letter has the step 'x': known are size, decode, key, time, known, dedupe, cells, "),
        ("--status", "x", "there is no status 'x': take open, replayed or all"),
    ],
)
def test_unknown_names_are_refused(client: Client, here: Here, option: str, name: str, message: str) -> None:
    assert client.query("SELECT count() FROM dead_letters").first_row == (0,)
    assert message in here("list", option, name).complaint(2)


def test_a_step_that_only_an_older_version_knew_can_be_asked_for(client: Client, here: Here) -> None:
    dead_letters.store(client, [letter(b"a", step="fence")])
    assert "sales[1]@0" in here("list", "--step", "fence").text


def test_letters_of_one_second_come_in_the_order_of_their_stream_or_file(client: Client) -> None:
    moments = [NOW + timedelta(microseconds=99 * (n * 7 % 5)) for n in range(5)]
    stream = [letter(b"%d" % n, n, at=moment, topic="sales") for n, moment in enumerate(moments)]
    lines = [
        letter(
            b"line",
            at=moment,
            dead_letter_id=f"{n}" * 32,
            origin="import",
            topic="visits",
            file="f.csv",
            line=n + 2,
            partition=None,
        )
        for n, moment in enumerate(moments)
    ]
    dead_letters.store(client, [*lines, *stream])
    found = dead_letters.find(client)
    assert [item.place for item in found] == [
        *(f"sales[1]@{n}" for n in (4, 3, 2, 1, 0)),
        *(f"f.csv:{n}" for n in (2, 3, 4, 5, 6)),
    ]


@pytest.mark.parametrize(
    ("raw", "event_id"),
    [
        (SALE, "1"),
        (b'{"event_id": "crm-\xe9\x94\x80-7", "rep', "crm-销-7"),
        (b'{"event_id":7}', None),
        (b"R1;x", None),
        (b"", None),
        (rb'{"event_id":"a\"b"}', r"a\"b"),
    ],
)
def test_lists_name_the_event_where_the_bytes_do(client: Client, raw: bytes, event_id: str | None) -> None:
    dead_letters.store(client, [letter(raw)])
    assert [item.event_id for item in dead_letters.find(client)] == [event_id]


def test_no_value_is_sent_again_as_no_value(client: Client, urls: dict[str, Any], here: Here) -> None:
    identities = [dead_letters.letter_id("stream", "payments", 1, 5, value) for value in (None, b"")]
    letters = [
        letter(b"", 5, topic="payments", dead_letter_id=identity, has_value=has_value)
        for identity, has_value in zip(identities, (False, True), strict=True)
    ]
    dead_letters.store(client, letters)
    assert "(the message had no value)" in here("show", identities[0]).text
    assert here("show", identities[1], "--json").json["raw"] == ""
    for identity in identities:
        here("replay", identity)
    sent = {(message.key(), message.value()) for message in newest_messages(urls, "payments")}
    assert sent == {(b"R1", None), (b"R1", b"")}


def test_a_conflict_names_what_differs(client: Client, here: Here) -> None:
    first = Sale.model_validate({**SALE_FIELDS, "quantity": "3", "amount": "30.5", "recorded_at": NOW})
    table = EVENT_TABLES["sale"]
    row = (*table.to_row(first), NOW.date(), 1, 2, 1042, [])
    client.insert_arrow(table.table, pa.table([[value] for value in row], schema=table.arrow_schema()))
    other = {**SALE_FIELDS, "quantity": "4", "amount": "30.50", "invoice_id": "I-7"}
    refused = letter(json.dumps(other).encode(), 9, step="dedupe", error_class="ConflictError")
    stranger = letter(json.dumps({**other, "event_id": "2"}).encode(), 10, step="dedupe", error_class="ConflictError")
    dead_letters.store(client, [refused, stranger])
    shown = here("show", refused.dead_letter_id).text
    assert "the event that counts was read at sales[2]@1042\n" in shown
    assert '  quantity: "3" counts, "4" was refused\n  invoice_id: null counts, "I-7" was refused\n\n' in shown
    found = here("show", refused.dead_letter_id, "--json").json["conflict"]
    assert [item["field"] for item in found["differences"]] == ["quantity", "invoice_id"]
    assert here("show", stranger.dead_letter_id, "--json").json["conflict"] is None


def test_letters_whose_rows_came_again_are_settled(client: Client) -> None:
    letters = [letter(b"%d" % n, n) for n in range(250)]
    dead_letters.store(client, letters)
    dead_letters.settle(client, [item.dead_letter_id for item in letters[:205]] + ["00" * 16])
    assert dead_letters.count_open(client) == 45
    assert dead_letters.get(client, letters[0].dead_letter_id) == letters[0].model_copy(update={"status": "replayed"})
    assert client.query("SELECT count() FROM dead_letters FINAL").first_row == (250,)


def test_progress_of_shards_that_nobody_reads(urls: dict[str, Any]) -> None:
    settings = Settings(kafka_url=urls["kafka_url"], redis_url=SecretStr(urls["redis_url"]), _env_file=None)
    view = ShardsView(settings)
    assert view.partitions() == 4
    assert view.owned() == 0
    assert view.read().drained() == (view.read().total_lag == 0)
    view.close()
