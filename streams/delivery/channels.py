"""Channels: the outbox file, signed webhooks, and everything that apprise knows."""

import asyncio
import json
import logging
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from dotenv import dotenv_values

from agents.delivery.pacing import Outcome
from schemas.delivery import OUTBOX, Channel, DeliveryPolicy, Message
from streams.delivery.robots import look_into_answers, most_bytes, shortened
from streams.delivery.webhook import Webhook
from streams.errors import UsageError

OUTBOX_FILE = "outbox.jsonl"
#: Attempts at once on one channel of apprise, whose library blocks.
_THREADS = 4
_LONGEST_ERROR = 300


class Sending(Protocol):
    """What a channel can do."""

    async def send(self, message: Message) -> Outcome:
        """One attempt; every failure is an outcome."""

    async def close(self) -> None:
        """Give up what is held."""


class Outbox:
    """A file on this machine, one JSON object a line; readable by its owner alone.

    Args:
        folder: the data folder; made when it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / OUTBOX_FILE

    async def send(self, message: Message) -> Outcome:
        """Append the message."""
        try:
            await asyncio.to_thread(self._append, message)
        except OSError as error:
            return Outcome(f"{self._path} cannot be written: {error.strerror}")
        return Outcome()

    def _append(self, message: Message) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        line = {"at": datetime.now(UTC).isoformat(), **message.model_dump(mode="json")}
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, (json.dumps(line, ensure_ascii=False) + "\n").encode())
        finally:
            os.close(handle)

    async def close(self) -> None:
        """Nothing is kept open."""


class Apprise:
    """An address of apprise: WeCom, DingTalk, Feishu, mail and the rest.

    Args:
        url: the address.
        limit_s: how long one attempt may take.

    Raises:
        UsageError: apprise does not know such an address.
    """

    def __init__(self, url: str, limit_s: float) -> None:
        import apprise  # noqa: PLC0415 - it looks at all the services it knows, which takes its time

        _hush()
        look_into_answers()
        self._text = apprise.NotifyFormat.TEXT
        # without a time limit of its own it works in our threads, not in a few that all channels would share
        asset = apprise.AppriseAsset(
            app_id="sfe-pulse", app_desc="sfe-pulse", app_url="", async_mode=False, service_timeout=0
        )
        asset.http_redirects = False  # a POST that is led on arrives as a GET, and its 200 says nothing
        self._service = apprise.Apprise(asset=asset, log_level=logging.WARNING)
        if not self._service.add(url):
            msg = "this is no address apprise knows: write for example wecombot://KEY or mailtos://user:password@host"
            raise UsageError(msg)
        for service in self._service:
            service.request_rate_per_sec = 0  # apprise would sleep 5.5 s between two; the recipient's limit is ours
        self._most_bytes = min(map(most_bytes, self._service))
        self._limit_s = limit_s
        # threads of its own: a service that hangs uses up these and no other channel's
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="apprise")

    async def send(self, message: Message) -> Outcome:
        """One attempt; apprise says only whether it went well, the reason is read from what it logs."""
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.wait_for(loop.run_in_executor(self._pool, self._notify, message), self._limit_s)
        except TimeoutError:
            return Outcome(f"no answer within {self._limit_s:g} s")

    def _notify(self, message: Message) -> Outcome:
        body = shortened(message.text, self._most_bytes - len(message.title.encode()))
        with self._service.notify(title=message.title, body=body, body_format=self._text) as result:
            said = next((entry.message for one in result for entry in one.logs()), "the service did not take it")
            return Outcome() if result else Outcome(" ".join(said.split())[:_LONGEST_ERROR])

    async def close(self) -> None:
        """Wait for nobody."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _hush() -> None:
    """Keep what apprise logs to the outcomes: of an address it cannot use it writes the keys into the log."""
    logger = logging.getLogger("apprise")
    logger.propagate = False
    if not logger.handlers:  # else Python writes it to the standard error
        logger.addHandler(logging.NullHandler())


class Channels:
    """The channels of a policy that are set up, and why the others are not.

    Args:
        policy: names them.
        folder: the data folder, for the outbox.
        environment: holds addresses and keys.

    Attributes:
        missing: why a channel is not set up, by name.
    """

    def __init__(self, policy: DeliveryPolicy, folder: Path, environment: Mapping[str, str]) -> None:
        self._open: dict[str, Sending] = {OUTBOX: Outbox(folder)}
        self.missing: dict[str, str] = {}
        for name, channel in policy.channels.items():
            self._set_up(name, channel, folder, environment)

    def _set_up(self, name: str, channel: Channel, folder: Path, environment: Mapping[str, str]) -> None:
        url = environment.get(channel.url_env or "", "")
        secret = environment.get(channel.secret_env or "", "")
        if channel.kind == "outbox":
            self._open[name] = Outbox(folder)
        elif not url:
            self.missing[name] = f"{channel.url_env} is not set"
        else:
            try:
                self._open[name] = self._made(channel, url, secret)
            except UsageError as error:
                self.missing[name] = f"{channel.url_env} is wrong: {error}"

    @staticmethod
    def _made(channel: Channel, url: str, secret: str) -> Sending:
        limit_s = channel.limit.total_seconds()
        return Webhook(url, secret, limit_s) if channel.kind == "webhook" else Apprise(url, limit_s)

    def of(self, policy: DeliveryPolicy) -> dict[str, tuple[str, ...]]:
        """The channels that are set up, by recipient; the outbox for who has none."""
        return {
            name: tuple(one for one in recipient.channels if one in self._open) or (OUTBOX,)
            for name, recipient in policy.recipients.items()
        }

    def get(self, name: str) -> Sending | None:
        """A channel; None when it is not set up."""
        return self._open.get(name)

    async def close(self) -> None:
        """Close all of them."""
        for one in self._open.values():
            await one.close()


def environment() -> dict[str, str]:
    """Variables of this process, and those of `.env` where the process has none of that name."""
    written: dict[str, Any] = dotenv_values(".env")
    return {**{name: value for name, value in written.items() if value}, **os.environ}
