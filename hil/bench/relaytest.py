"""How well a relay test times a device: what it states next to the device's own log, which is the truth.

A station and the stand-in of ``examples/standin`` run on this host; the stand-in polls by Modbus every
5 ms, with its contacts at the test set's binary inputs. It logs by CLOCK_MONOTONIC the sample in which it
first saw the fault and the scan in which it tripped: its operate time, without any connection.
"""

from __future__ import annotations

import contextlib
import dataclasses as dc
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hil.live_station import own_station
from hil.relaytest.live import bench_of
from hil.relaytest.plan import read_plan
from hil.relaytest.results import Reading, Shot
from hil.relaytest.runner import Run
from hil.relaytest.runner import run as carry_out
from hil.relaytest.station_facts import facts_of
from rtcore.errors import HostError

ROOT = Path(__file__).resolve().parents[2]
STATION, PICKUP_A, TIME_DIAL = "iowa240", 200, 0.05
SHOT_S = 0.6
"""What a shot takes, with its pauses [s]."""
CONNECT_S, STOP_S = 20.0, 10.0
EARLY_NS = 20_000_000
"""Rounding of instants; far below the healthy state before a fault."""
MULTIPLES = (12, 16, 20, 25, 30)
PLAN = """
[plan]
name = "bench"
station = "{station}"
location = "cb_201"
[connection]
calibrate_s = {calibrate_s}
[settings]
pickup = "{pickup_a} A"
curve = "iec_si_a"
time_dial = {time_dial}
[tolerance]
standard = "abb_ref615"
[[test]]
kind = "trip_time"
name = "bench"
multiples = {multiples}
repeats = {repeats}
prefault_s = 0.1
pause_s = 0.2
"""


@dc.dataclass(frozen=True, slots=True)
class Comparison:
    """Operate times stated and logged, of every shot that counts.

    Attributes
    ----------
    error_s : ndarray (n,)
        Stated less logged [s].
    is_inside : ndarray (n,)
        Whether the logged time lies in the stated interval.
    half_width_s : ndarray (n,)
        Half the width of the interval [s]; wider in a shot in which the device paused.
    """

    error_s: np.ndarray[Any, np.dtype[np.float64]]
    is_inside: np.ndarray[Any, np.dtype[np.bool_]]
    half_width_s: np.ndarray[Any, np.dtype[np.float64]]

    @property
    def figures(self) -> dict[str, float]:
        """The comparison in numbers; errors in [ms]."""
        if not len(self.error_s):
            return {"shots": 0, "inside": 0}
        error_ms = 1e3 * self.error_s
        return {
            "shots": len(error_ms),
            "inside": int(self.is_inside.sum()),
            "half_width_ms": round(1e3 * float(np.median(self.half_width_s)), 2),
            "half_width_max_ms": round(1e3 * float(self.half_width_s.max()), 2),
            "error_mean_ms": round(float(error_ms.mean()), 2),
            "error_min_ms": round(float(error_ms.min()), 2),
            "error_max_ms": round(float(error_ms.max()), 2),
        }


def run(seconds: float = 60.0) -> dict[str, float]:
    """Carry out about ``seconds`` of shots at 12 to 30 times pickup.

    Returns
    -------
    dict
        shots that counted, inside (the logged time lies in the stated interval), half_width_ms of the
        interval (median) and half_width_max_ms; error_mean_ms, error_min_ms, error_max_ms (stated less
        logged); shots_per_min with all pauses and repetitions, without calibrations.

    Raises
    ------
    HostError
        The station or the stand-in does not start; the stand-in is not there.
    """
    if not (ROOT / "examples" / "standin").is_dir():
        raise HostError("bench relaytest needs the stand-in: run it in the source tree, beside examples/")
    repeats = max(1, round(seconds / (SHOT_S * len(MULTIPLES))))
    with tempfile.TemporaryDirectory(prefix="gridhil-bench-") as name:
        folder = Path(name)
        plan, log = folder / "plan.toml", folder / "device.jsonl"
        calibrate_s = min(5.0, max(1.0, seconds / 10.0))
        plan.write_text(_plan(repeats, calibrate_s), encoding="utf-8")
        with (
            own_station(STATION, folder) as live,
            _standin(log, live.modbus_port),
            bench_of(live.spec) as bench,
        ):
            started = time.monotonic()
            done = carry_out(read_plan(plan, facts_of), bench)
            taken_s = time.monotonic() - started
        shots = done.tests[0].shots
        n_calibrations = 1 + max(1, len(shots) // len(done.tests[0].counted))
        rate = 60.0 * len(shots) / (taken_s - n_calibrations * calibrate_s)
        return compared([done], log).figures | {"shots_per_min": round(rate, 1)}


def compared(runs: Sequence[Run], log: Path) -> Comparison:
    """Compare operate times of runs with the stand-in's log; shots that do not count are left out.

    Raises
    ------
    HostError
        A trip that counts is not in the log.
    """
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    pairs = list[tuple[Reading, float]]()
    for shot in (s for done in runs for t in done.tests for s in t.shots if not s.invalid):
        stated = [r for r in shot.readings if r.name == "operate time" and r.measured is not None]
        pairs += [(r, _logged_s(events, shot)) for r in stated]
    measured = np.array([(r.measured, r.low, r.high) for r, _ in pairs], float).reshape(-1, 3)
    logged = np.array([s for _, s in pairs], float)
    return Comparison(
        error_s=measured[:, 0] - logged,
        is_inside=(measured[:, 1] <= logged) & (logged <= measured[:, 2]),
        half_width_s=(measured[:, 2] - measured[:, 1]) / 2.0,
    )


def _logged_s(events: list[dict[str, Any]], shot: Shot) -> float:
    """Return the operate time that the device logged in a shot [s]."""
    at_ns = shot.record.zero_ns - EARLY_NS
    seen = [e for e in events if e["mono_ns"] >= at_ns and e["event"] in ("above_pickup", "trip_decision")]
    if [e["event"] for e in seen[:2]] != ["above_pickup", "trip_decision"]:
        raise HostError(f"the stand-in's log knows nothing of the trip in shot {shot.number}")
    return float(seen[1]["mono_ns"] - seen[0]["mono_ns"]) * 1e-9


def _plan(repeats: int, calibrate_s: float) -> str:
    return PLAN.format(
        station=STATION,
        pickup_a=PICKUP_A,
        time_dial=TIME_DIAL,
        multiples=list(MULTIPLES),
        repeats=repeats,
        calibrate_s=calibrate_s,
    )


@contextlib.contextmanager
def _standin(log: Path, port: int) -> Iterator[None]:
    """Run the stand-in, connected to a Modbus port."""
    command = [
        *(sys.executable, "-m", "examples.standin", "modbus-client", "--log", str(log)),
        *("--wiring", "examples/standin/test_set.toml", "--port", str(port)),
        *("--pickup-a", str(PICKUP_A), "--tms", str(TIME_DIAL), "--reset-from-lockout-s", "0.1"),
    ]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + CONNECT_S
        while not log.exists() or '"connected"' not in log.read_text(encoding="utf-8"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise HostError("bench relaytest: the stand-in does not connect to the station")
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(STOP_S)
