"""What messages are sent to: an HTTP receiver and a mail server on loopback, both of which note what they got."""

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import cast

from aiohttp import web


@dataclass
class Receiver:
    """An HTTP receiver.

    Attributes:
        url: where it listens.
        answers: status and headers of the next answers; 200 when there are none left. Status 0 hangs.
        said: body of every answer.
        got: headers and body of every request.
    """

    url: str = ""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    said: str = "said"
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    seen: Callable[[], None] = lambda: None

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        self.arrived.set()
        self.seen()
        status, headers = self.answers.pop(0) if self.answers else (200, {})
        if status == 0:
            await asyncio.sleep(3600)
        return web.Response(status=status, headers=headers, text=self.said)


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        yield receiver
    finally:
        await runner.cleanup()


@dataclass
class Mailbox:
    """A mail server; speaks as much SMTP as a client needs to hand over a message."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refuses: bool = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        def say(line: str) -> None:
            writer.write(f"{line}\r\n".encode())

        say("220 mail")
        while line := (await reader.readline()).decode().strip():
            verb = line.upper()
            if verb.startswith("RCPT"):
                self.recipients.append(line.partition(":")[2].strip("<> "))
            if verb == "DATA":
                say("354 go on")
                raw = (await reader.readuntil(b"\r\n.\r\n"))[:-3].replace(b"\r\n..", b"\r\n.")
                self.mails.append(cast("EmailMessage", email.message_from_bytes(raw, policy=email.policy.default)))
            refused = self.refuses and verb.startswith("RCPT")
            say("550 nobody of that name" if refused else "221 bye" if verb == "QUIT" else "250 ok")
            if verb == "QUIT":
                break
        with suppress(OSError):
            await writer.drain()
        writer.close()


@asynccontextmanager
async def mailbox() -> AsyncIterator[Mailbox]:
    box = Mailbox()
    server = await asyncio.start_server(box.serve, "127.0.0.1", 0)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        await server.wait_closed()
