"""Attacks on one running station: on its board, on the wire and at its instruments, by the user's command."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hil.attack_slots import HOLD_S
from protocols.opcua_reads import OpcuaReads
from tests.support.modbus_rig import Master
from tests.support.station import ROOT, Station, environment, running

pytestmark = pytest.mark.timeout(700)
"""A first start compiles."""

HEAD = {"FDR_A": 2, "FDR_B": 3, "FDR_C": 4}
"""Feeder -> Modbus unit; active power of its head is input register 118."""
READ_P = struct.pack(">BHH", 4, 118, 2)
WANDERS_KW = 60.0
"""Two looks at a head within seconds differ by ripple (2 % of each load) and noise: far less than this."""

BOARD = """
[attacks]
name = "board"
station = "iowa240"
[[attack]]
name = "a_high"
kind = "bias"
place = "board"
points = ["FDR_A.HEAD.P"]
start_s = 0.2
offset = 900.0
"""
WIRE = """
[attacks]
name = "wire"
station = "iowa240"
[[attack]]
name = "b_low"
kind = "bias"
place = "wire"
points = ["FDR_B.HEAD.P"]
offset = -700.0
[[attack]]
name = "c_low"
kind = "bias"
place = "wire"
protocol = "opcua"
points = ["FDR_C.HEAD.P"]
offset = -600.0
[[attack]]
name = "taps"
kind = "bias"
place = "wire"
points = ["SUB.REG_A.TAP_SP"]
writes = true
offset = -2
[[attack]]
name = "auto_off"
kind = "command"
place = "wire"
[[attack.command]]
tag = "SUB.AVR_A.AUTO"
value = 0
"""
INSTRUMENT = """
[attacks]
name = "instrument"
station = "iowa240"
[[attack]]
name = "c_high"
kind = "bias"
place = "instrument"
points = ["FDR_C.HEAD.P"]
offset = 800.0
[[attack]]
name = "spoof"
kind = "topology"
place = "instrument"
statuses = { "FDR_C.CB_302.ST_52A" = 0 }
start_s = 0.3
duration_s = 30
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("attacks")
    for name, text in (("board", BOARD), ("wire", WIRE), ("instrument", INSTRUMENT)):
        (found / f"{name}.toml").write_text(text)
    shipped = (ROOT / "config" / "stations" / "iowa240.toml").read_text(encoding="utf-8")
    own = re.sub(r"(?m)^\[estimation\]\nenabled = true", "[estimation]\nenabled = false", shipped)
    (found / "iowa240.toml").write_text(own + '\n[attack]\nfile = "./board.toml"\n', encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def station(folder: Path) -> Iterator[Station]:
    with running(folder, str(folder / "iowa240.toml")) as live:
        yield live


def head_kw(port: int, feeder: str) -> float | None:
    """Return what a master sees of a feeder head; None for an answer that says there is nothing."""
    with Master(port) as master:
        answer = master.ask(HEAD[feeder], READ_P)
    return None if answer[0] & 0x80 else float(struct.unpack(">f", answer[2:])[0])


def opcua_kw(url: str, feeder: str) -> float:
    """Return what the estimator's reader sees of a feeder head."""

    async def read() -> float:
        reader = OpcuaReads(url, 2.0)
        await reader.connect()
        ((value, _),) = await reader.read_nodes([f"ns=2;s={feeder}.HEAD.P"])
        await reader.close()
        return value

    return asyncio.run(read())


def attack(folder: Path, name: str, *arguments: str) -> subprocess.Popen[str]:
    """Start the command as a user would."""
    command = ["attack", str(folder / f"{name}.toml"), "--station", str(folder / "iowa240.toml"), *arguments]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "hil", *command, "--report", str(folder / f"report_{name}")],
        cwd=ROOT,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def told(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    """Return the first line that matches."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if found := re.search(pattern, line):
            return found
    raise AssertionError("".join(seen))


def truth(folder: Path, name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / f"report_{name}" / "truth.json").read_text())
    return found


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"report_{name}" / "truth.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def until_truth_changes(folder: Path, name: str, attack_name: str) -> None:
    """Wait until the truth of two different steps is written: a busy machine may have left time for one."""
    deadline = time.monotonic() + 30.0
    while len({r["true_value"] for r in rows(folder, name) if r["attack"] == attack_name}) < 2:
        assert time.monotonic() < deadline, "the truth is written of one step only"
        time.sleep(0.1)


def figures(of: list[dict[str, str]]) -> list[tuple[float, float]]:
    """Return the true and the false values of rows."""
    return [(float(r["true_value"]), float(r["false_value"])) for r in of]


def test_a_proxy_shows_false_readings_and_passes_false_writes_while_the_server_tells_the_truth(
    station: Station, folder: Path
) -> None:
    process = attack(folder, "wire")
    try:
        port = int(told(process, r"Modbus: listening on 127\.0\.0\.1:(\d+)")[1])
        url = told(process, r"OPC UA: listening on (opc\.tcp://127\.0\.0\.1:\d+/gridhil)")[1]
        told(process, r"auto_off: SUB\.AVR_A\.AUTO = 0: done")
        true, false = head_kw(station.modbus_port, "FDR_B"), head_kw(port, "FDR_B")
        assert true is not None and false is not None
        assert false - true == pytest.approx(-700.0, abs=WANDERS_KW)
        assert head_kw(port, "FDR_C") == pytest.approx(head_kw(station.modbus_port, "FDR_C"), abs=WANDERS_KW)
        assert opcua_kw(url, "FDR_C") - opcua_kw(station.url, "FDR_C") == pytest.approx(
            -600.0, abs=WANDERS_KW
        )
        with Master(port) as master:
            write = struct.pack(">BHh", 6, 200, 3)
            assert master.ask(1, write) == write  # the master is told that 3 arrived
        with Master(station.modbus_port) as master:
            assert struct.unpack(">h", master.ask(1, struct.pack(">BHH", 3, 200, 1))[2:]) == (1,)
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
    assert process.returncode == 0, rest  # it had no end of its own
    assert "every point shows the truth" in rest
    notes = [n["what"] for n in truth(folder, "wire")["notes"]]  # type: ignore[attr-defined]
    assert any("SUB.AVR_A.AUTO = 0: done" in what for what in notes)
    assert any("0 frames not understood, 0 streams of another protocol" in what for what in notes)
    by = {
        name: [r for r in rows(folder, "wire") if r["attack"] == name] for name in ("b_low", "c_low", "taps")
    }
    ((true_kw, false_kw),) = figures(by["b_low"])  # what the one read of it by Modbus was told
    # a float32 of 1e3 is exact to 3e-5; the truth has the shortest decimal that it stands for
    assert false_kw == pytest.approx(false, abs=1e-3)
    assert false_kw - true_kw == pytest.approx(-700.0, abs=1e-3)
    assert figures(by["c_low"])[0][1] - figures(by["c_low"])[0][0] == pytest.approx(-600.0, abs=1e-9)
    assert figures(by["taps"]) == [(3.0, 1.0)]


def test_an_instrument_deceives_every_reader_until_it_is_cleared(station: Station, folder: Path) -> None:
    before = station.value("FDR_C.HEAD.P")
    process = attack(folder, "instrument")
    try:
        told(process, r"c_high: FDR_C\.HEAD\.P is falsified \(LAB\.ATK_1")
        told(process, r"spoof: FDR_C\.CB_302\.ST_52A is falsified")
        assert station.value("LAB.ATK_1.ACTIVE") == 1.0
        assert 0.0 < station.value("LAB.ATK_1.LEFT_S") <= HOLD_S  # it ends even if its command is killed
        assert station.value("FDR_C.HEAD.P") - before == pytest.approx(800.0, abs=WANDERS_KW)
        assert head_kw(station.modbus_port, "FDR_C") == pytest.approx(before + 800.0, abs=WANDERS_KW)
        assert station.value("LAB.ATK_1.TRUE_VALUE") == pytest.approx(before, abs=WANDERS_KW)
        assert station.value("FDR_C.CB_302.ST_52A") == 0.0
        assert station.value("FDR_C.CB_302.IA") > 1.0  # the breaker is closed all the same
        until_truth_changes(folder, "instrument", "c_high")
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
    assert process.returncode == 0, rest  # one of its attacks has no end of its own
    kept = figures([r for r in rows(folder, "instrument") if r["attack"] == "c_high"])
    np.testing.assert_allclose([f - t for t, f in kept], 800.0, atol=1e-6)  # of one step: not even ripple
    assert len({t for t, _ in kept}) > 1
    assert (station.value("LAB.ATK_1.ACTIVE"), station.value("LAB.ATK_2.ACTIVE")) == (0.0, 0.0)
    assert station.value("FDR_C.HEAD.P") == pytest.approx(before, abs=WANDERS_KW)
    assert station.value("FDR_C.CB_302.ST_52A") == 1.0


def test_masters_see_a_false_board_while_the_station_is_armed_and_records_do_not(
    station: Station, folder: Path
) -> None:
    honest = head_kw(station.modbus_port, "FDR_A")
    assert honest == pytest.approx(station.value("FDR_A.HEAD.P"), abs=WANDERS_KW)
    process = attack(folder, "board")
    try:
        told(process, r"armed: the attacks on the board begin")
        time.sleep(1.0)
        true, false = station.value("FDR_A.HEAD.P"), head_kw(station.modbus_port, "FDR_A")
        assert false is not None and false - true == pytest.approx(900.0, abs=WANDERS_KW)
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
    assert process.returncode == 0, rest
    assert station.value("LAB.ARM.ARMED") == 0.0
    assert head_kw(station.modbus_port, "FDR_A") == pytest.approx(true, abs=WANDERS_KW)
    (kept,) = (station.spec.state_dir / "attacks").glob("*-board/truth.json")
    *_, span = json.loads(kept.read_text())[
        "attacks"
    ]  # whoever arms the station, sets the board's attack going
    assert span["attack"] == "a_high" and span["last_s"] > span["first_s"]


def test_a_hop_costs_less_than_a_step_and_5_ms(station: Station) -> None:
    from hil import joined_board

    shown = joined_board.attach(station.spec, is_master=True)
    behind = []
    for _ in range(200):
        behind.append(station.board.published - shown.published)
        time.sleep(0.002)
    dt_ms = station.spec.core["dt_ns"] * 1e-6
    assert sorted(behind)[190] * dt_ms <= dt_ms + 5.0  # a busy machine may hold the hop up now and then


def test_when_the_hop_dies_masters_get_nothing_rather_than_something_old(station: Station) -> None:
    pid = station.pid("tamper")
    os.kill(pid, signal.SIGSTOP)  # as good as dead, and not yet restarted
    try:
        deadline = time.monotonic() + 1.5
        while head_kw(station.modbus_port, "FDR_A") is not None:
            assert time.monotonic() < deadline, "an old value as if it were new"
            time.sleep(0.05)
    finally:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 20.0
    while head_kw(station.modbus_port, "FDR_A") is None:
        assert time.monotonic() < deadline, station.output
        time.sleep(0.1)
    assert station.pid("tamper") != pid
