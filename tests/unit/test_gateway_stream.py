"""Live alerts: handed on, bounded, taken up again, and only to those who may see them."""

import asyncio
import re
import time
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from gateway_parts import FakeReading, alert, bearer, gateway

from schemas.alerts import ExplainedValue
from streams.gateway import feed
from streams.gateway.feed import Hub, KafkaFeed, Listener
from streams.gateway.problems import ProblemError
from streams.gateway.shapes import AlertShown
from streams.gateway.stream import EventStream, event_id_of, lines, place_of
from streams.gateway.trees import Trees


def shown(number: int = 1, **changed: Any) -> AlertShown:
    return AlertShown.of(alert(number, **changed))


def row_of(one: AlertShown) -> dict[str, Any]:
    """As the alert stands in `alert_log`."""
    told = dict(one)
    told["basis"] = orjson.dumps([item.model_dump() for item in one.basis]).decode()
    told["explanation"] = one.explanation.model_dump_json() if one.explanation else ""
    return told


def test_an_alert_of_the_topic_and_its_row_look_the_same() -> None:
    one = shown()

    assert AlertShown.of_row(row_of(one)) == one
    assert (one.title_zh, one.message_en, one.institution_id, one.region_id) == (
        "餐费超标",
        "480 yuan a person",
        "",
        "east",
    )
    assert place_of(event_id_of(one)) == (1772415001412, f"{1:032x}")


@pytest.mark.parametrize(
    "wrong", ["", "1", "x-" + "0" * 32, "1-" + "0" * 31, "-1-" + "0" * 32, "1" * 15 + "-" + "0" * 32]
)
def test_another_last_event_id_is_refused(wrong: str) -> None:
    with pytest.raises(ProblemError, match="Last-Event-ID"):
        place_of(wrong)


def test_the_hub_hands_on_once_and_only_what_is_wanted() -> None:
    hub = Hub(5, 5)
    red, all_of_them = (hub.listen("ann", wants) for wants in (lambda a: a.colour == "red", lambda _a: True))
    for _ in range(2):
        hub.publish(shown(1))
        hub.publish(shown(2, colour="red", severity="prohibited"))

    assert [red.queue.get_nowait().rule_id for _ in range(red.queue.qsize())] == ["R11"]
    assert all_of_them.queue.qsize() == 2


def test_streams_are_limited_per_person_and_in_all() -> None:
    hub = Hub(3, 2)
    held = [hub.listen(subject, lambda _a: True) for subject in ("ann", "ann", "bo")]
    for subject, said in (("ann", "you have 2 streams open already"), ("cy", "3 streams are open already")):
        with pytest.raises(ProblemError, match=said):
            hub.listen(subject, lambda _a: True)
    hub.leave(held[0])
    hub.listen("cy", lambda _a: True)
    hub.close()
    with pytest.raises(ProblemError, match="about to end"):
        hub.listen("di", lambda _a: True)


async def text_of(listener: Listener, missed: list[AlertShown], **kept: Any) -> list[str]:
    asked = {"until_s": time.time() + 60, **kept}
    return [piece.decode() async for piece in lines(listener, missed, **asked)]


async def test_a_stream_begins_with_what_was_missed_and_repeats_nothing() -> None:
    hub = Hub(5, 5)
    listener = hub.listen("ann", lambda _a: True)
    hub.publish(shown(1))
    hub.publish(shown(2))
    hub.close()

    pieces = await text_of(listener, [shown(1)])

    assert pieces[0] == "retry: 3000\n: connected\n\n"
    assert [re.findall(r"^id: \d+-0*(\d)$", piece, re.MULTILINE) for piece in pieces[1:3]] == [["1"], ["2"]]
    assert pieces[3] == ": the gateway ends; come back with Last-Event-ID\n\n"
    assert len(pieces) == 4


async def test_a_slow_client_is_dropped_with_a_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "_BEHIND", 3)
    hub = Hub(5, 5)
    slow, quick = (hub.listen("ann", lambda _a: True) for _ in range(2))
    for number in range(10):
        hub.publish(shown(number))
        quick.queue.get_nowait()

    pieces = await text_of(slow, [])

    assert (slow.dropped, quick.dropped) == (True, False)
    assert len(pieces) == 1 + 3 + 1
    assert pieces[-1].startswith(": you were too slow and missed alerts")


async def test_silence_is_filled_and_the_token_ends_it() -> None:
    listener = Hub(1, 1).listen("ann", lambda _a: True)

    pieces = await text_of(listener, [], until_s=time.time() + 0.2, heartbeat_s=0.05)

    assert ": heartbeat\n\n" in pieces
    assert pieces[-1].startswith(": the token has expired")
    assert len(pieces) <= 7


async def test_a_client_that_takes_nothing_is_let_go() -> None:
    ended = asyncio.Event()
    listener = Hub(1, 1).listen("ann", lambda _a: True)
    response = EventStream(lines(listener, [], until_s=time.time() + 60), ended.set, patience_s=0.05)

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    await asyncio.wait_for(response({"type": "http", "asgi": {"spec_version": "2.3"}}, receive, send), 5)
    assert ended.is_set()


def stream_text(headers: dict[str, str], alerts: list[AlertShown], query: str = "", rows: Any = ()) -> tuple[int, str]:
    """What one person gets of alerts: those in memory, then the end."""

    def answers(statement: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        if "reps_today" in statement and "alert_log" not in statement:
            return [{"rep_id": "R-1"}, {"rep_id": "R-2"}] if values["node"] == "east" else []
        return list(rows)

    with gateway(FakeReading(answers)) as bench:
        for one in alerts:
            bench.parts.hub.publish(one)
        waiting = bench.parts.hub

        def closing_listen(*given: Any) -> Listener:
            listener = Hub.listen(waiting, *given)
            listener.end()
            return listener

        waiting.listen = closing_listen  # type: ignore[method-assign]
        answer = bench.client.get(f"/v1/alerts/stream{query}", headers=headers)
        assert waiting.listening == 0
    return answer.status_code, answer.text


@pytest.mark.parametrize(
    ("role", "claims", "seen"),
    [
        ("compliance", {}, "123"),
        ("auditor", {}, "123"),
        ("manager", {"node": "east"}, "12"),
        ("manager", {"node": "west"}, ""),
        ("rep", {"rep_id": "R-2"}, "2"),
    ],
)
def test_everybody_gets_what_they_may_see(role: str, claims: dict[str, str], seen: str) -> None:
    alerts = [shown(number, rep_id=f"R-{number}") for number in (1, 2, 3)]

    status, text = stream_text({**bearer(role, **claims), "Last-Event-ID": "0-" + "f" * 32}, alerts)

    assert status == 200
    assert "".join(re.findall(r"^id: \d+-0+(\d)$", text, re.MULTILINE)) == seen


def test_taking_up_again_joins_rows_and_memory_without_the_last_one() -> None:
    rows = [row_of(shown(number)) for number in (1, 2)]
    last = event_id_of(shown(1))

    _, text = stream_text({**bearer("auditor"), "Last-Event-ID": last}, [shown(2), shown(3)], rows=rows)

    assert "".join(re.findall(r"^id: \d+-0+(\d)$", text, re.MULTILINE)) == "23"
    (data,) = re.findall(r"^data: (.*)$", text.split("\n\n")[1], re.MULTILINE)
    assert orjson.loads(data)["title_zh"] == "餐费超标"


def test_filters_of_the_stream() -> None:
    alerts = [shown(1), shown(2, colour="red", severity="prohibited"), shown(3, region_id="west")]
    headers = {**bearer("auditor"), "Last-Event-ID": "0-" + "f" * 32}

    assert "".join(re.findall(r"-0+(\d)$", stream_text(headers, alerts, "?colour=amber&region=east")[1], re.M)) == "1"
    assert stream_text(headers, [], "?color=red")[0] == 422
    assert stream_text({**bearer("finance")}, [])[0] == 403
    assert stream_text({**bearer("auditor"), "Last-Event-ID": "x"}, [])[0] == 422


async def test_trees_are_kept_up_while_they_are_watched() -> None:
    answers = {"east": frozenset({"R-1"})}
    trees = Trees(lambda node: answers[node], fresh_s=0.01)
    await trees.watch("east")
    assert (trees.holds("east", "R-1"), trees.holds("east", "R-2"), trees.holds("west", "R-1")) == (True, False, False)

    answers["east"] = frozenset({"R-2"})
    task = asyncio.create_task(trees.run())
    async with asyncio.timeout(5):
        while not trees.holds("east", "R-2"):
            await asyncio.sleep(0.01)
    task.cancel()
    trees.leave("east")

    assert not trees.holds("east", "R-2")


def test_a_message_that_is_no_alert_stops_nothing() -> None:
    hub = Hub(1, 1)
    live = KafkaFeed("127.0.0.1:1", hub)
    for value in (None, b"", b"{}", b"\xff", alert(7).model_dump_json().encode()):
        live._take(value)

    assert list(hub.recent) == [f"{7:032x}"]


def test_what_other_representatives_did_is_shown_to_nobody_who_sees_a_part() -> None:
    told = ExplainedValue(text="given >= 10000", value="yes")
    about_hospital = alert(1).model_copy(update={"subject_kind": "institution", "explanation": told})
    about_rep = alert(2).model_copy(update={"subject_kind": "rep", "explanation": told})
    assert AlertShown.of(about_hospital).without_others.explanation is None
    assert AlertShown.of(about_rep).without_others.explanation == told
