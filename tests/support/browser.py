"""A headless Chromium driven over its debugging port: opens pages, types, tells what they asked for."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from tests.support import peers

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",
    "--remote-debugging-port=0",
    # whatever asks for another machine finds nobody
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
START_S = 60.0
BINARY = 2
"""Opcode of a websocket's binary message."""


class Browser:
    """One page.

    Attributes
    ----------
    asked : list of str
        Addresses that the page asked for, websockets among them.
    said : list of str
        What it wrote on its console, refusals of its security policy among them.
    received : bytes
        What came over its websockets in binary messages.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self.asked: list[str] = []
        self.said: list[str] = []
        self.received = b""

    async def listen(self) -> None:
        """Take what the browser reports until it ends."""
        async for message in self._socket:
            packet = message.json()
            params = packet.get("params", {})
            match packet.get("method"):
                case "Network.requestWillBeSent":
                    self.asked.append(params["request"]["url"])
                case "Network.webSocketCreated":
                    self.asked.append(params["url"])
                case "Network.webSocketFrameReceived" if params["response"]["opcode"] == BINARY:
                    self.received += base64.b64decode(params["response"]["payloadData"])
                case "Log.entryAdded":
                    self.said.append(params["entry"]["text"])
                case None if (waiting := self._answers.pop(packet["id"], None)) is not None:
                    waiting.set_result(packet)

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call one method of the debugging protocol."""
        self._number += 1
        waiting = self._answers[self._number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        packet = await asyncio.wait_for(waiting, 30.0)
        assert "error" not in packet, packet["error"]
        result: dict[str, Any] = packet["result"]
        return result

    async def open(self, url: str) -> None:
        """Go to a page."""
        await self.call("Page.navigate", url=url)

    async def value(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return answer["result"].get("value")

    async def until(self, expression: str, timeout_s: float = 60.0) -> None:
        """Wait until an expression is true in the page."""
        async with asyncio.timeout(timeout_s):
            while not await self.value(expression):
                await asyncio.sleep(0.1)

    async def type(self, text: str) -> None:
        """Press keys."""
        for letter in text:
            await self.call("Input.dispatchKeyEvent", type="keyDown", text=letter, key=letter)
            await self.call("Input.dispatchKeyEvent", type="keyUp", key=letter)

    async def picture(self) -> bytes:
        """Return what the page shows as a PNG file."""
        return base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])


@contextlib.asynccontextmanager
async def browser(folder: Path, width: int = 1100, height: int = 700) -> AsyncIterator[Browser]:
    """Run a browser with a profile of its own; it ends with the block."""
    process = await asyncio.create_subprocess_exec(
        peers.require("chromium"),
        *FLAGS,
        f"--user-data-dir={folder / 'profile'}",
        f"--window-size={width},{height}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(START_S):
            port = await _debugging_port(process.stderr)
        drain = asyncio.create_task(process.stderr.read())
        async with aiohttp.ClientSession() as http:
            async with http.get(f"http://127.0.0.1:{port}/json/list") as answer:
                (page,) = [t for t in await answer.json() if t["type"] == "page"]
            async with http.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                shown = Browser(socket)
                listener = asyncio.create_task(shown.listen())
                for domain in ("Page", "Network", "Log", "Runtime"):
                    await shown.call(f"{domain}.enable")
                yield shown
            listener.cancel()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 10.0)
        if process.returncode is None:
            process.kill()
            await process.wait()
    await drain


async def _debugging_port(stderr: asyncio.StreamReader) -> int:
    while line := (await stderr.readline()).decode():
        if found := re.search(r"DevTools listening on ws://127\.0\.0\.1:(\d+)/", line):
            return int(found[1])
    raise AssertionError("the browser ended at its start")
