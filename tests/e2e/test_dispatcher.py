"""The dispatcher of a running station: commands like an operator, stands back when told, may die."""

from __future__ import annotations

import os
import re
import signal
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from forecasting.dispatch.outputs import State
from hil.paths import config_dir
from rtcore.quality import BAD_FROM
from tests.e2e.test_estimator import wait
from tests.support.console_rig import console, screen_text, until, until_shown
from tests.support.station import Station, running, say

SPEED = 240
"""Simulated seconds a second: an hour is 15 s."""
PAST_ROWS = 24 * 44
READY_S = 400.0
"""Four loads are fitted first, behind everything else."""
HOUR_S = 15.0
OPTIMISING, RULES = 2, 1
MODE = "DER.DISPATCH_1.MODE_SP"


def recent_rows(path: Path) -> None:
    """Write the shipped history from 44 days before the station's start on: the models learn from less."""
    import gzip

    lines = gzip.decompress((config_dir() / "histories" / "iowa240_2017.csv.gz").read_bytes()).decode()
    head, *rows = lines.splitlines()
    first = next(k for k, row in enumerate(rows) if row.startswith("2017-07-12T12:00"))
    path.write_text("\n".join([head, *rows[first - PAST_ROWS : first + 1], ""]))


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    state = tmp_path_factory.mktemp("state")
    text = (config_dir() / "stations" / "iowa240-der.toml").read_text()
    assert 'history = "iowa240_2017"' in text
    (state / "iowa240-der.toml").write_text(text.replace('history = "iowa240_2017"', 'history = "past.csv"'))
    recent_rows(state / "past.csv")
    with running(state, str(state / "iowa240-der.toml"), "--speed", str(SPEED)) as live:
        wait(lambda: live.quality("FC.FDR_C.H24") == 0 and live.quality("FC.PV_3027.H1") == 0, READY_S)
        yield live


def write(station: Station, tag: str, value: int) -> None:
    unit, _, address, _ = station.spec.points[station.index[tag]].wire["modbus"].split(":")
    pdu = struct.pack(">BHH", 6, int(address), value)
    with station.master() as m:
        assert m.ask(int(unit), pdu) == pdu


@pytest.mark.timeout(1200)  # the first start of a session compiles the kernels
def test_while_others_command_it_only_watches(station: Station) -> None:
    wait(lambda: station.value("DISP.SVC.STATE") == State.WATCHING, HOUR_S)
    assert station.value(MODE) == RULES
    assert station.value("DER.DISPATCH_1.PLAN_SP") == 0.0
    assert station.value("DISP.SVC.N_PLANS") == 0.0


def commanded(station: Station) -> set[str]:
    """Return what the dispatcher has written so far."""
    return {tag for r in station.journal("dispatcher") if r["event"] == "command" for tag, _ in r["writes"]}


@pytest.mark.timeout(200)
def test_told_to_optimise_it_plans_and_commands_through_the_audit_like_anybody(station: Station) -> None:
    write(station, MODE, OPTIMISING)
    wait(lambda: station.value("DISP.SVC.N_PLANS") >= 1.0, 2 * HOUR_S)
    wait(lambda: station.value("DISP.SVC.STATE") == State.COMMANDING, HOUR_S)
    wait(lambda: station.value("DER.DISPATCH_1.PLAN_SP") == station.value("DISP.SVC.NUMBER"), 5.0)
    assert station.value("DER.DISPATCH_1.FALLBACK") == 0.0
    assert "DER.DISPATCH_1.PLAN_SP" in commanded(station)
    # of the rest only what changes: what is so already is not written
    wait(lambda: bool(commanded(station) - {"DER.DISPATCH_1.PLAN_SP"}), 4 * HOUR_S)
    commands = [r for r in station.journal("dispatcher") if r["event"] == "command"]
    assert {(r["user"], r["role"]) for r in commands} == {("dispatcher", "operator")}
    verdicts = [r["result"] for r in station.journal("dispatcher") if r["event"] == "verdict"]
    assert set(verdicts) == {"DONE"}
    say(f"{len(commands)} commands, plan {station.value('DISP.SVC.SOLVE_MS'):.0f} ms")
    # the battery does what the plan says, as far as one look of a minute and its ramp tell
    wait(lambda: abs(station.value("DER.BESS_2.W") - station.value("DER.BESS_2.P_SP")) < 60.0, HOUR_S)


@pytest.mark.timeout(200)
def test_a_new_forecast_gives_a_new_plan(station: Station) -> None:
    number = station.value("DER.DISPATCH_1.PLAN_SP")
    wait(lambda: station.value("DER.DISPATCH_1.PLAN_SP") > number, 3 * HOUR_S)


@pytest.mark.timeout(200)
async def test_the_console_shows_its_plan_beside_what_is_now(station: Station) -> None:
    async with console(station, "6", size=(200, 60)) as pilot:
        await until_shown(pilot, "commands by its newest plan")
        await until_shown(pilot, "command    optimising")
        await until(
            pilot, lambda: f"plan       {station.value('DISP.SVC.NUMBER'):.0f}  age" in screen_text(pilot)
        )
        await until_shown(pilot, "planned power [kW]")
        await pilot.press("tab", "tab")  # to the table of the plan
        await until_shown(pilot, "+1 h")

        def first_hour_is_shown() -> bool:
            row = next((x for x in screen_text(pilot).splitlines() if "+1 h" in x), "")
            planned = re.findall(r"-?\d+\.\d", row.partition("+1 h")[2])
            tags = ("DISP.PLAN.IMPORT1", "FC.TOTAL.H1", "DISP.BESS_1.P1", "DISP.BESS_1.SOC1")
            return planned[:4] == [f"{station.value(tag):.1f}" for tag in tags]

        await until(pilot, first_hour_is_shown)


@pytest.mark.timeout(200)
def test_silent_its_points_go_bad_and_its_successor_goes_on_with_the_next_number(station: Station) -> None:
    number, before = station.value("DER.DISPATCH_1.PLAN_SP"), station.pid("dispatcher")
    os.kill(before, signal.SIGSTOP)  # a killed one may be followed before its last image is old
    wait(lambda: station.quality("DISP.SVC.NUMBER") >= BAD_FROM, 6.0)
    os.kill(before, signal.SIGKILL)
    wait(lambda: station.quality("DISP.SVC.NUMBER") == 0 and station.pid("dispatcher") != before, 60.0)
    wait(lambda: station.value("DER.DISPATCH_1.PLAN_SP") > number, 3 * HOUR_S)
    assert station.value("DISP.SVC.N_PLANS") >= 2.0


@pytest.mark.timeout(200)
def test_told_to_stand_back_it_gives_back_what_it_took(station: Station) -> None:
    write(station, MODE, RULES)
    wait(lambda: station.value("DISP.SVC.STATE") == State.WATCHING, HOUR_S)
    own_v = station.value("SUB.AVR_A.V_SP")
    sites = [p.tag for p in station.spec.points if p.template == "pv" and p.attr == "limit_pct_sp"]
    assert [station.value(tag) for tag in sites] == [100.0] * len(sites)
    n_commands = len(station.journal("dispatcher"))
    number = station.value("DER.DISPATCH_1.PLAN_SP")
    wait(lambda: station.value("FC.SVC.AGE") < 600.0, 2 * HOUR_S)  # another forecast: nothing follows from it
    assert station.value("DER.DISPATCH_1.PLAN_SP") == number
    assert len(station.journal("dispatcher")) == n_commands
    assert station.value("SUB.AVR_A.V_SP") == own_v
