"""Starting and stopping: nothing is left behind, whatever way it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from hil.run_dir import SHARED_MEMORY
from tests.support.station import STOP_S, Station, running


@pytest.mark.timeout(360)  # the first start of a session compiles the kernels
@pytest.mark.parametrize("way", ["SIGTERM to the program", "Ctrl-C on the terminal"])
def test_stops_within_two_seconds_and_leaves_nothing(tmp_path: Path, way: str) -> None:
    with running(tmp_path) as station:
        if way.startswith("SIGTERM"):
            took_s = station.stop(signal.SIGTERM)
        else:
            took_s = station.stop(signal.SIGINT, to_group=True)
        print(f"{way}: stopped after {took_s:.2f} s")
        assert "stopped after" in station.output
        assert "killed" not in station.output
