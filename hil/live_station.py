"""A station of one's own: started as a user would, watched through its board, stopped.

For programs that need a running station: the pytest plugin, ``gridhil relaytest``. Ports are free ones,
records go to a state directory of the caller's.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from hil import joined_board
from hil.run_dir import SHARED_MEMORY
from hil.runspec import RunSpec
from hil.supervisor import die_with_parent
from rtcore.board import Snapshot
from rtcore.errors import HostError
from rtcore.points import index_of

START_S = 600.0
"""A first start compiles every kernel."""
STOP_S = 10.0
POLL_S = 0.005


class LiveStation:
    """One ``gridhil run`` of our own.

    Parameters
    ----------
    station : str
        Name or path of the station file.
    state : Path
        Where it keeps its records ($XDG_STATE_HOME).
    arguments : str
        Further arguments of ``gridhil run``.

    Attributes
    ----------
    spec : RunSpec
    modbus_port, opcua_port : int
        0 where the station does not serve it.
    lines : list of str
        What it printed.
    """

    def __init__(self, station: str, state: Path, *arguments: str) -> None:
        self.lines: list[str] = []
        self._news = threading.Condition()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "hil", "run", station),
                *(*arguments, "--modbus-port", "0", "--opcua-port", "0"),
            ],
            env=os.environ | {"XDG_STATE_HOME": str(state), "PYTHONUNBUFFERED": "1", "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - it calls nothing but prctl and getppid
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()

    def _line(self, pattern: str, timeout_s: float) -> re.Match[str] | None:
        deadline = time.monotonic() + timeout_s
        with self._news:
            while True:
                for line in self.lines:
                    if found := re.search(pattern, line):
                        return found
                if self.process.poll() is not None:
                    raise HostError("gridhil run ended before it was ready:\n" + "\n".join(self.lines))
                left = deadline - time.monotonic()
                if left <= 0:
                    return None
                self._news.wait(min(left, 0.2))

    def ready(self) -> LiveStation:
        """Wait until it serves; find out where.

        Raises
        ------
        HostError
            It ended, or was not ready in time; with what it printed.
        """
        if self._line(r"^ready after ", START_S) is None:
            raise HostError(f"not ready within {START_S:g} s:\n" + "\n".join(self.lines))
        modbus = self._line(r"modbus: ready .*:(\d+)", 0.0)
        opcua = self._line(r"opcua: ready .*:(\d+)/", 0.0)
        self.modbus_port = int(modbus[1]) if modbus else 0
        self.opcua_port = int(opcua[1]) if opcua else 0
        parent = SHARED_MEMORY / f"gridhil-{os.getuid()}"
        (run_dir,) = parent.glob(f"*-{self.process.pid}")
        self.spec = RunSpec.load(run_dir / "spec.json")
        self._board = joined_board.attach(self.spec)
        self._index = index_of(self.spec.points)
        self.wait_until(lambda _: self._board.published >= 0, 10.0)
        return self

    @property
    def opcua_url(self) -> str:
        """Endpoint of the OPC UA server."""
        return f"opc.tcp://127.0.0.1:{self.opcua_port}{self.spec.opcua['path']}"

    @property
    def operator_password(self) -> str:
        """Password of the user "operator", as printed at the first start with this state directory."""
        found = self._line(r"user 'operator', password '([0-9a-f-]+)'", 0.0)
        if found is None:
            raise HostError("this state directory has been used before; its password was shown then")
        return found[1]

    def snapshot(self) -> Snapshot:
        """Return the newest step."""
        found = self._board.read()
        if found is None:
            raise HostError("the plant publishes nothing")
        return found

    def value(self, tag: str) -> float:
        """Return a point's value in the newest step; KeyError for a tag that is not there."""
        return float(self.snapshot().values[self._index[tag]])

    def wait_until(self, condition: Callable[[LiveStation], bool], timeout_s: float = 10.0) -> None:
        """Wait for a condition on the station.

        Raises
        ------
        TimeoutError
            It was not met in time.
        """
        deadline = time.monotonic() + timeout_s
        while not condition(self):
            if self.process.poll() is not None:
                raise HostError("the station ended:\n" + "\n".join(self.lines[-20:]))
            if time.monotonic() > deadline:
                raise TimeoutError(f"the condition was not met within {timeout_s:g} s")
            time.sleep(POLL_S)

    def stop(self) -> None:
        """Stop it, gently at first."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join(5.0)
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextlib.contextmanager
def own_station(station: str, state: Path, *arguments: str) -> Iterator[LiveStation]:
    """Start a station, wait until it serves, stop it at the end of the block."""
    live = LiveStation(station, state, *arguments)
    try:
        yield live.ready()
    finally:
        live.stop()
