"""The gateway as a process of its own: start, stop, port taken, light imports, status board."""

from __future__ import annotations

import contextlib
import dataclasses as dc
import ipaddress
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil import gateway_status, segment
from hil.runspec import RunSpec
from hil.users import write_users
from rtcore import board as bd
from rtcore import ring as rg
from tests.support.modbus_rig import STAMPS, UNITS, Master, rig_points
from tests.support.python_core import PythonCore
from tests.support.users import account

START_LIMIT_S = 5.0  # promised is 1 s on an idle host; a loaded test machine gets more


@pytest.fixture
def spec(tmp_path: Path) -> Iterator[RunSpec]:
    """A run directory with a core that lives in this process and publishes into real segments."""
    modbus = {
        "host": "127.0.0.1",
        "port": 0,
        "units": UNITS,
        "default_unit": 1,
        "writers": [{"network": "127.0.0.0/8", "units": [1, 2]}],
        "identity": {"vendor": "gridhil"},
    }
    made = RunSpec(
        name="test",
        station="test",
        run_dir=tmp_path,
        state_dir=tmp_path / "state",
        points=rig_points(),
        stamps=STAMPS,
        modbus=modbus,
        opcua={},
        core={},
        started_utc_ns=time.time_ns(),
    )
    n = len(made.points)
    core = PythonCore(made.points)
    core.board = bd.Board(segment.create(made.board_path, bd.board_bytes(n)), n)
    core.board.format(generation=1)
    core.board.ctl[bd.CTL_PERIOD_NS] = 2_000_000
    core.pair = rg.RingPair(segment.create(made.ring_path("modbus"), rg.PAIR_BYTES))
    core.pair.format()
    with core:
        yield made


@contextlib.contextmanager
def gateway(spec: RunSpec) -> Iterator[tuple[subprocess.Popen[str], int]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "hil.gw_modbus", str(spec.save())],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    timer = threading.Timer(START_LIMIT_S, process.kill)
    timer.start()
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        timer.cancel()
        match = re.fullmatch(r"ready 127\.0\.0\.1:(\d+)\n", line)
        assert match, (line, process.stderr.read() if process.stderr else "")
        yield process, int(match[1])
    finally:
        timer.cancel()
        process.kill()
        process.communicate()


def test_gateway_serves_audits_and_counts_and_ends_on_sigterm(spec: RunSpec) -> None:
    with gateway(spec) as (process, port):
        with Master(port) as m:
            assert m.ask(2, "05 0003 FF00") == bytes.fromhex("05 0003 FF00")
            assert m.ask(101, "06 0014 0001") == b"\x86\x01"
            assert m.ask(1, "2B 0E 04 05").endswith(b"\x05\x04test")  # the model is the station
            time.sleep(0.5)  # the status board is written five times a second
            status = gateway_status.read(spec.gateway_path("modbus"))
        assert status is not None
        wanted = {"state": gateway_status.SERVING, "clients": 1, "requests": 3, "commands": 1, "refused": 1}
        assert {k: status[k] for k in wanted} == wanted
        assert status["pid"] == process.pid
        process.send_signal(signal.SIGINT)  # Ctrl-C is the supervisor's business
        time.sleep(0.1)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(2) == 0
    rows = [json.loads(line) for line in spec.audit_path("modbus").read_text().splitlines()]
    assert [r["event"] for r in rows] == ["command", "verdict", "refused"]


def test_killed_gateway_comes_back_and_its_successor_commands_again(spec: RunSpec) -> None:
    for _ in range(3):
        with gateway(spec) as (process, port), Master(port) as m:
            assert m.ask(2, "05 0003 FF00") == bytes.fromhex("05 0003 FF00")
            process.kill()
            process.wait(2)


def test_gateway_ends_with_its_parent(spec: RunSpec, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    starter = (
        "import subprocess, sys, time, pathlib\n"
        f"p = subprocess.Popen([sys.executable, '-m', 'hil.gw_modbus', {str(spec.save())!r}],"
        " stdout=subprocess.PIPE)\n"
        "p.stdout.readline()\n"
        f"pathlib.Path({str(pid_file)!r}).write_text(str(p.pid))\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", starter])
    deadline = time.monotonic() + START_LIMIT_S
    while not (pid_file.exists() and pid_file.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    pid = int(pid_file.read_text())
    parent.kill()
    parent.wait(2)
    deadline = time.monotonic() + 2
    while _is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _is_running(pid)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_port_taken_is_exit_3_and_one_line_that_names_port_and_holder(spec: RunSpec) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        spec.modbus["port"] = port
        done = subprocess.run(
            [sys.executable, "-m", "hil.gw_modbus", str(spec.save())],
            capture_output=True,
            text=True,
            timeout=START_LIMIT_S,
            check=False,
        )
    assert done.returncode == 3
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert f"127.0.0.1:{port}" in line
    assert f"pid {os.getpid()} " in line


def test_bad_settings_are_exit_2_with_every_problem_and_no_traceback(spec: RunSpec) -> None:
    spec.modbus.update({"max_connections": 0, "unknown_unit": "0C", "default_unit": 77})
    done = subprocess.run(
        [sys.executable, "-m", "hil.gw_modbus", str(spec.save())],
        capture_output=True,
        text=True,
        timeout=START_LIMIT_S,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert all(word in done.stderr for word in ("max_connections", "unknown_unit", "default_unit"))


def test_gateway_imports_neither_numba_nor_anything_else_that_is_slow() -> None:
    heavy = ["numba", "llvmlite", "scipy", "pandas", "pydantic", "pymodbus", "asyncua", "rich", "typer"]
    code = f"import sys, hil.gw_modbus; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_gateway_listens_again_within_a_second(spec: RunSpec) -> None:
    def start_s() -> float:
        started = time.monotonic()
        with gateway(spec) as (_, port), Master(port) as m:
            assert len(m.ask(1, "03 0000 0001")) == 4
            return time.monotonic() - started

    # The best of three: the promise is about the program, the rest is the shared machine.
    assert min(start_s() for _ in range(3)) < 1.0


def test_a_changed_users_file_is_in_force_within_seconds(spec: RunSpec) -> None:
    spec.points[0] = dc.replace(spec.points[0], role="engineer")
    with gateway(spec) as (_, port), Master(port) as m:
        assert m.ask(1, "06 0000 0001") == b"\x86\x01"
        networks = (ipaddress.ip_network("127.0.0.0/8"),)
        write_users(spec.state_dir, {"ann": dc.replace(account("ann", "engineer"), networks=networks)})
        end = time.monotonic() + 5.0  # "within a few seconds"
        while (answer := m.ask(1, "06 0000 0001")) == b"\x86\x01" and time.monotonic() < end:
            time.sleep(0.05)
        assert answer[0] == 6
    records = [json.loads(line) for line in spec.audit_path("modbus").read_text().splitlines()]
    (change,) = [r for r in records if r["event"] == "users"]
    assert change["users"] == {"ann": {"role": "engineer", "modbus": ["127.0.0.0/8"]}}


@pytest.mark.parametrize(
    ("body", "mode", "code"), [("{}", 0o644, 3), ('{"ann": {"role": "chief"}}', 0o600, 2)]
)
def test_a_users_file_that_cannot_be_used_is_one_report_and_an_exit_code(
    spec: RunSpec, body: str, mode: int, code: int
) -> None:
    spec.state_dir.mkdir()
    path = spec.state_dir / "users.json"
    path.write_text(body)
    path.chmod(mode)
    done = subprocess.run(
        [sys.executable, "-m", "hil.gw_modbus", str(spec.save())],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)
    assert "users.json" in done.stderr
