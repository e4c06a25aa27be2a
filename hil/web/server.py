"""The HTTP side of ``gridhil web``: the page, its websocket and downloads, only for who may have them."""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files
from string import Template
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web
from textual_serve.server import Server

from hil.web.access import Access
from hil.web.session import Session

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Say = Callable[[str], object]

MESSAGE_MAX = 256 * 1024
"""Longest message that a browser may send [bytes]: what somebody pastes."""

SHUTDOWN_S = 10.0
"""How long consoles have to end when the server stops [s]."""

WIDTH_MAX, HEIGHT_MAX = 1000, 400
"""Largest terminal [cells]."""

NO_TOKEN = "403: open the address that `gridhil web` printed; it ends with the token.\n"
NOT_OURS = "403: this address is not one of this server's. Use the one that `gridhil web` printed.\n"
FOREIGN = "403: only the console's own page may ask for this.\n"

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; "
        "img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

QUIET = logging.getLogger("hil.web.requests")
QUIET.setLevel(logging.CRITICAL)


class ConsoleServer(Server):
    """Serves a console to browsers.

    Parameters
    ----------
    argv : sequence of str
        Program and arguments of the console; every browser has one of its own.
    access : Access
        Decides who may have it.
    title : str
        Title of the page.
    sessions_max : int
        How many browsers at a time.
    idle_s : float
        A session without a key or a mouse for so long ends [s]; 0: never.
    say : callable
        Takes lines for the person who started it.
    """

    def __init__(
        self, argv: Sequence[str], access: Access, *, title: str, sessions_max: int, idle_s: float, say: Say
    ) -> None:
        super().__init__(" ".join(argv), title=title)
        self.argv = tuple(argv)
        self.access = access
        self.sessions_max = sessions_max
        self.idle_s = idle_s
        self._say = say
        self._open: set[web.WebSocketResponse] = set()
        self._ends: set[asyncio.Future[None]] = set()
        self._page = Template(_asset("page.html"))
        self._n_sessions = 0

    def runner(self) -> web.AppRunner:
        """Return what runs it; a browser that goes does not cancel what ends its console."""
        app = self._application()
        return web.AppRunner(
            app,
            access_log=None,
            logger=QUIET,  # a request that is none is answered with 400, not with a traceback here
            handle_signals=False,
            handler_cancellation=False,
            shutdown_timeout=SHUTDOWN_S,
        )

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.add_routes(
            [
                web.get("/", self._index),
                web.get("/ws", self._websocket),
                web.get("/download/{key}", self.handle_download),
                web.get(r"/page.{kind:css|js}", self._own_file),
                web.static("/static", self.statics_path),
            ]
        )
        app.on_response_prepare.append(_add_headers)
        app.on_shutdown.append(self.on_shutdown)
        app.on_cleanup.append(self._await_ends)
        return app

    async def on_shutdown(self, app: web.Application) -> None:
        """Close every browser's connection, which ends its console."""
        await asyncio.gather(*(s.close(code=WSCloseCode.GOING_AWAY) for s in list(self._open)))

    async def _await_ends(self, app: web.Application) -> None:
        """Wait for consoles whose browsers have gone: nobody else does."""
        if self._ends:
            await asyncio.wait(self._ends)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        host, origin = request.headers.get("Host", ""), request.headers.get("Origin")
        if not self.access.knows(host):
            raise web.HTTPForbidden(text=NOT_OURS)
        must_tell = request.path == "/ws"  # every browser says where a websocket was asked for
        if (must_tell or origin is not None) and not self.access.is_own_page(origin or "", host):
            raise web.HTTPForbidden(text=FOREIGN)
        if request.path == "/" and self.access.opens(request.query.get("token", "")):
            return await handler(request)
        if not self.access.admits(request.cookies.get(self.access.cookie_name, "")):
            raise web.HTTPForbidden(text=NO_TOKEN)
        return await handler(request)

    async def _index(self, request: web.Request) -> web.StreamResponse:
        text = self._page.substitute(
            title=html.escape(self.title or ""),
            websocket=html.escape(f"ws://{request.headers['Host']}/ws"),
            font_size=_number(request.query.get("fontsize"), 16, 6, 60),
        )
        response = web.Response(text=text, content_type="text/html")
        response.set_cookie(self.access.cookie_name, self.access.cookie, httponly=True, samesite="Strict")
        return response

    async def _own_file(self, request: web.Request) -> web.StreamResponse:
        kind = request.match_info["kind"]
        content_type = "text/css" if kind == "css" else "text/javascript"
        return web.Response(text=_asset(f"page.{kind}"), content_type=content_type)

    async def _websocket(self, request: web.Request) -> web.WebSocketResponse:
        websocket = web.WebSocketResponse(heartbeat=15, timeout=2.0, max_msg_size=MESSAGE_MAX)
        await websocket.prepare(request)
        if len(self._open) >= self.sessions_max:
            words = f"All {self.sessions_max} sessions of this server are taken; close one, or ask for more "
            await websocket.send_bytes(f"{words}with --sessions.\r\n".encode())
            await websocket.close(code=WSCloseCode.TRY_AGAIN_LATER)
            return websocket
        self._open.add(websocket)
        self._n_sessions += 1
        name = f"session {self._n_sessions} ({request.remote})"
        self._say(f"{name}: opened, {len(self._open)} of {self.sessions_max}")
        end = asyncio.get_running_loop().create_future()
        self._ends.add(end)
        why = "ended"
        try:
            why = await self._serve(websocket, request)
        finally:
            self._say(f"{name}: {why}")
            self._open.discard(websocket)
            self._ends.discard(end)
            end.set_result(None)
        return websocket

    async def _serve(self, websocket: web.WebSocketResponse, request: web.Request) -> str:
        """Run a console until either side ends; return what to say about it."""
        session = Session(
            self.argv,
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=websocket.close,
            downloads=self.download_manager,
        )
        size = _size(request.query.get("width"), request.query.get("height"))
        is_idle = False
        try:
            await session.start(*size)
            is_idle = await self._hear(websocket, session)
        finally:
            await asyncio.shield(session.stop())
        if not session.has_started:
            return f"the console did not start: {session.last_words or 'it said nothing'}"
        return "ended, nobody used it" if is_idle else "ended"

    async def _hear(self, websocket: web.WebSocketResponse, session: Session) -> bool:
        """Pass a browser's messages on until it goes; return whether it was sent away for idleness."""
        loop = asyncio.get_running_loop()
        used_s = loop.time()
        watch: asyncio.Task[None] | None = None

        async def send_away() -> None:
            while (left_s := used_s + self.idle_s - loop.time()) > 0:
                await asyncio.sleep(left_s)
            await websocket.send_bytes(b"\r\n\x1b[0m Nobody used this session for long: it ended.\r\n")
            await websocket.close()

        if self.idle_s:
            watch = asyncio.create_task(send_away())
        try:
            async for message in websocket:
                if message.type is WSMsgType.TEXT and await _pass_on(websocket, session, message.data):
                    used_s = loop.time()
            return watch is not None and used_s + self.idle_s <= loop.time()
        finally:
            if watch is not None:
                watch.cancel()


async def _pass_on(websocket: web.WebSocketResponse, session: Session, text: str) -> bool:
    """Do what one message of a browser says; tell whether it was a key, a click or a paste."""
    try:
        envelope = json.loads(text)
    except ValueError:
        return False
    match envelope:
        case ["stdin", str(data)]:
            await session.send_bytes(data.encode("utf-8", "replace"))
            return True
        case ["resize", {"width": width, "height": height}]:
            await session.set_terminal_size(*_size(width, height))
        case ["ping", str(data)]:
            await websocket.send_json(["pong", data[:64]])
        case ["focus", *_]:
            await session.focus()
        case ["blur", *_]:
            await session.blur()
    return False


def _size(width: Any, height: Any) -> tuple[int, int]:
    return _number(width, 80, 1, WIDTH_MAX), _number(height, 24, 1, HEIGHT_MAX)


def _number(text: Any, default: int, low: int, high: int) -> int:
    """Return a whole number within limits, whatever a browser sent."""
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        return min(max(int(text), low), high)
    return default


def _asset(name: str) -> str:
    return (files("hil.web") / "assets" / name).read_text(encoding="utf-8")


async def _add_headers(request: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        response.headers[name] = value
    if request.path.startswith("/static/"):
        response.headers["Cache-Control"] = "private, max-age=3600"
    if request.path.startswith("/download/"):  # a file is a file, never a page of this server
        response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
