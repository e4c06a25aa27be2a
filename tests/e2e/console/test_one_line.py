"""The feeder map on live stations: what is drawn is what the plant does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import AsyncIterator

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from hil.console.dialogs.dialog import BOUNCE_S
from hil.console.pages.one_line import OneLinePage
from hil.console.widgets.feeder_map import FeederMap
from hil.view.energised import State
from hil.view.switching import SETTLE_S
from rtcore.quality import Quality
from tests.support.console_rig import SMALL, WIDE, console, screen_text, until, until_shown
from tests.support.station import Station

BREAKER = "FDR_B.CB_201"
DOWNSTREAM = "FDR_B.M2002"
TIMEOUT_S = 30.0


def the_map(pilot: Pilot[None]) -> FeederMap:
    return pilot.app.screen.query_one(FeederMap)


async def find(pilot: Pilot[None], name: str) -> None:
    """Look for a device by a part of its name, as somebody at the keyboard does."""
    await pilot.press("slash")
    for character in name:
        await pilot.press("underscore" if character == "_" else character)
    await pilot.press("enter")
    await pilot.pause()


async def command(pilot: Pilot[None], tag: str, value: float | bool | None = None) -> None:
    outcome = await pilot.app.view.command(tag, value)  # type: ignore[attr-defined]
    assert outcome.is_done, (tag, outcome)


async def operate(pilot: Pilot[None], station: Station, name: str) -> None:
    """Operate the selected device through its dialog.

    A plant that others keep from its processor may give no verdict in time: then what the breaker did counts,
    and who sees that it did nothing asks again.
    """

    def is_done() -> bool:
        return station.value(f"{BREAKER}.ST_52A") == float(name == "CLOSE")

    for _ in range(5):
        await until(pilot, lambda: station.value(f"{BREAKER}.SPRING") == 1.0, TIMEOUT_S)
        await pilot.press("enter")
        await until_shown(pilot, f"Operate {BREAKER}")
        options = pilot.app.screen.query_one("#ops", OptionList)
        while options.highlighted_option is None or options.highlighted_option.id != name:
            await pilot.press("down")
        await pilot.press("enter")
        await pilot.pause(BOUNCE_S + 0.2)
        await pilot.press("enter")
        await until(pilot, lambda: is_done() or f"REFUSED   {BREAKER}" in screen_text(pilot), TIMEOUT_S)
        with contextlib.suppress(AssertionError):
            await until(pilot, is_done, 3.0)
        while not isinstance(pilot.app.screen, OneLinePage):
            await pilot.press("escape")
        if is_done():
            return
    raise AssertionError(screen_text(pilot))


async def close_again(station: Station) -> None:
    """Close the breaker whatever a test left, as soon as its spring is charged."""
    if station.value(f"{BREAKER}.ST_52A") == 1.0:
        return
    async with console(station, role="operator") as pilot:
        for _ in range(60):
            outcome = await pilot.app.view.command(f"{BREAKER}.CLOSE")  # type: ignore[attr-defined]
            if outcome.is_done:
                return
            await asyncio.sleep(0.5)
    raise AssertionError(outcome)


@pytest.mark.parametrize(("size", "is_ascii"), [(WIDE, False), (SMALL, False), (SMALL, True)])
async def test_a_breaker_tripped_from_the_map_leaves_its_section_drawn_dead(
    substation: Station, size: tuple[int, int], is_ascii: bool
) -> None:
    try:
        async with console(substation, "2", role="operator", size=size, is_ascii=is_ascii) as pilot:
            await until_shown(pilot, "FDR_B live", TIMEOUT_S)
            await until_shown(pilot, "switches normal")
            await find(pilot, "cb_201")
            await until_shown(pilot, f"{BREAKER} breaker, closed")
            column, row = the_map(pilot)._laid_out().spots[BREAKER]  # type: ignore[union-attr]
            symbol = map_line(pilot, row)[column]
            before = map_text(pilot)
            await operate(pilot, substation, "TRIP")
            await until_shown(pilot, "FDR_B DEAD", TIMEOUT_S)
            shown = screen_text(pilot)
            assert "CB_201 open" in shown
            assert "FDR_A live" in shown
            assert f"{BREAKER} breaker, open" in shown
            assert (symbol, map_line(pilot, row)[column]) == (("#", "o") if is_ascii else ("■", "□"))
            assert map_text(pilot) != before
            assert picture_agrees_with_meters(pilot, substation)
            await operate(pilot, substation, "CLOSE")
            await until_shown(pilot, "FDR_B live", TIMEOUT_S)
            assert map_line(pilot, row)[column] == symbol
            if is_ascii:
                assert map_text(pilot).isascii()
    finally:
        await close_again(substation)


def picture_agrees_with_meters(pilot: Pilot[None], station: Station) -> bool:
    """Check every service meter: dead where the map says dead, measuring where it says live."""
    scene = the_map(pilot)._scene
    assert scene is not None
    model = pilot.app.view.model  # type: ignore[attr-defined]
    index = {b.name: k for k, b in enumerate(model.buses)}
    snapshot, seen = station.snapshot(), {State.LIVE: 0, State.DEAD: 0}
    for item in model.items:
        tags = model.tags_of(item.device, "V1", "VA") if item.kind == "load" else ()
        for tag in tags:
            state = scene.picture.state(index[item.bus])
            is_dead = snapshot.quality[station.index[tag]] == Quality.BAD_DEENERGISED
            assert is_dead == (state is State.DEAD), (tag, state)
            seen[state] += 1
    return min(seen.values()) > 40


def map_line(pilot: Pilot[None], row: int) -> str:
    return the_map(pilot).render_line(row).text


def map_text(pilot: Pilot[None]) -> str:
    return "".join(map_line(pilot, row) for row in range(the_map(pilot).size.height))


async def test_zooming_in_brings_services_meters_and_buses_and_fit_brings_all_back(
    substation: Station,
) -> None:
    async with console(substation, "2") as pilot:
        await until_shown(pilot, "FDR_B live", TIMEOUT_S)
        await find(pilot, "fuse_2049")
        assert "bus2044" not in screen_text(pilot)
        spot = the_map(pilot)._laid_out().spots["FDR_B.FUSE_2049"]  # type: ignore[union-attr]
        await pilot.press(*["plus"] * 6)
        await until_shown(pilot, "bus2044")
        assert "M2049" in screen_text(pilot)
        now = the_map(pilot)._laid_out().spots["FDR_B.FUSE_2049"]  # type: ignore[union-attr]
        assert max(abs(now[0] - spot[0]), abs(now[1] - spot[1])) <= 2, "the selected one stays"
        await pilot.press("right", "right", "right", "right", "right", "right", "right")
        await until(pilot, lambda: "FUSE_2049" not in map_text(pilot))
        await pilot.press("c")
        await until(pilot, lambda: "FUSE_2049" in map_text(pilot))
        await pilot.press("f")
        await until(pilot, lambda: "CB_302" in map_text(pilot) and "CB_HV" in map_text(pilot))


async def test_a_bus_is_found_by_name_and_what_is_not_there_is_told(substation: Station) -> None:
    async with console(substation, "2", size=SMALL) as pilot:
        await until_shown(pilot, "FDR_B live", TIMEOUT_S)
        await find(pilot, "bus3119")
        await until(pilot, lambda: "bus3119" in map_text(pilot))
        await find(pilot, "nowhere")
        await until_shown(pilot, "nothing on the map")


async def test_the_mouse_selects_drags_and_zooms(substation: Station) -> None:
    async with console(substation, "2") as pilot:
        await until_shown(pilot, "FDR_B live", TIMEOUT_S)
        spot = the_map(pilot)._laid_out().spots["FDR_B.CB_204"]  # type: ignore[union-attr]
        await pilot.click("#map", offset=spot)
        await until_shown(pilot, "FDR_B.CB_204 breaker, open")
        await pilot.mouse_down("#map", offset=(40, 10))
        await pilot.hover("#map", offset=(45, 12))
        await pilot.mouse_up("#map", offset=(45, 12))
        moved = the_map(pilot)._laid_out().spots["FDR_B.CB_204"]  # type: ignore[union-attr]
        assert moved == (spot[0] + 5, spot[1] + 2)
        assert the_map(pilot).selected == "FDR_B.CB_204", "dragging selects nothing"


async def test_every_switching_device_is_reached_by_the_keyboard(substation: Station) -> None:
    async with console(substation, "2", size=SMALL) as pilot:
        await until_shown(pilot, "FDR_B live", TIMEOUT_S)
        seen = []
        for _ in range(40):
            await pilot.press("n")
            seen.append(the_map(pilot).selected)
        assert {"FDR_A.RCL_1006", "FDR_C.FUSE_3119", "FDR_B.CAP_201", "SUB.T1", "SUB.REG_B"} <= set(seen)
        await pilot.press("p", "p")
        assert the_map(pilot).selected == seen[-3]
        await until(pilot, lambda: f"{seen[-3]} " in screen_text(pilot))


async def test_voltages_come_as_arrays_and_are_told_in_words(substation: Station) -> None:
    async with console(substation, "2", "v", size=SMALL) as pilot:
        await until(pilot, lambda: bool(re.search(r"(4|5)\d\d voltages: \d+ < 0.95", screen_text(pilot))))
        shown = re.search(r"; (\d\.\d+) \S+ to (\d\.\d+) ", screen_text(pilot))
        assert shown is not None
        assert 0.9 < float(shown[1]) < float(shown[2]) < 1.1
        assert len(pilot.app.view.link._tags) < 300, "only what is shown is asked for"  # type: ignore[attr-defined]
        await pilot.press("v")
        await until_shown(pilot, "switches normal")


@contextlib.asynccontextmanager
async def armed(pilot: Pilot[None]) -> AsyncIterator[None]:
    await command(pilot, "LAB.ARM.ARM")
    try:
        yield
    finally:
        await command(pilot, "LAB.FAULT_3.CLEAR")
        await command(pilot, "LAB.ARM.DISARM")


@pytest.mark.parametrize("size", [WIDE, SMALL])
async def test_a_fault_is_drawn_where_it_is(substation: Station, size: tuple[int, int]) -> None:
    async with console(substation, "2", role="instructor", size=size) as pilot:
        await until_shown(pilot, "FDR_C live", TIMEOUT_S)
        model = pilot.app.view.model  # type: ignore[attr-defined]
        async with armed(pilot):
            for name, value in (("PLACE", model.places.index("bus.bus3081")), ("TYPE", 3), ("R_OHM", 50000)):
                await command(pilot, f"LAB.FAULT_3.{name}", float(value))
            await command(pilot, "LAB.FAULT_3.APPLY")
            await until_shown(pilot, "X FAULT_3: fault at bus3081, fed", TIMEOUT_S)
            assert isinstance(pilot.app.screen, OneLinePage)
            column, row = (
                the_map(pilot)
                ._laid_out()
                .bus_cell(  # type: ignore[union-attr]
                    next(k for k, b in enumerate(model.buses) if b.name == "bus3081")
                )
            )
            assert map_line(pilot, row)[column] == "X"
            await pilot.pause(SETTLE_S + 1.0)
            await command(pilot, "LAB.FAULT_3.PLACE", float(model.places.index("bus.bus3005")))
            await until_shown(pilot, "settings changed since", TIMEOUT_S)
            assert "fault at bus3081" in screen_text(pilot), "it stays where it was applied"
            assert map_line(pilot, row)[column] == "X"
        await until(pilot, lambda: "FAULT_3" not in screen_text(pilot), TIMEOUT_S)


async def test_without_a_link_the_map_is_stale_and_comes_back_by_itself(substation: Station) -> None:
    async with console(substation, "2", size=SMALL) as pilot:
        await until_shown(pilot, "FDR_B live", TIMEOUT_S)
        os.kill(substation.process.pid, signal.SIGSTOP)  # nobody starts it anew before it has been seen
        try:
            os.kill(substation.pid("opcua"), signal.SIGKILL)
            await until_shown(pilot, "(stale)", TIMEOUT_S)
            assert {s.style.color for s in the_map(pilot).render_line(3) if s.text.strip() and s.style} <= {
                the_map(pilot).rich_style.color
            }
        finally:
            os.kill(substation.process.pid, signal.SIGCONT)
        await until(pilot, lambda: pilot.app.view.link.is_live, 60.0)  # type: ignore[attr-defined]
        await until(pilot, lambda: "(stale)" not in screen_text(pilot), TIMEOUT_S)
        await until_shown(pilot, "FDR_B live", TIMEOUT_S)


@pytest.mark.parametrize("is_ascii", [False, True])
async def test_sun_storage_and_machine_are_on_the_map(microgrid: Station, is_ascii: bool) -> None:
    async with console(microgrid, "2", size=WIDE, is_ascii=is_ascii) as pilot:
        await until_shown(pilot, "FDR_C live", TIMEOUT_S)
        for name in ("BESS_1", "BESS_2", "DG_1"):
            await find(pilot, name.lower())
            await until_shown(pilot, f"DER.{name} ")
            assert name in map_text(pilot)
        await find(pilot, "pv_3112")
        await until_shown(pilot, "DER.PV_3112 pv")
        await until(pilot, lambda: bool(re.search(r"W_RTG +\d", screen_text(pilot))))
        assert "PV_3112" in map_text(pilot), "what is selected is drawn whatever the room"
