"""docs/importing.md: its commands, in their order, on the files of examples/own_feeder."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "own_feeder"
TEXT = (ROOT / "docs" / "importing.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", TEXT, re.S)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a copy of the example without the network, which is to be made."""
    made = tmp_path_factory.mktemp("example") / "own_feeder"
    shutil.copytree(EXAMPLE, made)
    shutil.rmtree(made / "network")
    return made


@pytest.mark.timeout(300)
def test_the_commands_of_the_page_run_one_after_the_other(folder: Path, tmp_path: Path) -> None:
    assert [c.split()[1] for c in commands()].count("run") == 1
    for command in commands():
        program, *arguments = shlex.split(command)
        assert program == "gridhil"
        done = subprocess.run(
            [sys.executable, "-P", "-m", "hil", *arguments],
            cwd=folder,
            env=os.environ | {"XDG_STATE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr[-2000:]}"
        assert done.stdout


def test_the_shipped_network_is_what_the_import_makes(folder: Path) -> None:
    pytest.importorskip("dss")
    from hil.importers.opendss import import_command

    report = import_command(folder / "mill_lane.dss", folder / "network")
    assert report.omissions == ()
    made = {p.name: p.read_bytes() for p in (folder / "network").iterdir() if p.name != "SOURCE.md"}
    kept = {p.name: p.read_bytes() for p in (EXAMPLE / "network").iterdir() if p.name != "SOURCE.md"}
    assert made == kept


def test_rows_that_the_page_shows_are_those_of_the_example() -> None:
    head, *rows = re.search(r"```text\n(device,.*?)```", TEXT, re.S)[1].splitlines()  # type: ignore[index]
    listed = (EXAMPLE / "points" / "devices.csv").read_text(encoding="utf-8").splitlines()
    assert head == listed[0]
    assert set(rows) < set(listed[1:])
