"""The device's own Modbus map: answers requests from registers and bits; no sockets.

Function codes 1 to 6, 15 and 16. What the wiring does not name does not exist (exception 2). A request is
carried out as a whole or not at all, so a block that was written with one request is never seen half.
"""

from __future__ import annotations

import struct

from .registers import decoded, encoded
from .wiring import INPUTS, Register

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
TABLES = {1: "co", 2: "di", 3: "hr", 4: "ir", 5: "co", 6: "hr", 15: "co", 16: "hr"}
MOST = {1: 2000, 2: 2000, 3: 125, 4: 125, 15: 1968, 16: 123}
Cell = tuple[int, str, int]
"""Unit, table, address."""


class RefusalError(Exception):
    """A request is answered with a Modbus exception ``code``."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Image:
    """Registers and bits of the signals of a wiring."""

    def __init__(self, wiring: dict[str, Register]) -> None:
        self._wiring = wiring
        self._cells: dict[Cell, int] = {}
        self._writable: set[Cell] = set()
        for name, place in wiring.items():
            cells = dict.fromkeys(self._cells_of(place), 0)
            self._cells |= cells
            if name in INPUTS:
                self._writable |= set(cells)
        self._unwritten = set(self._writable)

    @staticmethod
    def _cells_of(place: Register) -> list[Cell]:
        return [(place.unit, place.table, place.address + k) for k in range(place.length)]

    # ---- the device's side

    @property
    def is_complete(self) -> bool:
        """Whether every input has been written once."""
        return not self._unwritten

    def inputs(self) -> dict[str, float]:
        """Return the inputs by signal."""
        found = {}
        for name, place in self._wiring.items():
            if name in INPUTS:
                words = [self._cells[c] for c in self._cells_of(place)]
                raw = struct.pack(f">{len(words)}H", *words)
                is_bit = place.is_bit
                found[name] = (
                    float(words[0]) if is_bit else decoded(raw, place.kind, place.order, place.scale)
                )
        return found

    def put(self, outputs: dict[str, int]) -> None:
        """Show outputs."""
        for name, value in outputs.items():
            if place := self._wiring.get(name):
                raw = (
                    struct.pack(">H", value)
                    if place.is_bit
                    else encoded(value, place.kind, place.order, place.scale)
                )
                words = struct.unpack(f">{len(raw) // 2}H", raw)
                self._cells.update(zip(self._cells_of(place), words, strict=True))

    # ---- the peer's side

    def answer(self, unit: int, pdu: bytes) -> bytes:
        """Return the answer to a request, function code first."""
        function = pdu[0]
        try:
            if function not in TABLES:
                raise RefusalError(ILLEGAL_FUNCTION)
            if function in (1, 2, 3, 4):
                return self._read(unit, pdu)
            return self._write(unit, pdu)
        except RefusalError as refusal:
            return bytes((function | 0x80, refusal.code))
        except struct.error:
            return bytes((function | 0x80, ILLEGAL_VALUE))

    def _read(self, unit: int, pdu: bytes) -> bytes:
        function, first, count = struct.unpack(">BHH", pdu)
        if not 1 <= count <= MOST[function]:
            raise RefusalError(ILLEGAL_VALUE)
        cells = [(unit, TABLES[function], first + k) for k in range(count)]
        if not all(c in self._cells for c in cells):
            raise RefusalError(ILLEGAL_ADDRESS)
        values = [self._cells[c] for c in cells]
        if function in (1, 2):
            bits = sum(bool(v) << k for k, v in enumerate(values))
            data = bits.to_bytes(-(-count // 8), "little")
        else:
            data = struct.pack(f">{count}H", *values)
        return bytes((function, len(data))) + data

    def _write(self, unit: int, pdu: bytes) -> bytes:
        function, first = struct.unpack(">BH", pdu[:3])
        values = self._written(function, pdu)
        cells = [(unit, TABLES[function], first + k) for k in range(len(values))]
        if not all(c in self._writable for c in cells):
            raise RefusalError(ILLEGAL_ADDRESS)
        self._cells.update(zip(cells, values, strict=True))
        self._unwritten.difference_update(cells)
        return pdu[:5]

    @staticmethod
    def _written(function: int, pdu: bytes) -> list[int]:
        """Return the values of a write request."""
        if function in (5, 6):
            (value,) = struct.unpack(">H", pdu[3:])
            if function == 5 and value not in (0, 0xFF00):
                raise RefusalError(ILLEGAL_VALUE)
            return [value == 0xFF00 if function == 5 else value]
        count, size = struct.unpack(">HB", pdu[3:6])
        is_right = size == (-(-count // 8) if function == 15 else 2 * count)
        if not (1 <= count <= MOST[function] and is_right and len(pdu) == 6 + size):
            raise RefusalError(ILLEGAL_VALUE)
        if function == 15:
            bits = int.from_bytes(pdu[6:], "little")
            return [bits >> k & 1 for k in range(count)]
        return list(struct.unpack(f">{count}H", pdu[6:]))
