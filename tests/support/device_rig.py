"""Devices under test for the exchange, and a run directory with a plain Python core for gw-device."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses as dc
import json
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from asyncua import Server, ua
from asyncua.ua import NodeId
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from hil import device_status, gw_device, segment
from hil.device_status import DeviceView
from hil.runspec import RunSpec
from hil.wiring_files import survey_wiring
from protocols.wiring import Wiring
from rtcore import board as bd
from rtcore import ring as rg
from rtcore.points import Kind, Point
from tests.support.modbus_rig import point
from tests.support.python_core import PythonCore

PATIENCE_S = 8.0
"""How long a test waits for what must happen: seconds are for a busy machine, milliseconds were meant."""


def device_points() -> list[Point]:
    """Return a breaker with currents, controls and a setpoint, and the tokens of a test set."""
    bit = {"minimum": 0.0, "maximum": 1.0}
    return [
        point("CB.X.IA", "1:ir:0:float32"),
        point("CB.X.IB", "1:ir:2:float32"),
        point("CB.X.ST_52A", "1:di:0:bit", Kind.STATUS, states=("open", "closed"), **bit),
        point("CB.X.TRIP", "1:co:0:bit", Kind.CONTROL, states=("idle", "trip"), **bit),
        point("CB.X.CLOSE", "1:co:1:bit", Kind.CONTROL, states=("idle", "close"), **bit),
        point("CB.X.SP", "1:hr:0:int16*0.1", Kind.SETPOINT, -100.0, 100.0),
        point("CB.X.DRILL", "1:hr:1:uint16", Kind.SETPOINT, 0.0, 10.0, role="instructor"),
        point("TST.TOKEN_OUT", "1:ir:10:uint16", Kind.ANALOG, 0, 65535),
        dc.replace(point("TST.TOKEN_IN", "1:hr:10:uint16", Kind.SETPOINT, 0, 65535), is_health=True),
    ]


POINTS = device_points()
INDEX = {p.tag: i for i, p in enumerate(POINTS)}


def wait_until(condition: Callable[[], Any], what: str = "") -> Any:
    """Return the condition's first true value; an assertion when it does not come."""
    end = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < end, what or "waited in vain"
        time.sleep(0.005)
    return found


def wiring_of(text: str, folder: Path) -> Wiring:
    """Return the table of a file with this text."""
    path = folder / "wiring.toml"
    path.write_text(text)
    wiring, problems = survey_wiring(path, POINTS)
    assert wiring is not None, problems
    return wiring


class Bench:
    """A run directory with a core in this process, and gw-device as a process of its own."""

    def __init__(self, folder: Path, wiring: str, **where: Any) -> None:
        table = wiring_of(wiring, folder).to_dict()
        where = {"host": "127.0.0.1", "port": 0, "url": None, "role": "operator"} | where
        self.spec = RunSpec(
            name="test",
            station="test",
            run_dir=folder,
            state_dir=folder / "state",
            points=POINTS,
            stamps=[],
            modbus={},
            opcua={},
            core={},
            started_utc_ns=time.time_ns(),
            device=where | {"wiring": table},
        )
        n = len(POINTS)
        # A period of 90 ms on paper: the thread shares this process with the tests.
        self.core = PythonCore(POINTS, claimed_period_s=0.09)
        self.core.board = bd.Board(segment.create(self.spec.board_path, bd.board_bytes(n)), n)
        self.core.board.format(generation=1)
        self.core.board.ctl[bd.CTL_PERIOD_NS] = 90_000_000
        self.core.pair = rg.RingPair(segment.create(self.spec.ring_path("device"), rg.PAIR_BYTES))
        self.core.pair.format()
        self.output = ""

    @contextlib.contextmanager
    def running(self) -> Iterator[Bench]:
        """Run the core and, in a thread, the exchange; it must survive whatever the device does."""
        lines: list[str] = []
        stop: list[Callable[[], object]] = []
        failed: list[BaseException] = []

        async def serve() -> None:
            stopping, loop = asyncio.Event(), asyncio.get_running_loop()
            stop.append(lambda: loop.call_soon_threadsafe(stopping.set))
            await gw_device.serve(self.spec, stopping, lines.append)

        def work() -> None:
            try:
                asyncio.run(serve())
            except BaseException as error:  # noqa: BLE001 - shown by the test
                failed.append(error)

        thread = threading.Thread(target=work, daemon=True)
        with self.core, pytest.MonkeyPatch.context() as patch:
            patch.setattr(gw_device, "STATUS_S", 0.02)
            thread.start()
            try:
                wait_until(lambda: lines or failed)
                yield self
            finally:
                if thread.is_alive():
                    stop[0]()
                thread.join(PATIENCE_S)
                self.output = "\n".join(lines)
            assert not failed, failed
            assert not thread.is_alive()

    @contextlib.contextmanager
    def serving(self) -> Iterator[subprocess.Popen[str]]:
        """Run the process beside a core that runs."""
        process = subprocess.Popen(
            [sys.executable, "-m", "hil.gw_device", str(self.spec.save())],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        timer = threading.Timer(3 * PATIENCE_S, process.kill)
        timer.start()
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("ready "), (line, process.communicate()[1])
            yield process
        finally:
            timer.cancel()
            process.terminate()
            self.output, errors = process.communicate()
        assert errors == ""

    @property
    def status(self) -> DeviceView:
        """What the process says about itself."""
        found = device_status.read(self.spec.gateway_path("device"))
        assert found is not None
        return found

    def count(self, name: str) -> int:
        """Return one counter."""
        return self.status.device[name]

    def wait_for_link(self, state: int) -> None:
        """Wait until the link is in a state."""
        wait_until(lambda: self.count("link") == state, f"link is {self.status.device}, not {state}")

    def pulses(self) -> list[str]:
        """Return the controls that the plant was given, in order."""
        return [tag for tag, _ in self.core.pulses]

    def journal(self) -> list[dict[str, Any]]:
        """Return what is on record."""
        path = self.spec.audit_path("device")
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class _Threaded:
    """A device with an event loop in a thread of its own."""

    def __enter__(self) -> Any:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.call(self.start())
        return self

    def __exit__(self, *_: object) -> None:
        self.call(self.stop())
        self.call(self._cancel_rest())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE_S)

    async def _cancel_rest(self) -> None:
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class PymodbusDevice(_Threaded):
    """A PLC on pymodbus; its logic copies register 1 to 101 and counts register 102, each "scan"."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.runs_logic = True

    async def start(self) -> None:
        bits, words = DataType.BITS, DataType.REGISTERS
        blocks = (
            [SimData(0, count=128, values=False, datatype=bits)],
            [SimData(0, count=128, values=False, datatype=bits)],
            [SimData(0, count=200, values=0, datatype=words)],
            [SimData(0, count=200, values=0, datatype=words)],
        )
        device = SimDevice(1, simdata=blocks, use_bit_addressing=True)
        self._server = ModbusTcpServer(device, address=("127.0.0.1", self.port))
        assert await self._server.listen()
        transport: Any = self._server.transport
        self.port = transport.sockets[0].getsockname()[1]
        self._logic = asyncio.ensure_future(self._scan())

    async def stop(self) -> None:
        await self._server.shutdown()

    async def _scan(self) -> None:
        count = 0
        while True:
            if self.runs_logic:
                count = (count + 1) % 65536
                (token,) = await self._server.async_getValues(1, 3, 1, 1)
                await self._server.async_setValues(1, 16, 101, [int(token), count])
            await asyncio.sleep(0.002)

    def registers(self, address: int, count: int = 1) -> list[int]:
        """Return holding registers."""
        return [int(v) for v in self.call(self._server.async_getValues(1, 3, address, count))]

    def put_registers(self, address: int, *values: int) -> None:
        """Set holding registers."""
        self.call(self._server.async_setValues(1, 16, address, list(values)))

    def float_at(self, address: int) -> float:
        """Return a float32, most significant register first."""
        return float(struct.unpack(">f", struct.pack(">HH", *self.registers(address, 2)))[0])

    def coils(self, address: int, count: int = 1) -> list[bool]:
        """Return coils."""
        return [bool(v) for v in self.call(self._server.async_getValues(1, 1, address, count))]

    def put_coil(self, address: int, state: bool) -> None:
        """Set an output coil."""
        self.call(self._server.async_setValues(1, 15, address, [state]))


class OpcuaDevice(_Threaded):
    """A PLC on asyncua; its logic copies Token to Echo."""

    NODES = {"IA": ua.VariantType.Float, "Q": ua.VariantType.UInt16, "Token": ua.VariantType.UInt16}
    NODES |= {"Echo": ua.VariantType.UInt16, "Trip": ua.VariantType.Boolean, "SP": ua.VariantType.Double}

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.runs_logic = True

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}/device"

    async def start(self) -> None:
        if self.port == 0:
            with socket.create_server(("127.0.0.1", 0)) as probe:
                self.port = probe.getsockname()[1]
        self._server = Server()
        await self._server.init()
        self._server.set_endpoint(self.url)
        await self._server.register_namespace("urn:device")
        self.nodes = {}
        for name, kind in self.NODES.items():
            zero: Any = False if name == "Trip" else 0.0 if name in ("IA", "SP") else 0
            node = await self._server.nodes.objects.add_variable(NodeId(name, 2), name, zero, kind)
            await node.set_writable()
            self.nodes[name] = node
        await self._server.start()
        self._logic = asyncio.ensure_future(self._scan())

    async def stop(self) -> None:
        await self._server.stop()

    async def _scan(self) -> None:
        while True:
            if self.runs_logic:
                await self._put("Echo", await self.nodes["Token"].read_value())
            await asyncio.sleep(0.005)

    async def _put(self, name: str, value: Any) -> None:
        await self.nodes[name].write_value(ua.Variant(value, self.NODES[name]))

    def drop_clients(self) -> None:
        """Cut every connection."""

        async def cut() -> None:
            for client in list(self._server.bserver.clients):
                client.transport.abort()

        self.call(cut())

    def get(self, name: str) -> Any:
        """Return a node's value."""
        return self.call(self.nodes[name].read_value())

    def put(self, name: str, value: Any) -> None:
        """Set a node's value."""
        self.call(self._put(name, value))


class RawDevice(_Threaded):
    """A device on bare TCP that can misbehave.

    ``answer`` takes (transaction, unit, PDU) and returns the bytes that go back; None is silence. It begins
    as a device whose registers and coils are all zero.
    """

    def __init__(self) -> None:
        self.port = 0
        self.n_connections = 0
        self.answer: Callable[[int, int, bytes], bytes | None] = healthy
        self.delay_s = 0.0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.n_connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                transaction, _, length, unit = struct.unpack(">HHHB", await reader.readexactly(7))
                pdu = await reader.readexactly(length - 1)
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                data = self.answer(transaction, unit, pdu)
                if data is not None:
                    writer.write(data)
                    await writer.drain()
        writer.close()


def frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    """Return an answer as it goes over the wire."""
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


def healthy_pdu(pdu: bytes) -> bytes:
    """Return the answer of a device whose every register and coil is zero."""
    function, _, count = struct.unpack_from(">BHH", pdu)
    if function in (15, 16):
        return pdu[:5]
    size = (count + 7) // 8 if function in (1, 2) else 2 * count
    return bytes((function, size)) + bytes(size)


def healthy(transaction: int, unit: int, pdu: bytes) -> bytes:
    """Return the same, framed."""
    return frame(transaction, unit, healthy_pdu(pdu))
