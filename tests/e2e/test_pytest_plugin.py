"""The vendor's tests of docs/pytest.md run as a vendor would run them: by a pytest of their own."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.station import ROOT, START_S, environment, say

CHECKS = """
import pytest
from rtcore.errors import HostError

def test_a_refused_command_says_why(gridhil_station):
    before = gridhil_station["SUB.LOAD.SCALE_SP"]
    with pytest.raises(HostError, match="SUB.LOAD.SCALE_SP: .*range"):
        gridhil_station["SUB.LOAD.SCALE_SP"] = 99
    assert gridhil_station["SUB.LOAD.SCALE_SP"] == before

def test_that_fails(gridhil_station):
    gridhil_station["SUB.LOAD.SCALE_SP"] = 1.25
    gridhil_station.wait_until(lambda s: s["SUB.LOAD.SCALE_SP"] == 1.5, timeout_s=0.1)
"""


@pytest.mark.timeout(START_S + 100)  # the first start of a session compiles the kernels
def test_the_vendor_s_tests_pass_a_failing_one_fails_and_the_record_is_kept(tmp_path: Path) -> None:
    shutil.copy(ROOT / "examples" / "vendor" / "test_master.py", tmp_path)
    with (tmp_path / "test_master.py").open("a", encoding="utf-8") as file:
        file.write(CHECKS)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:asyncio"),
            *("test_master.py", "--gridhil-report", "out"),
        ],
        cwd=tmp_path,
        env=environment(tmp_path / "state"),
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )
    say(done.stdout)
    assert done.returncode == 1, done.stderr
    assert "4 passed" in done.stdout
    assert "TimeoutError: the condition was not met within 0.1 s" in done.stdout
    assert "ready after" in done.stdout.partition("gridhil station")[2]  # what the station printed

    folder = tmp_path / "out" / "test_master"
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert [t["outcome"] for t in report["tests"]] == ["passed"] * 4 + ["failed"]
    assert [e["what"] for e in report["events"]] == ["fault", "clear", "command"]
    assert report["loop"].keys() == {*report["loop"], "STEP", "OVERRUNS", "LATE_P99", "EXEC_P99"}
    with sqlite3.connect(folder / "run" / "soe.db") as record:
        rows = record.execute("SELECT step FROM soe WHERE tag = 'FDR_A.R_CB_101.TRIP' AND new = 1").fetchall()
    record.close()
    fault = report["events"][0]["step"]
    assert rows
    assert all(step > fault for (step,) in rows)  # the relay saw the fault, and nothing before it
