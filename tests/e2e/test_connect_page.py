"""docs/connect.md: every client that the page shows reads and commands a running station as shown."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import peers
from tests.support.pages import Shell, programs, shows, steps
from tests.support.station import ROOT, Station, running, without_forecasts

PAGE = ROOT / "docs" / "connect.md"


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    folder = tmp_path_factory.mktemp("state")
    with running(folder, without_forecasts(folder)) as live:
        yield live


def on(station: Station, text: str) -> str:
    """Return a page's text with this station's ports and password in place of the usual ones."""
    for usual, here in (
        ("5020", str(station.modbus_port)),
        ("4840", str(station.opcua_port)),
        ("PASSWORD", station.password),
    ):
        text = re.sub(rf"\b{usual}\b", here, text)
    return text


def test_mbpoll(station: Station, tmp_path: Path) -> None:
    peers.require("mbpoll")
    shell = Shell(tmp_path, station.state)
    for command, shown in steps(PAGE):
        said = shell.run(on(station, command))
        assert shows(shown, said), f"$ {command}\n{said}\n--- the page shows:\n{shown}"
    shell.end()


@pytest.mark.parametrize("number", range(2), ids=["pymodbus", "asyncua"])
def test_python_clients(station: Station, number: int) -> None:
    program, shown = programs(PAGE, "python")[number]
    done = subprocess.run(
        [sys.executable, "-c", on(station, program)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert shows(shown, done.stdout), done.stdout


@pytest.mark.parametrize("number", range(2), ids=["modbus-serial", "node-opcua-client"])
def test_node_clients(station: Station, number: int, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    node = peers.require("node")
    modules = peers.node_modules(request.node.callspec.id)
    program, shown = programs(PAGE, "js")[number]
    done = subprocess.run(
        [node, "-e", on(station, program)],
        env=os.environ | {"NODE_PATH": str(modules), "HOME": str(tmp_path)},  # certificates are kept there
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert shows(shown, done.stdout), done.stdout
