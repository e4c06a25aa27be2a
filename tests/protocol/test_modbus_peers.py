"""Masters that nobody here wrote: mbpoll, npm modbus-serial, libmodbus and pymodbus."""

from __future__ import annotations

import asyncio
import ctypes
import ctypes.util
import json
import subprocess
from collections.abc import Iterator

import pytest
from pymodbus.client import AsyncModbusTcpClient

from tests.support import peers
from tests.support.modbus_rig import Rig

LIBMODBUS_EXCEPTION_BASE = 112345678  # errno of libmodbus = this + the exception code


@pytest.fixture
def rig() -> Iterator[Rig]:
    with Rig() as running:
        yield running


def mbpoll(rig: Rig, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = peers.require("mbpoll")
    return subprocess.run(
        [program, "-m", "tcp", "-p", str(rig.port), "-0", *arguments],
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )


def test_mbpoll_reads_the_self_test_float_high_word_first(rig: Rig) -> None:
    done = mbpoll(rig, "-a", "1", "-t", "3:float", "-B", "-r", "90", "-c", "1", "-1", "127.0.0.1")
    assert done.returncode == 0, done.stderr
    assert "[90]: \t123456" in done.stdout


def test_mbpoll_writes_and_reads_back(rig: Rig) -> None:
    assert mbpoll(rig, "-a", "1", "-r", "5", "-t", "4", "127.0.0.1", "123").returncode == 0
    done = mbpoll(rig, "-a", "1", "-r", "5", "-c", "3", "-t", "4", "-1", "127.0.0.1")
    assert "[5]: \t123" in done.stdout


def test_mbpoll_trips_a_breaker_by_its_coil(rig: Rig) -> None:
    assert mbpoll(rig, "-a", "2", "-r", "3", "-t", "0", "127.0.0.1", "1").returncode == 0
    assert rig.core.pulses == [("CB3.T.TRIP", 1.0)]


def test_mbpoll_reports_a_refused_write(rig: Rig) -> None:
    done = mbpoll(rig, "-a", "101", "-r", "5", "-t", "4", "127.0.0.1", "123")
    assert "Illegal function" in done.stdout + done.stderr
    assert all(v == 0.0 for v in rig.core.setpoints.values())


def test_npm_modbus_serial_reads_commands_and_is_refused(rig: Rig) -> None:
    done = peers.run_node("modbus_session.js", str(rig.port), package="modbus-serial")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "selfTest": 123456,
        "whole": 125,
        "parallel": [4711, 1, 2, 3],
        "vendor": "gridhil",
        "pastTheEnd": 2,
        "outOfRange": 3,
        "coils": [False] * 8,
        "mirrorWrite": 1,
        "unknownUnit": 11,
    }
    assert [tag for tag, _ in rig.core.pulses] == ["CB3.T.TRIP", "CB0.T.TRIP", "CB2.T.TRIP"]


def test_libmodbus_reads_125_registers_and_sees_exception_codes(rig: Rig) -> None:
    name = ctypes.util.find_library("modbus")
    if name is None:
        peers.missing("libmodbus is not installed")
    m = ctypes.CDLL(name, use_errno=True)
    m.modbus_new_tcp.restype = ctypes.c_void_p
    context = ctypes.c_void_p(m.modbus_new_tcp(b"127.0.0.1", rig.port))
    try:
        assert m.modbus_connect(context) == 0
        m.modbus_set_slave(context, 1)
        registers = (ctypes.c_uint16 * 125)()
        assert m.modbus_read_registers(context, 0, 125, registers) == 125
        assert m.modbus_read_registers(context, 1999, 5, registers) == -1
        assert ctypes.get_errno() - LIBMODBUS_EXCEPTION_BASE == 2
        assert m.modbus_write_register(context, 20, 4711) == 1
        assert m.modbus_mask_write_register(context, 20, 0xFF00, 0x00AA) == 1
        registers[0], registers[1] = 7, 8
        read = (ctypes.c_uint16 * 2)()
        assert m.modbus_write_and_read_registers(context, 21, 2, registers, 21, 2, read) == 2
        assert list(read) == [7, 8]
    finally:
        m.modbus_close(context)
        m.modbus_free(context)


async def test_pymodbus_client_reads_and_writes_in_every_function(rig: Rig) -> None:
    async with AsyncModbusTcpClient("127.0.0.1", port=rig.port, timeout=3) as client:
        found = await client.read_input_registers(90, count=4, device_id=1)
        assert client.convert_from_registers(found.registers[:2], client.DATATYPE.FLOAT32) == 123456.0
        assert client.convert_from_registers(found.registers[2:], client.DATATYPE.INT32) == 0x01020304
        assert not (await client.write_register(20, 0x1234, device_id=1)).isError()
        masked = await client.mask_write_register(address=20, and_mask=0xFF00, or_mask=0x00AA, device_id=1)
        assert not masked.isError()
        assert (await client.read_holding_registers(20, count=1, device_id=1)).registers == [0x12AA]
        both = await client.readwrite_registers(
            read_address=20, read_count=2, write_address=21, values=[9], device_id=1
        )
        assert both.registers == [0x12AA, 9]
        assert not (await client.write_coil(3, True, device_id=2)).isError()
        assert not (await client.write_coils(0, [True, False, True], device_id=2)).isError()
        assert (await client.read_coils(0, count=8, device_id=2)).bits == [False] * 8
        assert (await client.write_register(50, 1, device_id=1)).exception_code == 2
        identity = await client.read_device_information(read_code=2, object_id=0, device_id=1)
        assert identity.information[0] == b"gridhil"
        many = await asyncio.gather(
            *(client.read_holding_registers(a, count=1, device_id=1) for a in range(20, 30))
        )
        assert [r.registers[0] for r in many[:2]] == [0x12AA, 9]
