"""The forecast screen without forecasts; with them it is tested in tests/e2e/test_forecaster.py."""

from __future__ import annotations

from tests.support.console_rig import SMALL, console, until_shown
from tests.support.station import Station


async def test_a_station_without_forecasts_says_so(substation: Station) -> None:
    async with console(substation, "8", size=SMALL) as pilot:
        await until_shown(pilot, "This station forecasts nothing.")
        await until_shown(pilot, "[forecast]")
