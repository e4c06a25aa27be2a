"""The bench of the station that a plan names, among those that run."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from hil import paths
from hil.output import err
from hil.relaytest.bench import Bench
from hil.relaytest.command import Opened
from hil.relaytest.live import LiveBench, Outputs, bench_of
from hil.relaytest.plan import Plan
from hil.running_stations import running_station
from hil.services import test_bench


def shown_at(bench: Bench) -> Path | None:
    """Return the file in the run directory where the station's servers look for the test's progress."""
    return test_bench.path_of(bench.spec.run_dir) if isinstance(bench, LiveBench) else None


@contextlib.contextmanager
def running_bench(plan: Plan) -> Iterator[Opened]:
    """Give the bench of the running station, everything cleared away at the end.

    Raises
    ------
    HostError
        The station does not run, or several of it do.
    """
    path = paths.find("stations", plan.head.station, plan.path.parent).resolve()
    spec = running_station(path, plan.head.station)
    station = {
        "station file (SHA-256)": hashlib.sha256(path.read_bytes()).hexdigest(),
        "configuration": ", ".join(f"{k} {v}" for k, v in spec.recorder.get("configuration", {}).items()),
        "records": str(spec.state_dir) if spec.recorder else "",
    }
    with bench_of(spec, Outputs(plan.outputs)) as bench:
        if left := bench.restore():
            station["left by a test that was killed, cleared away"] = left
            err.print(
                f"a test that was killed left: {left}; cleared away",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
        yield bench, station
