"""The console without a station: what it says while it waits, and when it fails."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from hil.console.app import ConsoleApp
from hil.ports import some_free
from hil.view.station_view import StationView
from tests.support.console_rig import screen_text, until_shown


def url() -> str:
    return f"opc.tcp://127.0.0.1:{some_free('127.0.0.1')}/gridhil"


async def test_it_waits_for_a_station_and_says_what_to_do() -> None:
    app = ConsoleApp(StationView(url()))
    async with app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "nothing listens at")
        assert "gridhil run" in screen_text(pilot)
        for key in ("2", "9", "f1", "escape", "ctrl+p", "escape", "f2", "escape"):
            await pilot.press(key)
        assert app.is_running


async def test_a_wrong_address_is_final_and_told() -> None:
    app = ConsoleApp(StationView("http://example.com"))
    async with app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "is no address of a station")
        assert "REFUSED" in screen_text(pilot)
        assert "F2 logs in" not in screen_text(pilot)
        assert "alarms unknown" in screen_text(pilot)


async def test_dialogs_without_a_station_say_so() -> None:
    app = ConsoleApp(StationView(url()))
    async with app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "nothing listens at")
        for action in (
            lambda: app.action_operate("F.CB"), lambda: app.action_trend("F.IA"), app.action_arm,
            app.action_fault, app.action_attack, app.action_login, app.action_help,
        ):  # fmt: skip
            action()
            await pilot.pause(0.3)
            assert len(app.screen_stack) > 2
            await pilot.press("escape")
            await pilot.pause(0.1)


async def test_timers_and_a_late_station_find_no_screen_at_the_end_and_that_is_no_fault() -> None:
    app = ConsoleApp(StationView(url()))
    async with app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "nothing listens at")
    assert not app.screen_stack
    app._tidy()
    app._tell_page()
    assert app.page is app.pages["Overview"]
    assert app.kept_tags() == ()


async def test_a_fault_of_the_console_ends_in_words_with_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "console.log"
    app = ConsoleApp(StationView(url()), log_path=log)

    def fail() -> None:
        raise ZeroDivisionError("a page went wrong")

    async with app.run_test(size=(80, 24)):
        app.call_later(fail)
        await asyncio.sleep(0.5)
    assert app.return_code == 1
    assert "Traceback" in log.read_text(encoding="utf-8")
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "a page went wrong" not in said, "that is for the file"
    assert "ZeroDivisionError" not in said
    assert "fault of the console" in said
    assert "console.log" in said.replace("\n", "")  # a terminal breaks the line where it will


async def test_a_fault_that_comes_again_is_described_once(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    app = ConsoleApp(StationView(url()), log_path=log)
    fault = ZeroDivisionError("the link went wrong")
    async with app.run_test(size=(80, 24)):
        said = [app.view.link.on_fault(fault) for _ in range(3)]
    assert said == [f"; how it came about: {log}"] * 3
    assert log.read_text(encoding="utf-8").count("the link went wrong") == 1
