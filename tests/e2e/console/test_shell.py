"""What all screens have in common: help, palette, sizes, signs, trends, the overview."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from hil.console.app import ConsoleApp
from tests.support.console_rig import SMALL, console, screen_text, until, until_shown
from tests.support.station import Station

TIMEOUT_S = 20.0


def app_of(pilot: Pilot[None]) -> ConsoleApp:
    assert isinstance(pilot.app, ConsoleApp)
    return pilot.app


async def chosen(pilot: Pilot[None], query: str) -> None:
    """Take the first hit of the command palette."""
    await pilot.press("ctrl+p")
    await pilot.pause(0.3)
    pilot.app.screen.query_one(Input).value = query
    await until_shown(pilot, query)
    await pilot.pause(1.0)
    await pilot.press("enter")
    await pilot.pause(0.3)
    if pilot.app.screen.query("CommandInput"):
        await pilot.press("enter")


@pytest.mark.parametrize("size", [SMALL, (120, 40), (200, 60)])
async def test_the_key_facts_are_in_view(substation: Station, size: tuple[int, int]) -> None:
    async with console(substation, role="operator", size=size) as pilot:
        assert (await app_of(pilot).view.command("SUB.TEST.SCRATCH1", 7.0)).is_done
        await until_shown(pilot, "SUB.TEST.SCRATCH1 7")
        await until_shown(pilot, "mains PRESENT")
        await until(pilot, lambda: len(re.findall(r"FDR_[ABC] +-?\d", screen_text(pilot))) == 3)
        shown = screen_text(pilot)
        for words in ("every", "p99.9", "overruns", "frequency ", "Hz/s", "mains PRESENT", "sum", "Alarms"):
            assert words in shown, words
        for feeder in ("FDR_A", "FDR_B", "FDR_C"):
            (power,) = re.findall(rf"{feeder} +(-?\d+)", shown)
            wanted = substation.value(f"{feeder}.HEAD.P")
            assert abs(float(power) - wanted) < max(50.0, 0.1 * abs(wanted))


async def test_clients_and_overruns_are_in_view_on_a_wide_terminal(substation: Station) -> None:
    async with console(substation, role="operator", size=(120, 40)) as pilot:
        await until_shown(pilot, "127.0.0.1")
        shown = screen_text(pilot)
        for words in ("core", "opcua", "estimator", "serving", "over Modbus", "operator", "recorder"):
            assert words in shown, words


async def test_a_tiny_terminal_is_told_so_until_it_grows(substation: Station) -> None:
    async with console(substation) as pilot:
        await pilot.resize_terminal(60, 20)
        await until_shown(pilot, "terminal is 60x20, the console needs 80x24")
        assert "frequency" not in screen_text(pilot)
        await pilot.resize_terminal(80, 24)
        await until_shown(pilot, "frequency")


async def test_help_says_what_the_screen_shows_and_its_keys(substation: Station) -> None:
    async with console(substation, "f1") as pilot:
        await until_shown(pilot, "whether the real-time contract holds")
        await pilot.press("end")
        await until_shown(pilot, "leave the console; the station goes on")
        await pilot.press("escape")
        await until_shown(pilot, "frequency")


async def test_the_palette_finds_screens_devices_and_trends(substation: Station) -> None:
    async with console(substation, role="operator") as pilot:
        await chosen(pilot, "operate fdr_a.cb_101")
        await until_shown(pilot, "Operate FDR_A.CB_101")
        await pilot.press("escape")
        await chosen(pilot, "trend fdr_a.head.ia")
        await until_shown(pilot, "Trend FDR_A.HEAD.IA")
        await pilot.press("escape")
        await chosen(pilot, "arm the lab")
        await until_shown(pilot, "Arming opens a short window")
        await pilot.press("escape")
        await chosen(pilot, "forecast")
        await until(pilot, lambda: app_of(pilot).page.TITLE_TEXT == "Forecast")


async def test_a_trend_shows_the_record_and_goes_on_live(
    substation: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with console(substation, size=SMALL) as pilot:
        app_of(pilot).action_trend("FDR_C.HEAD.IA")
        await until_shown(pilot, "FDR_C.HEAD.IA [A], UTC")
        await until_shown(pilot, "e export CSV")
        await pilot.pause(3.0)
        await pilot.press("e")
        await until_shown(pilot, "rows in")
        await pilot.press("2")
        await until_shown(pilot, "2 1 h")
    (file,) = tmp_path.glob("FDR_C.HEAD.IA-*.csv")
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    assert rows
    assert {r["source"] for r in rows} <= {"live", "record"}
    now = substation.value("FDR_C.HEAD.IA")
    assert abs(float(rows[-1]["value"]) - now) < max(20.0, 0.2 * now)


async def test_a_trend_of_a_point_that_is_not_recorded_says_so(substation: Station) -> None:
    async with console(substation) as pilot:
        app_of(pilot).action_trend("NO.SUCH.POINT")
        await until_shown(pilot, "the station has no point NO.SUCH.POINT any more")
        await until_shown(pilot, "live values only")


async def test_ascii_is_ascii_everywhere(substation: Station) -> None:
    async with console(substation, role="operator", size=SMALL, is_ascii=True) as pilot:
        app = app_of(pilot)
        for title in ("Overview", "Alarms"):
            app.action_go(title)
            await until(pilot, lambda: title == app.page.TITLE_TEXT)  # noqa: B023
            await pilot.pause(0.6)
            assert screen_text(pilot).isascii(), screen_text(pilot)
        await pilot.press("v")
        for action in (
            lambda: app.action_operate("FDR_A.CB_101"), lambda: app.action_trend("FDR_A.HEAD.IA"),
            app.action_login, app.action_arm, app.action_fault, app.action_attack, app.action_help,
        ):  # fmt: skip
            action()
            await pilot.pause(1.2)
            assert screen_text(pilot).isascii(), screen_text(pilot)
            await pilot.press("escape")
            await pilot.pause(0.2)


async def test_without_colour_everything_is_said_in_words(
    substation: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with console(substation, role="operator") as pilot:
        await until_shown(pilot, "mains PRESENT")
        assert "LIVE" in screen_text(pilot)
        app_of(pilot).action_operate("FDR_A.CB_101")
        await until_shown(pilot, "CLOSED")
        svg = app_of(pilot).export_screenshot()
        colours = {c.lower() for c in re.findall(r"fill: (#[0-9a-fA-F]{6})", svg)}
        colours.discard("#c5c8c6")  # of the picture's own frame, whatever the console draws
        assert [c for c in colours if not c[1:3] == c[3:5] == c[5:7]] == []
