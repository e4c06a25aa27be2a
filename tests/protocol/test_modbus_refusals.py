"""Why a write was refused, read back over the wire on the connection of the write."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator

import pytest
from pymodbus.client import AsyncModbusTcpClient

from protocols.gateway import MODBUS_EXCEPTION
from rtcore.commands import Reason
from rtcore.points import Kind
from tests.support.modbus_rig import Master, Rig, adu, point, rig_points

BLOCK = bytes.fromhex("04 FFF0 0006")


@pytest.fixture
def rig() -> Iterator[Rig]:
    fault = point("FAULT.F1.APPLY", "2:co:30:bit", Kind.CONTROL, 0, 1, ("idle", "apply"), role="instructor")
    with Rig(points=[*rig_points(), fault]) as running:
        yield running


@pytest.fixture
def master(rig: Rig) -> Iterator[Master]:
    with rig.connect() as connected:
        yield connected


def why(master: Master, unit: int = 1) -> tuple[int, ...]:
    """Return (reason, function, address, unit, refusals)."""
    reply = master.ask(unit, BLOCK)
    assert reply[:2] == b"\x04\x0c"
    return struct.unpack(">HHHHI", reply[2:])


def test_verdicts_that_share_an_exception_code_are_told_apart(rig: Rig, master: Master) -> None:
    verdicts = [r for r, code in MODBUS_EXCEPTION.items() if code == 0x04]
    assert {Reason.TAGGED, Reason.LOCKED_OUT, Reason.IN_LOCAL, Reason.NOT_ARMED} <= set(verdicts)
    for n, reason in enumerate(verdicts, 1):
        rig.core.decide = lambda i, v, reason=reason: reason
        assert master.ask(2, "05 0003 FF00") == b"\x85\x04"
        assert why(master) == (int(reason), 5, 3, 2, n)
    rig.core.decide = lambda i, v: Reason.DONE
    assert master.ask(2, "05 0003 FF00")[0] == 5
    assert why(master) == (0, 5, 3, 2, len(verdicts))


def test_refusals_of_the_gateway_show_beside_those_of_the_plant(rig: Rig, master: Master) -> None:
    assert master.ask(2, "05 001E FF00") == b"\x85\x01"  # this machine is an operator, faults take more
    assert rig.audit.records[-1]["needs"] == "instructor"
    assert why(master) == (Reason.NO_AUTHORITY, 5, 30, 2, 1)
    assert master.ask(3, "06 0000 0001") == b"\x86\x01"
    assert why(master) == (Reason.NO_AUTHORITY, 6, 0, 3, 2)
    assert master.ask(1, struct.pack(">BHHBf", 16, 100, 2, 4, 1e9)) == b"\x90\x03"
    assert why(master) == (Reason.OUT_OF_RANGE, 16, 100, 1, 3)
    assert master.ask(1, struct.pack(">BHHBf", 16, 100, 2, 4, float("nan"))) == b"\x90\x03"
    assert why(master) == (Reason.NOT_A_NUMBER, 16, 100, 1, 4)
    assert master.ask(1, "06 0032 0001") == b"\x86\x02"
    assert why(master) == (Reason.UNKNOWN_POINT, 6, 50, 1, 5)
    assert master.ask(1, "06 006E 0001") == b"\x86\x02"
    assert why(master) == (Reason.NOT_WRITABLE, 6, 110, 1, 6)
    assert master.ask(9, "06 0014 0001") == b"\x86\x0b"
    assert why(master) == (Reason.UNKNOWN_POINT, 6, 20, 9, 7)


def test_another_connection_does_not_see_it(rig: Rig, master: Master) -> None:
    rig.core.decide = lambda i, v: Reason.TAGGED
    with rig.connect() as other:
        assert master.ask(2, "05 0003 FF00") == b"\x85\x04"
        assert why(other) == (0, 0, 0, 0, 0)
        rig.core.decide = lambda i, v: Reason.LOCKED_OUT
        assert other.ask(2, "05 0004 FF00") == b"\x85\x04"
        assert why(other) == (Reason.LOCKED_OUT, 5, 4, 2, 1)
    assert why(master) == (Reason.TAGGED, 5, 3, 2, 1)
    with rig.connect() as new:
        assert why(new) == (0, 0, 0, 0, 0)


def test_pipelined_read_waits_for_the_verdict_of_the_write_before_it(rig: Rig, master: Master) -> None:
    reasons = [Reason.TAGGED, Reason.DONE, Reason.LOCKED_OUT, Reason.NOT_READY, Reason.DONE]
    rig.core.decide = lambda i, v: reasons[int(v)]
    writes = [struct.pack(">BHH", 6, 20, k) for k in range(len(reasons))]
    pdus = [pdu for write in writes for pdu in (write, BLOCK)]
    master.send(b"".join(adu(1, pdu, k) for k, pdu in enumerate(pdus)))
    replies = [master.receive() for _ in pdus]
    assert [r[0] for r in replies] == list(range(len(pdus)))
    shown = [struct.unpack(">HHHHI", r[2][2:]) for r in replies[1::2]]
    assert [s[0] for s in shown] == reasons
    assert [s[4] for s in shown] == [1, 1, 2, 3, 3]


def test_group_shows_the_cause_and_a_masked_write_its_own_function(rig: Rig, master: Master) -> None:
    tagged = rig.gateway.index["SP.R7.V"]
    rig.core.decide = lambda i, v: Reason.TAGGED if i == tagged else Reason.DONE
    assert master.ask(1, "10 0006 0002 04 0001 0002") == b"\x90\x04"
    assert why(master) == (Reason.TAGGED, 16, 6, 1, 1)
    assert master.ask(1, "16 0007 FF00 00AA") == b"\x96\x04"
    assert why(master) == (Reason.TAGGED, 22, 7, 1, 2)
    assert master.ask(1, "17 0014 0001 0007 0001 02 0005") == b"\x97\x04"
    assert why(master) == (Reason.TAGGED, 23, 7, 1, 3)


def test_writing_0_to_a_control_was_carried_out(master: Master) -> None:
    assert master.ask(2, "05 0003 0000")[0] == 5
    assert why(master) == (0, 5, 3, 2, 0)


def test_block_is_served_while_the_plant_is_dead(rig: Rig, master: Master) -> None:
    rig.core.die()
    deadline = time.monotonic() + 5
    while master.ask(1, "03 0000 0001") != b"\x83\x0b" and time.monotonic() < deadline:
        time.sleep(0.01)
    for n, (unit, pdu) in enumerate([(1, "06 0014 0001"), (1, "16 0014 FF00 00AA"), (2, "05 0003 0000")], 1):
        assert master.ask(unit, pdu)[1] == 0x0B
        assert why(master)[::4] == (Reason.CORE_DEAD, n)


def test_unaudited_command_and_fault_inside_the_server_have_reasons(
    rig: Rig, master: Master, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.audit.is_broken = True
    assert master.ask(2, "05 0003 FF00") == b"\x85\x04"
    assert why(master)[0] == Reason.AUDIT_FAILED

    def broken(*_: object) -> None:
        raise RuntimeError("broken on purpose")

    for owner, name in ((rig.server.responder.live, "current"), (rig.server.responder, "reply")):
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, broken)
            assert master.ask(1, "06 0014 0001") == b"\x86\x04"
        assert why(master)[0] == Reason.NO_VERDICT
    assert why(master)[4] == 3


def test_write_to_a_silent_unit_does_not_leave_the_verdict_of_the_one_before() -> None:
    with Rig(unknown_unit="silence") as rig, rig.connect() as master:
        assert master.ask(1, "06 0014 0001")[0] == 6
        master.send(adu(9, bytes.fromhex("06 0014 0001")))
        assert why(master) == (Reason.UNKNOWN_POINT, 6, 20, 9, 1)


async def test_pymodbus_client_learns_the_reason(rig: Rig) -> None:
    rig.core.decide = lambda i, v: Reason.LOCKED_OUT
    async with AsyncModbusTcpClient("127.0.0.1", port=rig.port, timeout=3) as client:
        assert (await client.write_coil(3, True, device_id=2)).exception_code == 4
        found = await client.read_input_registers(65520, count=6, device_id=2)
        assert found.registers == [16, 5, 3, 2, 0, 1]
        assert (await client.read_input_registers(65520, count=1, device_id=101)).registers == [16]
        assert (await client.read_input_registers(65519, count=2, device_id=2)).exception_code == 2
        assert (await client.read_input_registers(65525, count=2, device_id=2)).exception_code == 2
