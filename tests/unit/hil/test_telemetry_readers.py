"""Readers bring what is on the wire, value and quality, and never fail; what does not come is told."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator

import numpy as np
import pytest

from hil.telemetry_image import Fetched, Ints
from hil.telemetry_readers import BoardReader, ModbusReader
from protocols import modbus_map
from protocols.modbus_client import ModbusClient
from protocols.opcua_reads import QUALITY_OF
from rtcore.points import Point
from rtcore.quality import Quality
from tests.support.modbus_rig import STAMPS, UNITS, Rig, point, rig_points
from tests.support.python_core import PythonCore

LOST = int(Quality.BAD_NO_COMMUNICATION)
TIMEOUT_S = 2.0


def asked(points: list[Point], *tags: str) -> Ints:
    index = {p.tag: k for k, p in enumerate(points)}
    return np.array([index[t] for t in tags], np.intp)


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    points = rig_points()
    core = PythonCore(points, claimed_period_s=0.1)
    core.value_of = lambda i, _step: 1.5 + i if "MEAS" in points[i].tag else 1.0
    with Rig(points, core=core) as running:
        yield running


def reader_of(rig: Rig, points: list[Point], port: int | None = None) -> ModbusReader:
    built = modbus_map.build(points, STAMPS, {"units": UNITS, "default_unit": 1})
    return ModbusReader(ModbusClient("127.0.0.1", rig.port if port is None else port, TIMEOUT_S), built)


def once(reader: ModbusReader, *wanted: Ints) -> list[Fetched]:
    async def all_of() -> list[Fetched]:
        found = [await reader.read(w) for w in wanted]
        await reader.close()
        return found

    return asyncio.run(all_of())


def test_modbus_brings_values_and_bits_of_several_units(rig: Rig) -> None:
    points = rig_points()
    wanted = asked(points, "MEAS.M0.V", "MEAS.M99.V", "MEAS2.M3.V", "CB22.T.POS")
    (got,) = once(reader_of(rig, points), wanted)
    assert got.values.tolist() == [*(1.5 + wanted[:3]).tolist(), 1.0]  # float32 holds them exactly
    assert got.quality.tolist() == [0, 0, 0, 0]
    assert got.faults == ()


def test_modbus_brings_the_quality_word_of_the_device(rig: Rig) -> None:
    points = rig_points()
    rig.core.set_quality("MEAS.M0.V", Quality.BAD_SENSOR)
    try:
        wanted = asked(points, "MEAS.M0.V", "MEAS.M1.V")
        reader = reader_of(rig, points)
        deadline = 100
        while (got := once(reader, wanted)[0]).quality[0] == 0 and deadline:
            deadline -= 1
        assert got.quality.tolist() == [
            int(Quality.BAD),
            0,
        ]  # the other has a device of its own, without a word
    finally:
        rig.core.set_quality("MEAS.M0.V", Quality.GOOD)


def test_one_request_that_is_refused_leaves_the_others(rig: Rig) -> None:
    points = rig_points()
    beyond = [*points, point("NO.SUCH.V", "1:ir:9000:float32")]  # the server has no such registers
    (got,) = once(reader_of(rig, beyond), asked(beyond, "NO.SUCH.V", "MEAS.M0.V"))
    assert got.quality.tolist() == [LOST, 0]
    assert len(got.faults) == 1
    assert "1:ir:9000" in got.faults[0]


def test_a_server_that_is_not_there_loses_everything_and_is_told(rig: Rig) -> None:
    points = rig_points()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nobody answers there
        reader = reader_of(rig, points, port=taken.getsockname()[1])
        (got,) = once(reader, asked(points, "MEAS.M0.V", "CB22.T.POS"))
    assert np.isnan(got.values).all()
    assert got.quality.tolist() == [LOST, LOST]
    assert len(got.faults) == 1


def test_a_connection_that_was_lost_is_made_again(rig: Rig) -> None:
    points = rig_points()
    reader = reader_of(rig, points)
    wanted = asked(points, "MEAS.M0.V")

    async def twice() -> list[Fetched]:
        first = await reader.read(wanted)
        await reader.close()
        second = await reader.read(wanted)
        await reader.close()
        return [first, second]

    assert [f.quality.tolist() for f in asyncio.run(twice())] == [[0], [0]]


def test_a_man_in_the_middle_is_believed(rig: Rig) -> None:
    """The estimator must see exactly what somebody between it and the server makes of the answers."""
    points = rig_points()
    wanted = asked(points, "MEAS.M0.V", "MEAS.M1.V")

    async def through(port: int) -> Fetched:
        reader = reader_of(rig, points, port)
        found = await reader.read(wanted)
        await reader.close()
        return found

    got = asyncio.run(_with_proxy(rig.port, through))
    assert got.values[0] == 1.5 + wanted[0]
    assert got.values[1] == 42.0
    assert got.quality.tolist() == [0, 0]


async def _with_proxy(port: int, use: Callable[[int], Awaitable[Fetched]]) -> Fetched:
    """Put 42.0 in the place of the last register pair of every answer."""
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionError):  # the reader drops its connection at the end
            while request := await reader.read(260):
                back.write(request)
                answer = await there.read(260)
                writer.write(answer[:-4] + bytes.fromhex("42280000"))
        for stream in (back, writer):
            stream.close()
            with contextlib.suppress(ConnectionError):
                await stream.wait_closed()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    found = await use(server.sockets[0].getsockname()[1])
    server.close()
    await ended.wait()
    return found


def test_the_board_is_read_with_the_qualities_of_single_points() -> None:
    points = rig_points()
    core = PythonCore(points)
    core.set_quality("MEAS.M1.V", Quality.UNCERTAIN_RANGE)
    core.tick()
    got = asyncio.run(BoardReader(core.board.read).read(asked(points, "MEAS.M0.V", "MEAS.M1.V")))
    assert got.quality.tolist() == [0, int(Quality.UNCERTAIN_RANGE)]


def test_a_core_that_publishes_nothing_loses_everything() -> None:
    points = rig_points()
    got = asyncio.run(BoardReader(PythonCore(points).board.read).read(asked(points, "MEAS.M0.V")))
    assert got.quality.tolist() == [LOST]


def test_every_quality_has_a_status_code_of_its_own_to_come_back_by() -> None:
    assert sorted(QUALITY_OF.values()) == sorted(int(q) for q in Quality)
