"""pytest plugin: a running station as a fixture, for tests of masters, relays and PLCs.

``gridhil_station`` starts the station named by ``--gridhil-station`` (or the ini option
``gridhil_station``; default iowa240) on free ports, once a test module, and stops it afterwards. With
``--gridhil-report DIR`` what happened goes into ``DIR/<module>.json``.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hil.live_station import LiveStation
    from hil.relaytest.live import LiveBench

DEFAULT = "iowa240"


class GridhilStation:
    """What tests get: points by tag, conditions, commands, faults.

    Attributes
    ----------
    live : LiveStation
        The process and its board.
    bench : LiveBench
        Test set and fault slots.
    """

    def __init__(self, live: LiveStation, bench: LiveBench) -> None:
        self.live, self.bench = live, bench
        self.modbus_port, self.opcua_url = live.modbus_port, live.opcua_url
        self.events: list[dict[str, Any]] = []

    @property
    def operator_password(self) -> str:
        """Password of the OPC UA user "operator"."""
        return self.live.operator_password

    def __getitem__(self, tag: str) -> float:
        """Return a point's value in the newest step."""
        return self.live.value(tag)

    def __setitem__(self, tag: str, value: float) -> None:
        """Command a point and wait for the verdict; HostError when the plant refuses."""
        applied = self.bench.command({tag: value})
        self.events.append({"step": applied.step, "what": "command", "tag": tag, "value": value})

    def wait_until(self, condition: Callable[[GridhilStation], bool], timeout_s: float = 10.0) -> None:
        """Wait for a condition, such as ``lambda s: s["FDR_B.CB_201.ST_52A"] == 0``; TimeoutError."""
        self.live.wait_until(lambda _: condition(self), timeout_s)

    def fault(self, name: str) -> None:
        """Put a fault of the station's fault library on the feeder."""
        self.events.append({"step": self.bench.apply_fault(name).step, "what": "fault", "name": name})

    def clear_fault(self) -> None:
        """Take it away."""
        self.events.append({"step": self.bench.apply_fault(None).step, "what": "clear"})

    def report(self) -> dict[str, Any]:
        """Return what identifies the run, what was done, and how the loop did."""
        spec = self.live.spec
        health = ("OVERRUNS", "SLIPPED_MS", "LATE_P99_US", "EXEC_P99_US", "STEP")
        there = {p.tag for p in spec.points}
        return {
            "station": spec.name,
            "run_id": spec.core["run_id"],
            "seed": spec.core["seed"],
            "dt_ns": spec.core["dt_ns"],
            "started_utc_ns": spec.started_utc_ns,
            "events": self.events,
            "loop": {h: self[t] for h in health if (t := f"SUB.LOOP.{h}") in there},
        }


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("gridhil")
    group.addoption("--gridhil-station", default=None, help="station to start: a name or a file")
    group.addoption("--gridhil-report", default=None, metavar="DIR", help="write a report of every station")
    parser.addini("gridhil_station", "station that the fixture gridhil_station starts", default=DEFAULT)


@pytest.fixture(scope="module")
def gridhil_station(request: pytest.FixtureRequest) -> Iterator[GridhilStation]:
    """A running station on free ports; see ``hil.pytest_plugin.GridhilStation``."""
    from hil.live_station import own_station
    from hil.relaytest.live import bench_of

    config = request.config
    name = config.getoption("--gridhil-station") or config.getini("gridhil_station")
    folder = config.getoption("--gridhil-report")
    with (
        tempfile.TemporaryDirectory(prefix="gridhil-") as state,
        own_station(name, Path(state)) as live,
        bench_of(live.spec) as bench,
    ):
        station = GridhilStation(live, bench)
        yield station
        if folder is not None:
            path = Path(folder) / f"{request.node.name.removesuffix('.py').replace('/', '_')}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(station.report(), indent=1) + "\n", encoding="utf-8")
