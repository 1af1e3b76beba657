"""Channels against a real HTTP receiver and a real mail server on loopback."""

import asyncio
import contextlib
import importlib
import io
import json
import logging
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from delivery_samples import MONDAY, alert, policy
from receivers import mailbox, receiving

from agents.delivery.pacing import Outcome
from agents.delivery.routing import Desk, plan
from agents.delivery.wording import Style, message_of, notice_of
from schemas.delivery import Message
from streams.delivery.channels import Apprise, Outbox
from streams.delivery.webhook import Webhook, judged, signature
from streams.errors import UsageError

pytestmark = pytest.mark.usefixtures("network")
DOC = Path(__file__).parents[2] / "docs" / "delivery.md"
SECRET = "a key of 密"
_ROBOTS = {"wecombot": "NotifyWeComBot", "dingtalk": "NotifyDingTalk"}


def message() -> Message:
    style = Style(MONDAY.tzinfo)  # type: ignore[arg-type]
    given = policy()
    desk = Desk(given, {"desk": ("outbox",)}, style.zone, lambda _day: True)
    return message_of(plan(alert(), desk, MONDAY), [notice_of(alert())], "desk", given.recipients["desk"], style)


def documented() -> Callable[..., Any]:
    """The example of docs/delivery.md, as somebody copies it."""
    block = re.search(r"^```python\n(.*?)^```", DOC.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert block
    space: dict[str, Any] = {}
    exec(block[1], space)
    return space["verified"]  # type: ignore[no-any-return]


async def test_a_webhook_is_signed_so_that_the_documented_example_accepts_it() -> None:
    verified = documented()
    async with receiving() as receiver:
        outcome = await Webhook(receiver.url, SECRET, 5).send(message())

    headers, body = receiver.got[0]
    now = time.time()
    assert outcome.error == ""
    assert verified(SECRET, headers, body, now) == json.loads(body)
    assert json.loads(body)["alerts"][0]["rule_id"] == "R08"
    assert headers["X-Pulse-Delivery"] == message().message_id == json.loads(body)["message_id"]
    late = {**headers, "X-Pulse-Timestamp": str(int(now) - 900)}
    late["X-Pulse-Signature"] = signature(SECRET, late["X-Pulse-Timestamp"], body)
    forged = {**headers, "X-Pulse-Timestamp": str(int(headers["X-Pulse-Timestamp"]) + 1)}
    for wrong in (
        (SECRET, headers, body + b" "),
        ("another", headers, body),
        (SECRET, forged, body),
        (SECRET, late, body),
    ):
        with pytest.raises(ValueError, match=r"signature|too old"):
            verified(*wrong, now)


@pytest.mark.parametrize(
    ("status", "headers", "error", "is_final", "retry_after_s"),
    [
        (204, {}, "", False, None),
        (500, {}, "answered 500", False, None),
        (503, {"Retry-After": "120"}, "answered 503", False, 120.0),
        (429, {"Retry-After": "7"}, "answered 429", False, 7.0),
        (408, {}, "answered 408", False, None),
        (404, {}, "answered 404", True, None),
        (401, {"Retry-After": "7"}, "answered 401", True, None),
        (302, {"Location": "/other"}, "answered 302: redirects are not followed", True, None),
    ],
)
async def test_what_a_receiver_answers_decides_on_another_attempt(
    status: int, headers: dict[str, str], error: str, is_final: bool, retry_after_s: float | None
) -> None:
    async with receiving() as receiver:
        receiver.answers.append((status, headers))
        outcome = await Webhook(receiver.url, SECRET, 5).send(message())

    assert (outcome.is_final, outcome.retry_after_s) == (is_final, retry_after_s)
    assert outcome.error.startswith(error)
    assert bool(outcome.error) is bool(error)
    assert len(receiver.got) == 1


async def test_a_receiver_that_hangs_is_left_after_the_time_limit() -> None:
    async with receiving() as receiver:
        receiver.answers.append((0, {}))
        began = time.monotonic()
        outcome = await Webhook(receiver.url, SECRET, 0.3).send(message())

    assert (outcome.error, outcome.is_final) == ("no answer within 0.3 s", False)
    assert time.monotonic() - began < 2


async def test_nobody_listening_is_told_without_the_address() -> None:
    async with receiving() as receiver:
        pass
    outcome = await Webhook(receiver.url + "/secret-path", SECRET, 2).send(message())

    assert outcome.error.startswith("not reached: ")
    assert "secret" not in outcome.error
    assert not outcome.is_final


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [("Mon, 02 Mar 2026 02:01:00 GMT", 60.0), ("Mon, 02 Mar 2026 01:00:00 GMT", 0.0), ("soon", None), (None, None)],
)
def test_retry_after_may_be_a_date(retry_after: str | None, seconds: float | None) -> None:
    assert judged(503, retry_after, MONDAY).retry_after_s == seconds


async def test_a_mail_arrives_with_title_and_text() -> None:
    async with mailbox() as box:
        outcome = await Apprise(_mail(box.port), 10).send(message())

    assert outcome.error == ""
    assert box.recipients == ["desk@example.com"]
    mail = box.mails[0]
    assert mail["Subject"] == "[red] R08 Visit too short"
    body = mail.get_body(("plain", "html"))
    assert body is not None
    assert "Visit 1 lasted 2 minutes" in body.get_content()


async def test_a_mail_server_that_refuses_is_an_error_to_try_again() -> None:
    async with mailbox() as box:
        box.refuses = True
        outcome = await Apprise(_mail(box.port), 10).send(message())

    assert outcome.error == 'Sending email to "desk@example.com" failed.'
    assert not outcome.is_final
    assert box.mails == []


async def test_a_mail_server_that_is_away_is_named_as_the_reason() -> None:
    async with mailbox() as box:
        pass

    assert (await Apprise(_mail(box.port), 10).send(message())).error.startswith("Connection error while submitting")


@pytest.mark.parametrize("url", ["slack://s3cretA/s3cretB", "dingtalk://s3cret!", "json://user:s3cretpw@"])
def test_an_address_that_cannot_be_used_is_written_nowhere(url: str) -> None:
    written = io.StringIO()  # pytest's own capture listens to loggers that hand nothing on, too
    handler = logging.StreamHandler(written)
    logging.getLogger().addHandler(handler)
    try:
        with pytest.raises(UsageError) as error, contextlib.redirect_stderr(written):
            Apprise(url, 10)
    finally:
        logging.getLogger().removeHandler(handler)

    assert "s3cret" not in f"{error.value}{written.getvalue()}"


def _mail(port: int) -> str:
    return f"mailto://127.0.0.1:{port}/?from=pulse@example.com&to=desk@example.com&smtp=127.0.0.1&mode=insecure"


async def test_messages_that_come_together_are_not_kept_apart_by_apprise(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    async with mailbox() as box:
        channel = Apprise(_mail(box.port), 10)
        outcomes = [await channel.send(message()) for _ in range(3)]

    assert [outcome.error for outcome in outcomes] == [""] * 3
    assert len(box.mails) == 3
    assert slept == []  # apprise by itself: twice 5.5 s


async def test_apprise_does_not_follow_redirects() -> None:
    async with receiving() as receiver:
        receiver.answers.append((302, {"Location": receiver.url}))
        outcome = await Apprise(receiver.url.replace("http://", "json://"), 10).send(message())

    assert outcome.error
    assert len(receiver.got) == 1


async def test_apprise_that_hangs_is_left_after_the_time_limit_and_another_channel_goes_on(tmp_path: Path) -> None:
    async with receiving() as receiver:
        receiver.answers += [(0, {})]
        hanging = Apprise(receiver.url.replace("http://", "json://"), 0.3)
        outcome, other = await asyncio.gather(hanging.send(message()), Outbox(tmp_path).send(message()))
        await hanging.close()

    assert outcome.error == "no answer within 0.3 s"
    assert other.error == ""


@pytest.mark.parametrize("name", ["wecombot", "dingtalk"])
async def test_a_robot_that_refuses_with_status_200_has_not_taken_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = getattr(importlib.import_module(f"apprise.plugins.{name}"), _ROBOTS[name])
    async with receiving() as receiver:
        monkeypatch.setattr(plugin, "notify_url", receiver.url)
        channel = Apprise(f"{name}://botkey", 10)
        receiver.said = '{"errcode": 93000, "errmsg": "invalid webhook url"}'
        refused = await channel.send(message())
        receiver.said = '{"errcode": 0, "errmsg": "ok"}'
        taken = await channel.send(message())

    assert refused == Outcome("refused with errcode 93000: invalid webhook url")
    assert taken == Outcome()
    assert len(receiver.got) == 2


async def test_wecom_gets_no_more_than_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = importlib.import_module("apprise.plugins.wecombot").NotifyWeComBot
    lines = [f"[红] R08 第{number}次拜访只有2分钟，少于规定的5分钟 (R-017)" for number in range(40)]
    async with receiving() as receiver:
        monkeypatch.setattr(plugin, "notify_url", receiver.url)
        long = message().model_copy(update={"title": "40 条合规提醒", "text": "\n".join(lines)})
        outcome = await Apprise("wecombot://botkey", 10).send(long)

    sent = json.loads(receiver.got[0][1])["text"]["content"]
    title, *told, last = sent.splitlines()
    assert outcome == Outcome()
    assert 1_900 < len(sent.encode()) <= 2_048
    assert (title, told, last) == ("40 条合规提醒", lines[: len(told)], "…")


async def test_services_that_hang_use_up_the_threads_of_no_other_channel() -> None:
    async with receiving() as receiver, mailbox() as box:
        receiver.answers += [(0, {})] * 12
        hanging = [Apprise(receiver.url.replace("http://", "json://"), 0.3) for _ in range(3)]
        tried = await asyncio.gather(*(one.send(message()) for one in hanging for _ in range(4)))
        taken = await Apprise(_mail(box.port), 2).send(message())
        for one in hanging:
            await one.close()

    assert {outcome.error for outcome in tried} == {"no answer within 0.3 s"}
    assert taken == Outcome()


async def test_the_outbox_holds_one_line_a_message_for_its_owner_alone(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "new")
    assert [(await outbox.send(message())).error for _ in range(2)] == ["", ""]

    path = tmp_path / "new" / "outbox.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["title"] for line in lines] == ["[red] R08 Visit too short"] * 2
    assert datetime.fromisoformat(lines[0]["at"]).tzinfo == UTC
    assert path.stat().st_mode & 0o777 == 0o600


async def test_an_outbox_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert "cannot be written" in (await Outbox(tmp_path / "file").send(message())).error
