"""Relay tests on a running station: the stand-in passes when it is sound, and each of its defects is named.

The stand-in polls by Modbus every 5 ms; its contacts are wired to the test set's binary inputs, for the
recloser to the breaker itself. The truth about its operate times is its own log (CLOCK_MONOTONIC, too).
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest

from hil.bench.relaytest import compared
from hil.relaytest import runner
from hil.relaytest.bench import Applied, Injection
from hil.relaytest.live import LiveBench, bench_of
from hil.relaytest.plan import read_plan
from hil.relaytest.results import FAIL, INCONCLUSIVE, INVALID, PASS
from hil.relaytest.runner import Run, run
from hil.relaytest.station_facts import facts_of
from tests.support.console_rig import console, screen_text, until, until_shown
from tests.support.relaytest_rig import events, polling_standin
from tests.support.station import ROOT, Station, gridhil, running, say, without_forecasts

MANY = int(os.environ.get("GRIDHIL_SHOTS", "0"))
"""Shots at a sound device; 500 show the coverage of the interval, in some seven minutes."""
HEAD = """
[plan]
name = "e2e"
station = "{station}"
location = "{location}"
[connection]
calibrate_s = {calibrate_s}
silent_s = 1.0
[settings]
pickup = "200 A"
curve = "iec_si_a"
time_dial = 0.05
[tolerance]
{tolerance}
"""
REF615 = 'standard = "abb_ref615"'
WIDE = "class_pct = 5.0\ntime_ms = 60"
"""Where the time itself is not in question; what a wrong memory makes of it is twice as much."""
PICKUP = """
[[test]]
kind = "pickup"
name = "pickup"
method = "ramp"
span_pct = 8.0
step_pct = 1.0
dwell_s = 0.05
pause_s = 0.2
"""
RESET = """
[[test]]
kind = "reset_time"
name = "reset"
multiple = 5
share = 0.6
off_s = [0.5]
prefault_s = 0.1
pause_s = 0.2
"""
# A third close would come 2 s after the opening, if it came at all.
RECLOSER = """
[[test]]
kind = "recloser"
name = "permanent_fault"
i = "5 x"
dead_times_s = [0.5, 2.0]
dead_tol_ms = 50
lockout_s = 2.2
prefault_s = 0.3
pause_s = 0.2
"""


def shots(multiples: str, repeats: int = 1, pause_s: float = 0.2, name: str = "characteristic") -> str:
    """Return a test of operate times; the pause is longer than anything a device does after its trip."""
    return f"""
[[test]]
kind = "trip_time"
name = "{name}"
multiples = {multiples}
repeats = {repeats}
prefault_s = 0.1
pause_s = {pause_s}
"""


FAST = shots("[12, 16, 20, 25, 30]", repeats=10)


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    folder = tmp_path_factory.mktemp("state")
    with running(folder, without_forecasts(folder)) as live:
        yield live


def standin(
    station: Station, log: Path, *arguments: str, wiring: str = "test_set.toml"
) -> AbstractContextManager[None]:
    """Run a stand-in with the plans' settings."""
    path = ROOT / "examples" / "standin" / wiring
    return polling_standin(station, log, path, "--pickup-a", "200", "--tms", "0.05", *arguments)


def plan_text(
    station: Station, tests: str, location: str = "cb_201", tolerance: str = REF615, calibrate_s: float = 0.6
) -> str:
    head = HEAD.format(
        station=station.spec.core["station"],
        location=location,
        tolerance=tolerance,
        calibrate_s=calibrate_s,
    )
    return head + tests


def carried_out(
    station: Station,
    folder: Path,
    tests: str,
    *,
    location: str = "cb_201",
    tolerance: str = REF615,
    calibrate_s: float = 0.6,
    wanted: str = PASS,
) -> Run:
    """Carry out a plan; again, at most twice, where a busy machine keeps it from saying PASS or FAIL."""
    path = folder / "plan.toml"
    text = plan_text(station, tests, location, tolerance, calibrate_s)
    path.write_text(text, encoding="utf-8")
    with bench_of(station.spec) as bench:
        for _ in range(3):
            done = run(read_plan(path, facts_of), bench)
            if done.verdict in (PASS, FAIL, wanted):
                break
    return done


@pytest.mark.timeout(400)
def test_a_sound_device_passes_24_shots_and_its_own_log_lies_in_their_intervals(
    station: Station, tmp_path: Path
) -> None:
    log = tmp_path / "device.jsonl"
    whole_curve = shots("[3, 5, 8, 12, 16, 20]", repeats=4)
    # 40 ms leave room for the interval on a busy machine; the finer check is the device's own log.
    tolerance = f"{REF615}\ntime_ms = 40"
    with standin(station, log):
        done = carried_out(station, tmp_path, whole_curve, tolerance=tolerance, calibrate_s=1.0)
    (test,) = done.tests
    found = compared([done], log)
    say(f"{found.figures}; invalid: {[s.invalid for s in test.shots if s.invalid]}")
    assert (test.verdict, test.findings) == (PASS, [])
    assert len(found.error_s) == 24
    # The stated coverage is 99 %: one of 24 may be outside.
    assert found.is_inside.sum() >= 23


@pytest.mark.skipif(not MANY, reason="takes minutes: GRIDHIL_SHOTS=500")
@pytest.mark.timeout(300 + 5 * MANY)
def test_of_many_shots_at_a_sound_device_99_percent_lie_in_intervals_of_15_ms(
    station: Station, tmp_path: Path
) -> None:
    """Every shot that counts is compared, whatever its verdict; 50 lie between two calibrations."""
    path, log = tmp_path / "plan.toml", tmp_path / "device.jsonl"
    path.write_text(plan_text(station, FAST, calibrate_s=1.0), encoding="utf-8")
    runs = list[Run]()
    with standin(station, log), bench_of(station.spec) as bench:
        while sum(not s.invalid for done in runs for s in done.counted) < MANY:
            runs.append(run(read_plan(path, facts_of), bench))
            invalid = [s.invalid for s in runs[-1].tests[0].shots if s.invalid]
            figures = compared(runs[-1:], log).figures
            say(f"{runs[-1].verdict}: {figures}; invalid {len(invalid)} {invalid[:1]}")
    found = compared(runs, log)
    n = len(found.error_s)
    say(f"together: {found.figures}, standard deviation of the error {1e3 * found.error_s.std():.2f} ms")
    # 99 % of 500 with the scatter of drawing so many; all inside with room to spare are no proof of more.
    assert found.is_inside.sum() >= 0.98 * n
    if found.is_inside.all() and np.abs(found.error_s).max() < 0.7 * np.median(found.half_width_s):
        say("all inside by far: the uncertainty is overstated")
    # The median: a shot in which a busy host held the device up has a wider interval of its own.
    assert np.median(found.half_width_s) <= 0.015
    assert FAIL not in [done.verdict for done in runs]


@pytest.mark.timeout(200)
def test_a_sound_device_passes_a_pickup_search_and_a_reset_test(station: Station, tmp_path: Path) -> None:
    with standin(station, tmp_path / "device.jsonl"):
        done = carried_out(station, tmp_path, PICKUP + RESET, tolerance=WIDE)
    assert [(t.verdict, t.findings) for t in done.tests] == [(PASS, [])] * 2


@pytest.mark.timeout(200)
def test_a_sound_device_recloses_twice_and_locks_out_through_the_recloser(
    station: Station, tmp_path: Path
) -> None:
    log = tmp_path / "device.jsonl"
    with standin(station, log, "--open-intervals-s", "0.5,2", wiring="rcl_1006.toml"):
        operations = station.value("FDR_A.RCL_1006.OPS")
        done = carried_out(station, tmp_path, RECLOSER, location="rcl_1006", tolerance=WIDE)
        operated = station.value("FDR_A.RCL_1006.OPS") - operations
    (test,) = done.tests
    (shot,) = test.counted
    for r in shot.readings:
        say(f"{r.name}: {r.verdict}, {r.measured} in {r.low} to {r.high}; {shot.invalid or r.why}")
    assert (test.verdict, test.findings) == (PASS, [])
    timed = [r.name for r in shot.readings if r.measured is not None]
    assert timed == ["trip 1", "dead time 1", "trip 2", "dead time 2", "trip 3"]
    # The breaker itself has moved, and the device knows it as a trip, two reclosures and a lockout.
    asked = [e["event"] for e in events(log) if e["event"] in ("trip_written", "close_written")]
    n_shots = len(asked) // 5  # more than one where the machine was busy
    assert (
        asked == ["trip_written", "close_written", "trip_written", "close_written", "trip_written"] * n_shots
    )
    assert operated == 3 * n_shots
    assert [e["event"] for e in events(log) if e["event"] in ("cycle", "lockout", "reset")][-1] == "lockout"


@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    ("defect", "test", "name"),
    [
        # 10 % of 0.5 to 1.9 s; a busy machine adds some milliseconds
        ("slow10", shots("[1.2, 1.5, 2]"), "operates (9|10|11) % slow at every multiple"),
        ("wrong_curve", shots("[1.5, 2, 3, 5, 8, 12]"), "wrong curve: follows iec_vi_b, set is iec_si_a"),
        ("pickup5", PICKUP, "% high"),
        ("no_reset", RESET, "does not reset"),
        ("chatter", shots("[12, 20]", pause_s=0.5), "chatter"),
        ("double_command", shots("[12, 20]", pause_s=0.5), "double command"),
    ],
)
def test_every_defect_is_caught_and_named(
    station: Station, tmp_path: Path, defect: str, test: str, name: str
) -> None:
    with standin(station, tmp_path / "device.jsonl", "--defect", defect):
        done = carried_out(station, tmp_path, test)
    assert done.verdict == FAIL
    assert any(re.search(name, f) for t in done.tests for f in t.findings), [t.findings for t in done.tests]


@pytest.mark.timeout(200)
def test_a_device_that_is_dead_for_2_s_is_named_and_the_run_is_invalid(
    station: Station, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "ATTEMPTS", 1)  # repetitions would be as silent, and take a minute
    # 26 levels of 0.2 s: whenever it begins, it meets a silence of 1 s and more; it lives for 3 s at a time.
    slowly = PICKUP.replace("step_pct = 1.0", "step_pct = 0.5").replace("dwell_s = 0.05", "dwell_s = 0.2")
    with standin(station, tmp_path / "device.jsonl", "--defect", "dead2s"):
        done = carried_out(station, tmp_path, slowly, wanted=INVALID)
    assert done.verdict == INVALID
    assert any("silent" in f for t in done.tests for f in t.findings)


@pytest.mark.timeout(200)
def test_a_poll_of_100_ms_against_20_ms_is_inconclusive(station: Station, tmp_path: Path) -> None:
    tight = "time_ms = 20\nclass_pct = 0.1"
    with standin(station, tmp_path / "device.jsonl", "--poll-ms", "100"):
        done = carried_out(
            station,
            tmp_path,
            shots("[12, 20]", pause_s=0.4),
            tolerance=tight,
            calibrate_s=1.0,
            wanted=INCONCLUSIVE,
        )
    assert done.verdict == INCONCLUSIVE


@pytest.mark.timeout(200)
def test_a_loop_that_is_stopped_during_the_shots_makes_them_invalid(station: Station, tmp_path: Path) -> None:
    core = station.pid("core")
    inject = LiveBench.inject

    def stalled(self: LiveBench, injection: Injection | None) -> Applied:
        applied = inject(self, injection)
        if injection is not None:
            os.kill(core, signal.SIGSTOP)
            time.sleep(0.15)
            os.kill(core, signal.SIGCONT)
        return applied

    with standin(station, tmp_path / "device.jsonl"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(LiveBench, "inject", stalled)
        done = carried_out(station, tmp_path, shots("[5]"), wanted=INVALID)
    assert done.verdict == INVALID
    assert "slipped" in done.tests[0].shots[0].invalid


def test_the_command_writes_every_report_and_says_the_verdict(station: Station, tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(plan_text(station, shots("[12]"), tolerance=WIDE), encoding="utf-8")
    with standin(station, tmp_path / "device.jsonl"):
        done = gridhil(
            "relaytest", str(path), "--report", str(tmp_path / "report"), "--json", state=station.state
        )
    assert done.returncode == 0, done.stderr
    doc = json.loads(done.stdout)
    assert doc["verdict"] == PASS
    written = {p.name for p in (tmp_path / "report").iterdir()}
    assert written == {"results.json", "report.html", "readings.csv", "junit.xml"}
    html = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "<svg" in html
    assert "http://" not in html.replace("http://www.w3.org", "")


@pytest.mark.timeout(400)  # a busy machine repeats shots
async def test_a_console_follows_the_shots_to_the_verdict(station: Station, tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(plan_text(station, shots("[12, 20]", repeats=4), tolerance=WIDE), encoding="utf-8")
    async with console(station, "b", size=(140, 40)) as pilot:
        await until_shown(pilot, "Test set")  # above it stands the test before this one, or how to start one
        with standin(station, tmp_path / "device.jsonl"):
            test = asyncio.create_task(
                asyncio.to_thread(gridhil, "relaytest", str(path), state=station.state)
            )
            await until_shown(pilot, "RUNNING", 60.0)
            await until_shown(pilot, "of 8 shots   test 1 of 1 characteristic", 60.0)
            assert "R_CB_201" in screen_text(pilot)  # where the test set stands
            done = await test
        verdict = done.stdout.splitlines()[-1].split()[0]
        await until_shown(pilot, f" {verdict}   plan e2e, location cb_201")
        await until_shown(pilot, "8 of 8 shots")
        text = screen_text(pilot)
        assert "delay of the connection" in text
        assert "not known yet" not in text
        if verdict == PASS:
            assert text.count("operate time") >= 8
            assert "8 PASS" in text
        # its points come every half second
        await until(pilot, lambda: "OFF" in screen_text(pilot).partition("Test set")[2][:20])
