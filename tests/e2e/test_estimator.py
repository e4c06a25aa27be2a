"""The estimator of a running station: its points on both protocols, a false meter, its death, its return."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from asyncua import Client

from estimation.measurements import Kind
from estimation.outputs import State
from estimation.pseudo import Pseudo
from hil.load_history import history_of
from hil.paths import config_dir
from hil.station import read_plan
from hil.telemetry_files import telemetry_of
from rtcore.overruns import S_N_OVERRUN
from rtcore.quality import Quality
from tests.support.station import ROOT, Station, environment, running, say

J, SCANS = "SE.EST.J", "SE.EST.SCANS"
BAD_S = 3.0
"""Promised time from the estimator's death until its points are Bad: three periods, and 2 s at least."""
BACK_S = 30.0
"""It reads the station's files again; on a busy machine that has taken 10 s."""
LOST = int(Quality.BAD_NO_COMMUNICATION)
MOST = 120
"""Registers asked for at once; the protocol allows 125."""


HEAD_P = "FDR_B.HEAD.P"
NAMED_S = 2.0
"""Promised time from the first false value until its channel is named."""


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """The shipped station, with the section meters in its telemetry."""
    state = tmp_path_factory.mktemp("state")
    text = (config_dir() / "stations" / "iowa240.toml").read_text()
    assert 'telemetry = "realistic"' in text
    (state / "iowa240.toml").write_text(text.replace('telemetry = "realistic"', 'telemetry = "sections"'))
    with running(state, str(state / "iowa240.toml")) as live:
        wait(lambda: live.quality(J) == 0 and live.value(SCANS) >= 3, BACK_S)
        yield live


def wait(until: Callable[[], bool], timeout_s: float) -> float:
    """Return how long it took [s]."""
    started = time.monotonic()
    while not until():
        assert time.monotonic() < started + timeout_s
        time.sleep(0.02)
    return time.monotonic() - started


def by_modbus(station: Station, tag: str) -> tuple[float, int]:
    """Return value and quality word of the device, out of one answer."""
    unit, _, address, form = station.spec.points[station.index[tag]].wire["modbus"].split(":")
    (base,) = (s["address"] for s in station.spec.stamps if s["device"] == tag.rpartition(".")[0])
    count = int(address) + 2 - base
    with station.master() as m:
        reply = m.ask(int(unit), struct.pack(">BHH", 4, base, count))
    assert reply[0] == 4, reply.hex()
    (value,) = struct.unpack({"float32": ">f", "uint32": ">I"}[form], reply[-4:])
    return value, int.from_bytes(reply[12:14], "big")


async def by_opcua(station: Station, tag: str) -> tuple[float | None, str]:
    async with Client(station.url, timeout=10) as client:
        found = await client.get_node(f"ns=2;s={tag}").read_data_value(raise_on_bad_status=False)
    return found.Value.Value, found.StatusCode.name


@pytest.mark.timeout(700)  # the first start of a session compiles the kernels
def test_estimates_are_points_on_both_protocols(station: Station) -> None:
    assert by_modbus(station, "SE.EST.RATE_HZ")[0] == 2.0
    assert asyncio.run(by_opcua(station, "SE.EST.RATE_HZ")) == (2.0, "Good")
    assert by_modbus(station, J)[0] >= 0.0
    j, status = asyncio.run(by_opcua(station, J))
    assert status == "Good"
    assert j is not None
    assert j >= 0.0


def test_every_point_of_the_telemetry_set_arrives_by_modbus(station: Station) -> None:
    """Each channel takes part in the estimate, but for currents where a tie is open and can have none."""
    plan = read_plan(station.spec.core["station"])
    channels = telemetry_of(plan, "sections").channels
    open_ties = {f"switch.{s.name}" for s in plan.network.switches if not s.is_closed}
    idle = {c.measurement.name for c in channels if c.measurement.element in open_ties}
    assert len(idle) == 18  # three ties: three currents of the breaker and of its relay
    assert {c.measurement.kind for c in channels if c.measurement.name in idle} == {Kind.I_MAG}
    wait(lambda: len(not_used(station)) < len(channels), BACK_S)  # redundancies come after the first scan
    assert not_used(station) == idle
    pseudo = Pseudo(plan.network, history_of(plan)).measurements
    used, _ = by_modbus(station, "SE.EST.N_MEASUREMENTS")
    assert used == len(channels) - len(idle) + len(pseudo)


def not_used(station: Station) -> set[str]:
    """Return the channels whose residual says over Modbus that they are not used."""
    wires = {
        p.source.partition(".")[2]: p.wire["modbus"].split(":")
        for p in station.spec.points
        if p.template == "residual" and p.attr == "state"
    }
    at = {name: int(address) for name, (_, _, address, _) in wires.items()}
    (unit,) = {int(unit) for unit, _, _, _ in wires.values()}
    first, words = min(at.values()), list[int]()
    with station.master() as m:
        for address in range(first, max(at.values()) + 2, MOST):
            count = min(MOST, max(at.values()) + 2 - address)
            reply = m.ask(unit, struct.pack(">BHH", 4, address, count))
            assert reply[0] == 4, reply.hex()
            words += struct.unpack(f">{count}H", reply[2:])
    state = {name: words[k - first] << 16 | words[k - first + 1] for name, k in at.items()}
    return {name for name, value in state.items() if value == State.NOT_USED}


def test_its_points_take_no_commands(station: Station) -> None:
    with station.master() as m:
        assert m.ask(6, b"\x06" + struct.pack(">HH", 106, 1)) == bytes((0x86, 0x02))
    assert not any(p.is_writable for p in station.spec.points[station.spec.n_core :])


@pytest.mark.timeout(120)
def test_an_error_of_20_sigma_at_a_feeder_head_is_named_on_opc_ua_within_2_s(station: Station) -> None:
    """The transducer's class is 0.5 %: a third of it of the reading, and a little noise, is its sigma."""
    number = 1 + residuals(station).index(f"SE.R_{HEAD_P.replace('.', '_')}")
    offset_kw = 20.0 * (0.005 / 3.0 * abs(station.value(HEAD_P)) + 1.0)
    file = station.state / "false_head.toml"
    file.write_text(
        "[attacks]\nname = 'false_head'\nstation = 'iowa240'\n[[attack]]\nname = 'p'\nkind = 'bias'\n"
        f"place = 'instrument'\npoints = ['{HEAD_P}']\nduration_s = 12\noffset = {offset_kw:.1f}\n"
    )
    with attacked(station, str(file)):
        false_s = wait(lambda: station.value("LAB.ATK_1.ACTIVE") == 1.0, 30.0)
        assert false_s < 30.0
        named_s = wait(lambda: named(station) == number, 10.0)
    say(f"named {named_s:.2f} s after the first false value, {offset_kw:.1f} kW")
    assert named_s <= NAMED_S
    wait(lambda: named(station) == 0, 30.0)


def residuals(station: Station) -> list[str]:
    devices = [p.device for p in station.spec.points if p.template == "residual"]
    return list(dict.fromkeys(devices))


def named(station: Station) -> int:
    """Number of the channel that is suspected most, over OPC UA."""
    value, status = asyncio.run(by_opcua(station, "SE.EST.SUSPECT_1"))
    return int(value) if value is not None and status == "Good" else -1


@contextlib.contextmanager
def attacked(station: Station, file: str) -> Iterator[None]:
    """``gridhil attack`` beside the test, in a process of its own."""
    words = [
        sys.executable,
        "-P",
        "-m",
        "hil",
        "attack",
        file,
        "--station",
        str(station.state / "iowa240.toml"),
    ]
    process = subprocess.Popen(words, cwd=ROOT, env=environment(station.state))
    try:
        yield
    finally:
        assert process.wait(60.0) == 0


@pytest.mark.timeout(200)
def test_when_it_dies_its_points_are_bad_and_come_back_and_the_loop_goes_on(station: Station) -> None:
    pid, last, step = station.pid("estimator"), station.value(J), station.board.published
    overruns = int(station.board.stats[S_N_OVERRUN])
    os.kill(pid, signal.SIGSTOP)  # so that the supervisor does not have it back before anybody looks
    started = time.monotonic()
    wait(lambda: station.quality(J) == LOST, BAD_S)
    bad_s = time.monotonic() - started
    assert by_modbus(station, J)[1] & 0x0101 == 0x0101  # invalid, communication lost
    wait(lambda: asyncio.run(by_opcua(station, J))[1] == "BadNoCommunication", BAD_S)
    aged_s = station.value("SE.EST.AGE_S")
    os.kill(pid, signal.SIGKILL)
    back_s = wait(lambda: station.quality(J) == 0, BACK_S)
    assert station.pid("estimator") != pid
    assert aged_s >= bad_s - 1.0  # a scan is up to 0.5 s old when it is stopped, and the scan before as good
    took_s = time.monotonic() - started
    steps = station.board.published - step
    assert (
        steps * station.spec.core["dt_ns"] * 1e-9 >= took_s - 0.5
    )  # catches up within 64 ms unless it slips
    assert last >= 0.0
    overruns = int(station.board.stats[S_N_OVERRUN]) - overruns
    say(f"Bad after {bad_s:.2f} s, back {back_s:.2f} s after its death, {overruns} overruns meanwhile")
