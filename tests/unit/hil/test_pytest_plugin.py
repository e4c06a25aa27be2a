"""The pytest plugin beside a station that is made up: what it loads, says, refuses and reports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hil.pytest_plugin import GridhilStation

CONFTEST = """
import contextlib, sys, types
from pathlib import Path
from rtcore.errors import HostError

def spec_of(name, state):
    record = state / "record"
    record.mkdir()
    (record / "soe.journal").write_text("events")
    return types.SimpleNamespace(
        name=name, points=[types.SimpleNamespace(tag="A.X")], recorder={}, started_utc_ns=1, record=record,
        core={"run_id": "r", "seed": 7, "dt_ns": 1000000},
    )

class Live:
    modbus_port, opcua_url, lines = 1502, "opc.tcp://127.0.0.1:1/x", ["ready after 1 s", "a last word"]
    n = 0
    def value(self, tag): return 5.0
    def snapshot(self):
        Live.n += 1
        return types.SimpleNamespace(step=Live.n)

@contextlib.contextmanager
def own_station(name, state):
    print("STARTED", name)
    if "wrong" in name:
        raise HostError(f"gridhil run ended before it was ready: {name}")
    live = Live()
    live.spec = spec_of(name, state)
    yield live
    (live.spec.record / "end").write_text("the last step")

@contextlib.contextmanager
def bench_of(spec):
    yield None

def fake(name, **of):
    sys.modules[name] = types.SimpleNamespace(**of)

fake("hil.kernel_cache", prepare=lambda: None)
fake("hil.live_station", own_station=own_station)
fake("hil.relaytest.live", bench_of=bench_of)
fake("hil.recorder.run_folder", folder_of=lambda spec: spec.record)
"""
GOOD = "def test_good(gridhil_station):\n    assert gridhil_station['A.X'] == 5.0\n"
BAD = "def test_bad(gridhil_station):\n    assert gridhil_station['A.X'] == 6.0\n"

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run pytest on a module of a folder of its own, with a station that is made up."""
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")

    def pytest_run(text: str, *arguments: str, ini: str = "") -> subprocess.CompletedProcess[str]:
        (tmp_path / "pytest.ini").write_text(f"[pytest]\n{ini}\n", encoding="utf-8")
        (tmp_path / "sub").mkdir(exist_ok=True)
        (tmp_path / "sub" / "test_it.py").write_text(text, encoding="utf-8")
        return subprocess.run(
            [*(sys.executable, "-m", "pytest", "-p", "gridhil", "-p", "no:cacheprovider"), *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},  # of all but what is asked for: time
            capture_output=True,
            text=True,
            check=False,
        )

    return pytest_run


def test_loading_the_plugin_loads_nothing_else_of_gridhil() -> None:
    code = "import sys, hil.pytest_plugin; print(*sorted(m for m in sys.modules if m[:3] in ('hil', 'rtc')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["hil", "hil.pytest_plugin"]


def test_the_plugin_is_here_without_being_asked_for_and_starts_nothing(
    pytestconfig: pytest.Config, request: pytest.FixtureRequest
) -> None:
    assert pytestconfig.pluginmanager.get_plugin("gridhil") is sys.modules["hil.pytest_plugin"]
    assert "gridhil_station" not in request.fixturenames


def test_tests_of_a_module_share_a_station(run: Run) -> None:
    done = run(GOOD + GOOD.replace("good", "as_good"), "-s")
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("STARTED iowa240\n") == 1


@pytest.mark.parametrize(
    ("ini", "arguments", "started"),
    [
        ("gridhil_station = iowa240-der", (), "iowa240-der"),
        ("gridhil_station = sub/mine.toml", ("--rootdir", "."), "{folder}/sub/mine.toml"),
        ("gridhil_station = iowa240-der", ("--gridhil-station", "other.toml"), "other.toml"),
    ],
)
def test_the_station_comes_from_the_command_line_or_the_ini_file(
    run: Run, tmp_path: Path, ini: str, arguments: tuple[str, ...], started: str
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "mine.toml").write_text("")
    done = run(GOOD, "-s", *arguments, ini=ini)
    assert done.returncode == 0, done.stdout
    assert f"STARTED {started.format(folder=tmp_path)}\n" in done.stdout


def test_a_station_that_does_not_start_is_told_without_a_traceback(run: Run) -> None:
    done = run(GOOD, "--gridhil-station", "wrong")
    assert done.returncode == 1
    assert "gridhil_station: gridhil run ended before it was ready: wrong" in done.stdout
    assert "pytest_plugin.py" not in done.stdout


def test_report_and_record_of_a_module_are_kept_once_its_station_has_ended(run: Run, tmp_path: Path) -> None:
    skipped = "import pytest\ndef test_skipped(gridhil_station):\n    pytest.skip('not today')\n"
    folder = tmp_path / "out" / "sub.test_it"
    (folder / "run").mkdir(parents=True)
    (folder / "run" / "of an earlier time").write_text("")
    done = run(GOOD + BAD + skipped, "--gridhil-report", "out")
    assert done.returncode == 1
    assert "- gridhil station -" in done.stdout  # beside the test that failed, and only there
    assert done.stdout.count("a last word") == 1
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    assert (report["station"], report["run_id"], report["seed"]) == ("iowa240", "r", 7)
    assert [(t["test"].rpartition("::")[2], t["outcome"]) for t in report["tests"]] == [
        ("test_good", "passed"),
        ("test_bad", "failed"),
        ("test_skipped", "skipped"),
    ]
    steps = [s for t in report["tests"] for s in (t["first_step"], t["last_step"])]
    assert steps == sorted(steps)
    assert sorted(p.name for p in (folder / "run").iterdir()) == ["end", "soe.journal"]


# ---------------------------------------------------------------- the object


def made_up() -> GridhilStation:
    points = [SimpleNamespace(tag=t) for t in ("FDR_B.CB_201.ST_52A", "FDR_B.CB_201.TRIP")]
    spec = SimpleNamespace(name="x", points=points)
    live = SimpleNamespace(spec=spec, modbus_port=0, opcua_url="", lines=[], value=lambda _tag: 0.0)
    bench = SimpleNamespace(
        command=None, plan=SimpleNamespace(faults=SimpleNamespace(names=["head_a_bolted"]))
    )
    return GridhilStation(live, bench)  # type: ignore[arg-type]


def test_a_tag_that_is_not_there_is_refused_with_the_nearest_one() -> None:
    station = made_up()
    with pytest.raises(LookupError, match=r"no point 'FDR_B.CB_201.ST_52' .* mean 'FDR_B.CB_201.ST_52A'"):
        station["FDR_B.CB_201.ST_52"]
    with pytest.raises(LookupError, match=r"did you mean 'FDR_B.CB_201.TRIP'"):
        station["FDR_B.CB_201.TRP"] = 1


def test_a_fault_that_is_not_in_the_library_is_refused_with_all_that_are() -> None:
    with pytest.raises(LookupError, match=r"did you mean 'head_a_bolted'\?; there are: head_a_bolted"):
        made_up().fault("head_bolted")
