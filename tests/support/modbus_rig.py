"""A live Modbus server in front of a plain Python core, and raw sockets to talk to it.

The server runs in an event loop of its own thread, so that tests may use blocking sockets.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any

from protocols import modbus_map
from protocols.accounts import Account, Accounts
from protocols.command_desk import CommandDesk
from protocols.gateway import Gateway
from protocols.modbus_server import ModbusServer, Settings
from rtcore.points import Kind, Point
from tests.support.python_core import PythonCore

UNITS = [
    {"unit": 1, "name": "substation"},
    {"unit": 2, "name": "feeder", "order": "CDAB"},
    {"unit": 3, "name": "observed", "read_only": True},
    {"unit": 101, "name": "substation, to look at", "read_only": True, "mirror_of": 1},
]


def point(
    tag: str,
    reference: str,
    kind: Kind = Kind.ANALOG,
    minimum: float = -1e9,
    maximum: float = 1e9,
    states: tuple[str, str] | None = None,
    role: str = "operator",
) -> Point:
    """Return a point of a test station."""
    return Point(
        tag=tag,
        device=tag.rpartition(".")[0],
        template="test",
        source="test",
        attr="a",
        kind=kind,
        unit="",
        minimum=minimum,
        maximum=maximum,
        deadband=0.0,
        instrument="",
        description="",
        wire={"modbus": reference},
        states=states,
        role=role,
    )


def rig_points() -> list[Point]:
    """Return points that give unit 1 2000 holding registers and unit 2 160 coils."""
    points = [point(f"SP.R{a}.V", f"1:hr:{a}:uint16", Kind.SETPOINT, 0, 65535) for a in (*range(40), 1999)]
    points += [
        point("SP.F.V", "1:hr:100:float32", Kind.SETPOINT, -100.0, 100.0),
        point("SP.F2.V", "1:hr:102:float32:DCBA", Kind.SETPOINT, -1e9, 1e9),
        point("SP.TENTH.V", "1:hr:104:int16*0.1", Kind.SETPOINT, -5.0, 0.3),
        point("SP.LONG.V", "1:hr:106:int32", Kind.SETPOINT, -1e9, 1e9),
        point("SP.SHOWN.V", "1:hr:110:uint16", Kind.ANALOG),
    ]
    points += [
        point(f"CB{k}.T.TRIP", f"2:co:{k}:bit", Kind.CONTROL, 0, 1, ("idle", "trip"))
        for k in (*range(8), 159)
    ]
    points += [
        point("CB20.T.MODE", "2:co:20:bit", Kind.SETPOINT, 0, 1, ("off", "on")),
        point("CB21.T.POS", "2:co:21:bit", Kind.STATUS, 0, 1, ("open", "closed")),
        point("CB22.T.POS", "2:di:0:bit", Kind.STATUS, 0, 1, ("open", "closed")),
        point("OBS.X.V", "3:hr:0:uint16", Kind.SETPOINT, 0, 65535),
    ]
    points += [point(f"MEAS.M{k}.V", f"1:ir:{1000 + 2 * k}:float32") for k in range(100)]
    points += [point(f"MEAS2.M{k}.V", f"2:ir:{1000 + 2 * k}:float32") for k in range(10)]
    points += [point("OVER.X.V", "1:ir:1300:int16")]
    return points


STAMPS = [
    {"unit": 1, "address": 994, "device": "MEAS.M0"},
    {"unit": 2, "address": 994, "device": ""},
    {"unit": 1, "address": 1302, "device": "OVER.X"},
]


class MemoryAudit:
    """Audit records in a list; ``broken`` makes the disk full."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.is_broken = False

    async def append(self, record: dict[str, Any]) -> None:
        if self.is_broken:
            raise OSError(28, "No space left on device")
        self.records.append(record)

    async def pass_by(self, record: dict[str, Any]) -> None:
        if self.is_broken:
            raise OSError(28, "No space left on device")


class Rig:
    """Core, desk and server; ``with`` runs them."""

    def __init__(
        self,
        points: Sequence[Point] | None = None,
        stamps: Sequence[dict[str, Any]] | None = None,
        core: PythonCore | None = None,
        users: Mapping[str, Account] | None = None,
        **settings: Any,
    ) -> None:
        points = list(points) if points is not None else rig_points()
        stamps = list(stamps) if stamps is not None else STAMPS
        settings = {
            "port": 0,
            "units": UNITS,
            "default_unit": 1,
            "writers": [{"network": "127.0.0.0/8", "units": [1, 2, 3, 101]}],
            "identity": {"vendor": "gridhil", "product": "GH", "version": "0.1.0", "model": "iowa240"},
        } | settings
        self.core = core or PythonCore(points)
        self.gateway = Gateway(points, self.core.board, self.core.producer())
        self.audit = MemoryAudit()
        self.desk = CommandDesk(self.gateway, self.audit)
        self.accounts = Accounts(users)
        self.map = modbus_map.build(points, stamps, settings)
        self.loop = asyncio.new_event_loop()
        self.server: ModbusServer
        self._settings = Settings.parse(settings)
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.port = 0

    def __enter__(self) -> Rig:
        self.core.__enter__()
        self._thread.start()
        self.port = self.call(self._start()).result(5)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.call(self._stop()).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()
        self.core.die()

    async def _start(self) -> int:
        self.server = ModbusServer(self.gateway, self.desk, self.map, self._settings, self.accounts)
        return (await self.server.start())[1]

    async def _stop(self) -> None:
        await self.server.stop()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def call(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def connect(self, timeout_s: float = 5.0) -> Master:
        return Master(self.port, timeout_s)


class Master:
    """A raw Modbus TCP client that can also misbehave."""

    def __init__(self, port: int, timeout_s: float = 5.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self._data = b""

    def __enter__(self) -> Master:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self) -> tuple[int, int, bytes]:
        """Return (transaction, unit, PDU) of the next reply; EOFError when the server closed."""
        header = self._take(7)
        transaction, protocol, length, unit = struct.unpack(">HHHB", header)
        assert protocol == 0
        return transaction, unit, self._take(length - 1)

    def ask(self, unit: int, pdu: bytes | str, transaction: int = 1) -> bytes:
        """Send one request and return the reply PDU, checking that the header is echoed."""
        raw = bytes.fromhex(pdu) if isinstance(pdu, str) else pdu
        self.send(adu(unit, raw, transaction))
        found = self.receive()
        assert found[:2] == (transaction, unit)
        return found[2]

    def is_closed_by_server(self, within_s: float) -> bool:
        """Tell whether the connection ends in time without another byte."""
        self.socket.settimeout(within_s)
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def _take(self, n: int) -> bytes:
        while len(self._data) < n:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError("connection closed by the server")
            self._data += more
        found, self._data = self._data[:n], self._data[n:]
        return found


def adu(unit: int, pdu: bytes, transaction: int = 1) -> bytes:
    """Return one Modbus TCP frame."""
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu
