"""Events through the gateway: the same check as in the stream, raw bytes on, an answer for each."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from gateway_parts import POLICIES, Bench, gateway
from structlog.testing import capture_logs

from agents.intake.decode import RefusedError, decode
from schemas.events import EVENT_MODELS
from streams.gateway.access import Bounds
from streams.gateway.examples import EVENTS
from streams.gateway.problems import ProblemError
from streams.gateway.rules import RulesInForce
from streams.gateway.splitting import items_of_lines, items_of_list

VISIT = EVENTS["visit"]


@pytest.fixture(scope="module")
def shared() -> Iterator[Bench]:
    with gateway() as made:
        yield made


@pytest.fixture
def bench(shared: Bench) -> Bench:
    shared.producer.sent.clear()
    return shared


def visit(number: int, **changed: Any) -> dict[str, Any]:
    return {**VISIT, "event_id": f"V-{number}", **changed}


def words_of_the_stream(kind: str, raw: bytes) -> str:
    with pytest.raises(RefusedError) as found:
        decode(kind, raw, 100_000)
    return str(found.value)


@pytest.mark.parametrize("kind", list(EVENT_MODELS))
def test_one_event_of_each_kind_goes_to_its_topic_under_its_owner(bench: Bench, kind: str) -> None:
    raw = json.dumps(EVENTS[kind], ensure_ascii=False, indent=3).encode()

    answer = bench.client.post(f"/v1/events/{kind}", content=raw, headers={**bench.key("any"), **JSON})

    assert (answer.status_code, answer.json()) == (202, {"status": "accepted", "event_id": EVENTS[kind]["event_id"]})
    event = decode(kind, raw, 100_000)
    ((topic, key, value, headers),) = bench.producer.sent
    assert (topic, key, value, headers["event_id"]) == (event.topic, event.owner, raw, event.event_id)


JSON = {"Content-Type": "application/json"}
LINES = {"Content-Type": "application/x-ndjson"}


def test_a_batch_answers_for_each_event_and_forwards_its_bytes(bench: Bench) -> None:
    items = [
        b'{"event_id": "S-1", "occurred_at": "2026-03-02T09:30:00+08:00", "source": "crm", "rep_id": "R-1",'
        b' "institution_id": "H", "product_id": "P", "quantity": 1.50, "amount": 12345678.123456}',
        b'{"event_id": "S-2"}',
        b"nonsense",
    ]
    body = b"\n".join([items[0], b"", items[1] + b"\r", items[2], b"  " + items[0]])

    answer = bench.client.post("/v1/events/sale/batch", content=body, headers={**bench.key(), **LINES})

    assert answer.status_code == 202
    told = answer.json()
    assert (told["accepted"], told["duplicates"], told["refused"]) == (1, 1, 2)
    assert [item["status"] for item in told["results"]] == ["accepted", "refused", "refused", "duplicate"]
    assert told["results"][1]["message"] == words_of_the_stream("sale", items[1])
    assert told["results"][2]["message"] == words_of_the_stream("sale", items[2])
    assert told["results"][3]["message"] == "the same event as item 0: sent once"
    assert [value for _, _, value, _ in bench.producer.sent] == [items[0]]


def test_an_id_twice_with_other_content_is_told_and_sent_once(bench: Bench) -> None:
    body = [visit(1), visit(1, recorded_at="2026-03-02T10:00:00+08:00"), visit(1, feedback_score=3), visit(2)]

    told = bench.client.post("/v1/events/visit/batch", json=body, headers=bench.key()).json()

    assert [item["status"] for item in told["results"]] == ["accepted", "duplicate", "refused", "accepted"]
    assert "has other content in item 0" in told["results"][2]["message"]
    assert [json.loads(value)["event_id"] for _, _, value, _ in bench.producer.sent] == ["V-1", "V-2"]


def test_the_same_request_again_is_sent_again(bench: Bench) -> None:
    for _ in range(2):
        assert bench.client.post("/v1/events/visit", json=visit(1), headers=bench.key()).status_code == 202

    assert len({value for _, _, value, _ in bench.producer.sent}) == 1
    assert len(bench.producer.sent) == 2


@pytest.mark.parametrize(
    ("name", "kind", "changed", "status", "said"),
    [
        ("visits", "sale", {}, 403, "the key visits does not send sale events: it sends visit"),
        ("crm", "visit", {"source": "erp"}, 422, "source: this key sends for 'crm' alone (got 'erp')"),
        ("crm", "visit", {"occurred_at": "2999-01-01T00:00:00Z"}, 422, "occurred_at"),
        ("crm", "visit", {"doctor": "x"}, 422, "doctor: the field is not known"),
    ],
)
def test_what_a_key_may_not_send(
    bench: Bench, name: str, kind: str, changed: dict[str, Any], status: int, said: str
) -> None:
    answer = bench.client.post(f"/v1/events/{kind}", json={**EVENTS[kind], **changed}, headers=bench.key(name))

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert said in answer.json()["detail"]
    assert bench.producer.sent == []


BAD: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 422),
    "broken": (b'{"event_id": "V-1"', 422),
    "a list": (b"[]", 422),
    "a number": (b"17", 422),
    "not utf-8": (b'{"event_id": "\xff"}', 422),
    "nan": (json.dumps({**VISIT, "feedback_score": float("nan")}).encode(), 422),
    "infinity": (json.dumps({**VISIT, "feedback_score": float("inf")}).encode(), 422),
    "huge number": (
        json.dumps({**VISIT, "feedback_score": 0}).replace('": 0}', '": 1' + "0" * 5_000 + "}").encode(),
        422,
    ),
    "huge exponent": (json.dumps(VISIT).replace('"feedback_score": 7', '"feedback_score": 1e999999').encode(), 422),
    "deep": (b"[" * 50_000 + b"]" * 50_000, 422),
    "deep in a field": (b'{"details": ' + b'[{"a":' * 9_000 + b"1" + b"}]" * 9_000 + b"}", 422),
    "surrogate": (json.dumps({**VISIT, "feedback_text": "\ud800"}).encode(), 422),
    "control": (json.dumps({**VISIT, "rep_id": "R\x00"}).encode(), 422),
    "too large": (b" " * 100_001, 413),
}


@pytest.mark.parametrize("name", list(BAD))
def test_bad_events_are_refused_in_the_words_of_the_stream(bench: Bench, name: str) -> None:
    raw, status = BAD[name]

    answer = bench.client.post("/v1/events/visit", content=raw, headers={**bench.key(), **JSON})

    assert answer.status_code == status
    assert "Traceback" not in answer.text
    if status == 422:
        assert answer.json()["detail"] == words_of_the_stream("visit", raw)
    assert bench.producer.sent == []


@pytest.mark.parametrize("name", [name for name in BAD if name != "too large"])
def test_bad_events_in_a_batch_stop_no_other(bench: Bench, name: str) -> None:
    raw = BAD[name][0].replace(b"\n", b" ")
    good = json.dumps(visit(1)).encode()

    answer = bench.client.post(
        "/v1/events/visit/batch", content=b"\n".join([raw, good]), headers={**bench.key(), **LINES}
    )

    assert answer.status_code == 202
    assert answer.json()["accepted"] == 1
    assert answer.json()["refused"] == (1 if raw else 0)


BROKEN_LISTS: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 400, "a batch is a JSON array"),
    "an object": (b"{}", 400, "a batch is a JSON array"),
    "open": (b"[{}", 400, "not valid JSON at line 1, column 4: expecting ',' or ']'"),
    "no comma": (b"[{} {}]", 400, "not valid JSON at line 1, column 5"),
    "comma at the end": (b"[{},]", 400, "not valid JSON at line 1, column 5"),
    "more": (b"[{}] x", 400, "more text after the array"),
    "second line": (b"[{},\n{'a': 1}]", 400, "at line 2, column 2"),
    "deep": (b"[" * 100_000, 400, "nested too deeply"),
    "not utf-8": (b"[\xff]", 400, "not UTF-8 at byte 1"),
    "surrogates in bytes": (b'["\xed\xa0\x80"]', 400, "not UTF-8 at byte 2"),
    "too many": (b"[" + b"1," * 1_000 + b"1]", 413, "at most 1000 events"),
    "too large": (b" " * 1_000_001, 413, "larger than 1000000 bytes"),
}


@pytest.mark.parametrize("name", list(BROKEN_LISTS))
def test_a_batch_that_is_no_list_is_refused_whole(bench: Bench, name: str) -> None:
    body, status, said = BROKEN_LISTS[name]

    answer = bench.client.post("/v1/events/visit/batch", content=body, headers={**bench.key(), **JSON})

    assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.json()
    assert bench.producer.sent == []


def test_numbers_no_machine_can_hold_cost_nothing_to_split() -> None:
    body = b"[1" + b"0" * 100_000 + b", NaN, -Infinity, 1e999]"

    assert items_of_list(body, 10) == [b"1" + b"0" * 100_000, b"NaN", b"-Infinity", b"1e999"]


def test_an_array_is_split_as_a_parser_would() -> None:
    values = [{"a": '],[\\"', "ü": ["}", {"b": [[]]}]}, 1.50, "x", [], None]
    body = json.dumps(values, ensure_ascii=False, indent=2).encode()

    items = items_of_list(b"\xef\xbb\xbf" + body, 10)

    assert [json.loads(item) for item in items] == values
    assert re.sub(rb"\s", b"", b"[" + b",".join(items) + b"]") == re.sub(rb"\s", b"", body)
    assert (items_of_list(b" [ ] ", 1), items_of_lines(b"\n\r\n ", 1)) == ([], [])
    with pytest.raises(ProblemError, match="at most 1 events"):
        items_of_lines(b"1\n2", 1)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json; charset=gbk"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": "multipart/form-data; boundary=x"},
    ],
)
def test_another_media_type_is_refused(bench: Bench, headers: dict[str, str]) -> None:
    answer = bench.client.post("/v1/events/visit/batch", content=b"[]", headers={**bench.key(), **headers})

    assert answer.status_code == 415
    assert "application/json or application/x-ndjson" in answer.json()["detail"]


def test_a_charset_of_utf_8_may_be_said(bench: Bench) -> None:
    headers = {**bench.key(), "Content-Type": 'Application/JSON; charset="UTF-8"'}

    assert bench.client.post("/v1/events/visit/batch", content=b"[]", headers=headers).status_code == 202


def test_a_body_without_a_length_is_counted_as_it_comes(bench: Bench) -> None:
    pieces = (b" " * 60_000 for _ in range(2))

    answer = bench.client.post("/v1/events/visit", content=pieces, headers={**bench.key(), **JSON})

    assert answer.status_code == 413


def test_nothing_is_answered_202_before_the_broker_has_it(bench: Bench) -> None:
    bench.producer.away = True
    try:
        answer = bench.client.post("/v1/events/visit", json=visit(1), headers=bench.key())
    finally:
        bench.producer.away = False

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "send the same request again" in answer.json()["detail"]
    assert bench.client.post("/v1/events/visit", json=visit(1), headers=bench.key()).status_code == 202


def test_what_the_broker_finds_too_large_is_refused_alone(bench: Bench) -> None:
    bench.producer.too_large = lambda value: b"V-2" in value
    try:
        told = bench.client.post(
            "/v1/events/visit/batch", json=[visit(1), visit(2), visit(3)], headers=bench.key()
        ).json()
    finally:
        bench.producer.too_large = lambda _value: False

    assert [item["status"] for item in told["results"]] == ["accepted", "refused", "accepted"]
    assert told["results"][1]["message"].startswith("the message is larger than the broker takes")


def test_what_the_guard_suspects_is_handed_on_and_never_repeated() -> None:
    secret = "王医生本月开了阿托伐他汀120盒"
    sent = [
        visit(1, feedback_text=secret),
        visit(2, feedback_score=secret),
        {**visit(3), "event_id": secret},
        {**visit(4), "source": secret},
        visit(5, feedback_text="一切顺利"),
        visit(6, feedback_score="high"),
    ]
    with gateway(suspicious=RulesInForce(POLICIES).suspicious) as bench, capture_logs() as logs:
        told = bench.client.post("/v1/events/visit/batch", json=sent, headers=bench.key()).json()
        alone = bench.client.post("/v1/events/visit", json=sent[1], headers=bench.key())

    assert [item["status"] for item in told["results"]] == ["accepted", "refused"] * 3
    assert [item["event_id"] for item in told["results"]] == ["V-1", None, None, None, "V-5", None]
    assert secret not in f"{told}{alone.text}{logs}"
    assert "is not repeated here" in alone.json()["detail"]
    assert "(got 'high')" in told["results"][5]["message"]
    # the stream sets aside what it gets: all but what is merely wrong
    assert [json.loads(value) for _, _, value, _ in bench.producer.sent] == [*sent[:5], sent[1]]
    # and its case is about the representative it names, whether it could be used or not
    assert {key for _, key, _, _ in bench.producer.sent} == {visit(1)["rep_id"]}


def test_what_names_no_representative_has_the_key_that_sent_it() -> None:
    secret = "王医生本月开了阿托伐他汀120盒"
    with gateway(suspicious=RulesInForce(POLICIES).suspicious) as bench:
        bench.client.post("/v1/events/visit", json={"rep_id": secret, "text": secret}, headers=bench.key())

    assert [key for _, key, _, _ in bench.producer.sent] == [bench.keys["crm"].split("_")[1]]


def test_large_batches_count_as_several_requests() -> None:
    with gateway(bounds=Bounds(1_000_000, 100_000, 1_000), per_s=2.0) as bench:
        first = bench.client.post(
            "/v1/events/visit/batch", content=b"[" + b"1," * 899 + b"1]", headers={**bench.key(), **JSON}
        )
        second = bench.client.post("/v1/events/visit", json=visit(1), headers=bench.key())

    # 2 requests are free; 1 + 900 / 100 are spent, so 9 are missing at 2 a second
    assert (first.status_code, second.status_code) == (202, 429)
    assert 4 <= int(second.headers["retry-after"]) <= 5
