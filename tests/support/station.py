"""A real station in processes of its own: started as a user would, watched, stopped, checked.

Every station has its own state directory and free ports; compiled kernels are shared, so that
only the first start of a session compiles.
"""

from __future__ import annotations

import contextlib
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
from typing import Any

import psutil

from hil import gateway_status, joined_board, kernel_cache
from hil.run_dir import SHARED_MEMORY
from hil.runspec import RunSpec
from rtcore.board import Snapshot
from rtcore.points import index_of
from tests.support.modbus_rig import Master

ROOT = Path(__file__).resolve().parents[2]
START_S = 650.0
"""First starts compile; on a busy machine that has taken 300 s."""
STOP_S = 2.0
"""What the program promises: everything gone this long after Ctrl-C or SIGTERM."""


def environment(state: Path) -> dict[str, str]:
    """Return the environment of a station with a state directory of its own."""
    return os.environ | {
        "XDG_STATE_HOME": str(state),
        "NUMBA_CACHE_DIR": str(kernel_cache.prepare().path),
        kernel_cache.READY: "1",
        "PYTHONUNBUFFERED": "1",
        "COLUMNS": "200",
    }


def gridhil(
    *arguments: str, state: Path, timeout_s: float = 120.0, prefix: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run one gridhil command to its end."""
    return subprocess.run(
        [*prefix, sys.executable, "-P", "-m", "hil", *arguments],
        cwd=ROOT,
        env=environment(state),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def say(text: str) -> None:
    """Report a measured figure (shown by ``pytest -s``, and when a test fails)."""
    sys.stdout.write(text + "\n")


class Station:
    """One running ``gridhil run``.

    Parameters
    ----------
    state : Path
        State directory ($XDG_STATE_HOME).
    arguments : str
        Further arguments of ``gridhil run``; ports are free ones unless given here.
    prefix : tuple of str
        Command that the program is started through (``setpriv`` ...).
    """

    def __init__(self, state: Path, *arguments: str, prefix: tuple[str, ...] = ()) -> None:
        self.state = state
        ports = [word for o in ("--modbus-port", "--opcua-port") if o not in arguments for word in (o, "0")]
        self.lines: list[str] = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            [*prefix, sys.executable, "-P", "-m", "hil", "run", *arguments, *ports],
            cwd=ROOT,
            env=environment(state),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # so that a test can send Ctrl-C to the whole group
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.run_dir = Path()
        self.spec: RunSpec
        self.board: joined_board.JoinedBoard
        self.modbus_port = self.opcua_port = 0
        self._known: set[psutil.Process] = set()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()

    # ---- start --------------------------------------------------------------------------------

    def wait_for(self, pattern: str, timeout_s: float, first: int = 0) -> re.Match[str]:
        """Return the first line that matches, from line ``first`` on."""
        deadline = time.monotonic() + timeout_s
        with self._news:
            while True:
                for line in self.lines[first:]:
                    if found := re.search(pattern, line):
                        return found
                if self.process.poll() is not None:
                    raise AssertionError(f"gridhil run ended with {self.process.returncode}:\n{self.output}")
                left = deadline - time.monotonic()
                assert left > 0, f"nothing like {pattern!r} within {timeout_s:g} s:\n{self.output}"
                self._news.wait(min(left, 0.2))

    def ready(self) -> Station:
        """Wait until the station serves; find out where."""
        self.wait_for(r"^ready after ", START_S)
        self.modbus_port = int(self.wait_for(r"modbus: ready .* 127\.0\.0\.1:(\d+)", 1)[1])
        self.opcua_port = int(self.wait_for(r"opcua: ready .* opc\.tcp://127\.0\.0\.1:(\d+)/", 1)[1])
        # The command and its processes have the same user; it may not be ours.
        uid = psutil.Process(self.process.pid).uids().real
        parent = SHARED_MEMORY / f"gridhil-{uid}"
        (self.run_dir,) = parent.glob(f"*-{self.process.pid}")
        self.spec = RunSpec.load(self.run_dir / "spec.json")
        self.board = joined_board.attach(self.spec)
        self.index = index_of(self.spec.points)
        deadline = time.monotonic() + 10.0
        while self.board.published < 0:  # "ready" is said just before the first step
            assert time.monotonic() < deadline, "no step was published"
            time.sleep(0.005)
        self.remember()
        return self

    def remember(self) -> None:
        """Note the processes that run now, to see later that none is left."""
        self._known |= {psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(True)}

    @property
    def output(self) -> str:
        """Everything it printed so far."""
        return "\n".join(self.lines)

    @property
    def url(self) -> str:
        """OPC UA endpoint."""
        return f"opc.tcp://127.0.0.1:{self.opcua_port}/gridhil"

    @property
    def password(self) -> str:
        """The operator's password, as printed at the first start."""
        return self.wait_for(r"user 'operator', password '([0-9a-f-]+)'", 1)[1]

    # ---- look ---------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Return the newest step of the core, with what the estimator has."""
        found = self.board.read()
        assert found is not None
        return found

    def value(self, tag: str) -> float:
        """Return a point's newest value."""
        return float(self.snapshot().values[self.index[tag]])

    def quality(self, tag: str) -> int:
        """Return a point's newest quality."""
        return int(self.snapshot().quality[self.index[tag]])

    def master(self, timeout_s: float = 5.0) -> Master:
        """Return a new raw Modbus connection."""
        return Master(self.modbus_port, timeout_s)

    def pid(self, name: str) -> int:
        """Return the process id of the core or of a gateway that runs now."""
        if name == "core":
            return int(self.wait_for(r"core: starting, pid (\d+)", 1)[1])
        status = gateway_status.read(self.spec.gateway_path(name))
        assert status is not None
        return status["pid"]

    def journal(self, producer: str) -> list[dict[str, Any]]:
        """Return the records of one gateway's audit journal so far."""
        data = self.spec.audit_path(producer).read_bytes()
        return [json.loads(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]

    # ---- stop ---------------------------------------------------------------------------------

    def stop(self, number: signal.Signals = signal.SIGTERM, to_group: bool = False) -> float:
        """Stop it, check that it went as promised, and return how long it took [s]."""
        self.remember()
        started = time.monotonic()
        (os.killpg if to_group else os.kill)(self.process.pid, number)
        self.process.wait(STOP_S + 5.0)
        took_s = time.monotonic() - started
        assert self.process.returncode == 0, self.output
        assert took_s < STOP_S, f"stopping took {took_s:.2f} s:\n{self.output}"
        self.check_gone()
        return took_s

    def check_gone(self) -> None:
        """Check that no process, no shared memory and no port is left."""
        self._reader.join(5.0)
        alive = [p for p in self._known if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
        assert not alive, f"still running: {alive}"
        assert not self.run_dir.exists() or self.run_dir == Path(), list(self.run_dir.iterdir())
        for port in (self.modbus_port, self.opcua_port):
            assert port == 0 or not is_open(port), f"port {port} is still open"

    def kill(self) -> None:
        """End whatever is left of it, whatever the state of the test."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self.remember()
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5.0)
        for process in self._known:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait(5.0)
        self._reader.join(5.0)
        assert self.process.stdout is not None
        self.process.stdout.close()


def is_open(port: int) -> bool:
    """Tell whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def station_for_clients(folder: Path) -> str:
    """Write the default station with breakers made for tests of clients; returns its file.

    They may close again at once: a spring would be wound for 10 s. Between their contacts 52a and 52b lie
    40 ms, not 10, so that a reader that looks now and then sees both open.
    """
    text = (ROOT / "config" / "stations" / "iowa240.toml").read_text(encoding="utf-8")
    shipped = '[plant.breaker."rcl_*"]\nspring_charge_s = 0.4'
    assert shipped in text
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "iowa240.toml"
    path.write_text(
        text.replace(shipped, '[plant.breaker."*"]\nspring_charge_s = 0.0\naux_offset_s = 0.02'),
        encoding="utf-8",
    )
    return str(path)


def without_forecasts(folder: Path) -> str:
    """Write the default station without its forecaster, whose fits share two processors; returns its file."""
    text = (ROOT / "config" / "stations" / "iowa240.toml").read_text(encoding="utf-8")
    shipped = "[forecast]\nenabled = true"
    assert shipped in text
    path = folder / "iowa240.toml"
    path.write_text(text.replace(shipped, "[forecast]\nenabled = false"), encoding="utf-8")
    return str(path)


@contextlib.contextmanager
def starting(state: Path, *arguments: str, prefix: tuple[str, ...] = ()) -> Iterator[Station]:
    """Start a station, end it at the end of the block."""
    station = Station(state, *arguments, prefix=prefix)
    try:
        yield station
    finally:
        station.kill()


@contextlib.contextmanager
def running(state: Path, *arguments: str, prefix: tuple[str, ...] = ()) -> Iterator[Station]:
    """Start a station, wait until it serves, end it at the end of the block."""
    with starting(state, *arguments, prefix=prefix) as station:
        yield station.ready()
