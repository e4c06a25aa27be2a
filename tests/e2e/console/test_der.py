"""The screen of distributed resources on live stations."""

from __future__ import annotations

import re

import pytest

from hil.console.pages.der import DerPage
from hil.console.widgets.device_table import DeviceTable
from tests.support.console_rig import SMALL, WIDE, console, screen_text, until, until_shown
from tests.support.station import Station

RULES = 1.0


def row_of(pilot, device: str) -> str:
    """Return the line of a table that begins with a device."""
    return next((x for x in screen_text(pilot).splitlines() if x.startswith(f" {device} ")), "")


async def do(pilot, tag: str, value: float | bool | None) -> None:
    outcome = await pilot.app.view.command(tag, value)
    assert outcome.is_done, (tag, outcome)


async def test_a_station_without_resources_says_so(substation: Station) -> None:
    async with console(substation, "6", size=SMALL) as pilot:
        await until_shown(pilot, "this station has no distributed resources")


@pytest.mark.parametrize("size", [WIDE, SMALL])
async def test_who_leads_who_commands_storage_and_sun_are_in_view(
    microgrid: Station, size: tuple[int, int]
) -> None:
    async with console(microgrid, "6", size=size) as pilot:
        await until_shown(pilot, "master the grid")
        await until(
            pilot, lambda: bool(re.search(r"DER.BESS_1 +grid-following .*\d+\.\d %", screen_text(pilot)))
        )
        text = screen_text(pilot)
        assert re.search(r"connection grid .* grid side HEALTHY", text)
        assert re.search(r"command +rules  import -?\d+\.\d kW  kept within 300 to 2000 kW", text)
        assert re.search(r"sun +\d+\.\d kW of \d+\.\d kW .* sites 20  tripped 0", text)
        for device in ("DER.DG_1", "DER.SHED_302", "DER.SHED_203", "DER.SHED_202", "DER.PV_3027"):
            assert row_of(pilot, device), device


@pytest.mark.parametrize("size", [WIDE, SMALL])
async def test_a_setpoint_written_is_shown_and_followed(microgrid: Station, size: tuple[int, int]) -> None:
    async with console(microgrid, "6", role="operator", size=size) as pilot:
        await do(pilot, "DER.BESS_2.P_SP", 250.0)
        try:
            await until(
                pilot, lambda: bool(re.search(r"grid-following +2(49|50)\.\d", row_of(pilot, "DER.BESS_2")))
            )
            if size == WIDE:
                assert "set 250 " in row_of(pilot, "DER.BESS_2")
            assert microgrid.value("DER.BESS_2.W") == pytest.approx(250.0, abs=2.0)
        finally:
            await do(pilot, "DER.BESS_2.P_SP", 0.0)


async def test_the_charge_bar_fills_as_the_battery_is_charged(microgrid: Station) -> None:
    async with console(microgrid, "6") as pilot:
        await until(pilot, lambda: bool(re.search(r"[█▏▎▍▌▋▊▉]+·* +\d+\.\d %", row_of(pilot, "DER.BESS_1"))))
        drawn = re.search(r"(█+)[▏▎▍▌▋▊▉]?(·*) +(\d+\.\d) %", row_of(pilot, "DER.BESS_1"))
        assert drawn is not None
        assert float(drawn[3]) == pytest.approx(microgrid.value("DER.BESS_1.SOC"), abs=0.3)
        assert len(drawn[1]) == pytest.approx(float(drawn[3]) / 100.0 * 8, abs=1.0)


async def test_a_limit_of_a_site_is_shown_and_throttles_it(microgrid: Station) -> None:
    async with console(microgrid, "6", role="operator") as pilot:
        site = pilot.app.page.query_one("#sites", DeviceTable).rows_in_view()[0]
        await do(pilot, f"{site}.LIM_PCT", 40.0)
        try:
            await until(pilot, lambda: bool(re.search(r"40 %  throttled", row_of(pilot, site))))
            rating = microgrid.value(f"{site}.W_RTG")
            assert microgrid.value(f"{site}.W") <= 0.45 * rating
        finally:
            await do(pilot, f"{site}.LIM_PCT", 100.0)


async def test_only_sites_in_view_are_read_and_others_once_they_are_scrolled_to(microgrid: Station) -> None:
    async with console(microgrid, "6", "tab") as pilot:
        table = pilot.app.page.query_one("#sites", DeviceTable)
        assert pilot.app.focused is table
        await until(pilot, lambda: bool(pilot.app.view.reading("DER.PV_3027.W").status))
        last = table.ordered_rows[-1].key.value
        assert last is not None
        watched = pilot.app.view.link._tags
        assert f"{last}.W" not in watched
        assert "DER.PV_3027.W" in watched
        await pilot.press("end")
        await until(pilot, lambda: pilot.app.view.number(f"{last}.W") is not None)
        await until(pilot, lambda: bool(re.search(rf"{last} +-?\d+\.\d", screen_text(pilot))))
        assert "DER.PV_3027.W" not in pilot.app.view.link._tags


async def test_another_mode_of_dispatch_is_shown(microgrid: Station) -> None:
    async with console(microgrid, "6", role="operator", size=SMALL) as pilot:
        await do(pilot, "DER.DISPATCH_1.MODE_SP", 0.0)
        try:
            await until(pilot, lambda: bool(re.search(r"command +manual", screen_text(pilot))))
        finally:
            await do(pilot, "DER.DISPATCH_1.MODE_SP", RULES)
        await until(pilot, lambda: bool(re.search(r"command +rules", screen_text(pilot))))


@pytest.mark.parametrize(
    ("keys", "words"),
    [(("down", "down", "enter"), "Operate DER.BESS_1"), (("o",), "Operate DER.MGC"),
     (("d",), "Operate DER.DISPATCH_1"), (("tab", "o"), "Operate DER.PV_3027")],
)  # fmt: skip
async def test_keys_operate_the_device_with_the_cursor(
    microgrid: Station, keys: tuple[str, ...], words: str
) -> None:
    async with console(microgrid, "6", role="operator") as pilot:
        await pilot.press(*keys)
        await until_shown(pilot, words)
        assert not isinstance(pilot.app.screen, DerPage)
