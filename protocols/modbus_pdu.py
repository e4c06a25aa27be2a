"""Modbus function codes: a request PDU becomes a reply PDU, or a write to be carried out.

Checks come in the order length, count or value, address range; who may write and what the
plant says comes later, in ``modbus_writes``. Pure: no sockets, no clock.
"""

from __future__ import annotations

import dataclasses as dc
import struct
from collections.abc import Callable, Mapping

from protocols.modbus_codec import decode
from protocols.modbus_image import ImageBuilder, LiveImage
from protocols.modbus_map import MIRROR_AT, WRITABLE_TABLES, Entry, ModbusMap, Unit
from rtcore.commands import Reason
from rtcore.points import Kind

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, DEVICE_FAILURE = 0x01, 0x02, 0x03, 0x04
PATH_UNAVAILABLE, NO_RESPONSE = 0x0A, 0x0B
"""Exception codes that this server gives by itself; others come from the refusal table."""

READ_BITS_MAX, READ_REGISTERS_MAX = 2000, 125
WRITE_BITS_MAX, WRITE_REGISTERS_MAX, EXCHANGE_WRITE_MAX = 1968, 123, 121

UNKNOWN_UNIT = {"0B": NO_RESPONSE, "0A": PATH_UNAVAILABLE, "silence": None}
"""What a unit id gets that nobody serves."""

IDENTITY = ("vendor", "product", "version", "url", "product_name", "model", "application")
"""Keys of the identity settings in the order of the object ids of function 43/14."""

_TWO = struct.Struct(">HH")
_THREE = struct.Struct(">HHH")
_FIFTEEN = struct.Struct(">HHB")
_EXCHANGE = struct.Struct(">HHHHB")
_TABLE_OF = {1: "co", 2: "di", 3: "hr", 4: "ir"}
_IDENTITY_ROOM = 245


@dc.dataclass(frozen=True, slots=True)
class Write:
    """A request that asks for something: one atomic group of writes and what to answer then."""

    unit: Unit
    function: int
    via: str
    """Where it was written, for the audit record."""
    writes: tuple[tuple[int, float], ...] = ()
    """(point index, engineering value)."""
    echo: bytes = b""
    read: tuple[int, int] | None = None
    """FC23: address and count of the holding registers to read afterwards."""
    mask: tuple[int, int, Entry] | None = None
    """FC22: AND mask, OR mask and the setpoint whose value in force they apply to."""


Reply = bytes | Write


def refusal(function: int, code: int) -> bytes:
    """Return an exception reply."""
    return bytes((function | 0x80, code))


class UnitView:
    """One unit as the function codes see it: where its tables lie, what can be written."""

    def __init__(self, unit: Unit, modbus_map: ModbusMap, builder: ImageBuilder) -> None:
        number = unit.unit if unit.mirror_of is None else unit.mirror_of
        own = [e for e in modbus_map.entries if e.reference.unit == number]
        self.unit = unit
        self.spans = {
            function: (builder.base.get((number, table), 0), builder.extent.get((number, table), 0))
            for function, table in _TABLE_OF.items()
        }
        """Function code -> first place in the image and number of addresses."""
        self.writable: dict[tuple[str, int], Entry] = {
            (e.reference.table, e.reference.address): e
            for e in own
            if e.point.is_writable and e.reference.table in WRITABLE_TABLES
        }
        self._is_writable = {
            (e.reference.table, k): e.point.is_writable
            for e in own
            for k in range(e.reference.address, e.reference.end)
        }

    def locate(self, address: int, count: int) -> int | None:
        """Return where holding registers lie in the image, None when some do not exist."""
        base, extent = self.spans[3]
        if address + count <= extent:
            return base + address
        base, extent = self.spans[4]
        if address >= MIRROR_AT and address - MIRROR_AT + count <= extent:
            return base + address - MIRROR_AT
        return None

    def whole_points(self, table: str, address: int, count: int) -> list[Entry] | None:
        """Return the writable points that fill a range exactly, None when they do not."""
        found, end = [], address + count
        while address < end:
            entry = self.writable.get((table, address))
            if entry is None or entry.reference.end > end:
                return None
            found.append(entry)
            address = entry.reference.end
        return found

    def why_not(self, table: str, address: int, count: int) -> Reason:
        """Say why a request may not write a range: shown only, nothing there, or a value cut in two."""
        if self.whole_points(table, address, count) is not None:
            return Reason.UNKNOWN_POINT  # it is the range to be read back that does not exist
        found = {self._is_writable.get((table, k)) for k in range(address, address + count)}
        if False in found or (table == "hr" and 0 <= address - MIRROR_AT < self.spans[4][1]):
            return Reason.NOT_WRITABLE
        return Reason.UNKNOWN_POINT if None in found else Reason.WRONG_TYPE


class Responder:
    """Answers PDUs from the live image."""

    def __init__(self, modbus_map: ModbusMap, live: LiveImage, identity: Mapping[str, str]) -> None:
        self.live = live
        self._objects = [str(identity.get(key, "")).encode("ascii", "replace") for key in IDENTITY]
        views = {
            number: UnitView(unit, modbus_map, live.builder) for number, unit in modbus_map.units.items()
        }
        self.views: dict[int, UnitView] = {}
        for number in range(256):
            unit = modbus_map.resolve(number)
            if unit is not None:
                self.views[number] = views[unit.unit]
        self._functions: dict[int, Callable[[UnitView, bytes], Reply]] = {
            1: self._read_bits,
            2: self._read_bits,
            3: self._read_registers,
            4: self._read_registers,
            5: self._write_coil,
            6: self._write_register,
            15: self._write_coils,
            16: self._write_registers,
            22: self._mask_register,
            23: self._exchange_registers,
            43: self._identify,
        }

    def reply(self, view: UnitView, pdu: bytes) -> Reply:
        """Return the reply PDU to one request, or the write it asks for."""
        function = self._functions.get(pdu[0])
        return refusal(pdu[0], ILLEGAL_FUNCTION) if function is None else function(view, pdu)

    def read_holding(self, view: UnitView, function: int, address: int, count: int) -> bytes:
        """Return the reply to a read of holding registers whose count is legal."""
        at = view.locate(address, count)
        if at is None:
            return refusal(function, ILLEGAL_ADDRESS)
        image = self.live.current()
        if image is None:
            return refusal(function, NO_RESPONSE)
        return bytes((function, 2 * count)) + image.registers[2 * at : 2 * (at + count)]

    def _read_bits(self, view: UnitView, pdu: bytes) -> bytes:
        function = pdu[0]
        if len(pdu) != 5:
            return refusal(function, ILLEGAL_VALUE)
        address, count = _TWO.unpack_from(pdu, 1)
        if not 1 <= count <= READ_BITS_MAX:
            return refusal(function, ILLEGAL_VALUE)
        base, extent = view.spans[function]
        if address + count > extent:
            return refusal(function, ILLEGAL_ADDRESS)
        image = self.live.current()
        if image is None:
            return refusal(function, NO_RESPONSE)
        return bytes((function, (count + 7) >> 3)) + image.read_bits(base + address, count)

    def _read_registers(self, view: UnitView, pdu: bytes) -> bytes:
        function = pdu[0]
        if len(pdu) != 5:
            return refusal(function, ILLEGAL_VALUE)
        address, count = _TWO.unpack_from(pdu, 1)
        if not 1 <= count <= READ_REGISTERS_MAX:
            return refusal(function, ILLEGAL_VALUE)
        if function == 3:
            return self.read_holding(view, function, address, count)
        base, extent = view.spans[4]
        if address + count > extent:
            return refusal(function, ILLEGAL_ADDRESS)
        image = self.live.current()
        if image is None:
            return refusal(function, NO_RESPONSE)
        at = 2 * (base + address)
        return bytes((function, 2 * count)) + image.registers[at : at + 2 * count]

    def _write_coil(self, view: UnitView, pdu: bytes) -> Reply:
        if len(pdu) != 5:
            return refusal(5, ILLEGAL_VALUE)
        address, state = _TWO.unpack_from(pdu, 1)
        if state not in (0x0000, 0xFF00):
            return refusal(5, ILLEGAL_VALUE)
        return self._bits_write(view, 5, address, [state != 0], pdu)

    def _write_coils(self, view: UnitView, pdu: bytes) -> Reply:
        if len(pdu) < 6:
            return refusal(15, ILLEGAL_VALUE)
        address, count, n_bytes = _FIFTEEN.unpack_from(pdu, 1)
        if not 1 <= count <= WRITE_BITS_MAX or not n_bytes == (count + 7) // 8 == len(pdu) - 6:
            return refusal(15, ILLEGAL_VALUE)
        packed = int.from_bytes(pdu[6:], "little")
        return self._bits_write(view, 15, address, [bool(packed >> k & 1) for k in range(count)], pdu[:5])

    def _bits_write(
        self, view: UnitView, function: int, address: int, states: list[bool], echo: bytes
    ) -> Reply:
        points = view.whole_points("co", address, len(states))
        if points is None:
            return refusal(function, ILLEGAL_ADDRESS)
        writes = tuple((e.index, float(s)) for e, s in zip(points, states, strict=True))
        return Write(view.unit, function, _via(view, "co", address, len(states)), writes, echo)

    def _write_register(self, view: UnitView, pdu: bytes) -> Reply:
        if len(pdu) != 5:
            return refusal(6, ILLEGAL_VALUE)
        address, _ = _TWO.unpack_from(pdu, 1)
        return self._registers_write(view, 6, address, pdu[3:5], pdu)

    def _write_registers(self, view: UnitView, pdu: bytes) -> Reply:
        if len(pdu) < 6:
            return refusal(16, ILLEGAL_VALUE)
        address, count, n_bytes = _FIFTEEN.unpack_from(pdu, 1)
        if not 1 <= count <= WRITE_REGISTERS_MAX or not n_bytes == 2 * count == len(pdu) - 6:
            return refusal(16, ILLEGAL_VALUE)
        return self._registers_write(view, 16, address, pdu[6:], pdu[:5])

    def _exchange_registers(self, view: UnitView, pdu: bytes) -> Reply:
        if len(pdu) < 10:
            return refusal(23, ILLEGAL_VALUE)
        address, count, write_at, n_write, n_bytes = _EXCHANGE.unpack_from(pdu, 1)
        if not 1 <= count <= READ_REGISTERS_MAX or not 1 <= n_write <= EXCHANGE_WRITE_MAX:
            return refusal(23, ILLEGAL_VALUE)
        if not n_bytes == 2 * n_write == len(pdu) - 10:
            return refusal(23, ILLEGAL_VALUE)
        if view.locate(address, count) is None:  # before anything is written
            return refusal(23, ILLEGAL_ADDRESS)
        write = self._registers_write(view, 23, write_at, pdu[10:], b"")
        return write if isinstance(write, bytes) else dc.replace(write, read=(address, count))

    def _registers_write(self, view: UnitView, function: int, address: int, raw: bytes, echo: bytes) -> Reply:
        points = view.whole_points("hr", address, len(raw) // 2)
        if points is None:
            return refusal(function, ILLEGAL_ADDRESS)
        writes = []
        for entry in points:
            r = entry.reference
            at = 2 * (r.address - address)
            writes.append((entry.index, decode(raw[at : at + 2 * r.size], r.format, r.order, r.scale)))
        return Write(view.unit, function, _via(view, "hr", address, len(raw) // 2), tuple(writes), echo)

    def _mask_register(self, view: UnitView, pdu: bytes) -> Reply:
        if len(pdu) != 7:
            return refusal(22, ILLEGAL_VALUE)
        address, and_mask, or_mask = _THREE.unpack_from(pdu, 1)
        entry = view.writable.get(("hr", address))
        if entry is None or entry.reference.format.registers != 1 or entry.point.kind is not Kind.SETPOINT:
            return refusal(22, ILLEGAL_ADDRESS)
        via = _via(view, "hr", address, 1)
        return Write(view.unit, 22, via, echo=pdu, mask=(and_mask, or_mask, entry))

    def _identify(self, view: UnitView, pdu: bytes) -> bytes:
        """Function 43/14, conformity 82 hex: basic and regular objects, stream and individual."""
        if len(pdu) < 2 or pdu[1] != 0x0E:
            return refusal(43, ILLEGAL_FUNCTION if len(pdu) >= 2 else ILLEGAL_VALUE)
        if len(pdu) != 4 or not 1 <= pdu[2] <= 4:
            return refusal(43, ILLEGAL_VALUE)
        level, first = pdu[2], pdu[3]
        last = 2 if level == 1 else len(self._objects) - 1
        if level == 4:
            if first >= len(self._objects):
                return refusal(43, ILLEGAL_ADDRESS)
            last = first
        elif first > last:  # the standard has an unknown start begin anew
            first = 0
        body, n_objects, number = b"", 0, first
        while number <= last:
            text = self._objects[number][: _IDENTITY_ROOM - 2]
            if len(body) + 2 + len(text) > _IDENTITY_ROOM:
                break
            body += bytes((number, len(text))) + text
            n_objects += 1
            number += 1
        more, following = (0xFF, number) if number <= last else (0, 0)
        return bytes((43, 0x0E, level, 0x82, more, following, n_objects)) + body


def masked(raw: int, and_mask: int, or_mask: int) -> int:
    """Return what function 22 makes of a register."""
    return raw & and_mask | or_mask & ~and_mask & 0xFFFF


def _via(view: UnitView, table: str, address: int, count: int) -> str:
    return f"{view.unit.unit}:{table}:{address}" + (f"+{count}" if count > 1 else "")
