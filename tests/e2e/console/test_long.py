"""A console that is leafed through for an hour: it keeps its memory, its link and its wits."""

from __future__ import annotations

import itertools
import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from hil.bench.terminal import terminal
from hil.console.registry import PAGES
from tests.support.console_rig import WIDE
from tests.support.station import Station, say

MINUTES = float(os.environ.get("GRIDHIL_CONSOLE_MINUTES", "0"))
EVERY_S = 2.0
SETTLED = 0.2
"""Share of the time after which every screen has been built and memory is compared."""
GROWTH_MB = 25.0
"""What garbage not yet collected and histories of plots may add."""


@pytest.mark.slow
@pytest.mark.skipif(not MINUTES, reason="takes minutes: GRIDHIL_CONSOLE_MINUTES=60")
@pytest.mark.timeout(60.0 * MINUTES + 300.0)
def test_an_hour_of_leafing_leaves_memory_and_link_as_they_were(substation: Station, tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "hil", "console", substation.url]
    environment = os.environ | {
        "XDG_STATE_HOME": str(tmp_path),
        "LC_ALL": "C.UTF-8",
        "TERM": "xterm-256color",
    }
    rss_mb: list[float] = []
    with terminal(command, environment, WIDE) as screen:
        process = psutil.Process(screen.process.pid)
        assert screen.wait_for("LIVE", 30.0) is not None
        begin = time.monotonic()
        for page in itertools.cycle((*PAGES[1:], PAGES[0])):
            screen.press(page.KEY.encode())
            assert screen.wait_for(f" {page.TITLE_TEXT}  ", 20.0) is not None, page.TITLE_TEXT
            screen.drain(EVERY_S)
            rss_mb.append(process.memory_info().rss / 1e6)
            if time.monotonic() > begin + 60.0 * MINUTES:
                break
        cpu_s = sum(process.cpu_times()[:2])
    settled = rss_mb[int(SETTLED * len(rss_mb))]
    cpu_pct = cpu_s / (0.6 * MINUTES)
    say(f"{len(rss_mb)} screens, {settled:.0f} MB, then {max(rss_mb):.0f} MB; {cpu_pct:.1f} % of a core")
    assert max(rss_mb) < 200.0
    assert max(rss_mb) - settled < GROWTH_MB
