"""Starting and stopping: every way it can end, and every way it can be refused."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.station import ROOT, STOP_S, gridhil, running, say, starting

STATION = ROOT / "config" / "stations" / "iowa240.toml"


# ---- ends -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("records")


@pytest.mark.timeout(700)  # the first start of a session compiles the kernels
@pytest.mark.parametrize("way", ["SIGTERM to the program", "Ctrl-C on the terminal"])
def test_keeps_its_records_to_itself_stops_within_two_seconds_and_leaves_nothing(
    records: Path, way: str
) -> None:
    """Both with the same records: they are free again once the first has gone."""
    with running(records) as station:
        done = gridhil("run", "--modbus-port", "0", "--opcua-port", "0", state=records)
        assert done.returncode == 3
        assert len(done.stderr.splitlines()) == 1
        assert f"station iowa240 already runs (pid {station.process.pid})" in done.stderr
        with station.master() as m:  # a client that holds on must not hold it up
            m.ask(1, "04 0064 0006")
            if way.startswith("SIGTERM"):
                took_s = station.stop(signal.SIGTERM)
            else:
                took_s = station.stop(signal.SIGINT, to_group=True)
        say(f"{way}: everything gone after {took_s:.2f} s")
        assert "stopped after" in station.output
        assert "killed" not in station.output


@pytest.mark.timeout(700)
def test_stops_while_it_starts(tmp_path: Path) -> None:
    with starting(tmp_path) as station:
        station.wait_for("core: starting", 60.0)
        station.remember()
        station.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        station.process.wait(10.0)
        assert time.monotonic() - began < STOP_S
        assert station.process.returncode == 143  # 128 + SIGTERM: it never served
        station.check_gone()
        assert not list(Path("/dev/shm").glob(f"gridhil-*/*-{station.process.pid}"))


def steps_told(lines: list[str]) -> list[int]:
    """Return the steps of the status lines."""
    return [int(line.split(" step ")[1].split()[0]) for line in lines if "  P " in line]


@pytest.mark.timeout(700)
@pytest.mark.parametrize(
    ("speed", "wall_s", "simulated_s"),
    [("1", (3.0, 4.5), 3.0), ("10", (3.0, 4.5), 30.0)],
)
def test_duration_ends_the_run(
    tmp_path: Path, speed: str, wall_s: tuple[float, float], simulated_s: float
) -> None:
    with running(tmp_path, "--duration", "3", "--speed", speed) as station:
        ready = time.monotonic()
        station.process.wait(30.0)
        # The loop begins to count before the gateways answer: up to some seconds earlier.
        assert time.monotonic() - ready < wall_s[1], station.output
        assert station.process.returncode == 0, station.output
        station.check_gone()
        assert "core: ready after" in station.output
        assert "stopped after" in station.output
        steps = simulated_s * 1e9 / station.spec.core["dt_ns"]
        assert steps_told(station.lines)[-1] == steps - 1, station.output
        if speed != "1":
            assert "not real time" in station.output


@pytest.mark.timeout(700)
@pytest.mark.parametrize("path", sorted({*STATION.parent.glob("*.toml")} - {STATION}), ids=lambda p: p.stem)
def test_every_shipped_station_but_the_default_of_all_other_tests_starts(tmp_path: Path, path: Path) -> None:
    ports = ("--modbus-port", "0", "--opcua-port", "0")
    done = gridhil("run", str(path), "--duration", "2", *ports, state=tmp_path, timeout_s=300.0)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("core", "modbus", "opcua"):
        assert f"{name}: ready after" in done.stdout
    assert "stopped after" in done.stdout


@pytest.mark.timeout(700)
def test_at_full_speed_a_short_profile_is_not_run_past_its_end(tmp_path: Path) -> None:
    """Ten seconds of profile are ten seconds of run, however long the servers take to start."""
    path = profile_station(tmp_path, ["1.0", "1.1"])
    ports = ("--modbus-port", "0", "--opcua-port", "0")
    arguments = ("run", path, "--duration", "10", "--speed", "max", *ports)
    done = gridhil(*arguments, state=tmp_path, timeout_s=300.0)
    assert done.returncode == 0, done.stdout + done.stderr
    told = steps_told(done.stdout.splitlines())
    assert told[-1] == 99, told  # 100 steps of 100 ms
    assert told == sorted(set(told)), told  # a line may fall in mid-run; none is said twice
    assert "not real time (speed max)" in done.stdout


@pytest.mark.parametrize("after_s", [0.15, 0.5, 1.0])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_the_first_second_leaves_nothing(
    tmp_path: Path, number: signal.Signals, code: int, after_s: float
) -> None:
    with starting(tmp_path) as station:
        time.sleep(after_s)
        station.remember()
        station.process.send_signal(number)
        assert station.process.wait(STOP_S + 5.0) == code, station.output
        station.check_gone()
        assert "Traceback" not in station.output
        assert station.output.count("gridhil: interrupted") == 1
        assert not list(Path("/dev/shm").glob(f"gridhil-*/*-{station.process.pid}"))


# ---- two at once, ports ---------------------------------------------------------------------------


@pytest.mark.timeout(700)
def test_two_stations_of_one_name_with_records_of_their_own_work_side_by_side(tmp_path: Path) -> None:
    with starting(tmp_path / "a") as first, starting(tmp_path / "b") as second:
        first.ready()
        second.ready()
        assert first.run_dir != second.run_dir
        with first.master() as a, second.master() as b:
            assert a.ask(1, "06 012C 0007") == bytes.fromhex("06 012C 0007")
            assert b.ask(1, "06 012C 0009") == bytes.fromhex("06 012C 0009")
            assert (first.value("SUB.TEST.SCRATCH1"), second.value("SUB.TEST.SCRATCH1")) == (7.0, 9.0)
        first.stop()
        assert second.run_dir.exists()
        with second.master() as b:
            assert b.ask(1, "03 012C 0001") == bytes.fromhex("03 02 0009")
        second.stop()


@pytest.mark.parametrize(("option", "what"), [("--modbus-port", "Modbus TCP"), ("--opcua-port", "OPC UA")])
def test_a_port_that_is_taken_is_named_with_its_holder(tmp_path: Path, option: str, what: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        other = "--opcua-port" if option == "--modbus-port" else "--modbus-port"
        done = gridhil("run", option, str(port), other, "0", state=tmp_path)
    assert done.returncode == 3
    assert done.stderr.startswith(f"gridhil: {what}: cannot listen on 127.0.0.1:{port}: ")
    assert f"pid {os.getpid()} (" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_both_ports_taken_are_both_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as a, socket.create_server(("127.0.0.1", 0)) as b:
        taken = [str(s.getsockname()[1]) for s in (a, b)]
        done = gridhil("run", "--modbus-port", taken[0], "--opcua-port", taken[1], state=tmp_path)
    assert done.returncode == 3
    first, second = done.stderr.splitlines()
    assert (taken[0] in first, taken[1] in second) == (True, True)


def test_one_port_for_both_servers_is_refused(tmp_path: Path) -> None:
    done = gridhil("run", "--modbus-port", "5121", "--opcua-port", "5121", state=tmp_path)
    assert done.returncode == 2
    assert "port 5121 is modbus.port, too" in done.stderr


# ---- bad input ------------------------------------------------------------------------------------


def station_file(folder: Path, *changes: tuple[str, str]) -> str:
    """Write a copy of the default station with some lines replaced."""
    text = STATION.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = folder / "mine.toml"
    path.write_text(text)
    return str(path)


def refused(state: Path, *arguments: str) -> str:
    """Run and return the one report on standard error: exit 2, no traceback."""
    done = gridhil("run", *arguments, "--modbus-port", "0", "--opcua-port", "0", state=state)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert all(line.startswith("gridhil: ") for line in done.stderr.splitlines())
    return done.stderr


def test_an_unknown_station_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    assert "did you mean 'iowa240'" in refused(tmp_path, "iowa204")


def test_a_broken_station_file_gives_every_problem_in_one_report(tmp_path: Path) -> None:
    path = station_file(
        tmp_path,
        ("speed = 1 ", "speed = -1 "),
        ("seed = 1 ", "seeed = 1 "),
        ("ripple_pct = 2.0", 'ripple_pct = "two"'),
        ("max_connections = 128", "max_connections = 0"),
    )
    report = refused(tmp_path, path)
    for word in ("speed", "seeed", "ripple_pct", "max_connections"):
        assert word in report, report
    assert len(report.splitlines()) >= 4


def profile_station(folder: Path, rows: list[str], changes: str = "") -> str:
    """Write a station whose loads follow p.csv."""
    table = (
        '[profile]\np_file = "p.csv"\np_unit = "kW"\npower_factor = 0.95\n'
        f"start = 2017-07-12T12:00:00-06:00\nstep_s = 5\n{changes}"
    )
    loads = sorted(
        line.split(",")[0] for line in (ROOT / "config/networks/iowa240/loads.csv").read_text().splitlines()
        if line and not line.startswith(("#", "name"))
    )  # fmt: skip
    (folder / "p.csv").write_text(
        "\n".join([",".join(loads), *(",".join([r] * len(loads)) for r in rows)]) + "\n"
    )
    return station_file(folder, ('[profile]\nname = "iowa240_2017"   # a folder in config/profiles', table))


def test_a_profile_shorter_than_the_run_is_refused(tmp_path: Path) -> None:
    report = refused(tmp_path, profile_station(tmp_path, ["1.0", "1.1"]), "--duration", "30")
    assert "p.csv" in report
    assert "repeat" in report


def test_a_cell_that_is_not_a_number_is_named_by_file_row_and_column(tmp_path: Path) -> None:
    path = profile_station(tmp_path, ["1.0", "1.1", "1.2"])
    lines = (tmp_path / "p.csv").read_text().splitlines()
    column = lines[0].split(",")[3]
    cells = lines[2].split(",")
    cells[3] = "NaN"
    (tmp_path / "p.csv").write_text("\n".join([*lines[:2], ",".join(cells), *lines[3:]]) + "\n")
    report = refused(tmp_path, path, "--duration", "5")
    assert "p.csv" in report
    assert column in report
    assert "row 3" in report or "line 3" in report or "row 2" in report, report


def test_a_missing_profile_file_is_refused(tmp_path: Path) -> None:
    path = profile_station(tmp_path, ["1.0"])
    (tmp_path / "p.csv").unlink()
    assert "p.csv" in refused(tmp_path, path, "--duration", "5")


@pytest.mark.timeout(700)
def test_a_profile_of_one_s_own_drives_the_plant(tmp_path: Path) -> None:
    path = profile_station(tmp_path, ["1.0", "1.0"], "repeat = true\n")
    with running(tmp_path, path) as station:
        # 194 loads of 1 kW; 2 % ripple per load averages out to 0.2 % of the sum.
        assert station.value("SUB.LOAD.P") == pytest.approx(194.0, rel=0.02)
        station.stop()


# ---- without privileges ---------------------------------------------------------------------------


@pytest.fixture
def nobody(tmp_path: Path) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Return a state directory and a command prefix that takes the right to SCHED_FIFO away."""
    program = shutil.which("setpriv")
    if program is None:
        pytest.skip("setpriv (util-linux) is not installed")
    if os.geteuid() != 0:  # an ordinary user with a limit of its own
        program = shutil.which("prlimit")
        if program is None:
            pytest.skip("prlimit (util-linux) is not installed")
        yield tmp_path, (program, "--rtprio=0")
        return
    # Still root, so that the checkout is readable wherever it lies, but without the capability.
    prefix = (program, "--bounding-set", "-sys_nice", "--inh-caps", "-sys_nice")
    probe = "import os; os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))"
    limit = shutil.which("prlimit")
    if limit is not None:
        prefix = (limit, "--rtprio=0", *prefix)
    done = subprocess.run([*prefix, sys.executable, "-c", probe], capture_output=True, check=False)
    if done.returncode == 0:
        pytest.skip("setpriv did not take the right to SCHED_FIFO away here")
    yield tmp_path, prefix


@pytest.mark.timeout(700)
def test_without_permission_for_fifo_it_runs_and_says_best_effort(
    nobody: tuple[Path, tuple[str, ...]],
) -> None:
    state, prefix = nobody
    with running(state, prefix=prefix) as station:
        assert "step 10 ms" in station.output
        station.wait_for("contract: best effort", 5.0)
        assert station.spec.core["dt_ns"] == 10_000_000
        assert station.value("SUB.LOOP.REALTIME") == 0.0
        with station.master() as m:
            assert m.ask(1, "02 0012 0001") == bytes.fromhex("02 01 00")
        station.stop()


def test_a_station_that_insists_on_fifo_is_refused_without_it(
    nobody: tuple[Path, tuple[str, ...]],
) -> None:
    state, prefix = nobody
    path = station_file(state, ('scheduler = "auto"', 'scheduler = "fifo"'))
    done = gridhil("run", path, "--modbus-port", "0", "--opcua-port", "0", state=state, prefix=prefix)
    assert done.returncode == 3
    assert "SCHED_FIFO" in done.stderr
