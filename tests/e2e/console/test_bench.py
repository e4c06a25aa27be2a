"""The test bench's screen without a test; one that runs is followed in tests/e2e/test_relaytest.py."""

from __future__ import annotations

import pytest

from tests.support.console_rig import SMALL, WIDE, console, until_shown
from tests.support.station import Station


@pytest.mark.parametrize("size", [WIDE, SMALL])
async def test_without_a_test_it_says_how_to_start_one(substation: Station, size: tuple[int, int]) -> None:
    async with console(substation, "b", size=size) as pilot:
        await until_shown(pilot, "No relay test has run since the station was started.")
        await until_shown(pilot, "gridhil relaytest si_51")


async def test_the_test_set_is_shown_as_it_stands(substation: Station) -> None:
    async with console(substation, "b", role="instructor", size=SMALL) as pilot:
        await until_shown(pilot, "at none")
        view = pilot.app.view
        assert (await view.command("LAB.INJECT.LOCATION", 2.0)).is_done
        try:
            assert view.model is not None
            await until_shown(pilot, f"at {view.model.relays[1].device}")
        finally:
            assert (await view.command("LAB.INJECT.LOCATION", 0.0)).is_done
