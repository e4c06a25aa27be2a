"""The console on a live station: started as a user would, driven by keys, read as text."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from textual.pilot import Pilot

from hil.console.app import ConsoleApp
from hil.view.station_view import StationView
from tests.support.station import Station
from tests.support.users import password_of

WIDE, SMALL = (120, 40), (80, 24)
LIVE_S = 20.0


@contextlib.asynccontextmanager
async def console(
    station: Station,
    *keys: str,
    role: str = "",
    size: tuple[int, int] = WIDE,
    is_ascii: bool = False,
    is_light: bool = False,
) -> AsyncIterator[Pilot[None]]:
    """Attach a console, wait until it is live, press some keys."""
    view = StationView(station.url, role, password_of(role) if role else "")
    app = ConsoleApp(view, is_ascii=is_ascii, is_light=is_light)
    async with app.run_test(size=size, notifications=True) as pilot:
        await until(pilot, lambda: view.link.is_live and bool(view.status), LIVE_S)
        for key in keys:
            await pilot.press(key)
        await pilot.pause(0.6)
        yield pilot


async def until(pilot: Pilot[None], what: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, screen_text(pilot)
        await asyncio.sleep(0.1)


async def until_shown(pilot: Pilot[None], words: str, timeout_s: float = 30.0) -> None:
    """Wait until words are on the screen, in view."""
    await until(pilot, lambda: words in screen_text(pilot), timeout_s)


def screen_text(pilot: Pilot[None]) -> str:
    """Return what is on the screen now, line by line, as somebody before the terminal reads it."""
    app = pilot.app
    width, height = app.size
    lines = app.screen._compositor.render_strips()
    return "\n".join(strip.text[:width].rstrip() for strip in lines[:height])


def hear(pilot: Pilot[None]) -> list[str]:
    """Return a list that gets the words of every message that is shown from now on; they leave the screen."""
    heard: list[str] = []
    notify = pilot.app.notify

    def note(message: str, **options: Any) -> None:
        heard.append(message)
        notify(message, **options)

    pilot.app.notify = note  # type: ignore[method-assign, assignment]
    return heard
