"""Relay tests on a running station: the stand-in as a device that polls, and a plan carried out."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hil.relaytest.live import bench_of
from hil.relaytest.plan import read_plan
from hil.relaytest.results import FAIL, PASS
from hil.relaytest.runner import Run, run
from hil.relaytest.station_facts import facts_of
from tests.support.station import ROOT, Station

CONNECTED_S = 20.0
"""Waits end as soon as the device is connected; only a failure takes so long."""


@contextmanager
def polling_standin(station: Station, log: Path, wiring: Path, *arguments: str) -> Iterator[None]:
    """Run a stand-in as Modbus client of the station; it must end well.

    Parameters
    ----------
    wiring : Path
        Where its signals are, in the form of ``examples/standin/*.toml``.
    *arguments : str
        Its settings on the command line.
    """
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "examples.standin", "modbus-client", "--log", str(log)),
            *("--wiring", str(wiring), "--port", str(station.modbus_port)),
            *("--reset-from-lockout-s", "0.1", *arguments),
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + CONNECTED_S
        while not any(e["event"] == "connected" for e in events(log)):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline, "the stand-in does not connect"
            time.sleep(0.02)
        time.sleep(0.2)  # it locks out at first, for 0.1 s
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        _, complaints = process.communicate(timeout=10.0)
        assert process.returncode == 0, complaints


def events(log: Path) -> list[dict[str, Any]]:
    """Return what a stand-in has logged; its last line may still be in the making."""
    if not log.exists():
        return []
    lines = log.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def plan_carried_out(station: Station, path: Path, text: str, attempts: int = 3) -> Run:
    """Carry out a plan; again where a busy machine keeps it from saying PASS or FAIL."""
    path.write_text(text, encoding="utf-8")
    with bench_of(station.spec) as bench:
        for _ in range(attempts):
            done = run(read_plan(path, facts_of), bench)
            if done.verdict in (PASS, FAIL):
                break
    return done
