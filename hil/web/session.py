"""One browser's terminal: a console in a process of its own, ended whatever becomes of either side.

The process speaks the packets of Textual's web driver: a letter (D terminal output, M a message in JSON, P a
chunk of a download), four bytes of length, the content.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Sequence

from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

from hil.supervisor import die_with_parent

PACKET_MAX = 16 * 1024 * 1024
"""Longest packet that is believed [bytes]."""

PATIENCE_S = 3.0
"""A console that was asked to quit is terminated after so long, and killed after as long again."""

LAST_WORDS = 4000
"""How much of what a console says on stderr is kept [bytes]."""

PRELUDE = b"__GANGLION__\n"


class Session(AppService):
    """A console for one browser.

    Parameters
    ----------
    argv : sequence of str
        Program and arguments of the console.
    write_bytes, write_str : callable
        Send terminal output and messages to the browser.
    close : callable
        Closes the connection to the browser.
    downloads : DownloadManager
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        write_bytes: Callable[[bytes], Awaitable[None]],
        write_str: Callable[[str], Awaitable[None]],
        close: Callable[[], Awaitable[object]],
        downloads: DownloadManager,
    ) -> None:
        async def close_now() -> None:
            await close()

        super().__init__(
            " ".join(argv),
            write_bytes=write_bytes,
            write_str=write_str,
            close=close_now,
            download_manager=downloads,
        )
        self._argv = tuple(argv)
        self._said = b""
        self.has_started = False

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        environment = self._build_environment(width, height)
        # Without being told, the screen goes out 60 times a second; no console shows anything that fast.
        # The terminal is the browser's, not the one that the server was started from.
        terminal = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        environment |= {"TEXTUAL_FPS": "15", "PYTHONUNBUFFERED": "1", **terminal}
        environment.pop("NO_COLOR", None)
        self._process = process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=environment,
            start_new_session=True,
            preexec_fn=die_with_parent,  # it calls nothing but prctl and getppid
        )
        self._stdin = process.stdin
        return process

    @property
    def last_words(self) -> str:
        """What the console said on stderr at last."""
        return self._said.decode("utf-8", "replace").strip()

    async def run(self) -> None:
        """Pass on what the console writes until it ends; then close the browser's side."""
        assert self._process is not None
        listener = asyncio.create_task(self._listen())
        try:
            await self._pass_on()
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            pass  # the console, or the browser, is gone; or what came is not of a console
        finally:
            await asyncio.wait([listener], timeout=1.0)
            listener.cancel()
            if not self.has_started and self.last_words:
                text = self.last_words.replace("\n", "\r\n") + "\r\n"
                with contextlib.suppress(ConnectionError):
                    await self.remote_write_bytes(text.encode())
            await self.remote_close()

    async def _pass_on(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        stdout = self._process.stdout
        if await stdout.readline() != PRELUDE:
            return
        self.has_started = True
        handlers = {b"D": self.on_data, b"M": self.on_meta, b"P": self.on_packed}
        while True:
            head = await stdout.readexactly(5)
            size = int.from_bytes(head[1:], "big")
            if size > PACKET_MAX or head[:1] not in handlers:
                return
            await handlers[head[:1]](await stdout.readexactly(size))

    async def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        while said := await self._process.stderr.read(4096):
            self._said = (self._said + said)[-LAST_WORDS:]

    async def stop(self) -> None:
        """End the console: ask, insist, kill; return when it is gone."""
        process, task = self._process, self._task
        if process is None or task is None:
            return
        await self._download_manager.cancel_app_downloads(app_service_id=self.app_service_id)
        for ask in (self._ask_to_quit, lambda: _signal(process, signal.SIGTERM)):
            if process.returncode is None:
                await ask()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(process.wait(), PATIENCE_S)
        await _signal(process, signal.SIGKILL)
        # That it has ended is only told when its pipes are closed, and somebody else may hold them.
        process._transport.close()  # type: ignore[attr-defined]
        await process.wait()
        await asyncio.wait([task], timeout=PATIENCE_S)
        task.cancel()

    async def _ask_to_quit(self) -> None:
        with contextlib.suppress(asyncio.TimeoutError):  # it may not be reading
            await asyncio.wait_for(self.send_meta({"type": "quit"}), 1.0)
        self.stdin.close()


async def _signal(process: Process, number: signal.Signals) -> None:
    """Send a signal to the console and to whatever it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
