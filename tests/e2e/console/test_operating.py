"""Operating from the console on a live station: every dialog, to the board and back."""

from __future__ import annotations

import contextlib
import os
import signal

from textual.pilot import Pilot
from textual.widgets import Input, Select

from hil.console.app import ConsoleApp
from hil.console.dialogs.dialog import BOUNCE_S
from hil.console.dialogs.operate import SELECT_S, OperateDialog
from tests.support.console_rig import SMALL, console, screen_text, until, until_shown
from tests.support.station import Station

BREAKER = "FDR_A.RCL_1006"
"""Its spring is charged again within a second."""
AVR = "SUB.AVR_A"
TIMEOUT_S = 20.0


def app_of(pilot: Pilot[None]) -> ConsoleApp:
    assert isinstance(pilot.app, ConsoleApp)
    return pilot.app


async def typed(pilot: Pilot[None], text: str) -> None:
    """Type a text as somebody at the keyboard does."""
    for character in text:
        await pilot.press({".": "full_stop", "_": "underscore", " ": "space"}.get(character, character))


async def opened(pilot: Pilot[None], device: str, command: str) -> None:
    """Open the dialog of a device and select a command."""
    app_of(pilot).action_operate(device)
    await until_shown(pilot, f"Operate {device}")
    while command not in str(_option(pilot)):
        await pilot.press("down")
    await pilot.press("enter")
    await pilot.pause(BOUNCE_S + 0.2)


def _option(pilot: Pilot[None]) -> str | None:
    options = pilot.app.screen.query_one("#ops")
    index = options.highlighted  # type: ignore[attr-defined]
    return None if index is None else options.get_option_at_index(index).id  # type: ignore[attr-defined]


async def proposed_and_applied(pilot: Pilot[None]) -> None:
    """Have it said what will be applied, then apply it."""
    await pilot.press("f6")
    await until_shown(pilot, "F6 again applies at")
    await pilot.pause(BOUNCE_S + 0.2)
    await pilot.press("f6")


async def set_to(pilot: Pilot[None], tag: str, value: bool) -> None:
    """Set a two-state setpoint without the dialog, to prepare a test or to put things back."""
    outcome = await app_of(pilot).view.command(tag, value)
    assert outcome.is_done, outcome


async def test_a_breaker_is_tripped_and_closed_and_read_back(substation: Station) -> None:
    async with console(substation, role="operator", size=SMALL) as pilot:
        await opened(pilot, BREAKER, "TRIP")
        assert f"Execute?  TRIP {BREAKER}" in screen_text(pilot)
        assert substation.value(f"{BREAKER}.ST_52A") == 1.0, "selecting alone does nothing"
        await pilot.press("enter")
        await until_shown(pilot, "as commanded", TIMEOUT_S)
        assert "DONE" in screen_text(pilot)
        assert substation.value(f"{BREAKER}.ST_52A") == 0.0
        await pilot.press("escape")

        await opened(pilot, BREAKER, "CLOSE")
        await pilot.press("enter")
        await until_shown(pilot, f"{BREAKER}.ST_52A CLOSED  as commanded", TIMEOUT_S)
        assert substation.value(f"{BREAKER}.ST_52A") == 1.0
        await pilot.press("escape")
        await until_shown(pilot, f"DONE {BREAKER}.CLOSE", TIMEOUT_S)


async def test_an_observer_is_told_which_role_a_command_needs(substation: Station) -> None:
    async with console(substation) as pilot:
        app_of(pilot).action_operate(BREAKER)
        await until_shown(pilot, "needs the role operator")
        await pilot.press("enter")
        await pilot.pause(0.3)
        assert "Execute?" not in screen_text(pilot)
        await until_shown(pilot, "CLOSED")  # the state is shown all the same


async def test_a_tagged_breaker_says_so_before_and_after(substation: Station) -> None:
    async with console(substation, role="operator") as pilot:
        await opened(pilot, BREAKER, "TRIP")
        await pilot.press("enter")
        await until_shown(pilot, "as commanded", TIMEOUT_S)
        await pilot.press("escape")
        await set_to(pilot, f"{BREAKER}.TAG", True)
        try:
            await opened(pilot, BREAKER, "CLOSE")
            await until_shown(pilot, "the device is tagged out")
            await pilot.press("enter")
            await until_shown(pilot, "REFUSED", TIMEOUT_S)
            assert "tagged out" in screen_text(pilot)
            assert substation.value(f"{BREAKER}.ST_52A") == 0.0
        finally:
            await set_to(pilot, f"{BREAKER}.TAG", False)
            await app_of(pilot).view.command(f"{BREAKER}.CLOSE")
        await until(pilot, lambda: substation.value(f"{BREAKER}.ST_52A") == 1.0, TIMEOUT_S)


async def test_a_breaker_in_local_refuses_in_words(substation: Station) -> None:
    async with console(substation, role="operator") as pilot:
        await set_to(pilot, f"{BREAKER}.REMOTE", False)
        try:
            await opened(pilot, BREAKER, "TRIP")
            await until_shown(pilot, "the device is switched to LOCAL")
            await pilot.press("enter")
            await until_shown(pilot, "REFUSED", TIMEOUT_S)
            assert "local" in screen_text(pilot)
        finally:
            await set_to(pilot, f"{BREAKER}.REMOTE", True)


async def test_a_setpoint_is_checked_then_executed_then_read_back(substation: Station) -> None:
    before = substation.value(f"{AVR}.V_SP")
    async with console(substation, role="operator", size=SMALL) as pilot:
        await opened(pilot, AVR, "V_SP")
        assert "100 to 140 V" in screen_text(pilot)
        field = pilot.app.screen.query_one("#value", Input)
        field.value = ""
        await typed(pilot, "999")
        await pilot.press("enter")
        await pilot.pause(0.3)
        assert "outside 100 to 140 V" in screen_text(pilot)
        assert "Execute?" not in screen_text(pilot)
        for wanted in (121.5, before):
            field.value = ""
            await typed(pilot, f"{wanted:g}")
            await pilot.press("enter")
            await until_shown(pilot, f"Execute?  {AVR}.V_SP")
            await pilot.pause(BOUNCE_S + 0.2)
            await pilot.press("enter")
            await until_shown(pilot, "as commanded", TIMEOUT_S)
            assert abs(substation.value(f"{AVR}.V_SP") - wanted) < 1e-4
            await pilot.press("up", "enter")
            await pilot.pause(BOUNCE_S + 0.2)


async def test_a_two_state_setpoint_is_a_choice(substation: Station) -> None:
    tag = f"{BREAKER}.TAG"
    async with console(substation, role="operator") as pilot:
        for value, before, state in ((1.0, "OFF", "TAGGED"), (0.0, "TAGGED", "OFF")):
            await opened(pilot, BREAKER, "TAG")
            await until_shown(pilot, f"{tag} is {before}. Which state?")
            await pilot.press("enter")
            await until_shown(pilot, f"Execute?  {tag} := {state}")
            await pilot.pause(BOUNCE_S + 0.2)
            await pilot.press("enter")
            await until_shown(pilot, f"{tag} {state}  as commanded", TIMEOUT_S)
            assert substation.value(tag) == value
            await pilot.press("escape")


async def test_a_selection_is_given_up_in_time(substation: Station) -> None:
    now_s = 0.0
    async with console(substation, role="operator") as pilot:
        pilot.app.push_screen(OperateDialog(BREAKER, "TRIP", clock_s=lambda: now_s))
        await until_shown(pilot, f"Execute?  TRIP {BREAKER}")
        now_s = SELECT_S + 1.0
        await until_shown(pilot, "the selection was given up")
        assert substation.value(f"{BREAKER}.ST_52A") == 1.0


def _is_told_as_not_live(shown: str) -> bool:
    return "not live: do not rely on it" in shown and " LIVE " not in shown.splitlines()[0]


async def test_a_link_lost_in_the_middle_of_a_command_is_told_as_unknown(substation: Station) -> None:
    pid = substation.pid("opcua")
    async with console(substation, role="operator") as pilot:
        await opened(pilot, BREAKER, "TRIP")
        os.kill(pid, signal.SIGSTOP)
        try:
            await pilot.press("enter")
            await until_shown(pilot, "UNKNOWN, VERIFY", TIMEOUT_S)
            assert "Nobody knows" in screen_text(pilot)
            assert "reads back" in screen_text(pilot)
            await until(pilot, lambda: _is_told_as_not_live(screen_text(pilot)), TIMEOUT_S)
        finally:
            with contextlib.suppress(ProcessLookupError):  # the supervisor may have replaced it
                os.kill(pid, signal.SIGCONT)
        view = app_of(pilot).view
        await until(pilot, lambda: view.link.is_live, 60.0)
        if substation.value(f"{BREAKER}.ST_52A") == 0.0:
            assert (await view.command(f"{BREAKER}.CLOSE")).is_done


async def test_a_wrong_password_is_told_and_a_right_one_gives_the_role(substation: Station) -> None:
    async with console(substation, "f2", size=SMALL) as pilot:
        await until_shown(pilot, "now: anonymous, role observer")
        for word, words in (("wrong", "wrong name or"), ("the engineer's own", "engineer (engineer)")):
            pilot.app.screen.query_one("#user", Input).value = "engineer"
            pilot.app.screen.query_one("#password", Input).value = word
            pilot.app.screen.query_one("#password", Input).focus()
            await pilot.press("enter")
            await until_shown(pilot, words, TIMEOUT_S)
            assert "the engineer's own" not in screen_text(pilot), "a password is never shown"
        await until(pilot, lambda: app_of(pilot).view.link.is_live, TIMEOUT_S)
        await pilot.press("f2")
        await until_shown(pilot, "now: engineer")
        await pilot.click("#logout")
        await until_shown(pilot, "anonymous (observer)", TIMEOUT_S)


async def test_arming_needs_the_role_and_the_word(substation: Station) -> None:
    async with console(substation, "a", role="operator") as pilot:
        await until_shown(pilot, "Arming needs the role instructor")
        await typed(pilot, "ARM")
        await pilot.press("enter")
        await until_shown(pilot, "REFUSED", TIMEOUT_S)
        assert substation.value("LAB.ARM.ARMED") == 0.0
    async with console(substation, "a", role="instructor") as pilot:
        await typed(pilot, "arm")
        await pilot.press("enter")
        await until_shown(pilot, "in capitals; nothing was sent")
        pilot.app.screen.query_one("#word", Input).value = ""
        await typed(pilot, "ARM")
        await pilot.press("enter")
        await until_shown(pilot, "s left", TIMEOUT_S)
        assert substation.value("LAB.ARM.ARMED") == 1.0
        await pilot.press("escape", "d")
        await until(pilot, lambda: substation.value("LAB.ARM.ARMED") == 0.0, TIMEOUT_S)


async def test_a_fault_is_refused_unarmed_then_put_and_cleared(substation: Station) -> None:
    applied = "LAB.FAULT_1.APPLIED"
    async with console(substation, "f", role="instructor", size=SMALL) as pilot:
        await until_shown(pilot, "in use: none")
        assert "Not armed" in screen_text(pilot)
        await pilot.press("f6")
        await until_shown(pilot, "choose a fault")
        pilot.app.screen.query_one("#entry", Select).value = 1
        pilot.app.screen.query_one("#r_ohm", Input).value = "20000"
        await proposed_and_applied(pilot)
        await until_shown(pilot, "not armed; arm first", TIMEOUT_S)
        assert substation.value(applied) == 0.0
        await pilot.press("f5")
        await until_shown(pilot, "Arm the laboratory")
        await typed(pilot, "ARM")
        await pilot.press("enter")
        await until_shown(pilot, "s left", TIMEOUT_S)
        await pilot.press("escape")
        await proposed_and_applied(pilot)
        await until(pilot, lambda: substation.value(applied) == 1.0, TIMEOUT_S)
        await until_shown(pilot, "in use: LAB.FAULT_1")
        slot = pilot.app.screen.query_one("#slot", Select)
        await until(pilot, lambda: slot.value == "LAB.FAULT_2", TIMEOUT_S)
        assert substation.value("LAB.FAULT_1.R_OHM") == 20000.0
        await pilot.press("f8")
        await until(pilot, lambda: substation.value(applied) == 0.0, TIMEOUT_S)
        await until_shown(pilot, "in use: none")


async def test_a_fault_that_cannot_be_says_what_does_not_fit(substation: Station) -> None:
    async with console(substation, role="instructor") as pilot:
        app = app_of(pilot)
        assert (await app.view.command("LAB.ARM.ARM")).is_done
        app.action_fault()
        await until_shown(pilot, "ARMED")
        await until_shown(pilot, "in use: none")
        pilot.app.screen.query_one("#entry", Select).value = 1
        pilot.app.screen.query_one("#place", Input).value = "999999"
        await proposed_and_applied(pilot)
        await until_shown(pilot, "no such place", TIMEOUT_S)
        assert (await app.view.command("LAB.ARM.DISARM")).is_done


async def test_an_instrument_is_falsified_and_cleared(substation: Station) -> None:
    target = "FDR_C.HEAD.IA"
    before = substation.value(target)
    async with console(substation, role="instructor") as pilot:
        app = app_of(pilot)
        assert (await app.view.command("LAB.ARM.ARM")).is_done
        app.action_attack()
        await until_shown(pilot, "Falsify an instrument")
        await until_shown(pilot, "in use: none")
        await pilot.press("f6")
        await until_shown(pilot, "name the point to falsify")
        screen = pilot.app.screen
        screen.query_one("#target", Input).value = target
        screen.query_one("#mode").value = 1  # type: ignore[attr-defined]
        screen.query_one("#a", Input).value = "300"
        await until_shown(pilot, "in use: none")
        await proposed_and_applied(pilot)
        await until(pilot, lambda: substation.value(target) > before + 200.0, TIMEOUT_S)
        await until_shown(pilot, "in use: LAB.ATK_1", TIMEOUT_S)
        await pilot.press("f8")
        await until(pilot, lambda: substation.value(target) < before + 200.0, TIMEOUT_S)
