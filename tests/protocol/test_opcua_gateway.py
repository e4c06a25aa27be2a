"""The OPC UA gateway as a process: start, stop, kill, port taken, what it leaves behind."""

from __future__ import annotations

import asyncio
import dataclasses as dc
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from asyncua import Client, ua

from hil import gateway_status, segment
from hil.runspec import RunSpec
from hil.users import write_users
from rtcore import board as bd
from rtcore import ring as rg
from tests.support.opcua_rig import SESSION_MS, point, station_points
from tests.support.python_core import PythonCore
from tests.support.users import account, password_of

ROOT = Path(__file__).parents[2]
START_S_MAX = 8.0


class SharedCore(PythonCore):
    """The plain Python core with its board and rings in the files of a run directory."""

    def __init__(self, spec: RunSpec) -> None:
        super().__init__(spec.points, period_s=0.01)
        n = len(spec.points)
        self.board = bd.Board(segment.create(spec.board_path, bd.board_bytes(n)), n)
        self.board.format(generation=1)
        self.board.ctl[bd.CTL_PERIOD_NS] = int(self.period_s * 1e9)
        self.pair = rg.RingPair(segment.create(spec.ring_path("opcua"), rg.PAIR_BYTES))
        segment.create(spec.events_path, rg.EVENT_BYTES)
        self.pair.format()


@pytest.fixture
def spec(tmp_path: Path) -> RunSpec:
    made = RunSpec(
        name="testville",
        station="testville",
        run_dir=tmp_path,
        state_dir=tmp_path / "state",
        points=station_points(),
        stamps=[],
        modbus={},
        opcua={"host": "127.0.0.1", "port": 0},
        core={},
        started_utc_ns=time.time_ns(),
    )
    made.save()
    return made


@pytest.fixture
def core(spec: RunSpec) -> Iterator[SharedCore]:
    with SharedCore(spec) as running:
        yield running  # type: ignore[misc]  # __enter__ is PythonCore's


def command(spec: RunSpec) -> list[str]:
    return [sys.executable, "-m", "hil.gw_opcua", str(spec.run_dir / "spec.json")]


class Process:
    """A running gateway."""

    def __init__(self, spec: RunSpec) -> None:
        started = time.monotonic()
        self.popen = subprocess.Popen(
            command(spec), cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self.popen.stdout is not None
        self.lines: list[str] = []
        for line in self.popen.stdout:
            self.lines.append(line.strip())
            if line.startswith("ready "):
                break
        else:
            raise AssertionError(self.popen.communicate()[1])
        self.start_s = time.monotonic() - started
        self.url = self.lines[-1].split()[1]

    def client(self, **login: Any) -> Client:
        client = Client(self.url, timeout=5)
        client.session_timeout = SESSION_MS
        if login:
            client.set_user(login["user"])
            client.set_password(login["password"])
        return client

    @property
    def password(self) -> str | None:
        for line in self.lines:
            if found := re.search(r"password (\S+) ", line):
                return found.group(1)
        return None


@contextmanager
def gateway(spec: RunSpec) -> Iterator[Process]:
    process = Process(spec)
    try:
        yield process
    finally:
        process.popen.kill()
        process.popen.communicate()


async def test_first_start_shows_the_password_once_and_commands_work(spec: RunSpec, core: SharedCore) -> None:
    with gateway(spec) as process:
        assert process.password is not None
        assert process.start_s < START_S_MAX
        async with process.client(user="operator", password=process.password) as client:
            await client.get_node("ns=2;s=SUB.SRC.V_SP").write_value(1.05)
            assert await client.get_node("ns=2;s=SUB.SRC.V_SP").read_value() == 1.05
        status = gateway_status.read(spec.gateway_path("opcua"))
        assert status is not None
        assert (status["state"], status["pid"]) == (gateway_status.SERVING, process.popen.pid)
    records = [json.loads(line) for line in spec.audit_path("opcua").read_text().splitlines()]
    assert [(r["event"], r["user"]) for r in records] == [("command", "operator"), ("verdict", "operator")]
    with gateway(spec) as again:
        assert again.password is None
    for name in ("users.json", "opcua-key.pem"):
        assert stat.S_IMODE((spec.state_dir / name).stat().st_mode) == 0o600


def test_sigterm_stops_within_two_seconds_and_sigint_is_left_to_the_supervisor(
    spec: RunSpec, core: SharedCore
) -> None:
    with gateway(spec) as process:
        process.popen.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.popen.poll() is None
        started = time.monotonic()
        process.popen.terminate()
        assert process.popen.wait(5) == 0
        assert time.monotonic() - started < 2.0
        assert process.popen.stderr is not None
        assert process.popen.stderr.read() == ""


async def test_a_killed_gateway_comes_back_within_eight_seconds_on_its_port(
    spec: RunSpec, core: SharedCore
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    row = json.loads((spec.run_dir / "spec.json").read_text())
    row["opcua"]["port"] = port
    (spec.run_dir / "spec.json").write_text(json.dumps(row))
    with gateway(spec) as first:
        async with first.client() as client:
            await client.get_node("ns=2;s=SUB.BUS1.VA").read_value()
            step = core.step
            first.popen.kill()
            first.popen.wait()
        with gateway(spec) as second:
            assert second.url == first.url
            assert second.start_s < START_S_MAX
            async with second.client() as client:
                await client.get_node("ns=2;s=SUB.BUS1.VA").read_value()
    assert core.step > step


async def test_a_gateway_restarted_with_1400_points_serves_within_eight_seconds(tmp_path: Path) -> None:
    points = [point(f"FDR_A.M_{k // 6}.V{k % 6}") for k in range(1400)]
    big = RunSpec(
        name="big",
        station="big",
        run_dir=tmp_path,
        state_dir=tmp_path / "state",
        points=points,
        stamps=[],
        modbus={},
        opcua={"port": 0},
        core={},
        started_utc_ns=time.time_ns(),
    )
    big.save()
    with SharedCore(big), gateway(big):
        pass  # the first start makes the key
    with SharedCore(big), gateway(big) as process:
        assert process.start_s < START_S_MAX
        async with process.client() as client:
            await client.get_node("ns=2;s=FDR_A.M_233.V1").read_value()


async def test_a_killed_core_shows_as_bad_within_500_ms(spec: RunSpec, core: SharedCore) -> None:
    with gateway(spec) as process:
        async with process.client() as client:
            node = client.get_node("ns=2;s=SUB.BUS1.VA")
            assert (await node.read_data_value()).StatusCode.is_good()
            core.die()
            await asyncio.sleep(0.5)
            data = await node.read_data_value(raise_on_bad_status=False)
            assert data.StatusCode.value == ua.StatusCodes.BadNoCommunication


def test_a_taken_port_is_exit_3_naming_port_and_holder(spec: RunSpec, core: SharedCore) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        row = json.loads((spec.run_dir / "spec.json").read_text())
        row["opcua"]["port"] = port
        (spec.run_dir / "spec.json").write_text(json.dumps(row))
        done = subprocess.run(
            command(spec), cwd=ROOT, text=True, capture_output=True, timeout=60, check=False
        )
    assert done.returncode == 3
    assert str(port) in done.stderr
    assert str(os.getpid()) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_password_file_open_to_others_is_exit_3(spec: RunSpec, core: SharedCore) -> None:
    spec.state_dir.mkdir()
    path = spec.state_dir / "users.json"
    path.write_text("{}")
    path.chmod(0o644)
    done = subprocess.run(command(spec), cwd=ROOT, text=True, capture_output=True, timeout=60, check=False)
    assert (done.returncode, "0600" in done.stderr, "Traceback" in done.stderr) == (3, True, False)


def test_a_role_that_is_none_in_the_users_file_is_exit_2(spec: RunSpec, core: SharedCore) -> None:
    write_users(make(spec.state_dir), {"ann": dc.replace(account("ann", "operator"), role="chief")})
    done = subprocess.run(command(spec), cwd=ROOT, text=True, capture_output=True, timeout=60, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "user 'ann', role: 'chief' is not a role; one of observer, operator" in done.stderr


async def test_a_changed_users_file_is_in_force_within_seconds(spec: RunSpec, core: SharedCore) -> None:
    ann = account("ann", "observer")
    write_users(make(spec.state_dir), {"ann": ann})
    with gateway(spec) as process:
        assert process.password is None
        async with process.client(user="ann", password=password_of("ann")) as client:
            node = client.get_node("ns=2;s=SUB.SRC.V_SP")
            with pytest.raises(ua.uaerrors.BadUserAccessDenied):
                await node.write_value(1.01)
            write_users(spec.state_dir, {"ann": dc.replace(ann, role="operator")})
            end = time.monotonic() + 5.0  # "within a few seconds"
            while await is_refused(node) and time.monotonic() < end:
                await asyncio.sleep(0.05)
            assert not await is_refused(node)
    records = [json.loads(line) for line in spec.audit_path("opcua").read_text().splitlines()]
    (change,) = [r for r in records if r["event"] == "users"]
    assert change["users"] == {"ann": {"role": "operator", "modbus": []}}
    assert all("scrypt" not in json.dumps(r) for r in records)


async def is_refused(node: Any) -> bool:
    try:
        await node.write_value(1.02)
    except ua.uaerrors.BadUserAccessDenied:
        return True
    return False


def make(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def test_the_gateway_starts_without_the_heavy_libraries() -> None:
    code = (
        "import sys, hil.gw_opcua\n"
        "print([m for m in ('numba', 'pandas', 'scipy', 'pymodbus', 'prophet') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_gateway_dies_with_its_parent(spec: RunSpec, core: SharedCore) -> None:
    parent = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen({command(spec)!r}, stdout=subprocess.PIPE, text=True)\n"
        "while not p.stdout.readline().startswith('ready'): pass\n"
        "print(p.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent], cwd=ROOT, text=True, stdout=subprocess.PIPE
    ) as shell:
        assert shell.stdout is not None
        child = int(shell.stdout.readline())
        shell.kill()
    end = time.monotonic() + 5.0
    while Path(f"/proc/{child}/cmdline").exists() and time.monotonic() < end:
        if not Path(f"/proc/{child}/cmdline").read_bytes():  # a zombie: ended, not yet collected
            break
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{child}").exists()
