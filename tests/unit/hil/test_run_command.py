"""What ``gridhil run`` makes of a station file and a command line before it starts anything."""

from __future__ import annotations

import dataclasses as dc
import os
import socket
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest

from hil import run_command as rc
from hil.point_files import PointSet
from hil.settings import Station, read_station
from hil.settings_sections import ModbusWriter
from hil.station import Plan
from protocols.accounts import Account
from rtcore.board import CTL_BEAT_NS, Board, board_bytes
from rtcore.errors import HostError, UserInputError

IOWA = read_station("iowa240")


def at_speed(speed: float | str) -> Station:
    return dc.replace(IOWA, time=IOWA.time.model_copy(update={"speed": speed}))


def plan(station: Station = IOWA) -> Plan:
    """A plan of which only the station is looked at."""
    return Plan(station, None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("duration_s", "speed", "dt_ns", "steps"),
    [
        (2.0, 1.0, 1_000_000, 2000),
        (2.0, 10.0, 10_000_000, 2000),
        (10.0, "max", 100_000_000, 100),  # simulated seconds
        (0.1, 0.001, 100_000_000, 1),
    ],
)
def test_a_duration_is_a_number_of_steps(
    duration_s: float, speed: float | str, dt_ns: int, steps: int
) -> None:
    assert rc.step_count(duration_s, at_speed(speed), dt_ns) == steps


def test_the_spec_carries_steps_and_the_simulated_time_they_cover(tmp_path: Path) -> None:
    made = Plan(IOWA, None, PointSet([], [], {}))  # type: ignore[arg-type]
    core = rc.make_spec(made, tmp_path, 100_000_000, False, 7).core
    assert (core["n_steps"], core["duration_s"]) == (7, pytest.approx(0.7))
    core = rc.make_spec(made, tmp_path, 100_000_000, False, None).core
    assert (core["n_steps"], core["duration_s"]) == (-1, None)


def test_the_core_is_watched_by_the_heartbeat_on_its_board(tmp_path: Path) -> None:
    made = Plan(IOWA, None, PointSet([], [], {}))  # type: ignore[arg-type]
    spec = rc.make_spec(made, tmp_path, 1_000_000, False, None)
    core = rc.process_list(spec, tmp_path / "spec.json", IOWA)[0]
    memory = bytearray(board_bytes(3))
    Board(memory, 3).ctl[CTL_BEAT_NS] = 0x1234_5678_9ABC
    assert core.beat_at is not None
    assert int.from_bytes(memory[core.beat_at : core.beat_at + 8], sys.byteorder) == 0x1234_5678_9ABC
    assert (core.silent_s, core.hang_s) == (1.0, 10.0)
    slow = dc.replace(spec, core=spec.core | {"period_ns": 20_000_000_000})
    core = rc.process_list(slow, tmp_path / "spec.json", IOWA)[0]
    assert core.silent_s == core.hang_s == 60.0  # three periods of 20 s


def test_one_port_for_both_servers_is_refused_as_in_the_file() -> None:
    with pytest.raises(UserInputError) as caught:
        rc.override(plan(), rc.RunOptions(modbus_port=5121, opcua_port=5121))
    (problem,) = caught.value.problems
    assert problem.place == "opcua.port"
    assert "port 5121 is modbus.port, too" in problem.what
    assert "the command line" in problem.file


def test_free_ports_for_both_are_two() -> None:
    changed = rc.with_ports(rc.override(plan(), rc.RunOptions(modbus_port=0, opcua_port=0))).station
    assert changed.modbus.port != changed.opcua.port
    assert 0 not in (changed.modbus.port, changed.opcua.port)


def test_two_taken_ports_are_both_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as a, socket.create_server(("127.0.0.1", 0)) as b:
        taken = [s.getsockname()[1] for s in (a, b)]
        made = rc.override(plan(), rc.RunOptions(modbus_port=taken[0], opcua_port=taken[1]))
        with pytest.raises(HostError) as caught:
            rc.with_ports(made)
    first, second = str(caught.value).splitlines()
    assert first.startswith(f"Modbus TCP: cannot listen on 127.0.0.1:{taken[0]}: ")
    assert second.startswith(f"OPC UA: cannot listen on 127.0.0.1:{taken[1]}: ")


def test_a_processor_that_may_not_be_used_is_refused() -> None:
    allowed = sorted(os.sched_getaffinity(0))
    for cpu in ("auto", allowed[0]):
        rc.check_cpu(dc.replace(IOWA, loop=IOWA.loop.model_copy(update={"cpu": cpu})))
    with pytest.raises(HostError, match=r"loop\.cpu: this process may not use CPU 4095; it may use "):
        rc.check_cpu(dc.replace(IOWA, loop=IOWA.loop.model_copy(update={"cpu": 4095})))


def test_writers_networks_that_no_user_has_a_role_for_are_named() -> None:
    writers = tuple(
        ModbusWriter(network=network, units=(1,))
        for network in ("127.0.0.0/8", "192.168.7.0/24", "10.1.0.0/16", "fd00::/8")
    )
    station = dc.replace(IOWA, modbus=IOWA.modbus.model_copy(update={"writers": writers}))
    users = [
        Account("operator", "hash", (ip_network("192.168.7.16/28"),)),
        Account("observer", "hash", (ip_network("10.1.0.0/16"),)),
    ]
    first, second = rc.unreached(station, users)
    assert first == (
        "Modbus masters in 10.1.0.0/16 may only read: no user has them "
        "(gridhil user add NAME --role operator --modbus 10.1.0.0/16)"
    )
    assert "fd00::/8" in second
    silent = dc.replace(station, modbus=station.modbus.model_copy(update={"enabled": False}))
    assert rc.unreached(silent, users) == rc.unreached(IOWA, []) == []
