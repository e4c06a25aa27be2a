"""Scans at a fixed rate: deadlines lie on a grid, so that lateness does not add up."""

from __future__ import annotations

import asyncio
import threading

LOOK_S = 0.2
"""Longest time for which nobody looks whether the program is to stop."""


class Pace:
    """Deadlines every ``period_s`` from ``start_ns`` on; those that have been missed are left out."""

    def __init__(self, start_ns: int, period_s: float) -> None:
        self._next_ns = start_ns
        self._period_ns = max(1, round(period_s * 1e9))

    def wait_s(self, now_ns: int) -> float:
        """Move to the next deadline after an instant [ns]; return how far off it is [s]."""
        self._next_ns += max(1, -(-(now_ns - self._next_ns) // self._period_ns)) * self._period_ns
        return max(0.0, (self._next_ns - now_ns) / 1e9)


async def nap(seconds: float, stop: threading.Event) -> None:
    """Sleep while others of the event loop work, not much longer than until ``stop``."""
    while seconds > LOOK_S and not stop.is_set():
        await asyncio.sleep(LOOK_S)
        seconds -= LOOK_S
    await asyncio.sleep(0.0 if stop.is_set() else seconds)
