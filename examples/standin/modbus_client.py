"""The device as Modbus master: polls measurements, writes trip and close."""

from __future__ import annotations

import socket
import struct
import threading
import time
from dataclasses import dataclass

from .device import Device, Pending, inputs_of
from .pace import Pace
from .registers import decoded, encoded
from .wiring import INPUTS, Register

TIMEOUT_S = 1.0
RETRY_S = 0.5
MOST_REGISTERS, MOST_BITS = 125, 2000
READ = {"co": 1, "di": 2, "hr": 3, "ir": 4}
COIL, REGISTERS = 5, 16


class RefusedError(Exception):
    """The peer answered with a Modbus exception ``code``."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Modbus exception {code}")
        self.code = code


class Master:
    """One connection; a broken or silent one raises OSError and is of no use afterwards."""

    def __init__(self, host: str, port: int) -> None:
        self._socket = socket.create_connection((host, port), TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._number = 0

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _take(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self._socket.recv(size - len(data))
            if not more:
                raise ConnectionError("the peer hung up")
            data += more
        return data

    def ask(self, unit: int, pdu: bytes) -> bytes:
        """Send a request and return its answer, function code first."""
        self._number = (self._number + 1) & 0xFFFF
        self._socket.sendall(struct.pack(">HHHB", self._number, 0, len(pdu) + 1, unit) + pdu)
        number, protocol, size, _ = struct.unpack(">HHHB", self._take(7))
        if number != self._number or protocol or not 3 <= size <= 254:
            raise ConnectionError("the answer belongs to no request")
        answer = self._take(size - 1)
        if answer[0] == pdu[0] | 0x80:
            raise RefusedError(answer[1])
        if answer[0] != pdu[0]:
            raise ConnectionError("the answer has another function code")
        return answer

    def write(self, place: Register, value: float) -> None:
        """Write one signal."""
        if place.is_bit:
            self.ask(place.unit, struct.pack(">BHH", COIL, place.address, 0xFF00 if value else 0))
            return
        data = encoded(value, place.kind, place.order, place.scale)
        head = struct.pack(">BHHB", REGISTERS, place.address, len(data) // 2, len(data))
        self.ask(place.unit, head + data)


@dataclass
class Block:
    """Signals that lie side by side and are read with one request."""

    unit: int
    table: str
    first: int
    length: int
    signals: dict[str, Register]

    def read(self, master: Master) -> dict[str, float]:
        """Read it; return value by signal."""
        answer = master.ask(self.unit, struct.pack(">BHH", READ[self.table], self.first, self.length))
        data, is_bits = answer[2:], self.table in ("co", "di")
        if len(data) != answer[1] or len(data) != (-(-self.length // 8) if is_bits else 2 * self.length):
            raise ConnectionError("the answer has the wrong length")
        values = {}
        for name, place in self.signals.items():
            at = place.address - self.first
            if is_bits:
                values[name] = float(data[at // 8] >> at % 8 & 1)
            else:
                raw = data[2 * at : 2 * (at + place.length)]
                values[name] = decoded(raw, place.kind, place.order, place.scale)
        return values


def blocks_of(wiring: dict[str, Register]) -> list[Block]:
    """Return the requests that read all inputs; the currents are asked for last, nearest to the scan."""
    inputs = {n: p for n, p in wiring.items() if n in INPUTS}
    blocks: list[Block] = []
    for name, place in sorted(
        inputs.items(), key=lambda item: (item[1].unit, item[1].table, item[1].address)
    ):
        last = blocks[-1] if blocks else None
        most = MOST_BITS if place.is_bit else MOST_REGISTERS
        if (
            last
            and (last.unit, last.table, last.first + last.length) == (place.unit, place.table, place.address)
            and last.length + place.length <= most
        ):
            last.length += place.length
            last.signals[name] = place
        else:
            blocks.append(Block(place.unit, place.table, place.address, place.length, {name: place}))
    return sorted(blocks, key=lambda block: "ia_a" in block.signals)


class ModbusClient:
    """Keeps the device connected to its peer and scans at a fixed rate, until ``stop`` is set."""

    def __init__(
        self,
        device: Device,
        wiring: dict[str, Register],
        address: tuple[str, int],
        poll_s: float,
        stop: threading.Event,
    ) -> None:
        self._device = device
        self._wiring = wiring
        self._address = address
        self._poll_s = poll_s
        self._stop = stop
        self._blocks = blocks_of(wiring)
        self._pending = Pending(wiring)
        self._refused: int | None = None

    def run(self) -> None:
        """Connect, scan, and connect again after every loss."""
        log = self._device.log
        was_lost = False
        while not self._stop.is_set():
            try:
                master = Master(*self._address)
            except OSError as error:
                if not was_lost:
                    log.write("not_connected", reason=str(error))
                was_lost = True
                self._stop.wait(RETRY_S)
                continue
            log.write("connected")
            was_lost = False
            try:
                self._scan_on(master)
            except OSError as error:
                log.write("connection_lost", reason=str(error) or type(error).__name__)
                self._stop.wait(min(RETRY_S, self._poll_s))
            finally:
                master.close()

    def _scan_on(self, master: Master) -> None:
        pace = Pace(time.monotonic_ns(), self._poll_s)
        while not self._stop.is_set():
            if dead_s := self._device.dead_for_s(time.monotonic_ns()):
                self._device.log.write("dead", for_s=dead_s)
                self._stop.wait(dead_s)
                self._device.log.write("alive")
                continue
            self._scan(master)
            self._stop.wait(pace.wait_s(time.monotonic_ns()))

    def _scan(self, master: Master) -> None:
        values: dict[str, float] = {}
        try:
            for block in self._blocks:
                values |= block.read(master)
        except RefusedError as error:
            if error.code != self._refused:
                self._device.log.write("read_refused", code=error.code)
            self._refused = error.code
            return
        self._refused = None
        outputs = self._device.scan(time.monotonic_ns(), inputs_of(values))
        for name, value in self._pending.due(outputs):
            self._write(master, name, value)

    def _write(self, master: Master, name: str, value: int) -> None:
        asked_ns = time.monotonic_ns()
        what, more = f"{name}_written", {}
        try:
            master.write(self._wiring[name], value)
        except RefusedError as error:
            what, more = f"{name}_refused", {"code": error.code}
        self._pending.done(name, value)
        if (name in Pending.COMMANDS and value) or more:
            self._device.log.write(what, asked_ns=asked_ns, **more)
