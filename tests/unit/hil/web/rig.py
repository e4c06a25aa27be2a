"""A web server around the toy console, on a free port, with a client that can lie about its origin."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import weakref
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from hil.web.access import LOOPBACK_NAMES, Access
from hil.web.server import ConsoleServer

TOKEN = "the-token-of-these-tests"
DATA = (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT)
TOY = (sys.executable, str(Path(__file__).with_name("toy_console.py")))


class Served(TestServer):
    """Runs a server as ``gridhil web`` does; the library's own test server cancels handlers."""

    def __init__(self, server: ConsoleServer) -> None:
        self._runner = server.runner()
        super().__init__(self._runner.app, host="127.0.0.1")

    async def _make_runner(self, **_: object) -> web.AppRunner:
        return self._runner


class Rig:
    """A server and a client of it."""

    def __init__(self, server: ConsoleServer, client: TestClient, lines: list[str]) -> None:
        self.server = server
        self.client = client
        self.lines = lines

    @property
    def origin(self) -> str:
        """Where the server's own pages come from."""
        return f"http://127.0.0.1:{self.client.port}"

    async def open(self) -> None:
        """Get the page, and so the cookie."""
        async with self.client.get("/", params={"token": TOKEN}) as answer:
            assert answer.status == 200, await answer.text()

    def socket(
        self, **headers: str
    ) -> contextlib.AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]:
        """Open the websocket as the server's own page does, unless told otherwise."""
        return self.client.ws_connect("/ws?width=90&height=30", headers={"Origin": self.origin} | headers)

    async def until_said(self, pattern: str) -> None:
        """Wait until the server told its person something."""
        async with asyncio.timeout(30.0):
            while not any(re.search(pattern, line) for line in self.lines):
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def serving(
    *, argv: tuple[str, ...] = TOY, sessions_max: int = 2, idle_s: float = 0.0
) -> AsyncIterator[Rig]:
    """Serve for the length of a block."""
    lines: list[str] = []
    server = ConsoleServer(
        argv,
        Access(TOKEN, LOOPBACK_NAMES),
        title="toy",
        sessions_max=sessions_max,
        idle_s=idle_s,
        say=lines.append,
    )
    jar = aiohttp.CookieJar(unsafe=True)  # addresses in numbers may have cookies, as in browsers
    async with TestClient(Served(server), cookie_jar=jar) as client:
        yield Rig(server, client, lines)


_seen: weakref.WeakKeyDictionary[aiohttp.ClientWebSocketResponse, str] = weakref.WeakKeyDictionary()
"""Terminal output of each socket that no pattern was found in yet."""


async def until_shown(socket: aiohttp.ClientWebSocketResponse, pattern: str) -> re.Match[str]:
    """Read terminal output until something is in it that was not asked for before."""
    async with asyncio.timeout(20.0):
        while True:
            seen = _seen.get(socket, "")
            if found := re.search(pattern, seen):
                _seen[socket] = seen[found.end() :]
                return found
            message = await socket.receive()
            assert message.type in DATA, f"closed without {pattern!r}: {seen!r}"
            if message.type is aiohttp.WSMsgType.BINARY:
                text = message.data.decode("utf-8", "replace")
                _seen[socket] = seen + re.sub(r"\x1b\[[0-9;?<>=]*[ -/]*[@-~]", "", text)


async def until_closed(socket: aiohttp.ClientWebSocketResponse) -> None:
    """Read on until the server closes."""
    async with asyncio.timeout(30.0):
        async for _ in socket:
            pass


async def until_gone(pid: int) -> None:
    """Wait until a process is no more."""
    async with asyncio.timeout(20.0):
        while psutil.pid_exists(pid):
            await asyncio.sleep(0.05)
