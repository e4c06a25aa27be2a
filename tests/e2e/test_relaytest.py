"""Relay tests on a running station: the stand-in passes when it is sound, and each of its defects is named.

The stand-in polls by Modbus every 5 ms; its contacts are wired to the test set's binary inputs, for the
recloser to the breaker itself. The truth about its operate times is its own log (CLOCK_MONOTONIC, too).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hil.relaytest.live import Outputs, bench_of
from hil.relaytest.plan import read_plan
from hil.relaytest.results import FAIL, INCONCLUSIVE, INVALID, PASS
from hil.relaytest.runner import Run, run
from hil.relaytest.station_facts import facts_of
from tests.support.station import ROOT, Station, gridhil, running, say

HEAD = """
[plan]
name = "e2e"
station = "{station}"
location = "{location}"
[connection]
calibrate_s = 1.0
silent_s = 1.0
[settings]
pickup = "200 A"
curve = "iec_si_a"
time_dial = 0.05
[tolerance]
standard = "abb_ref615"
"""
SHOTS = """
[[test]]
kind = "trip_time"
name = "characteristic"
multiples = [3, 5, 8, 12, 16, 20]
repeats = {repeats}
pause_s = 0.4
"""
PICKUP = """
[[test]]
kind = "pickup"
name = "pickup"
method = "ramp"
span_pct = 8.0
step_pct = 1.0
dwell_s = 0.05
"""
RESET = """
[[test]]
kind = "reset_time"
name = "reset"
multiple = 5
share = 0.6
off_s = [0.5]
"""
RECLOSER = """
[[test]]
kind = "recloser"
name = "permanent_fault"
i = "5 x"
dead_times_s = [0.5, 2.0]
dead_tol_ms = 50
lockout_s = 3.0
pause_s = 1.0
"""


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    with running(tmp_path_factory.mktemp("state")) as live:
        yield live


@contextmanager
def standin(station: Station, log: Path, *arguments: str, wiring: str = "test_set.toml") -> Iterator[None]:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "examples.standin", "modbus-client", "--log", str(log)),
            *("--wiring", f"examples/standin/{wiring}", "--port", str(station.modbus_port)),
            *("--pickup-a", "200", "--tms", "0.05", "--reset-from-lockout-s", "0.1", *arguments),
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + 20.0
        while not log.exists() or '"connected"' not in log.read_text(encoding="utf-8"):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.3)  # it locks out at first, for 0.1 s
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        _, complaints = process.communicate(timeout=10.0)
        assert process.returncode == 0, complaints


def carried_out(
    station: Station, folder: Path, tests: str, *, location: str = "cb_201", outputs: Outputs | None = None
) -> Run:
    path = folder / "plan.toml"
    head = HEAD.format(station=station.spec.core["station"], location=location)
    path.write_text(head + tests, encoding="utf-8")
    with bench_of(station.spec, outputs) as bench:
        return run(read_plan(path, facts_of), bench)


def logged(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def check_against_the_log(done: Run, log: Path) -> None:
    """The stated interval holds what the device itself logged, from its first sample to its decision."""
    events = [e for e in logged(log) if e["event"] in ("above_pickup", "trip_decision")]
    true_s = [
        (b["mono_ns"] - a["mono_ns"]) * 1e-9
        for a, b in zip(events[::2], events[1::2], strict=True)
        if (a["event"], b["event"]) == ("above_pickup", "trip_decision")
    ]
    shots = [s for t in done.tests for s in t.shots]
    stated = [r for s in shots for r in s.readings if r.name == "operate time"]
    assert len(true_s) == len(stated)
    inside = sum(r.low <= t <= r.high for r, t in zip(stated, true_s, strict=True))
    half_s = max((r.high - r.low) / 2 for r in stated)
    say(f"{inside} of {len(stated)} operate times inside, half-width at most {1e3 * half_s:.1f} ms")
    assert inside >= len(stated) - max(1, round(0.02 * len(stated)))


@pytest.mark.timeout(400)
def test_a_sound_device_passes_24_shots_a_pickup_search_and_a_reset_test(
    station: Station, tmp_path: Path
) -> None:
    log = tmp_path / "device.jsonl"
    with standin(station, log):
        done = carried_out(station, tmp_path, SHOTS.format(repeats=4))
        check_against_the_log(done, log)
        more = carried_out(station, tmp_path, PICKUP + RESET)
    tests = [*done.tests, *more.tests]
    assert [(t.verdict, t.findings) for t in tests] == [(PASS, [])] * 3
    assert len(done.tests[0].counted) == 24


@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    ("defect", "test", "name"),
    [
        (
            "slow10",
            SHOTS.format(repeats=1).replace("[3, 5, 8, 12, 16, 20]", "[1.5, 2, 2.5]"),
            "operates 10 % slow at every multiple",
        ),
        ("wrong_curve", SHOTS.format(repeats=1), "wrong curve: follows iec_vi_b, set is iec_si_a"),
        ("pickup5", PICKUP, "% high"),
        ("no_reset", RESET, "does not reset"),
        ("chatter", SHOTS.format(repeats=1), "chatter"),
        ("double_command", SHOTS.format(repeats=1), "double command"),
    ],
)
def test_every_defect_is_caught_and_named(
    station: Station, tmp_path: Path, defect: str, test: str, name: str
) -> None:
    with standin(station, tmp_path / "device.jsonl", "--defect", defect):
        done = carried_out(station, tmp_path, test)
    assert done.verdict == FAIL
    assert any(name in f for t in done.tests for f in t.findings), [t.findings for t in done.tests]


@pytest.mark.timeout(200)
def test_a_device_that_is_dead_for_2_s_is_named_and_the_run_is_invalid(
    station: Station, tmp_path: Path
) -> None:
    with standin(station, tmp_path / "device.jsonl", "--defect", "dead2s"):
        done = carried_out(station, tmp_path, PICKUP)
    assert done.verdict == INVALID
    assert any("silent" in f for t in done.tests for f in t.findings)


@pytest.mark.timeout(200)
def test_a_poll_of_100_ms_against_20_ms_is_inconclusive(station: Station, tmp_path: Path) -> None:
    tight = "\n[tolerance]\ntime_ms = 20\nclass_pct = 0.1\n"
    text = HEAD.replace('\n[tolerance]\nstandard = "abb_ref615"\n', tight)
    path = tmp_path / "plan.toml"
    shots = SHOTS.format(repeats=1).replace("[3, 5, 8, 12, 16, 20]", "[12, 20]").replace("0.4", "0.8")
    path.write_text(text.format(station=station.spec.core["station"], location="cb_201") + shots)
    with standin(station, tmp_path / "device.jsonl", "--poll-ms", "100"), bench_of(station.spec) as bench:
        done = run(read_plan(path, facts_of), bench)
    assert done.verdict == INCONCLUSIVE


@pytest.mark.timeout(200)
def test_a_loop_that_is_stopped_during_the_shots_makes_them_invalid(station: Station, tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    text = HEAD.format(station=station.spec.core["station"], location="cb_201")
    path.write_text(text + SHOTS.format(repeats=1).replace("[3, 5, 8, 12, 16, 20]", "[5]"), encoding="utf-8")
    core = station.pid("core")
    with standin(station, tmp_path / "device.jsonl"), bench_of(station.spec) as bench:
        inject = bench.inject

        def stalled(injection: Any) -> Any:
            applied = inject(injection)
            if injection is not None:
                os.kill(core, signal.SIGSTOP)
                time.sleep(0.15)
                os.kill(core, signal.SIGCONT)
            return applied

        bench.inject = stalled  # type: ignore[method-assign]
        done = run(read_plan(path, facts_of), bench)
    assert done.verdict == INVALID
    assert "slipped" in done.tests[0].shots[0].invalid


def test_the_command_writes_every_report_and_says_the_verdict(station: Station, tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    text = HEAD.format(station=station.spec.core["station"], location="cb_201")
    path.write_text(text + SHOTS.format(repeats=1).replace("[3, 5, 8, 12, 16, 20]", "[12]"), encoding="utf-8")
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
