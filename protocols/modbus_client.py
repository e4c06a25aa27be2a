"""Modbus TCP client: one request at a time, every answer bounded in time and looked at closely.

Own framing: an answer that comes late is told by its transaction id and thrown away, without losing the
connection, and the exchange takes less time than through a general library. What cannot be framed (another
protocol id, an impossible length) ends the connection. Source: Modbus Messaging on TCP/IP V1.0b,
Modbus Application Protocol V1.1b3.
"""

from __future__ import annotations

import asyncio
import socket
import struct

from protocols.device_link import Fault, LinkError

_HEADER = struct.Struct(">HHHB")
PDU_MAX = 253
MBAP_LENGTH_MIN = 3
"""Unit, function and one byte: no answer is shorter."""
EXCEPTIONS = {
    0x01: "illegal function",
    0x02: "illegal data address",
    0x03: "illegal data value",
    0x04: "device failure",
    0x05: "acknowledge",
    0x06: "device busy",
    0x08: "memory parity error",
    0x0A: "gateway path unavailable",
    0x0B: "gateway target does not respond",
}


class _Stream(asyncio.Protocol):
    """One TCP connection; tells its client what comes, until the client has another one."""

    def __init__(self, client: ModbusClient) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.on_data(self, data)

    def connection_lost(self, _error: Exception | None) -> None:
        self._client.on_lost(self)


class ModbusClient:
    """A connection to one Modbus TCP server.

    Parameters
    ----------
    host, port : str, int
        Where the server listens.
    timeout_s : float
        How long one answer, and the connecting, may take [s].
    """

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self.host, self.port, self.timeout_s = host, port, timeout_s
        self.n_late = 0
        self._transport: asyncio.Transport | None = None
        self._stream: asyncio.Protocol | None = None
        self._data = b""
        self._transaction = 0
        self._wanted: tuple[int, int] = (-1, -1)
        self._answer: asyncio.Future[bytes] | None = None

    @property
    def is_connected(self) -> bool:
        """Tell whether the connection stands."""
        return self._transport is not None

    async def connect(self) -> None:
        """Open the connection; LinkError when it cannot be had in time."""
        self.close()
        loop = asyncio.get_running_loop()
        stream = _Stream(self)
        try:
            async with asyncio.timeout(self.timeout_s):
                transport, _ = await loop.create_connection(lambda: stream, self.host, self.port)
        except TimeoutError:
            raise LinkError(Fault.TIMEOUT, f"no connection within {self.timeout_s:g} s") from None
        except OSError as error:
            raise LinkError(Fault.CLOSED, f"no connection: {error.strerror or error}") from None
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport, self._stream = transport, stream

    def close(self) -> None:
        """Drop the connection at once."""
        transport, self._transport, self._stream, self._data = self._transport, None, None, b""
        if transport is not None:
            transport.abort()

    async def ask(self, unit: int, pdu: bytes) -> bytes:
        """Send one request and return the PDU of its answer.

        Raises
        ------
        LinkError
            REFUSED for an exception code, TIMEOUT; GARBAGE and CLOSED end the connection.
        """
        if self._transport is None:
            raise LinkError(Fault.CLOSED, "not connected")
        self._transaction = self._transaction + 1 & 0xFFFF
        self._wanted = (self._transaction, unit)
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(_HEADER.pack(self._transaction, 0, len(pdu) + 1, unit) + pdu)
        try:
            async with asyncio.timeout(self.timeout_s):
                answer = await self._answer
        except TimeoutError:
            raise LinkError(Fault.TIMEOUT, f"no answer within {self.timeout_s:g} s") from None
        finally:
            self._answer = None
        if answer[0] == pdu[0] | 0x80 and len(answer) == 2:
            text = EXCEPTIONS.get(answer[1], "unknown exception")
            raise LinkError(Fault.REFUSED, f"exception {answer[1]:02X} ({text})")
        if answer[0] != pdu[0]:
            raise LinkError(Fault.GARBAGE, f"function {answer[0]} in answer to {pdu[0]}")
        return answer

    async def read_bits(self, unit: int, function: int, address: int, count: int) -> list[bool]:
        """Read coils (function 1) or discrete inputs (2)."""
        answer = await self.ask(unit, struct.pack(">BHH", function, address, count))
        n_bytes = (count + 7) // 8
        if len(answer) != 2 + n_bytes or answer[1] != n_bytes:
            raise LinkError(Fault.GARBAGE, f"{len(answer) - 2} bytes in answer to {count} bits")
        packed = int.from_bytes(answer[2:], "little")
        return [bool(packed >> k & 1) for k in range(count)]

    async def read_registers(self, unit: int, function: int, address: int, count: int) -> bytes:
        """Read holding (function 3) or input registers (4); 2 ``count`` bytes."""
        answer = await self.ask(unit, struct.pack(">BHH", function, address, count))
        if len(answer) != 2 + 2 * count or answer[1] != 2 * count:
            raise LinkError(Fault.GARBAGE, f"{len(answer) - 2} bytes in answer to {count} registers")
        return answer[2:]

    async def write_bits(self, unit: int, address: int, bits: list[bool]) -> None:
        """Write coils (function 15)."""
        n_bytes = (len(bits) + 7) // 8
        packed = sum(bit << k for k, bit in enumerate(bits)).to_bytes(n_bytes, "little")
        await self._write(unit, struct.pack(">BHHB", 15, address, len(bits), n_bytes) + packed)

    async def write_registers(self, unit: int, address: int, raw: bytes) -> None:
        """Write holding registers (function 16)."""
        await self._write(unit, struct.pack(">BHHB", 16, address, len(raw) // 2, len(raw)) + raw)

    async def _write(self, unit: int, pdu: bytes) -> None:
        if await self.ask(unit, pdu) != pdu[:5]:
            raise LinkError(Fault.GARBAGE, f"answer to function {pdu[0]} names another range")

    def on_data(self, stream: asyncio.Protocol, data: bytes) -> None:
        """Cut frames out of the stream; the answer that is waited for is handed over."""
        if stream is not self._stream:
            return
        self._data += data
        while len(self._data) >= _HEADER.size:
            transaction, protocol, length, unit = _HEADER.unpack_from(self._data)
            if protocol != 0 or not MBAP_LENGTH_MIN <= length <= PDU_MAX + 1:
                self._give_up(Fault.GARBAGE, f"not a Modbus frame: {self._data[:8].hex(' ')}")
                return
            if len(self._data) < 6 + length:
                return
            pdu, self._data = self._data[7 : 6 + length], self._data[6 + length :]
            if self._answer is not None and not self._answer.done() and (transaction, unit) == self._wanted:
                self._answer.set_result(pdu)
            else:
                self.n_late += 1

    def on_lost(self, stream: asyncio.Protocol) -> None:
        """Fail what waits on a connection that ended."""
        if stream is self._stream:
            self._give_up(Fault.CLOSED, "the device closed the connection")

    def _give_up(self, fault: Fault, what: str) -> None:
        self.close()
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(LinkError(fault, what))
