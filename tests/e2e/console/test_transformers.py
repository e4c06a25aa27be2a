"""The screen of transformers and taps on live stations: what it shows, and taps moved by keys."""

from __future__ import annotations

import re

import pytest

from hil.console.dialogs.dialog import BOUNCE_S
from hil.console.widgets.device_table import DeviceTable
from tests.support.console_rig import SMALL, WIDE, console, hear, screen_text, until, until_shown
from tests.support.station import Station

TAP = "SUB.REG_A.TAP"


def row_of(pilot, device: str) -> str:
    """Return the line of a table that begins with a device."""
    return next((x for x in screen_text(pilot).splitlines() if x.startswith(f" {device} ")), "")


def shown_tap(pilot) -> int | None:
    """Return the tap of phase a as the row says it."""
    found = re.search(r"┤ +(-?\d+) ", row_of(pilot, "SUB.REG_A"))
    return int(found[1]) if found else None


def drawn_tap(pilot) -> int:
    """Return the tap of phase a as the scale draws it."""
    drawn = re.search(r"├.*┤|[├●].*[┤●]", row_of(pilot, "SUB.REG_A"))
    assert drawn is not None
    return drawn[0].index("●") - 16


@pytest.mark.parametrize("size", [WIDE, SMALL])
async def test_temperatures_taps_and_banks_are_in_view(substation: Station, size: tuple[int, int]) -> None:
    async with console(substation, "5", size=size) as pilot:
        await until(pilot, lambda: bool(re.search(r"top oil .* \d+\.\d degC  normal", screen_text(pilot))))
        text = screen_text(pilot)
        assert re.search(r"load .* \d+\.\d % of rating", text)
        assert re.search(r"hot spot .* \d+\.\d degC  normal", text)
        for device in ("SUB.REG_A", "SUB.REG_B", "SUB.REG_C", "FDR_B.CAP_201", "FDR_C.CAP_301"):
            assert row_of(pilot, device), device
        top_oil = re.search(r"top oil .* (\d+\.\d) degC", text)
        assert top_oil is not None
        assert float(top_oil[1]) == pytest.approx(substation.value("SUB.T1_TEMP.TOP_OIL"), abs=0.3)


async def test_raise_and_lower_move_the_tap_that_is_drawn(substation: Station) -> None:
    async with console(substation, "5", role="operator") as pilot:
        await until(pilot, lambda: shown_tap(pilot) is not None)
        before, heard = int(substation.value(TAP)), hear(pilot)
        assert shown_tap(pilot) == drawn_tap(pilot) == before
        await pilot.press("plus")
        await until(pilot, lambda: bool(heard))
        assert heard == ["raise SUB.REG_A: done"]
        await until(pilot, lambda: shown_tap(pilot) == before + 1)
        assert drawn_tap(pilot) == before + 1
        assert substation.value(TAP) == before + 1
        await until(pilot, lambda: "min ago" in row_of(pilot, "SUB.REG_A"))
        await pilot.press("minus")
        await until(pilot, lambda: shown_tap(pilot) == before)
        assert substation.value("SUB.REG_A.TAP_SP") == before


async def test_an_observer_moves_no_tap(substation: Station) -> None:
    async with console(substation, "5") as pilot:
        await until(pilot, lambda: shown_tap(pilot) is not None)
        before, heard = substation.value("SUB.REG_A.TAP_SP"), hear(pilot)
        await pilot.press("plus")
        await until(pilot, lambda: bool(heard))
        assert heard[0].startswith("raise SUB.REG_A: refused")
        assert substation.value("SUB.REG_A.TAP_SP") == before


async def test_in_automatic_the_voltage_relay_sets_the_tap_and_says_so(microgrid: Station) -> None:
    async with console(microgrid, "5", role="operator") as pilot:
        await until(pilot, lambda: "AUTO" in row_of(pilot, "SUB.REG_A"))
        heard = hear(pilot)
        await pilot.press("plus")
        await until(pilot, lambda: len(heard) == 1)
        assert heard[0].startswith("SUB.AVR_A is in automatic")
        for mode, words in (("MANUAL", "manual"), ("AUTO", "automatic")):
            heard.clear()
            await pilot.pause(BOUNCE_S)
            await pilot.press("a")
            await until(pilot, lambda: bool(heard))
            assert heard == [f"SUB.AVR_A to {words}: done"]
            await until(pilot, lambda mode=mode: mode in row_of(pilot, "SUB.REG_A"))
            assert microgrid.value("SUB.AVR_A.AUTO") == (mode == "AUTO")


async def test_banks_show_their_control_and_the_group_that_leads_them(microgrid: Station) -> None:
    async with console(microgrid, "5") as pilot:
        await until(
            pilot, lambda: bool(re.search(r"FDR_B.CAP_201 +[■□] \w+ +\d+\.\d +AUTO", screen_text(pilot)))
        )
        assert re.search(r"DER.PFC AUTO  power factor \d\.\d+ wanted 0\.98", screen_text(pilot))


async def test_a_terminal_that_grows_gets_the_finer_scale_and_keeps_the_cursor(substation: Station) -> None:
    async with console(substation, "5", "down", size=SMALL) as pilot:
        await until(pilot, lambda: bool(row_of(pilot, "SUB.REG_B")))
        table = pilot.app.page.query_one("#regulators", DeviceTable)
        assert table.selected == "SUB.REG_B"
        coarse = len(row_of(pilot, "SUB.REG_B").rpartition("┤")[0])
        await pilot.resize_terminal(*WIDE)
        await until(pilot, lambda: len(row_of(pilot, "SUB.REG_B").rpartition("┤")[0]) > coarse)
        assert table.selected == "SUB.REG_B"


@pytest.mark.parametrize(
    ("key", "words"),
    [("o", "Operate SUB.REG_A"), ("v", "Operate SUB.AVR_A"), ("t", TAP)],
)
async def test_keys_operate_regulator_and_voltage_relay(substation: Station, key: str, words: str) -> None:
    async with console(substation, "5", role="operator") as pilot:
        await until(pilot, lambda: shown_tap(pilot) is not None)
        await pilot.press(key)
        await until(pilot, lambda: pilot.app.screen is not pilot.app.page)
        await until_shown(pilot, words)
