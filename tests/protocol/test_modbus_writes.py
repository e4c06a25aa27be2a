"""Writes over the wire: authority, limits, refusals, atomic groups, a dead core."""

from __future__ import annotations

import dataclasses as dc
import math
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from rtcore.commands import Reason
from rtcore.points import Kind
from tests.support.modbus_rig import UNITS, Master, Rig, adu, point, rig_points
from tests.support.python_core import PythonCore

READ = bytes.fromhex("03 0000 0001")


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Rig() as running:
        yield running


@pytest.fixture
def master(rig: Rig) -> Iterator[Master]:
    with rig.connect() as connected:
        yield connected


def write_float(address: int, value: float) -> bytes:
    return struct.pack(">BHHBf", 16, address, 2, 4, value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 100.1, -1e30])
def test_float_that_is_not_allowed_is_refused_with_03_and_changes_nothing(
    rig: Rig, master: Master, value: float
) -> None:
    assert master.ask(1, write_float(100, 12.5))[0] == 16
    assert master.ask(1, write_float(100, value)) == b"\x90\x03"
    assert master.ask(1, "03 0064 0002") == b"\x03\x04" + struct.pack(">f", 12.5)
    refused = rig.audit.records[-1]
    assert (refused["event"], refused["result"]) == (
        "refused",
        "OUT_OF_RANGE" if math.isfinite(value) else "NOT_A_NUMBER",
    )


def test_printed_limit_of_a_setpoint_can_be_written(master: Master) -> None:
    # 3 tenths are 0.3, although 3 * 0.1 is a little more than 0.3 in binary.
    assert master.ask(1, struct.pack(">BHh", 6, 104, 3))[0] == 6
    assert master.ask(1, struct.pack(">BHh", 6, 104, 4)) == b"\x86\x03"
    assert master.ask(1, struct.pack(">BHh", 6, 104, -50))[0] == 6
    assert master.ask(1, "03 0068 0001") == b"\x03\x02" + struct.pack(">h", -50)


def test_word_order_holds_for_writes_too(rig: Rig, master: Master) -> None:
    raw = struct.pack("<f", 42.25)  # DCBA
    assert master.ask(1, struct.pack(">BHHB", 16, 102, 2, 4) + raw)[0] == 16
    assert rig.core.setpoints[rig.gateway.index["SP.F2.V"]] == 42.25
    assert master.ask(1, "03 0066 0002") == b"\x03\x04" + raw


def test_group_is_refused_as_a_whole_when_one_value_is_out_of_range(rig: Rig, master: Master) -> None:
    master.ask(1, "10 0064 0005 0A 41200000 00000000 0001")
    before = master.ask(1, "03 0064 0005")
    assert master.ask(1, "10 0064 0005 0A 42C80001 00000000 0002") == b"\x90\x03"
    assert master.ask(1, "03 0064 0005") == before


def test_group_that_the_plant_refuses_gets_the_code_of_the_cause(rig: Rig, master: Master) -> None:
    local = rig.gateway.index["SP.R7.V"]
    rig.core.decide = lambda i, v: Reason.IN_LOCAL if i == local else Reason.DONE
    assert master.ask(1, "10 0006 0002 04 0001 0002") == b"\x90\x04"
    assert master.ask(1, "03 0006 0002") == bytes.fromhex("03 04 0000 0000")


def test_group_above_the_limit_of_the_core_is_refused() -> None:
    points = [point(f"S.R{a}.V", f"1:hr:{a}:uint16", Kind.SETPOINT, 0, 65535) for a in range(123)]
    with Rig(points=points, stamps=[]) as rig, rig.connect() as master:
        assert master.ask(1, b"\x10\x00\x00\x00\x40\x80" + bytes(128))[0] == 16
        assert master.ask(1, b"\x10\x00\x00\x00\x41\x82" + bytes(130)) == b"\x90\x03"


def test_trip_and_close_of_one_breaker_in_one_request_are_refused_and_move_nothing() -> None:
    pair = [
        dc.replace(
            point(f"CB.A.{a.upper()}", f"1:co:{k}:bit", Kind.CONTROL, 0, 1), source="breaker.a", attr=a
        )
        for k, a in enumerate(("trip", "close"))
    ]
    with Rig(points=pair, stamps=[]) as rig, rig.connect() as master:
        assert master.ask(1, "0F 0000 0002 01 03") == b"\x8f\x03"
        assert rig.core.pulses == []
        assert rig.audit.records[-1]["result"] == "GROUP_REFUSED"
        assert master.ask(1, "0F 0000 0002 01 01")[0] == 15  # CLOSE written 0 asks for nothing
        assert len(rig.core.pulses) == 1


@pytest.mark.parametrize(
    ("reason", "code"),
    [(Reason.IN_LOCAL, 4), (Reason.OUT_OF_RANGE, 3), (Reason.EXPIRED, 4), (Reason.BUSY, 6)],
)
def test_refusal_of_the_plant_is_answered_with_its_code(
    rig: Rig, master: Master, reason: Reason, code: int
) -> None:
    rig.core.decide = lambda i, v: reason
    assert master.ask(2, "05 0003 FF00") == bytes((0x85, code))
    assert rig.core.pulses == []


def test_command_is_not_sent_when_it_cannot_be_audited(rig: Rig, master: Master) -> None:
    rig.audit.is_broken = True
    assert master.ask(2, "05 0003 FF00") == b"\x85\x04"
    assert rig.core.pulses == []


def test_mirror_unit_reads_the_same_and_refuses_writes_with_01(rig: Rig, master: Master) -> None:
    master.ask(1, "06 0014 4711")
    assert master.ask(101, "03 0014 0001") == bytes.fromhex("03 02 4711")
    assert master.ask(101, "06 0014 0000") == b"\x86\x01"
    assert master.ask(1, "03 0014 0001") == bytes.fromhex("03 02 4711")
    refused = rig.audit.records[-1]
    assert (refused["result"], refused["via"]) == ("NO_AUTHORITY", "101:hr:20 FC6")
    assert refused["peer"].startswith("127.0.0.1:")


def test_read_only_unit_refuses_writes_with_01(master: Master) -> None:
    assert master.ask(3, "06 0000 0001") == b"\x86\x01"


def test_peer_outside_the_writers_networks_reads_but_may_not_write() -> None:
    writers = [{"network": "10.0.0.0/8", "units": [1, 2]}]
    with Rig(writers=writers) as rig, rig.connect() as master:
        assert len(master.ask(1, READ)) == 4
        assert master.ask(1, "06 0014 0001") == b"\x86\x01"
        assert master.ask(2, "05 0003 FF00") == b"\x85\x01"
        assert master.ask(2, "05 0003 0000") == b"\x85\x01"  # nor a 0 that does nothing
        assert rig.core.pulses == []
        assert [r["result"] for r in rig.audit.records] == ["NO_AUTHORITY"] * 3


def test_writer_of_one_unit_may_not_write_another() -> None:
    with Rig(writers=[{"network": "127.0.0.0/8", "units": [1]}]) as rig, rig.connect() as master:
        assert master.ask(1, "06 0014 0001")[0] == 6
        assert master.ask(0, "06 0014 0001")[0] == 6  # unit 0 is unit 1 here
        assert master.ask(2, "05 0003 FF00") == b"\x85\x01"


def test_value_is_judged_before_authority() -> None:
    with Rig(writers=[]) as rig, rig.connect() as master:
        assert master.ask(1, write_float(100, 1e9)) == b"\x90\x03"


def test_every_command_is_audited_with_its_peer(rig: Rig, master: Master) -> None:
    master.ask(2, "05 0003 FF00")
    command, verdict = rig.audit.records
    assert (command["event"], verdict["event"], verdict["result"]) == ("command", "verdict", "DONE")
    assert command["peer"] == "{}:{}".format(*master.socket.getsockname())
    assert (command["via"], command["writes"]) == ("2:co:3 FC5", [["CB3.T.TRIP", 1.0]])


def test_dead_core_answers_0b_to_every_read_and_write_within_500_ms(rig: Rig, master: Master) -> None:
    assert len(master.ask(1, READ)) == 4
    rig.core.die()
    died = time.monotonic()
    while master.ask(1, READ) != b"\x83\x0b":
        assert time.monotonic() - died < 0.5  # the promise
    for pdu in ("01 0000 0001", "02 0000 0001"):
        assert master.ask(2, pdu)[1] == 0x0B
    for pdu in ("04 03E8 0002", "06 0014 0001", "10 0014 0001 02 0001", "16 0014 FF00 00AA"):
        assert master.ask(1, pdu)[1] == 0x0B
    assert master.ask(1, "17 0014 0001 0014 0001 02 0001") == b"\x97\x0b"
    assert master.ask(2, "05 0003 FF00") == b"\x85\x0b"
    assert master.ask(2, "05 0003 0000") == b"\x85\x0b"
    assert master.ask(1, "2B 0E 04 00")[0] == 0x2B  # who we are does not depend on the core


def test_core_that_dies_with_a_command_on_its_way_leaves_no_false_success(
    rig: Rig, master: Master, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It takes the command, and ends before it answers.
    monkeypatch.setattr(rig.core, "_answer", lambda *_: rig.core._stop.set())
    reply = master.ask(2, "05 0003 FF00")
    assert reply == b"\x85\x04"  # NO_VERDICT: it may or may not have been applied
    assert rig.audit.records[-1]["result"] == "NO_VERDICT"


def test_server_before_the_first_step_answers_0b() -> None:
    class Silent(PythonCore):
        def __enter__(self) -> PythonCore:
            return self

    with Rig(core=Silent(rig_points())) as rig, rig.connect() as master:
        assert master.ask(1, READ) == b"\x83\x0b"


def test_masked_writes_of_many_masters_lose_no_bit(rig: Rig) -> None:
    def set_bit(k: int) -> None:
        with rig.connect() as m:
            or_mask = 1 << k
            m.ask(1, struct.pack(">BHHH", 22, 20, 0xFFFF ^ or_mask, or_mask))

    threads = [threading.Thread(target=set_bit, args=(k,)) for k in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    with rig.connect() as master:
        assert master.ask(1, "03 0014 0001") == bytes.fromhex("03 02 FFFF")


def test_master_that_hangs_up_has_its_command_seen_through(rig: Rig) -> None:
    release = threading.Event()
    rig.core.decide = lambda i, v: Reason.DONE if release.wait(0.03) or True else Reason.BUSY
    with rig.connect() as master:
        master.send(adu(2, bytes.fromhex("05 0003 FF00")))
        time.sleep(0.01)
    deadline = time.monotonic() + 3
    while len(rig.audit.records) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [r["event"] for r in rig.audit.records] == ["command", "verdict"]
    assert rig.core.pulses == [("CB3.T.TRIP", 1.0)]


def test_fault_inside_the_server_is_answered_04_and_counted(
    rig: Rig, master: Master, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("broken on purpose")

    with monkeypatch.context() as patched:
        patched.setattr(rig.server.responder.live, "current", broken)
        for _ in range(50):
            assert master.ask(1, READ) == b"\x83\x04"
        assert master.ask(1, "06 0014 0001") == b"\x86\x04"
    assert rig.server.n_errors == 51
    assert len([r for r in caplog.records if r.name == "protocols.modbus_server"]) == 1
    assert len(master.ask(1, READ)) == 4


def test_units_of_the_rig_are_what_these_tests_assume() -> None:
    assert [u["unit"] for u in UNITS if u.get("read_only")] == [3, 101]
