"""``gridhil run --console`` on a terminal of its own: station and console in one, ended by keys."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.station import ROOT, START_S, environment, gridhil, without_forecasts
from tests.support.terminal import Terminal

CTRL_Q = b"\x11"
STOP_S = 30.0


@pytest.mark.timeout(300)
@pytest.mark.parametrize("goes_on", [False, True])
def test_leaving_the_console_asks_what_becomes_of_the_station(tmp_path: Path, goes_on: bool) -> None:
    ports = ("--modbus-port", "0", "--opcua-port", "0")
    command = (sys.executable, "-P", "-m", "hil", "run", without_forecasts(tmp_path), "--console", *ports)
    terminal = Terminal(command, ROOT, environment(tmp_path))
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
