"""Starting and stopping: nothing is left behind, whatever way it ends."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.support.station import running, say


@pytest.mark.timeout(360)  # the first start of a session compiles the kernels
@pytest.mark.parametrize("way", ["SIGTERM to the program", "Ctrl-C on the terminal"])
def test_stops_within_two_seconds_and_leaves_nothing(tmp_path: Path, way: str) -> None:
    with running(tmp_path) as station:
        if way.startswith("SIGTERM"):
            took_s = station.stop(signal.SIGTERM)
        else:
            took_s = station.stop(signal.SIGINT, to_group=True)
        say(f"{way}: everything gone after {took_s:.2f} s")
        assert "stopped after" in station.output
        assert "killed" not in station.output
