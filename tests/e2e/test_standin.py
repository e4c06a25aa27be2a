"""The stand-in relay protects a breaker of the running station, over either protocol."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.station import ROOT, Station, running, say, station_for_clients

CB = "FDR_B.CB_201"
CLOSE, REMOTE = 17, 18
"""Coils of CB_201 in unit 3."""
PICKUP_A = 5.0
"""Feeder B carries some 57 A: a normal load is a fault to this relay."""
WITHIN_S = 15.0
"""Waits end as soon as what is waited for is there; only a failure takes so long."""


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    folder = tmp_path_factory.mktemp("state")
    with running(folder, station_for_clients(folder)) as live:
        yield live


@pytest.fixture(autouse=True)
def closed(station: Station) -> None:
    """Begin with CB_201 closed and in remote."""
    with station.master() as m:
        # A closed breaker refuses to be closed.
        for coil in (REMOTE,) if is_closed(station) else (REMOTE, CLOSE):
            assert m.ask(3, struct.pack(">BHH", 5, coil, 0xFF00))[0] == 5
    until(lambda: is_closed(station))


def until(question: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_closed(station: Station) -> bool:
    return station.value(f"{CB}.ST_52A") == 1.0 and station.value(f"{CB}.ST_52B") == 0.0


def is_open(station: Station) -> bool:
    return station.value(f"{CB}.ST_52A") == 0.0 and station.value(f"{CB}.ST_52B") == 1.0


def events(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def names(path: Path) -> list[str]:
    return [e["event"] for e in events(path)]


@contextmanager
def standin(log: Path, *arguments: str, password: str = "") -> Iterator[None]:
    """Run a stand-in at CB_201; on SIGTERM it must end well and have said nothing on stderr."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "examples.standin", *arguments, "--log", str(log)),
            *("--wiring", "examples/standin/cb_201.toml", "--pickup-a", str(PICKUP_A), "--tms", "0.02"),
        ],
        cwd=ROOT,
        env=os.environ | {"STANDIN_PASSWORD": password},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=WITHIN_S)
        assert (process.returncode, errors) == (0, "")
    finally:
        process.kill()
        process.communicate()


def test_over_modbus_it_trips_recloses_onto_the_load_trips_again_and_locks_out(
    station: Station, tmp_path: Path
) -> None:
    log = tmp_path / "events.jsonl"
    ops = station.value(f"{CB}.OPS")
    port = str(station.modbus_port)
    with standin(log, "modbus-client", "--port", port, "--open-intervals-s", "0.5"):
        until(lambda: "lockout" in names(log) and is_open(station))
    assert [n for n in names(log) if n.endswith("_written")] == [
        "trip_written",
        "close_written",
        "trip_written",
    ]
    assert station.value(f"{CB}.OPS") == ops + 2
    # The token is written in every scan: look at the breaker's commands.
    journal = [r for r in station.journal("modbus") if "writes" in r and CB in r["writes"][0][0]]
    commands = [r for r in journal if r["event"] == "command"][-3:]
    verdicts = [r for r in journal if r["event"] == "verdict"][-3:]
    assert [r["writes"][0][0] for r in commands] == [f"{CB}.{n}" for n in ("TRIP", "CLOSE", "TRIP")]
    assert all(r["result"] == "DONE" for r in verdicts)
    assert station.value("LAB.INJECT.ROUND_TRIPS") > 0
    say(f"token: last round trip {station.value('LAB.INJECT.ROUND_TRIP_S') * 1e3:.0f} ms")
    at = [e for e in events(log) if e["event"] in ("pickup", "trip_decision")]
    operated_s = (at[1]["full_ns"] - at[0]["mono_ns"]) / 1e9
    m = max(at[0]["i_a"][:3]) / PICKUP_A
    curve_s = 0.02 * 0.14 / (m**0.02 - 1.0)
    say(f"M = {m:.3f}: {operated_s * 1e3:.1f} ms, by the curve {curve_s * 1e3:.1f} ms")
    # The load trembles by 2 % from sample to sample: at M = 11 that is 1 % of the time; six times that.
    assert operated_s == pytest.approx(curve_s, rel=0.06)


def test_over_opc_ua_an_operator_s_relay_trips_the_breaker(station: Station, tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    port = str(station.opcua_port)
    with standin(log, "opcua-client", "--port", port, "--user", "operator", password=station.password):
        until(lambda: "trip_written" in names(log) and is_open(station))
    assert names(log).count("trip_written") == 1


def test_a_relay_at_a_breaker_in_local_is_refused_and_says_so(station: Station, tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    with station.master() as m:
        assert m.ask(3, struct.pack(">BHH", 5, REMOTE, 0))[0] == 5
    with standin(log, "modbus-client", "--port", str(station.modbus_port)):
        until(lambda: "trip_refused" in names(log))
    assert [e["code"] for e in events(log) if e["event"] == "trip_refused"] == [4]
    assert is_closed(station)
