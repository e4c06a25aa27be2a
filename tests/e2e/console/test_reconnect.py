"""A station that dies and comes again under a console: it recovers, and shows nothing as live meanwhile."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest
from textual.pilot import Pilot

from hil.console.app import ConsoleApp
from hil.ports import some_free
from tests.support.console_rig import console, screen_text, until, until_shown
from tests.support.console_stations import der_without_forecasts, prepare_users
from tests.support.station import Station, running, without_forecasts

AGAIN_S = 60.0


def without_records(folder: Path) -> str:
    """Write the default station without forecasts and without a recorder; returns its file."""
    path = Path(without_forecasts(folder))
    path.write_text(path.read_text(encoding="utf-8") + "\n[recorder]\nenabled = false\n", encoding="utf-8")
    return str(path)


async def bar_says_so(pilot: Pilot[None]) -> str:
    """Wait until the bar says that nothing is live; return the screen; nothing is called well on it."""
    app = pilot.app
    assert isinstance(app, ConsoleApp)
    await until(pilot, lambda: not app.view.link.is_live, AGAIN_S)
    await pilot.pause(1.2)
    shown = screen_text(pilot)
    assert re.match(r" (LINK LOST|STALE) ", shown), shown
    assert "s old" in shown
    assert not re.search(r"(no alarms|in step|PRESENT|not armed)(?!\?)", shown), shown
    return shown


async def nothing_is_live(pilot: Pilot[None]) -> None:
    """Wait until the bar says so; then no value stands there without its mark."""
    shown = await bar_says_so(pilot)
    for name in ("frequency", "source"):
        line = next(row for row in shown.splitlines() if name in row)
        values = re.findall(r"\d+\.\d+(\S?)", line[line.index(name) :])
        assert values, line
        assert set(values) == {"?"}, line


@pytest.mark.timeout(300)
async def test_a_console_outlives_its_station(tmp_path: Path) -> None:
    port = ("--opcua-port", str(some_free("127.0.0.1")))
    prepare_users(tmp_path, "iowa240-der")
    prepare_users(tmp_path, "iowa240")
    with running(tmp_path, der_without_forecasts(tmp_path), *port) as first:
        async with console(first, role="operator") as pilot:
            app = pilot.app
            assert isinstance(app, ConsoleApp)
            await until_shown(pilot, "mains PRESENT")
            core = next(p["pid"] for p in app.view.status["processes"] if p["name"] == "core")
            os.kill(core, signal.SIGSTOP)
            try:
                await until_shown(pilot, "PLANT SILENT", AGAIN_S)
                await bar_says_so(pilot)
            finally:
                os.kill(core, signal.SIGCONT)
            await until(pilot, lambda: app.view.link.is_live, AGAIN_S)
            await until_shown(pilot, "mains PRESENT")
            first.kill()
            await nothing_is_live(pilot)
            app.action_operate("DER.BESS_1")
            await until_shown(pilot, "Operate DER.BESS_1")
            assert (await app.view.command("DER.BESS_1.P_SP", 100.0)).is_done is False

            with running(tmp_path, without_records(tmp_path), *port) as second:
                await until(pilot, lambda: app.view.link.is_live and app.view.link.n_connects == 2, AGAIN_S)
                await until_shown(pilot, "The station has no such device any more")
                await pilot.press("escape")
                await until_shown(pilot, "mains PRESENT")
                assert app.view.user == "operator"
                assert app.view.reading("DER.BESS_1.SOC").is_missing
                await until(pilot, lambda: app.view.link.is_live, AGAIN_S)
                outcome = await app.view.command("DER.BESS_1.P_SP", 100.0)
                assert "no such point any more" in outcome.text, (outcome, app.view.link.n_connects)

                await pilot.press("9", "v")
                await until_shown(pilot, "keeps no such records")
                app.action_trend("FDR_A.HEAD.IA")
                await until_shown(pilot, "FDR_A.HEAD.IA [A], UTC")
                await pilot.press("escape", "1")
                await until_shown(pilot, "mains PRESENT")
                Station.kill(second)
                await nothing_is_live(pilot)
