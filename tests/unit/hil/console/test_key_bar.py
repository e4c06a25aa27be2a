"""The line of keys: what it names, that a mouse presses it, and that leafing leaves nothing behind."""

from __future__ import annotations

import gc

from textual.widget import Widget

from hil.console.app import ConsoleApp
from hil.console.dialogs.help import HelpDialog
from hil.console.registry import PAGES
from tests.support.console_rig import screen_text, until
from tests.support.frozen_station import frozen


def _keys(text: str) -> str:
    return text.splitlines()[-1] if text else ""


async def test_it_names_the_keys_of_the_screen_each_once_and_the_commands_at_the_right() -> None:
    app = ConsoleApp(frozen("iowa240"))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "f1 Help" in _keys(screen_text(pilot)))
        app.action_go("Alarms")
        await until(pilot, lambda: "a Acknowledge" in _keys(screen_text(pilot)))
        line = _keys(screen_text(pilot))
        assert line.count("Help") == 1
        assert line.endswith("f1 Help  ^p Commands")
        await pilot.pause(0.3)


async def test_a_narrow_terminal_cuts_keys_but_never_those_of_help_and_commands() -> None:
    app = ConsoleApp(frozen("iowa240"))
    async with app.run_test(size=(80, 24)) as pilot:
        app.action_go("Alarms")
        await until(pilot, lambda: "a Acknowledge" in _keys(screen_text(pilot)))
        line = _keys(screen_text(pilot))
        assert line.endswith("f1 Help  ^p Commands")
        assert "…" in line and len(line) < 80


async def test_a_click_presses_the_key() -> None:
    app = ConsoleApp(frozen("iowa240"))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "f1 Help" in _keys(screen_text(pilot)))
        await pilot.click(offset=(_keys(screen_text(pilot)).index("Help"), 39))
        await until(pilot, lambda: isinstance(app.screen, HelpDialog))


async def test_its_colours_are_those_of_the_theme() -> None:
    app = ConsoleApp(frozen("iowa240"))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: "f1 Help" in _keys(screen_text(pilot)))
        seen = []
        for _ in range(2):
            seen.append({s.style.color for s in app.screen._compositor.render_strips()[-1] if s.style})
            app.action_theme()
            await pilot.pause(0.3)
        assert not seen[0] & seen[1]


async def test_leafing_through_the_screens_leaves_no_widgets_behind() -> None:
    app = ConsoleApp(frozen("iowa240"))
    counts = []
    async with app.run_test(size=(120, 40)) as pilot:
        for _ in range(4):
            for page in (*PAGES[1:], PAGES[0]):
                app.action_go(page.TITLE_TEXT)
                await pilot.pause(0.05)
            gc.unfreeze()
            gc.collect()
            counts.append(sum(isinstance(o, Widget) for o in gc.get_objects()))
    assert counts[3] <= counts[1], counts  # in the first round the screens are made
