"""Devices that are servers: gw-device brings them the plant's currents and fetches what they put out.

The stand-in is the device, as Modbus and as OPC UA server, at the test set of a station that is a copy of the
default one with a ``[device]`` table; then a soft PLC that is a slave of ours and a master of ours at once.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hil import device_status, ports
from hil.device_status import DeviceView
from hil.relaytest.bench import Injection, balanced
from hil.relaytest.live import bench_of
from hil.relaytest.plan import read_plan
from hil.relaytest.results import FAIL, PASS
from hil.relaytest.runner import Run, run
from hil.relaytest.station_facts import facts_of
from protocols.device_exchange import State
from tests.support.station import ROOT, Station, running, say, station_for_clients

WITHIN_S = 20.0
"""Waits end as soon as what is waited for is there; only a failure takes so long."""
# The interval of a time is some 10 ms wide over Modbus and 20 ms over OPC UA, on a busy machine many times as
# much: 150 ms leave room for it; a wrong curve would be 300 ms off. The finer check is the device's own log.
PLAN = """
[plan]
name = "e2e"
station = "{station}"
location = "cb_201"
[connection]
calibrate_s = 1.0
[settings]
pickup = "200 A"
curve = "iec_si_a"
time_dial = 0.2
[tolerance]
class_pct = 5.0
time_ms = 150
[[test]]
kind = "trip_time"
name = "characteristic"
multiples = [12, 20]
repeats = 3
prefault_s = 0.2
pause_s = 0.2
"""
SHOTS = 6
DEVICE = '\n[device]\nwiring = "standin_{protocol}"\n'
WHERE = {"modbus": "port = {port}\n", "opcua": 'url = "opc.tcp://127.0.0.1:{port}/standin"\n'}


class Place:
    """A station and the port at which it looks for its device."""

    def __init__(self, station: Station, protocol: str, port: int) -> None:
        self.station, self.protocol, self.port = station, protocol, port

    @property
    def status(self) -> DeviceView:
        found = device_status.read(self.station.spec.gateway_path("device"))
        assert found is not None
        return found

    def wait_for(self, state: State) -> None:
        until(lambda: self.status.device["link"] == state)

    def states(self) -> list[str]:
        """Return the states of the link that are on record, in order."""
        return [r["state"] for r in self.station.journal("device") if r["event"] == "device"]

    def failsafe_writes(self) -> list[tuple[str, str]]:
        """Return what was commanded for the fail-safe state, with the verdicts, in order."""
        return [
            (r["writes"][0][0], r["result"])
            for r in self.station.journal("device")
            if r.get("via") == "failsafe" and r["event"] == "verdict"
        ]


@pytest.fixture(scope="module", params=["modbus", "opcua"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    protocol, port = request.param, ports.some_free("127.0.0.1")
    folder = tmp_path_factory.mktemp(protocol)
    path = Path(station_for_clients(folder))
    with path.open("a", encoding="utf-8") as file:
        file.write((DEVICE + WHERE[protocol]).format(protocol=protocol, port=port))
    with running(folder / "state", str(path)) as station:
        yield Place(station, protocol, port)


def until(question: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@contextmanager
def program(*command: str) -> Iterator[subprocess.Popen[str]]:
    """Run a device from its "ready" on; it must have no complaints."""
    process = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("ready"), process.communicate()[1]
        yield process
    finally:
        process.terminate()
        _, complaints = process.communicate(timeout=10.0)
    assert complaints == ""


def standin(place: Place, log: Path) -> list[str]:
    return [
        *("-m", "examples.standin", f"{place.protocol}-server", "--port", str(place.port), "--log", str(log)),
        *("--wiring", "examples/standin/server.toml", "--pickup-a", "200", "--tms", "0.2"),
        *("--reset-from-lockout-s", "0.1"),
    ]


def true_s(log: Path) -> list[float]:
    """Return the operate times by the device's own log, from its first sample of the fault on."""
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    at = [e["mono_ns"] for e in events if e["event"] in ("above_pickup", "trip_decision")]
    return [(b - a) * 1e-9 for a, b in zip(at[::2], at[1::2], strict=True)]


def check_times(runs: list[Run], log: Path) -> None:
    """What is stated holds what the device itself logged: so the token takes the way that a trip takes."""
    shots = [s for done in runs for s in done.tests[0].shots]
    stated = [r for s in shots for r in s.readings if r.name == "operate time"]
    true = true_s(log)
    assert len(true) == len(stated) >= SHOTS
    inside = sum(r.low <= t <= r.high for r, t in zip(stated, true, strict=True))
    half_s = max((r.high - r.low) / 2 for r in stated)
    say(f"{inside} of {len(stated)} operate times inside, half-width at most {1e3 * half_s:.1f} ms")
    # Coverage is 99 % as long as the machine has time as in the calibration; a wrong calibration misses all.
    assert inside >= 2 / 3 * len(stated)


@pytest.mark.timeout(200)
def test_a_relay_that_is_a_server_passes_and_its_token_times_it(place: Place, tmp_path: Path) -> None:
    log, path, station = tmp_path / "device.jsonl", tmp_path / "plan.toml", place.station
    path.write_text(PLAN.format(station=station.spec.core["station"]), encoding="utf-8")
    with program(*standin(place, log)):
        place.wait_for(State.RUNNING)
        trips = station.value("LAB.INJECT.ROUND_TRIPS")
        runs = list[Run]()
        with bench_of(station.spec) as bench:
            # Again, at most twice, where a busy host keeps it from saying PASS or FAIL.
            while len(runs) < 3 and not (runs and runs[-1].verdict in (PASS, FAIL)):
                runs.append(run(read_plan(path, facts_of), bench))
        assert station.value("LAB.INJECT.ROUND_TRIPS") > trips
        station.wait_for(r"device running, exchange p99 [\d.]+ ms", 15.0)
    (test,) = runs[-1].tests
    calibration, status = test.calibration, place.status
    assert calibration is not None
    say(
        f"{calibration.n} delays, mean {1e3 * calibration.mean_s:.1f} ms, {1e3 * calibration.low_s:.1f} to "
        f"{1e3 * calibration.high_s:.1f} ms, an echo every {1e3 * calibration.poll_s:.1f} ms; {status}"
    )
    for shot in test.shots:
        say(f"shot {shot.number}.{shot.attempt}: {shot.verdict} {shot.invalid} {shot.readings}")
    assert (test.verdict, test.findings) == (PASS, [])
    # Every echo is passed on: one a cycle of 5 or 10 ms, even where most of them are late; not one in 100 ms.
    assert calibration.poll_s < 0.05
    assert status.device["strange_tokens"] == status.device["clamped"] == 0
    check_times(runs, log)


@pytest.mark.timeout(120)
def test_a_relay_that_is_killed_is_made_safe_once_and_heard_again_when_it_is_back(
    place: Place, tmp_path: Path
) -> None:
    station, log = place.station, tmp_path / "device.jsonl"
    until(lambda: place.status.device["link"] != State.RUNNING)  # the device of an earlier test is gone
    failsafes = place.status.device["failsafes"]
    until(lambda: len(place.failsafe_writes()) == 4 * failsafes)
    with bench_of(station.spec) as bench:
        bench.connect("cb_201")
        with program(*standin(place, log)) as process:
            place.wait_for(State.RUNNING)
            bench.inject(Injection(i_a=balanced(300.0), v_v=balanced(7967.0), f_hz=60.0))
            until(lambda: station.value("LAB.INJECT.INPUT_3") == 1.0)  # it has picked up
            process.kill()
            place.wait_for(State.FAILSAFE)
            until(lambda: len(place.failsafe_writes()) == 4 * (failsafes + 1))
        writes = place.failsafe_writes()[4 * failsafes :]
        assert sorted(writes) == [(f"LAB.INJECT.INPUT_{k}", "DONE") for k in (1, 2, 3, 4)]
        assert station.value("LAB.INJECT.INPUT_3") == 0.0
        trips = station.value("LAB.INJECT.ROUND_TRIPS")
        time.sleep(0.1)
        assert station.value("LAB.INJECT.ROUND_TRIPS") == trips  # nothing comes back from a dead device
        with program(*standin(place, log)):
            place.wait_for(State.RUNNING)
            # Its contacts are asked for anew: the current still flows.
            until(lambda: station.value("LAB.INJECT.INPUT_3") == 1.0)
            until(lambda: station.value("LAB.INJECT.ROUND_TRIPS") > trips)
            # While it lives: as soon as it is ended the next fail-safe state comes.
            until(lambda: place.states()[-3:] == ["running", "failsafe", "running"])
            assert place.status.device["failsafes"] == failsafes + 1


@pytest.mark.timeout(120)
@pytest.mark.parametrize("place", ["modbus"], indirect=True, scope="module")
def test_a_soft_plc_that_is_slave_and_master_closes_the_loop_through_the_breaker(place: Place) -> None:
    station = place.station
    plc = ("tests/e2e/soft_plc.py", str(place.port), str(station.modbus_port), "200")
    with bench_of(station.spec) as bench, program(*plc):
        place.wait_for(State.RUNNING)
        bench.connect("cb_201")
        bench.close_breaker()
        trips = station.value("LAB.INJECT.ROUND_TRIPS")
        ops = station.value("FDR_B.CB_201.OPS")
        fault = Injection(i_a=balanced(1000.0), v_v=balanced(7967.0), f_hz=60.0, follow_52a=True)
        applied = bench.inject(fault)
        opened = bench.wait(frozenset({"52a"}), WITHIN_S)
        assert opened is not None
        say(f"from the current to the open breaker {(opened.step - applied.step) * bench.dt_s * 1e3:.0f} ms")
        until(lambda: station.value("LAB.INJECT.SEEN_IA_A") == 0.0)
        assert station.value("LAB.INJECT.ROUND_TRIPS") > trips
        bench.inject(None)
        bench.close_breaker()
    assert station.value("FDR_B.CB_201.OPS") == ops + 1
    written = [r for r in station.journal("modbus") if r["event"] == "verdict"]
    assert [(r["writes"], r["result"]) for r in written] == [([["FDR_B.CB_201.TRIP", 1.0]], "DONE")]
