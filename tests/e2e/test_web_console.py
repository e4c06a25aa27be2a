"""The station's own console in a real browser: live values, keys heard, nothing from elsewhere."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import peers
from tests.support.browser import Browser, browser
from tests.support.station import Station, environment, running, without_forecasts


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    folder = tmp_path_factory.mktemp("state")
    with running(folder, without_forecasts(folder)) as live:
        yield live


async def until_shown(page: Browser, words: str) -> None:
    """Wait until words came as terminal output; colours and moves of the cursor do not count."""
    async with asyncio.timeout(60.0):
        while True:
            text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", page.received).decode("utf-8", "replace")
            if words in text:
                return
            await asyncio.sleep(0.1)


async def test_a_browser_shows_the_running_station_and_hears_keys(station: Station, tmp_path: Path) -> None:
    peers.require("chromium")
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "hil", "web", "--port", "0", "--url", station.url),
        env=environment(tmp_path) | {"TERM": "dumb"},  # as under a service manager
        stdout=asyncio.subprocess.PIPE,
    )
    assert server.stdout is not None
    try:
        found = re.search(r"http://\S+", (await server.stdout.readline()).decode())
        assert found is not None
        async with browser(tmp_path, 1400, 900) as page:
            await page.open(found[0])
            for words in ("LIVE", "iowa240", "FDR_B", "Overview"):
                await until_shown(page, words)
            await asyncio.sleep(1.0)
            await page.type("2")
            await until_shown(page, "CB_201")
            (tmp_path / "console.png").write_bytes(await page.picture())
            assert [url for url in page.asked if "//127.0.0.1:" not in url] == []
            assert page.said == []
        server.terminate()
        rest, _ = await asyncio.wait_for(server.communicate(), 30.0)
        assert server.returncode == 0
        assert "session 1 (127.0.0.1): ended" in rest.decode()
    finally:
        if server.returncode is None:
            server.kill()
            await server.wait()
