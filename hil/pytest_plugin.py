"""pytest plugin: a running station as a fixture, for tests of masters, relays and PLCs; docs/pytest.md.

``gridhil_station`` starts the station named by ``--gridhil-station`` (or the ini option
``gridhil_station``; default iowa240) on free ports, once a test module, and stops it afterwards. With
``--gridhil-report DIR`` what happened is kept in a folder of the module's own: ``report.json``, and the
record of the run in ``run``.

Every pytest in an environment with gridhil loads this module: it imports nothing else of gridhil until
the fixture is used.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hil.live_station import LiveStation
    from hil.relaytest.live import LiveBench

DEFAULT = "iowa240"
FIXTURE = "gridhil_station"
HEALTH = ("STEP", "OVERRUNS", "SLIPPED_MS", "LATE_P99", "LATE_MAX", "EXEC_P99", "NOT_CONVERGED")
"""Points of SUB.LOOP that are in the report."""
LINES = 30
"""Last lines of the station's that are shown with a test that failed."""


class GridhilStation:
    """What tests get: points by tag, conditions, commands, faults.

    Attributes
    ----------
    modbus_port : int
        Port of the Modbus TCP server on 127.0.0.1; 0 where the station serves none.
    opcua_url : str
        Endpoint of the OPC UA server.
    events, tests : list of dict
        What was done through this object, and how tests ended, each with its steps.
    live : LiveStation
        The process and its board.
    bench : LiveBench
        Test set and fault slots.
    """

    def __init__(self, live: LiveStation, bench: LiveBench) -> None:
        self.live, self.bench = live, bench
        self.modbus_port, self.opcua_url = live.modbus_port, live.opcua_url
        self.events: list[dict[str, Any]] = []
        self.tests: list[dict[str, Any]] = []
        self._first_step = 0
        self._tags = frozenset(p.tag for p in live.spec.points)

    @property
    def operator_password(self) -> str:
        """Password of the OPC UA user "operator"."""
        return self.live.operator_password

    @property
    def step(self) -> int:
        """Index of the newest step."""
        return self.live.snapshot().step

    def __getitem__(self, tag: str) -> float:
        """Return a point's value in the newest step; LookupError for a tag that is not there."""
        return self.live.value(self._known(tag))

    def __setitem__(self, tag: str, value: float) -> None:
        """Command a point and wait for the verdict.

        Raises
        ------
        LookupError
            No such tag.
        HostError
            The plant refused; the text says why.
        """
        applied = self.bench.command({self._known(tag): value})
        self.events.append({"step": applied.step, "what": "command", "tag": tag, "value": value})

    def wait_until(self, condition: Callable[[GridhilStation], bool], timeout_s: float = 10.0) -> None:
        """Wait for a condition, such as ``lambda s: s["FDR_B.CB_201.ST_52A"] == 0``.

        It is asked every few milliseconds: a state that passes faster may be missed.

        Raises
        ------
        TimeoutError
            It was not met within ``timeout_s`` [s].
        HostError
            The station ended.
        """
        self.live.wait_until(lambda _: condition(self), timeout_s)

    def fault(self, name: str) -> None:
        """Put a fault of the station's fault library on the feeder; LookupError for another name."""
        names = self.bench.plan.faults.names
        if name not in names:
            what = f"no fault {name!r} in the library of {self.live.spec.name}"
            raise LookupError(f"{what}{_hint(name, names)}; there are: {', '.join(names) or 'none'}")
        self.events.append({"step": self.bench.apply_fault(name).step, "what": "fault", "name": name})

    def clear_fault(self) -> None:
        """Take it away."""
        self.events.append({"step": self.bench.apply_fault(None).step, "what": "clear"})

    def report(self) -> dict[str, Any]:
        """Return what identifies the run, what was done and asked, and how the loop did."""
        spec = self.live.spec
        points = {name: f"SUB.LOOP.{name}" for name in HEALTH}
        return {
            "station": spec.name,
            "run_id": spec.core["run_id"],
            "seed": spec.core["seed"],
            "dt_ns": spec.core["dt_ns"],
            "started_utc_ns": spec.started_utc_ns,
            "configuration": spec.recorder.get("configuration", {}),
            "tests": self.tests,
            "events": self.events,
            "loop": {name: self[tag] for name, tag in points.items() if tag in self._tags},
        }

    def note(self, test: pytest.TestReport) -> None:
        """Put a test into the report; show with one that failed what the station printed last."""
        if test.when == "setup":
            self._first_step = self.step
        if test.when == "call" or not test.passed:
            row = {"test": test.nodeid, "phase": test.when, "outcome": test.outcome}
            self.tests.append(row | {"first_step": self._first_step, "last_step": self.step})
        if test.failed:
            test.sections.append(("gridhil station", "\n".join(self.live.lines[-LINES:])))

    def _known(self, tag: str) -> str:
        if tag not in self._tags:
            raise LookupError(f"no point {tag!r} in {self.live.spec.name}{_hint(tag, self._tags)}")
        return tag


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("gridhil")
    group.addoption("--gridhil-station", default=None, help="station to start: a name or a file")
    group.addoption(
        "--gridhil-report", default=None, metavar="DIR", help="keep a report and the record of every station"
    )
    parser.addini(FIXTURE, "station that the fixture of this name starts: a name or a file", default=DEFAULT)


@pytest.fixture(scope="module")
def gridhil_station(request: pytest.FixtureRequest) -> Iterator[GridhilStation]:
    """A running station on free ports; see ``hil.pytest_plugin.GridhilStation``."""
    folder = _report_folder(request)
    with tempfile.TemporaryDirectory(prefix="gridhil-") as state:
        with ExitStack() as running:
            station = _start(_name(request.config), Path(state), running)
            yield station
            report = station.report()
        if folder is not None:  # the record is whole once the station has ended
            _keep(report, station.live, folder)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell the station of a test how it ended."""
    report = yield
    station = getattr(item, "funcargs", {}).get(FIXTURE)
    if isinstance(station, GridhilStation):
        station.note(report)
    return report


def _start(name: str, state: Path, running: ExitStack) -> GridhilStation:
    """Start a station that lasts as long as ``running``; the test fails without a traceback of ours."""
    from hil import kernel_cache

    if "numba" not in sys.modules:  # which the bench imports
        kernel_cache.prepare()
    from hil.live_station import own_station
    from hil.relaytest.live import bench_of
    from rtcore.errors import GridhilError

    try:
        live = running.enter_context(own_station(name, state))
        return GridhilStation(live, running.enter_context(bench_of(live.spec)))
    except GridhilError as error:
        pytest.fail(f"{FIXTURE}: {error}", pytrace=False)


def _name(config: pytest.Config) -> str:
    """Return the station wanted; a path in the ini file is one from its folder."""
    given: str | None = config.getoption("--gridhil-station")
    if given is not None:
        return given
    name: str = config.getini(FIXTURE)
    path = config.inipath.parent / name if config.inipath is not None else Path(name)
    return str(path) if path.is_file() else name


def _report_folder(request: pytest.FixtureRequest) -> Path | None:
    """Return the folder of this module's report: tests/test_master.py has DIR/tests.test_master."""
    given: str | None = request.config.getoption("--gridhil-report")
    if given is None:
        return None
    module = str(request.node.nodeid).removesuffix(".py").replace("/", ".").lstrip(".")
    return Path(request.config.invocation_params.dir) / given / module


def _keep(report: dict[str, Any], live: LiveStation, folder: Path) -> None:
    """Write the report and copy the record of the run, in place of those of an earlier time."""
    from hil.recorder.run_folder import folder_of

    shutil.rmtree(folder / "run", ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    record = folder_of(live.spec)
    if record.is_dir():
        shutil.copytree(record, folder / "run")


def _hint(word: str, allowed: Iterable[str]) -> str:
    from rtcore.errors import did_you_mean

    return did_you_mean(word, allowed)
