"""``gridhil run --console`` on a terminal of its own: station and console in one, ended by keys."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.support.station import ROOT, START_S, environment, gridhil, without_forecasts

CTRL_Q = b"\x11"
STOP_S = 30.0


class Terminal:
    """A pseudo terminal of 100 columns and 30 lines with a program in it."""

    def __init__(self, *arguments: str, state: Path) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "hil", *arguments],
            cwd=ROOT,
            env=environment(state) | {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = b""

    def until(self, words: bytes, timeout_s: float) -> None:
        """Read until words have been written."""
        deadline = time.monotonic() + timeout_s
        while words not in self.shown:
            assert time.monotonic() < deadline, self.shown[-3000:]
            if select.select([self._ours], [], [], 0.2)[0]:
                self.shown += os.read(self._ours, 65_536)

    def press(self, keys: bytes) -> None:
        """Forget what was shown, and type."""
        self.shown = b""
        os.write(self._ours, keys)

    def ended(self, timeout_s: float) -> int:
        """Return the exit code, reading meanwhile what is still written."""
        deadline = time.monotonic() + timeout_s
        while self.process.poll() is None and time.monotonic() < deadline:
            if select.select([self._ours], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self._ours, 65_536)
                except OSError:  # nobody is at the other end any more
                    break
        return self.process.wait(5.0)

    def close(self) -> None:
        """End whatever still runs."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10.0)
        os.close(self._ours)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("goes_on", [False, True])
def test_leaving_the_console_asks_what_becomes_of_the_station(tmp_path: Path, goes_on: bool) -> None:
    ports = ("--modbus-port", "0", "--opcua-port", "0")
    terminal = Terminal("run", without_forecasts(tmp_path), "--console", *ports, state=tmp_path)
    try:
        terminal.until(b"frequency", START_S)
        terminal.press(CTRL_Q)
        terminal.until(b"Stop the station, too?", STOP_S)
        if goes_on:
            terminal.press(b"n\n")
            terminal.until(b"The station goes on", STOP_S)
            assert terminal.process.poll() is None
            terminal.process.terminate()
        else:
            terminal.press(b"y\n")
        assert terminal.ended(STOP_S) == 0
    finally:
        terminal.close()


def test_without_a_terminal_it_is_refused_in_words(tmp_path: Path) -> None:
    for command in (("run", "--console"), ("console", "opc.tcp://127.0.0.1:1/gridhil")):
        done = gridhil(*command, state=tmp_path)
        assert done.returncode == 3
        assert "needs a terminal" in done.stderr
        assert "Traceback" not in done.stderr
