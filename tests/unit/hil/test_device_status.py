"""The device's line in the status panel: state of the link and how long exchanges take."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from hil import device_status
from hil.device_status import FIELDS, LINKS, DeviceStatus
from hil.panel_view import Shown, render
from protocols.device_exchange import State


def line(folder: Path, link: int, *exchanges_ns: int) -> str:
    path = folder / f"{link}.status"
    status = DeviceStatus(path)
    for duration_ns in exchanges_ns:
        status.exchanges.add(duration_ns)
    status.write({"state": 2}, dict.fromkeys(FIELDS, 0) | {"link": link})
    found = device_status.read(path)
    assert found is not None
    return str(found)


def test_every_state_of_the_link_has_words_for_it() -> None:
    assert [LINKS[s] for s in State] == ["waiting for the device", "running", "FAIL-SAFE"]


def test_the_line_has_the_99th_percentile_of_exchanges(tmp_path: Path) -> None:
    # Bins of the histogram are a sixteenth of an octave wide: 4.0 ms lies in the one that ends at 4.1 ms.
    assert (
        line(tmp_path, State.RUNNING, *[1_000_000] * 98, *[4_000_000] * 2) == "running, exchange p99 4.1 ms"
    )


def test_before_the_first_exchange_there_is_no_percentile(tmp_path: Path) -> None:
    assert line(tmp_path, State.WAITING) == "waiting for the device"


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
@pytest.mark.parametrize("device", ["device running, exchange p99 4.1 ms", ""])
def test_the_panel_shows_it_below_the_servers_and_still_fits(size: tuple[int, int], device: str) -> None:
    table = (["", "a"], [["x", "1"]])
    lists = ([f"command {k}" for k in range(30)], ["event"], ["overrun"])
    shown = Shown(
        "title", "contract", "", (["l"], ["1"]), table, (["", "clients"], [["modbus", "1"]]), lists, device
    )
    out = io.StringIO()
    Console(file=out, width=size[0], height=size[1]).print(render(shown, *size))
    lines = out.getvalue().splitlines()
    assert len(lines) < size[1], "the terminal would cut the end off"
    found = [k for k, text in enumerate(lines) if text.startswith("device")]
    if not device:
        assert found == []
        return
    servers = next(k for k, text in enumerate(lines) if "modbus" in text)
    commands = next(k for k, text in enumerate(lines) if text.startswith("last commands"))
    assert servers < found[0] < commands
