"""Modbus TCP server: strict MBAP framing, connections and their limits.

A frame with a wrong protocol id or an impossible length ends the connection: looking for the
next header in a broken stream would be guesswork. Each connection is answered in request
order, one request per turn of the event loop, so that a pipelining master starves nobody.
While a command waits for its verdict, or a refused write for its line in the audit journal, the
later frames of that connection wait behind it: no peer has more than one of them under way.
"""

from __future__ import annotations

import asyncio
import dataclasses as dc
import functools
import logging
import struct
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, cast

from protocols import modbus_map
from protocols.accounts import Accounts, parse_address
from protocols.command_desk import CommandDesk
from protocols.gateway import Gateway
from protocols.modbus_image import ImageBuilder, LiveImage
from protocols.modbus_map import ModbusMap
from protocols.modbus_pdu import DEVICE_FAILURE, IDENTITY, UNKNOWN_UNIT, Responder, UnitView, Write, refusal
from protocols.modbus_refusals import LastWrite, asked, is_write, why_refused
from protocols.modbus_writes import Outcome, WriteRoom, Writers
from protocols.roles import OPERATOR, ROLES
from rtcore.commands import Reason
from rtcore.errors import Problem, UserInputError, did_you_mean
from rtcore.points import Point

log = logging.getLogger(__name__)

MBAP = struct.Struct(">HHHB")
"""Transaction, protocol (0), length of what follows, unit."""

FRAME_MAX = 260
BACKLOG = 1024
WRITE_BUFFER_MAX = 65536
SWEEP_S = 0.25
LOG_EVERY_S = 5.0


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Limits of the server; ``per_address`` 0 is off and never applies to loopback peers.

    ``loopback_role`` is the least that masters on this machine have.
    """

    host: str = "127.0.0.1"
    port: int = 5020
    max_connections: int = 128
    per_address: int = 0
    idle_s: float = 60.0
    partial_s: float = 2.0
    queue: int = 16
    unknown_unit: str = "0B"
    writers: Writers = dc.field(default_factory=lambda: Writers(()))
    loopback_role: str = OPERATOR
    identity: Mapping[str, str] = dc.field(default_factory=dict)

    @classmethod
    def parse(cls, row: Mapping[str, Any], file: str = "modbus map") -> Settings:
        """Read the station's Modbus settings; UserInputError with every problem."""
        own = {f.name for f in dc.fields(cls)}
        allowed = own | {"units", "default_unit"}
        problems = [
            Problem(file, key, f"unknown key {key!r}{did_you_mean(key, allowed)}")
            for key in sorted(set(row) - allowed)
        ]
        for key, low, high in _BOUNDS:
            value = row.get(key, getattr(cls(), key))
            kinds, what = ((int,), "a whole number") if isinstance(low, int) else ((int, float), "a number")
            if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
                problems.append(Problem(file, key, f"{value!r} is not {what} in {low}..{high}"))
        unknown = row.get("unknown_unit", "0B")
        if unknown not in UNKNOWN_UNIT:
            hint = did_you_mean(str(unknown), UNKNOWN_UNIT)
            problems.append(
                Problem(file, "unknown_unit", f"{unknown!r}; allowed {', '.join(UNKNOWN_UNIT)}{hint}")
            )
        role = row.get("loopback_role", OPERATOR)
        if role not in ROLES:
            hint = did_you_mean(str(role), ROLES)
            problems.append(Problem(file, "loopback_role", f"{role!r}; allowed {', '.join(ROLES)}{hint}"))
        problems += [
            Problem(file, "identity", f"unknown key {key!r}{did_you_mean(key, IDENTITY)}")
            for key in sorted(set(row.get("identity", {})) - set(IDENTITY))
        ]
        writers = Writers(())
        try:
            declared = {unit.get("unit") for unit in row.get("units", ())}
            writers = Writers.parse(row.get("writers", ()), declared, file)
        except UserInputError as error:
            problems += error.problems
        if problems:
            raise UserInputError(problems)
        return cls(**{k: v for k, v in row.items() if k in own} | {"writers": writers})


def prepare(
    points: Sequence[Point],
    stamps: Sequence[Mapping[str, Any]],
    row: Mapping[str, Any],
    file: str = "modbus map",
) -> tuple[Settings, ModbusMap]:
    """Check settings and map together; one UserInputError with every problem of both."""
    settings, places, problems = None, None, []
    try:
        settings = Settings.parse(row, file)
    except UserInputError as error:
        problems += error.problems
    try:
        places = modbus_map.build(points, stamps, row, file)
    except UserInputError as error:
        problems += error.problems
    if settings is None or places is None:
        raise UserInputError(problems)
    return settings, places


_BOUNDS = (
    ("port", 0, 65535),
    ("max_connections", 1, 100_000),
    ("per_address", 0, 100_000),
    ("idle_s", 0.1, 1e9),
    ("partial_s", 0.1, 1e9),
    ("queue", 1, 1024),
)


class ModbusServer:
    """Serves one map from one core's board; without ``accounts`` only this machine may command."""

    def __init__(
        self,
        gateway: Gateway,
        desk: CommandDesk,
        places: ModbusMap,
        settings: Settings,
        accounts: Accounts | None = None,
    ) -> None:
        self.settings = settings
        self.accounts = Accounts() if accounts is None else accounts
        live = LiveImage(gateway, ImageBuilder(places))
        self.responder = Responder(places, live, settings.identity)
        self.room = WriteRoom(desk, self.responder, self.accounts, settings.loopback_role)
        self.unknown_code = UNKNOWN_UNIT[settings.unknown_unit]
        self.connections: set[Connection] = set()
        self.now_s = 0.0
        """Loop time of the last sweep; good enough for timeouts and free to read."""
        self.n_requests = 0
        self.n_errors = 0
        """Broken frames and requests that failed inside."""
        self.n_turned_away = 0
        self._by_host: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._log_after_s = 0.0
        self._n_unlogged = 0

    async def start(self) -> tuple[str, int]:
        """Listen; return the address in use. OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        self.now_s = loop.time()
        self._server = await loop.create_server(
            lambda: Connection(self), self.settings.host, self.settings.port, backlog=BACKLOG
        )
        self._sweeper = loop.create_task(self._sweep())
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self.connections):
            connection.abort()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        await asyncio.sleep(0)  # let the aborted transports close their sockets

    def admit(self, connection: Connection, host: str) -> bool:
        """Take a new connection in, unless a limit is reached."""
        s = self.settings
        address = parse_address(host)
        is_capped = s.per_address > 0 and not (address is not None and address.is_loopback)
        if len(self.connections) >= s.max_connections or (is_capped and self._by_host[host] >= s.per_address):
            self.n_turned_away += 1
            return False
        self.connections.add(connection)
        self._by_host[host] += 1
        return True

    def forget(self, connection: Connection, host: str) -> None:
        """Drop a closed connection."""
        if connection in self.connections:
            self.connections.remove(connection)
            self._by_host[host] -= 1
            if not self._by_host[host]:
                del self._by_host[host]

    def count_error(self, what: str) -> None:
        """Count trouble and log it, one line in five seconds."""
        self.n_errors += 1
        self._n_unlogged += 1
        if self.now_s >= self._log_after_s:
            log.warning("%s (%d since the last such line)", what, self._n_unlogged)
            self._log_after_s, self._n_unlogged = self.now_s + LOG_EVERY_S, 0

    async def _sweep(self) -> None:
        """End connections that say nothing, or do not finish what they began to say."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_S)
            self.now_s = loop.time()
            for connection in list(self.connections):
                connection.check_time(self.now_s)


class Connection(asyncio.BufferedProtocol):
    """One master. Received bytes stay in one fixed buffer until their frame is answered."""

    def __init__(self, server: ModbusServer) -> None:
        self._server = server
        self._size = server.settings.queue * FRAME_MAX
        self._buffer = bytearray(self._size)
        self._view = memoryview(self._buffer)
        self._pos = 0
        self._filled = 0
        self._is_busy = False
        """A command waits for its verdict, or the next turn is already planned."""
        self._is_waiting_for_verdict = False
        self._is_paused = False
        self._is_finishing = False
        self._partial_since_s: float | None = None
        self._last_frame_s = server.now_s
        self._transport: asyncio.Transport
        self._host = ""
        self._peer = ""
        self._units: frozenset[int] = frozenset()
        self._task: asyncio.Future[Outcome] | None = None
        self._last_write = LastWrite()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the peer or turn it away at once."""
        self._transport = cast(asyncio.Transport, transport)
        host, port = (transport.get_extra_info("peername") or ("?", 0))[:2]
        self._host, self._peer = host, f"{host}:{port}"
        self._last_frame_s = self._server.now_s
        if not self._server.admit(self, host):
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_MAX)
        self._units = self._server.settings.writers.units_of(host)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the peer; a command on its way is seen through by the desk."""
        self._server.forget(self, self._host)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the free part of the buffer; reading is paused while there is none."""
        return self._view[self._filled :] if self._filled else self._view

    def buffer_updated(self, nbytes: int) -> None:
        """Answer, or leave the bytes for when the connection's turn comes."""
        self._filled += nbytes
        if not self._is_busy:
            self._turn()
        if self._filled == self._size:
            self._make_room()

    def eof_received(self) -> bool:
        """Answer what is still queued before closing."""
        self._is_finishing = True
        return self._is_busy

    def pause_writing(self) -> None:
        """Drop a peer that asks and does not read."""
        self.abort()

    def abort(self) -> None:
        """End the connection now."""
        self._transport.abort()

    def check_time(self, now_s: float) -> None:
        """End the connection when it is idle or stuck within a frame."""
        limits = self._server.settings
        if self._is_waiting_for_verdict:
            return
        if self._partial_since_s is not None and now_s - self._partial_since_s > limits.partial_s:
            self._server.count_error(f"{self._peer}: incomplete frame for {limits.partial_s:g} s")
            self.abort()
        elif now_s - self._last_frame_s > limits.idle_s:
            self.abort()

    def _turn(self) -> None:
        """Answer the first whole frame; the next one waits for another turn of the loop."""
        pos, view, server = self._pos, self._view, self._server
        if self._filled - pos < 8:
            return self._wait_for_more()
        transaction, protocol, length, unit = MBAP.unpack_from(view, pos)
        if protocol or not 2 <= length <= 254:
            return self._reject(protocol, length)
        end = pos + 6 + length
        if end > self._filled:
            return self._wait_for_more()
        self._pos = end
        self._partial_since_s = None
        self._last_frame_s = server.now_s
        server.n_requests += 1
        pdu = bytes(view[pos + 7 : end])
        unit_view = server.responder.views.get(unit)
        reply: bytes | Write | None
        if unit_view is None:
            code = server.unknown_code
            reply = None if code is None else refusal(pdu[0], code)
            if is_write(pdu):
                return self._await_refusal(transaction, unit, None, pdu, Reason.UNKNOWN_POINT, reply)
        else:
            try:
                reply = server.responder.reply(unit_view, pdu)
            except Exception as error:  # noqa: BLE001 - no request may end a connection or the server
                server.count_error(f"{self._peer}: request {pdu.hex()} failed: {error!r}")
                reply = refusal(pdu[0], DEVICE_FAILURE)
            if isinstance(reply, Write):
                return self._await_verdict(transaction, unit, unit_view, reply, pdu)
            if reply[0] > 0x7F:
                if is_write(pdu):
                    reason = why_refused(unit_view, pdu, reply[1])
                    return self._await_refusal(transaction, unit, unit_view, pdu, reason, reply)
                reply = self._last_write.answer(pdu, reply)
        if reply is not None:
            self._transport.write(MBAP.pack(transaction, 0, len(reply) + 1, unit) + reply)
        if end == self._filled:
            self._pos = self._filled = 0
            if self._is_paused or self._is_finishing:
                self._wait_for_more()
        else:
            self._plan_turn()
        return None

    def _plan_turn(self) -> None:
        self._is_busy = True
        asyncio.get_running_loop().call_soon(self._next_turn)

    def _next_turn(self) -> None:
        self._is_busy = False
        if not self._transport.is_closing():
            if 2 * (self._filled - self._pos) < self._size:
                self._make_room()
            self._turn()

    def _wait_for_more(self) -> None:
        """Keep the beginning of a frame for later, unless it is already wrong."""
        have = self._filled - self._pos
        if have >= 4:
            protocol = int.from_bytes(self._view[self._pos + 2 : self._pos + 4], "big")
            length = int.from_bytes(self._view[self._pos + 4 : self._pos + 6], "big") if have >= 6 else 2
            if protocol or not 2 <= length <= 254:
                return self._reject(protocol, length)
        if have and self._partial_since_s is None:
            self._partial_since_s = asyncio.get_running_loop().time()
        self._make_room()
        if self._is_finishing:
            self._transport.close()
        return None

    def _make_room(self) -> None:
        """Move what is left to the front; stop reading while the buffer is full of frames."""
        left = self._filled - self._pos
        if self._pos:
            self._view[:left] = bytes(self._view[self._pos : self._filled])
            self._pos, self._filled = 0, left
        if left == self._size and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()
        elif left < self._size and self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()

    def _reject(self, protocol: int, length: int) -> None:
        self._server.count_error(f"{self._peer}: not Modbus TCP: protocol id {protocol}, length {length}")
        self.abort()

    def _await_verdict(self, transaction: int, unit: int, view: UnitView, write: Write, pdu: bytes) -> None:
        room = self._server.room
        self._await(transaction, unit, pdu, room.carry_out(write, view, self._host, self._peer, self._units))

    def _await_refusal(
        self,
        transaction: int,
        unit: int,
        view: UnitView | None,
        pdu: bytes,
        reason: Reason,
        reply: bytes | None,
    ) -> None:
        room = self._server.room
        wish = asked(unit, view, pdu)
        self._await(transaction, unit, pdu, room.turn_away(wish, reason, reply, self._host, self._peer))

    def _await(self, transaction: int, unit: int, pdu: bytes, work: Coroutine[Any, Any, Outcome]) -> None:
        """Leave the later frames where they are until a write is settled."""
        self._is_busy = self._is_waiting_for_verdict = True
        self._task = asyncio.ensure_future(work)
        self._task.add_done_callback(functools.partial(self._settled, transaction, unit, pdu))

    def _settled(self, transaction: int, unit: int, pdu: bytes, task: asyncio.Future[Outcome]) -> None:
        self._is_waiting_for_verdict = False
        if task.cancelled() or self._transport.is_closing():
            return
        error = task.exception()
        if error is not None:
            self._server.count_error(f"{self._peer}: write failed: {error!r}")
        failed: Outcome = (Reason.NO_VERDICT, refusal(pdu[0], DEVICE_FAILURE))
        reason, reply = task.result() if error is None else failed
        self._last_write.settle(unit, pdu, reason)
        self._last_frame_s = self._server.now_s
        if reply is not None:
            self._transport.write(MBAP.pack(transaction, 0, len(reply) + 1, unit) + reply)
        self._next_turn()
