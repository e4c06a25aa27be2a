"""The console in a real browser: it shows, hears keys and asks nobody but its own server for anything."""

from __future__ import annotations

import asyncio
import struct
import zlib
from pathlib import Path

from tests.support.browser import browser
from tests.unit.hil.web.rig import TOKEN, serving, until_gone

STARTED = "document.body !== null && document.body.classList.contains('-first-byte')"


def bytes_of_a_picture(data: bytes) -> bytes:
    """Return the pixels of a PNG file, filtered as they are stored."""
    at, packed = 8, b""
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        if data[at + 4 : at + 8] == b"IDAT":
            packed += data[at + 8 : at + 8 + length]
        at += length + 12
    return zlib.decompress(packed)


async def test_a_browser_shows_the_terminal_and_asks_for_nothing_from_outside(tmp_path: Path) -> None:
    async with serving() as rig, browser(tmp_path) as page:
        await page.open(f"{rig.origin}/?token={TOKEN}")
        await page.until(STARTED)
        await asyncio.sleep(1.0)
        before = bytes_of_a_picture(await page.picture())
        assert len(set(before)) > 50  # letters have edges of every shade; an empty terminal has few colours
        await page.type("w")
        async with asyncio.timeout(30.0):
            while bytes_of_a_picture(await page.picture()) == before:
                await asyncio.sleep(0.2)
        own = (rig.origin, rig.origin.replace("http:", "ws:"))
        assert len(page.asked) >= 6
        assert [url for url in page.asked if not url.startswith(own)] == []
        assert page.said == []  # no refusal of the page's own policy, no missing file
        assert await page.value("location.href") == f"{rig.origin}/"  # the token is gone from the address
        assert await page.value("""document.fonts.check("16px 'Roboto Mono'")""")
        pid = int(next(line for line in _console_pids()))
        await page.type("q")
        await page.until("getComputedStyle(document.getElementById('closed')).display === 'block'")
        await until_gone(pid)


def _console_pids() -> list[str]:
    """Return the process ids of the consoles that run under this test."""
    children = Path("/proc/self/task").glob("*/children")
    pids = [pid for path in children for pid in path.read_text().split()]
    return [p for p in pids if b"toy_console" in Path(f"/proc/{p}/cmdline").read_bytes()]


async def test_a_browser_that_is_closed_ends_its_console(tmp_path: Path) -> None:
    async with serving() as rig:
        async with browser(tmp_path) as page:
            await page.open(f"{rig.origin}/?token={TOKEN}")
            await page.until(STARTED)
            (pid,) = _console_pids()
        await until_gone(int(pid))
        await rig.until_said("session 1 .*: ended")


async def test_a_browser_without_the_token_sees_words_and_no_terminal(tmp_path: Path) -> None:
    async with serving() as rig, browser(tmp_path) as page:
        await page.open(f"{rig.origin}/?token=wrong")
        await page.until("document.body !== null && document.body.innerText.includes('ends with the token')")
        assert _console_pids() == []
