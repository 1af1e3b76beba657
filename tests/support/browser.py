"""A headless Chromium, driven over its own debugging protocol: no driver to install, no network but this machine's.

`python tests/support/browser.py ADDRESS FOLDER` writes the pictures of the README from a running page.
"""

import asyncio
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
#: No sandbox of its own (it needs rights a container does not give), nothing asked from anywhere.
OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--mute-audio", "--remote-debugging-port=0", "about:blank",
)  # fmt: skip
WIDE, HIGH = 1600, 1000
_WAIT_S = 60.0


def found() -> str | None:
    """Path of a Chromium on this machine."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """One tab."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self.complaints: list[str] = []
        self.requests: list[str] = []

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol; events that come meanwhile are noted."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while True:
            answer = await self._socket.receive_json(timeout=_WAIT_S)
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return dict(answer["result"])
            self._note(answer)

    def _note(self, event: dict[str, Any]) -> None:
        match event.get("method"):
            case "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(event["params"]["exceptionDetails"])[:500])
            case "Log.entryAdded" if event["params"]["entry"]["level"] == "error":
                self.complaints.append(event["params"]["entry"]["text"])
            case "Network.requestWillBeSent":
                self.requests.append(event["params"]["request"]["url"])

    async def value(self, expression: str) -> Any:
        """Value of a JavaScript expression."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, expression: str) -> None:
        """Wait until an expression is true."""
        deadline = asyncio.get_running_loop().time() + _WAIT_S
        while not await self.value(f"Boolean({expression})"):
            assert asyncio.get_running_loop().time() < deadline, f"waited in vain for {expression}"
            await asyncio.sleep(0.05)

    async def open(self, url: str) -> None:
        """Go to a board and wait until every panel is drawn."""
        await self.call("Page.navigate", url=url)
        await self.until(f"location.href === {json.dumps(url)} || location.href.startsWith({json.dumps(url)})")
        await self.drawn()

    async def drawn(self) -> None:
        """Wait until every panel shows its data or its fault."""
        await self.until(
            "document.documentElement.dataset.state === 'ready' && document.querySelectorAll('.panel').length > 0 && "
            "[...document.querySelectorAll('.panel')].every(one => one.dataset.rows || one.dataset.fault)"
        )

    async def size(self, width: int, height: int) -> None:
        """Make the window as large as that."""
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def picture(self, path: Path, height: int = HIGH) -> None:
        """Write what the window shows."""
        await self.size(WIDE, height)
        await asyncio.sleep(0.3)  # the page draws anew a moment after the last change of its size
        shot = await self.call("Page.captureScreenshot", format="png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(shot["data"]))


@asynccontextmanager
async def browser() -> AsyncIterator[Page]:
    """A tab of a fresh Chromium."""
    path = found()
    assert path is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        environment = {**os.environ, "HOME": folder}
        command = [path, f"--user-data-dir={folder}", *OPTIONS]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            address = await _address(Path(folder) / "DevToolsActivePort", process)
            async with ClientSession() as session, session.ws_connect(address, max_msg_size=0) as socket:
                page = Page(socket)
                for domain in ("Page", "Runtime", "Log", "Network"):
                    await page.call(f"{domain}.enable")
                await page.size(WIDE, HIGH)
                yield page
        finally:
            process.terminate()
            process.wait(20)


async def _address(file: Path, process: "subprocess.Popen[bytes]") -> str:
    """Where the first tab listens."""
    deadline = asyncio.get_running_loop().time() + _WAIT_S
    while not file.exists() or len(file.read_text().splitlines()) < 2:
        assert process.poll() is None, "chromium ended at once"
        assert asyncio.get_running_loop().time() < deadline, "chromium did not start"
        await asyncio.sleep(0.05)
    port = file.read_text().splitlines()[0]
    async with ClientSession() as session, session.get(f"http://127.0.0.1:{port}/json/list") as answer:
        return str(next(tab["webSocketDebuggerUrl"] for tab in await answer.json() if tab["type"] == "page"))


#: Board, height, name of the picture in docs/images.
PICTURES = (
    ("pulse-company", 1240, "company.zh-CN.png"),
    ("pulse-company-en", 1240, "company.en.png"),
    ("pulse-rep", 1180, "rep.zh-CN.png"),
    ("pulse-rep-en", 1180, "rep.en.png"),
    ("pulse-compliance", 1430, "compliance.zh-CN.png"),
    ("pulse-compliance-en", 1430, "compliance.en.png"),
    ("pulse-live", 1090, "live.zh-CN.png"),
    ("pulse-live-en", 1090, "live.en.png"),
)


async def _pictures(address: str, folder: Path) -> None:
    async with browser() as page:
        for board, height, name in PICTURES:
            await page.size(WIDE, height)
            await page.open(f"{address.rstrip('/')}/d/{board}")
            await page.picture(folder / name, height)


if __name__ == "__main__":
    asyncio.run(_pictures(sys.argv[1], Path(sys.argv[2])))
