"""The screen of alarms and events on a live station."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from hil.console.app import ConsoleApp
from hil.console.dialogs.operate import OperateDialog
from tests.support.console_rig import SMALL, WIDE, console, screen_text, until, until_shown
from tests.support.station import Station

BREAKER, ALARM = "FDR_C.RCL_3107", "FDR_C.R_RCL_3107_79.LOCKOUT"
TIMEOUT_S = 20.0


def app_of(pilot: Pilot[None]) -> ConsoleApp:
    assert isinstance(pilot.app, ConsoleApp)
    return pilot.app


@asynccontextmanager
async def tripped(station: Station, *keys: str, size: tuple[int, int] = WIDE) -> AsyncIterator[Pilot[None]]:
    """Attach an operator to a station whose recloser has been tripped by hand, which locks it out."""
    async with console(station, *keys, role="operator", size=size) as pilot:
        view = app_of(pilot).view
        assert (await view.command(f"{BREAKER}.TRIP")).is_done
        try:
            await until(pilot, lambda: any(a.tag == ALARM and a.is_active for a in view.alarms), TIMEOUT_S)
            yield pilot
        finally:
            await view.command(f"{BREAKER}.CLOSE")
        await until(pilot, lambda: station.value(f"{BREAKER}.ST_52A") == 1.0, TIMEOUT_S)


@pytest.mark.parametrize("size", [SMALL, WIDE])
async def test_an_alarm_is_shown_acknowledged_and_gone_once_it_is_over(
    substation: Station, size: tuple[int, int]
) -> None:
    async with tripped(substation, "9", size=size) as pilot:
        await until_shown(pilot, ALARM, TIMEOUT_S)
        view = app_of(pilot).view
        await pilot.press("ctrl+home")
        for _ in view.alarms:
            if app_of(pilot).page._selected_alarm() == ALARM:  # type: ignore[attr-defined]
                break
            await pilot.press("down")
        assert app_of(pilot).page._selected_alarm() == ALARM  # type: ignore[attr-defined]
        for key in ("enter", "o"):
            await pilot.press(key)
            await until(pilot, lambda: isinstance(pilot.app.screen, OperateDialog), TIMEOUT_S)
            assert pilot.app.screen.device == ALARM.rpartition(".")[0]
            await pilot.press("escape")
            await until(pilot, lambda: not isinstance(pilot.app.screen, OperateDialog), TIMEOUT_S)
        await pilot.press("a")
        await until_shown(pilot, f"Acknowledge {ALARM}")
        pilot.app.screen.query_one("#comment", Input).value = "crew is out"
        await pilot.press("enter")
        await until(pilot, lambda: any(a.tag == ALARM and a.is_acknowledged for a in view.alarms), TIMEOUT_S)
        await until_shown(pilot, "acknowledged")
        (row,) = (a for a in view.alarms if a.tag == ALARM)
        assert (row.acked_by, row.comment) == ("operator", "crew is out")
        assert (await view.command(f"{BREAKER}.CLOSE")).is_done
        await until(pilot, lambda: all(a.tag != ALARM for a in view.alarms), TIMEOUT_S)
        await until(pilot, lambda: ALARM not in screen_text(pilot), TIMEOUT_S)


async def test_an_observer_may_not_acknowledge(substation: Station) -> None:
    async with tripped(substation), console(substation, "9") as pilot:
        await until_shown(pilot, ALARM, TIMEOUT_S)
        await pilot.press("A")
        await until_shown(pilot, "Acknowledge ")
        await pilot.press("enter")
        await until_shown(pilot, "REFUSED", TIMEOUT_S)
        assert "your role may not do this" in screen_text(pilot)
        await pilot.press("escape")


async def test_events_come_by_themselves_are_filtered_searched_and_written(
    substation: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with tripped(substation, "9", "v") as pilot:
        await pilot.press("slash")
        pilot.app.screen.query_one("#asked", Input).value = "command rcl_3107.trip"
        await pilot.press("enter")
        await until_shown(pilot, f"{BREAKER}.TRIP", TIMEOUT_S)
        assert "opcua" in screen_text(pilot), "who commanded it"
        await pilot.press("slash")
        pilot.app.screen.query_one("#asked", Input).value = "rcl_3107 status -lab"
        await pilot.press("enter")
        await until_shown(pilot, "filter: rcl_3107 status -lab")
        shown = screen_text(pilot)
        assert f"{BREAKER}.ST_52A" in shown
        assert "CLOSED to OPEN" in shown
        assert f"{BREAKER}.TRIP" not in shown

        await pilot.press("s")
        pilot.app.screen.query_one("#asked", Input).value = "st_52a"
        await pilot.press("enter")
        page = app_of(pilot).page
        assert page._selected_tag() == f"{BREAKER}.ST_52A"  # type: ignore[attr-defined]

        await pilot.press("e")
        await until_shown(pilot, "rows in")
        (file,) = tmp_path.glob("events-*.csv")
        rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
        assert rows
        assert {r["kind"] for r in rows} == {"status"}
        assert any(r["tag"] == f"{BREAKER}.ST_52A" and r["text"] == "CLOSED to OPEN" for r in rows)
        await pilot.press("escape")
        await until(pilot, lambda: "filter:" not in screen_text(pilot))


async def test_earlier_events_come_when_one_goes_down_past_the_end(
    substation: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hil.view.events.PAGE", 5)
    async with console(substation, role="operator", size=SMALL) as pilot:
        view = app_of(pilot).view
        for value in (True, False) * 6:
            assert (await view.command(f"{BREAKER}.TAG", value)).is_done
        await pilot.press("9", "v")
        page = app_of(pilot).page
        await until(pilot, lambda: len(page._listed) >= 5, TIMEOUT_S)  # type: ignore[attr-defined]
        newest = max(r.seq for r in page._listed)  # type: ignore[attr-defined]
        for _ in range(3):
            await pilot.press("end")
            await pilot.pause(0.8)
        seen = [r.seq for r in page._listed]  # type: ignore[attr-defined]
        assert seen == sorted(seen, reverse=True), "the newest first, none twice"
        assert min(seen) <= newest - 12


async def test_a_held_list_stays_as_it_is(substation: Station) -> None:
    async with console(substation, "9", "v", "space", role="operator") as pilot:
        await until_shown(pilot, ", held")
        page = app_of(pilot).page
        await pilot.pause(1.5)
        before = list(page._listed)  # type: ignore[attr-defined]
        for value in (True, False):
            assert (await app_of(pilot).view.command(f"{BREAKER}.TAG", value)).is_done
        await pilot.pause(2.5)
        assert page._listed == before  # type: ignore[attr-defined]
        await pilot.press("space")
        await until_shown(pilot, f"{BREAKER}.TAG", TIMEOUT_S)
