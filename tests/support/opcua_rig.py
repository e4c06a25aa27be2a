"""A live OPC UA server in front of a plain Python core; the server has a thread and loop of its own."""

from __future__ import annotations

import asyncio
import struct
import tempfile
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from asyncua import Client

from hil import credentials, run_dir
from protocols import opcua_standard
from protocols.accounts import Account, Accounts
from protocols.command_desk import CommandDesk
from protocols.gateway import Gateway
from protocols.opcua_server import OpcuaServer
from protocols.opcua_settings import OpcuaSettings
from rtcore.points import Kind, Point
from tests.support.python_core import PythonCore
from tests.support.users import account, password_of

STATION = "testville"
SESSION_MS = 60_000


def point(tag: str, kind: Kind = Kind.ANALOG, **other: Any) -> Point:
    """Return a point of a test station."""
    row: dict[str, Any] = {
        "tag": tag,
        "device": tag.rpartition(".")[0],
        "template": "meter",
        "source": "load.load_1003",
        "attr": "v1_v",
        "kind": kind,
        "unit": "V",
        "minimum": -1e6,
        "maximum": 1e6,
        "deadband": 0.0,
        "instrument": "",
        "description": f"what {tag} says",
        "wire": {},
    }
    return Point(**(row | other))


def station_points() -> list[Point]:
    """Return a small station: a bus, a breaker with commands, a source, meters, loop health."""
    cb: dict[str, Any] = {"template": "breaker", "source": "breaker.cb_201", "unit": ""}
    bit: dict[str, Any] = {"minimum": 0.0, "maximum": 1.0}
    points = [point(f"SUB.BUS1.V{p}", template="bus", unit="kV", deadband=0.5) for p in "ABC"]
    points += [point(f"FDR_B.CB_201.I{p}", **cb | {"unit": "A"}) for p in "ABC"]
    points += [
        point("FDR_B.CB_201.P52A", Kind.STATUS, states=("open", "closed"), **cb, **bit),
        point("FDR_B.CB_201.P52B", Kind.STATUS, states=("closed", "open"), **cb, **bit),
        point("FDR_B.CB_201.TRIP", Kind.CONTROL, **cb, **bit),
        point("FDR_B.CB_201.CLOSE", Kind.CONTROL, **cb, **bit),
        point("FDR_B.CB_201.LOCAL", Kind.SETPOINT, states=("remote", "local"), **cb, **bit),
        point("FDR_B.CB_202.IA", **cb | {"unit": "A"}),
        point("SUB.SRC.V_SP", Kind.SETPOINT, template="source", unit="pu", minimum=0.9, maximum=1.1),
        point("LOOP.STEP", template="loop", unit="step", is_health=True),
    ]
    return points + [point(f"FDR_B.M_{k}.V", deadband=2.0) for k in range(20)]


class MemoryAudit:
    """Audit records in a list."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    async def append(self, record: dict[str, Any]) -> None:
        self.records.append(record)

    async def pass_by(self, record: dict[str, Any]) -> None:
        pass


class Rig:
    """Core, desk and server; ``with`` runs them. Without ``users`` there is an operator."""

    def __init__(
        self,
        points: Sequence[Point] | None = None,
        core: PythonCore | None = None,
        users: Mapping[str, Account] | None = None,
        **settings: Any,
    ) -> None:
        points = list(points) if points is not None else station_points()
        self.points = points
        self.core = core or PythonCore(points, period_s=0.005, claimed_period_s=0.08)
        self.gateway = Gateway(points, self.core.board, self.core.producer())
        self.audit = MemoryAudit()
        self.desk = CommandDesk(self.gateway, self.audit)
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._folder = tempfile.TemporaryDirectory(prefix="gridhil-test-")
        state = Path(self._folder.name)
        self.password = password_of("operator")
        self.accounts = Accounts({"operator": account("operator", "operator")} if users is None else users)
        self.server = OpcuaServer(
            STATION,
            self.gateway,
            self.desk,
            OpcuaSettings.of({"port": 0} | settings),
            self.accounts,
            credentials.ensure_identity(state, STATION, "127.0.0.1"),
            credentials.application_uri(STATION),
            opcua_standard.file_in(run_dir.cache_root()),
        )

    def __enter__(self) -> Rig:
        self.core.__enter__()
        self._thread.start()
        self.call(self.server.start()).result(30)
        return self

    def __exit__(self, *_: object) -> None:
        self.call(self.server.stop()).result(10)
        self.core.die()
        self.call(self._drain()).result(5)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()
        self._folder.cleanup()

    async def _drain(self) -> None:
        """Let what is ending end."""
        others = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        await asyncio.wait(others, timeout=2.0) if others else None
        await self.loop.shutdown_default_executor()

    @property
    def url(self) -> str:
        return self.server.url

    @property
    def port(self) -> int:
        return self.server.port

    def call(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def client(self, user: str | None = None, password: str | None = None) -> Client:
        """Return an asyncua client, not yet connected; a test user's password is known."""
        client = Client(self.url, timeout=5)
        client.session_timeout = SESSION_MS
        if user is not None:
            client.set_user(user)
            client.set_password(password_of(user) if password is None else password)
        return client


@contextmanager
def settings_of(core: PythonCore) -> Iterator[PythonCore]:
    """Undo what a test did to a shared core."""
    before = core.value_of, core.decide, core.quality.copy()
    try:
        yield core
    finally:
        core.value_of, core.decide = before[:2]
        core.quality[:] = before[2]
        core.pulses.clear()


# ---- raw bytes ------------------------------------------------------------------------------------


def chunk(kind: bytes, body: bytes, final: bytes = b"F", size: int | None = None) -> bytes:
    """Return one chunk; ``size`` may lie."""
    return kind + final + struct.pack("<I", 8 + len(body) if size is None else size) + body


def string(text: str | None) -> bytes:
    """Return an encoded string."""
    if text is None:
        return struct.pack("<i", -1)
    return struct.pack("<i", len(text)) + text.encode()


def hello(buffer_bytes: int = 65535) -> bytes:
    """Return a HEL chunk."""
    fixed = struct.pack("<IIIII", 0, buffer_bytes, buffer_bytes, 0, 0)
    return chunk(b"HEL", fixed + string("opc.tcp://127.0.0.1/gridhil"))


NONE_POLICY = "http://opcfoundation.org/UA/SecurityPolicy#None"


def request_header(token: bytes = b"\x00\x00", handle: int = 1) -> bytes:
    """Return an encoded RequestHeader with an authentication token (an encoded NodeId)."""
    return token + struct.pack("<qIIiI", 0, handle, 0, -1, 0) + b"\x00\x00\x00"


def open_channel(sequence: int = 1, mode: int = 1) -> bytes:
    """Return an OPN chunk for a None channel."""
    security = string(NONE_POLICY) + struct.pack("<ii", -1, -1)
    body = b"\x01\x00" + struct.pack("<H", 446) + request_header()
    body += struct.pack("<IIIiI", 0, 0, mode, -1, 3_600_000)
    return chunk(b"OPN", struct.pack("<I", 0) + security + struct.pack("<II", sequence, 1) + body)


def message(channel: int, sequence: int, service: int, body: bytes, final: bytes = b"F") -> bytes:
    """Return a MSG chunk of a None channel."""
    head = struct.pack("<IIII", channel, 13, sequence, sequence)
    return chunk(b"MSG", head + b"\x01\x00" + struct.pack("<H", service) + body, final)
