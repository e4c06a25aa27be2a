"""Why a write was refused: read back on the connection of the write, and a line in the audit journal."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Iterator
from typing import Any

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
        assert [r["result"] for r in rig.audit.records] == ["CORE_DEAD"] * n


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
        assert [r.get("unit") for r in rig.audit.records if r["event"] == "refused"] == [9]


NO_COMMANDS = {
    "unknown register": (1, "06 0032 0001", "UNKNOWN_POINT", "1:hr:50 FC6", 50),
    "unknown unit": (9, "06 0014 0001", "UNKNOWN_POINT", "9:hr:20 FC6", 20),
    "unknown unit and a broken request": (9, "10 0014", "UNKNOWN_POINT", "9:hr:20 FC16", 20),
    "group with a gap": (2, "0F 0006 0004 01 0F", "UNKNOWN_POINT", "2:co:6+4 FC15", 6),
    "status among the coils": (2, "05 0015 FF00", "NOT_WRITABLE", "2:co:21 FC5", 21),
    "measurement": (1, "06 006E 0001", "NOT_WRITABLE", "1:hr:110 FC6", 110),
    "half a float": (1, "06 0064 42F6", "WRONG_TYPE", "1:hr:100 FC6", 100),
    "one and a half floats": (1, "10 0064 0003 06 0000 0000 0000", "WRONG_TYPE", "1:hr:100+3 FC16", 100),
    "mask of a float": (1, "16 0064 FF00 00AA", "WRONG_TYPE", "1:hr:100 FC22", 100),
    "wrong coil value": (2, "05 0003 1234", "WRONG_TYPE", "2:co:3 FC5", 3),
    "wrong byte count": (1, "10 0014 0002 06 0001 0002", "WRONG_TYPE", "1:hr:20+2 FC16", 20),
    "wrong count": (1, "10 0014 0000 00", "WRONG_TYPE", "1:hr:20 FC16", 20),
    "wrong length": (1, "06 0014", "WRONG_TYPE", "1:hr:20 FC6", 20),
    "function code and nothing more": (2, "05", "WRONG_TYPE", "2:co FC5", None),
    "read back where nothing is": (1, "17 07CF 0002 0014 0001 02 7777", "UNKNOWN_POINT", "1:hr:20 FC23", 20),
}


@pytest.mark.parametrize(("unit", "pdu", "result", "via", "address"), NO_COMMANDS.values(), ids=NO_COMMANDS)
def test_write_that_is_no_command_is_one_line_in_the_journal(
    rig: Rig, master: Master, unit: int, pdu: str, result: str, via: str, address: int | None
) -> None:
    assert master.ask(unit, pdu)[0] == int(pdu[:2], 16) | 0x80
    (record,) = rig.audit.records
    peer = "{}:{}".format(*master.socket.getsockname()[:2])
    assert record == {
        "event": "refused",
        "protocol": "modbus",
        "peer": peer,
        "user": "",
        "role": "operator",
        "via": via,
        "writes": [],
        "result": result,
        "step": record["step"],
        "function": int(pdu[:2], 16),
        "unit": unit,
        "address": address,
    }
    assert (rig.desk.n_refused, rig.desk.n_done) == (1, 0)
    assert why(master)[::4] == (Reason[result], 1)
    assert (rig.core.pulses, len(rig.audit.records)) == ([], 1)


@pytest.mark.parametrize(
    ("unit", "pdu"), [(1, "04 0FA0 0001"), (1, "03 0000 0000"), (9, "03 0000 0001"), (1, "07"), (9, "07")]
)
def test_refused_request_that_is_no_write_leaves_no_line(
    rig: Rig, master: Master, unit: int, pdu: str
) -> None:
    assert master.ask(unit, pdu)[0] == int(pdu[:2], 16) | 0x80
    assert (rig.audit.records, rig.desk.n_refused) == ([], 0)


def test_fault_inside_the_server_while_a_write_is_parsed_is_in_the_journal(
    rig: Rig, master: Master, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(rig.server.responder, "reply", broken)
    assert master.ask(1, "06 0014 0001") == b"\x86\x04"
    assert [(r["event"], r["result"], r["address"]) for r in rig.audit.records] == [
        ("refused", "NO_VERDICT", 20)
    ]


def test_lines_stand_in_the_order_of_the_requests(rig: Rig, master: Master) -> None:
    pdus = ["06 0014 0001", "06 0032 0001", "06 0015 0001", "05 0003 1234", "06 0016 0001"]
    master.send(b"".join(adu(1, bytes.fromhex(pdu), k) for k, pdu in enumerate(pdus)))
    assert [master.receive()[0] for _ in pdus] == list(range(len(pdus)))
    shown = [(r["event"], r["via"]) for r in rig.audit.records if r["event"] != "command"]
    assert shown == [
        ("verdict", "1:hr:20 FC6"),
        ("refused", "1:hr:50 FC6"),
        ("verdict", "1:hr:21 FC6"),
        ("refused", "1:co:3 FC5"),
        ("verdict", "1:hr:22 FC6"),
    ]


def test_refused_write_is_refused_although_its_line_cannot_be_written(rig: Rig, master: Master) -> None:
    rig.audit.is_broken = True
    assert master.ask(1, "06 0032 0001") == b"\x86\x02"
    assert why(master) == (Reason.UNKNOWN_POINT, 6, 50, 1, 1)
    assert rig.desk.n_refused == 1


def test_flood_of_malformed_writes_waits_for_the_journal_and_the_others_do_not(
    rig: Rig, master: Master, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_writes, kept, is_open = 200, rig.audit.append, asyncio.Event()
    begun: list[dict[str, Any]] = []

    async def slow(record: dict[str, Any]) -> None:
        begun.append(record)
        await is_open.wait()
        await kept(record)

    monkeypatch.setattr(rig.audit, "append", slow)
    master.send(b"".join(adu(1, bytes.fromhex("10 0014 0002 06 0001 0002"), k) for k in range(n_writes)))
    with rig.connect() as other:
        for k in range(50):
            assert other.ask(1, "03 0000 0001", k)[:2] == b"\x03\x02"
        assert (len(begun), rig.audit.records) == (1, [])  # the other 199 are still in the connection
        rig.loop.call_soon_threadsafe(is_open.set)
        for k in range(50):
            assert other.ask(1, "03 0000 0001", k)[:2] == b"\x03\x02"
        assert [master.receive()[0] for _ in range(n_writes)] == list(range(n_writes))
    assert [r["result"] for r in rig.audit.records] == ["WRONG_TYPE"] * n_writes
    assert why(master) == (Reason.WRONG_TYPE, 16, 20, 1, n_writes)
    assert rig.desk.n_refused == n_writes


async def test_pymodbus_client_learns_the_reason(rig: Rig) -> None:
    rig.core.decide = lambda i, v: Reason.LOCKED_OUT
    async with AsyncModbusTcpClient("127.0.0.1", port=rig.port, timeout=3) as client:
        assert (await client.write_coil(3, True, device_id=2)).exception_code == 4
        found = await client.read_input_registers(65520, count=6, device_id=2)
        assert found.registers == [16, 5, 3, 2, 0, 1]
        assert (await client.read_input_registers(65520, count=1, device_id=101)).registers == [16]
        assert (await client.read_input_registers(65519, count=2, device_id=2)).exception_code == 2
        assert (await client.read_input_registers(65525, count=2, device_id=2)).exception_code == 2
