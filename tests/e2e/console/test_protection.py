"""The protection screen on a live station: a fault seen from pickup to lockout, and put right by keys."""

from __future__ import annotations

import re

import pytest

from hil.console.pages.protection import ProtectionPage
from hil.console.widgets.device_table import DeviceTable
from hil.view.relays import LOCKOUT, RESET
from tests.support.console_rig import SMALL, WIDE, console, hear, screen_text, until, until_shown
from tests.support.station import Station

RELAY, BREAKER, RECLOSER = "FDR_A.R_CB_101", "FDR_A.CB_101", "FDR_A.R_CB_101_79"
HEAD_FAULT = 1
"""Number of the fault close to the substation on feeder A, in the station's library."""
SLOW_OHM = 11.0
"""Some 700 A: beyond the pickup of 400 A by so little that the relay takes seconds."""
SEQUENCE_S = 60.0
"""Three trips and the two dead times between them take about 35 s."""


def line_of(pilot, words: str) -> str:
    return next((line for line in screen_text(pilot).splitlines() if words in line), "")


async def choose(pilot, device: str) -> None:
    """Move the cursor of the list to a relay, by keys."""
    table = pilot.app.page.query_one("#relays", DeviceTable)
    while table.selected != device:
        await pilot.press("down")
    await pilot.pause(0.6)


async def do(pilot, *commands: tuple[str, float | bool | None]) -> None:
    for tag, value in commands:
        outcome = await pilot.app.view.command(tag, value)
        assert outcome.is_done, (tag, outcome)


@pytest.mark.parametrize("size", [WIDE, SMALL])
async def test_every_relay_is_listed_and_the_first_one_is_told_in_detail(
    substation: Station, size: tuple[int, int]
) -> None:
    async with console(substation, "4", size=size) as pilot:
        await until_shown(pilot, "CLOSED   in service")
        assert "SUB.R_CB_HV" in screen_text(pilot)
        await choose(pilot, RELAY)
        await until(pilot, lambda: "RESET  shot 0/2" in screen_text(pilot))
        for element in ("67P", "51P", "51G", "46BC", "27", "59", "50BF"):
            quiet = re.compile(rf"^ {element} +quiet", re.MULTILINE)
            await until(pilot, lambda quiet=quiet: bool(quiet.search(screen_text(pilot))))  # type: ignore[misc]
        text = screen_text(pilot)
        assert re.search(rf"{RELAY} +■ CLOSED +in service +- +RESET 0/2", text)
        assert "dead time not running, 5 s" in text
        assert "position" in text


async def test_currents_and_voltages_are_those_that_the_relay_sees(substation: Station) -> None:
    async with console(substation, "4") as pilot:
        await choose(pilot, RELAY)
        await until(pilot, lambda: pilot.app.view.number(f"{RELAY}_IN.VA_V") is not None)
        await pilot.pause(0.6)
        shown = re.search(r"│ a +(\S+) +(\S+) +(\S+) +(\S+) ", screen_text(pilot))
        assert shown is not None
        assert float(shown[1]) == pytest.approx(substation.value(f"{RELAY}_IN.IA_A"), rel=0.2)
        assert float(shown[3]) == pytest.approx(substation.value(f"{RELAY}_IN.VA_V"), rel=0.02)


async def test_settings_of_the_element_under_the_cursor_are_in_words_and_the_group_in_force_is_marked(
    substation: Station,
) -> None:
    async with console(substation, "4") as pilot:
        await choose(pilot, "FDR_C.R_RCL_3107")  # it has two groups
        await until_shown(pilot, "settings of 51PF")
        await until(pilot, lambda: bool(re.search(r"CURVE +\w+\*", screen_text(pilot))))
        assert "group 2" in screen_text(pilot)
        await pilot.press("tab", "down")
        await until_shown(pilot, "settings of 51GF")


async def test_in_ascii_it_needs_no_character_that_a_terminal_may_lack(substation: Station) -> None:
    async with console(substation, "4", is_ascii=True) as pilot:
        await until_shown(pilot, "# CLOSED")
        inside = pilot.app.page.query_one("#relays", DeviceTable).region
        lines = screen_text(pilot).splitlines()[inside.y : inside.bottom]
        assert all(line.isascii() for line in lines), lines


async def test_who_may_not_reset_targets_is_told_so(substation: Station) -> None:
    async with console(substation, "4") as pilot:
        heard = hear(pilot)
        await pilot.press("r")
        await until(pilot, lambda: bool(heard))
        assert heard[0].startswith("reset targets of SUB.R_CB_HV: refused")


@pytest.mark.timeout(240)
async def test_a_fault_is_seen_from_pickup_to_lockout_and_put_right_by_keys(substation: Station) -> None:
    async with console(substation, "4", role="instructor") as pilot:
        view = pilot.app.view
        await choose(pilot, RELAY)
        await do(pilot, ("LAB.FAULT_4.ENTRY", HEAD_FAULT), ("LAB.FAULT_4.R_OHM", SLOW_OHM),
                 ("LAB.ARM.ARM", None), ("LAB.FAULT_4.APPLY", None))  # fmt: skip
        try:
            await until(pilot, lambda: bool(re.search(r"51P +PICKUP +█.* \d\d%", screen_text(pilot))))
            assert re.search(rf"{RELAY} +■ CLOSED +PICKUP", screen_text(pilot))
            assert re.search(r"67P +FORWARD", screen_text(pilot))
            await until(pilot, lambda: bool(re.search(r"51P .*● 1st", screen_text(pilot))))
            await until(
                pilot, lambda: bool(re.search(r"dead time █.* \d+\.\d/15 s", screen_text(pilot))), 60.0
            )
            assert "CYCLE  shot 1/2" in screen_text(pilot)
            assert "□ OPEN" in line_of(pilot, "position")
            await until(pilot, lambda: "LOCKOUT  shot 2/2" in screen_text(pilot), SEQUENCE_S)
            assert "last shot (last)" in screen_text(pilot)
            assert substation.value(f"{RECLOSER}.STATE") == LOCKOUT
            assert "targets 51P (first 51P)" in screen_text(pilot)
        finally:
            await do(pilot, ("LAB.FAULT_4.CLEAR", None))
        await pilot.press("r")
        await until_shown(pilot, "targets none")
        assert substation.value(f"{RELAY}.TARGETS") == 0.0
        await until(pilot, lambda: view.reading(f"{BREAKER}.SPRING").is_on)
        await do(pilot, (f"{BREAKER}.CLOSE", None))
        await until(pilot, lambda: "RESET  shot 0/2" in screen_text(pilot))
        assert substation.value(f"{RECLOSER}.STATE") == RESET


@pytest.mark.parametrize(
    ("key", "words"),
    [("o", f"Operate {RELAY}"), ("enter", f"Operate {RELAY}"), ("k", f"Operate {BREAKER}"),
     ("c", f"Operate {RECLOSER}"), ("g", "GROUP_SP"), ("t", f"{RELAY}_51P.TIMER")],
)  # fmt: skip
async def test_keys_operate_relay_breaker_recloser_and_group(
    substation: Station, key: str, words: str
) -> None:
    async with console(substation, "4", role="engineer") as pilot:
        await choose(pilot, RELAY)
        await pilot.press(key)
        await until_shown(pilot, words)
        assert not isinstance(pilot.app.screen, ProtectionPage)
