"""Man in the middle on Modbus TCP: changes what replies show and what requests write. No sockets, no clock.

Frames go on byte for byte but for the registers and bits of attacked points: transaction, unit, length and
everything else stay. Values are decoded and encoded as the station's own map says, so that a false value has
the format, order and scale of a true one. A value that a reply holds only in part stays as it is. Lost
communication has no form in a register: the whole reply is withheld.
"""

from __future__ import annotations

import dataclasses as dc
import struct
from collections import OrderedDict

from protocols.modbus_codec import decode, encode
from protocols.modbus_map import MIRROR_AT, Entry, ModbusMap
from protocols.tamper_image import Image

HEADER = struct.Struct(">HHHB")
LENGTH_MIN, LENGTH_MAX = 2, 254
"""Unit and PDU of a frame [bytes]."""
PENDING_MAX = 1024
"""Requests without an answer that are remembered; the oldest is forgotten first."""
TABLE_OF = {1: "co", 2: "di", 3: "hr", 4: "ir", 23: "hr"}


class Frames:
    """Cuts a byte stream into frames of Modbus TCP.

    Attributes
    ----------
    is_broken : bool
        Another protocol id or an impossible length came: from ``rest`` on it is no Modbus.
    """

    def __init__(self) -> None:
        self._rest = b""
        self.is_broken = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the frames that are complete now."""
        self._rest += data
        found = []
        while len(self._rest) >= HEADER.size:
            _, protocol, length, _ = HEADER.unpack_from(self._rest)
            if protocol != 0 or not LENGTH_MIN <= length <= LENGTH_MAX:
                self.is_broken = True
                break
            if len(self._rest) < 6 + length:
                break
            found.append(self._rest[: 6 + length])
            self._rest = self._rest[6 + length :]
        return found

    @property
    def rest(self) -> bytes:
        """Bytes that are no complete frame."""
        return self._rest


@dc.dataclass(frozen=True, slots=True)
class _Asked:
    """What a request asked for: where a reply's values lie, or which PDU the master believes to have sent."""

    function: int
    number: int = 0
    table: str = ""
    address: int = 0
    count: int = 0
    sent: bytes = b""


class ModbusTamper:
    """What one connection passes through; several may share the images.

    Parameters
    ----------
    modbus_map : ModbusMap
        Of the station.
    shown : Image or None
        Points whose readings are falsified.
    written : Image or None
        Points whose writes are.
    """

    def __init__(self, modbus_map: ModbusMap, shown: Image | None, written: Image | None = None) -> None:
        self._map, self._shown, self._written = modbus_map, shown, written
        self._pending: OrderedDict[tuple[int, int], _Asked] = OrderedDict()
        self._extents = modbus_map.extents()
        tags = {*(shown.index if shown else ()), *(written.index if written else ())}
        self._entries = [e for e in modbus_map.entries if e.point.tag in tags]
        self.n_changed = 0
        """Replies and requests that went on changed, or not at all."""

    @staticmethod
    def frames() -> Frames:
        """Return what cuts one direction's stream."""
        return Frames()

    def request(self, t_s: float, frame: bytes) -> bytes:
        """Return the frame that the server is to get in place of a master's."""
        transaction, _, _, unit = HEADER.unpack_from(frame)
        pdu = frame[HEADER.size :]
        asked, passed = self._request(t_s, unit, pdu)
        if asked is not None:
            self._pending[transaction, unit] = asked
            while len(self._pending) > PENDING_MAX:
                self._pending.popitem(last=False)
        return frame[: HEADER.size] + passed

    def reply(self, t_s: float, frame: bytes) -> bytes | None:
        """Return the frame that the master is to get in place of the server's, None for none."""
        transaction, _, _, unit = HEADER.unpack_from(frame)
        asked = self._pending.pop((transaction, unit), None)
        pdu = frame[HEADER.size :]
        if asked is None or pdu[0] != asked.function:  # an exception, or nothing of ours
            return frame
        if asked.sent:
            return frame[: HEADER.size] + asked.sent
        shown = self._read_reply(t_s, asked, pdu)
        if shown != pdu:
            self.n_changed += 1
        return None if shown is None else frame[: HEADER.size] + shown

    # ---- requests -----------------------------------------------------------------------------

    def _request(self, t_s: float, unit: int, pdu: bytes) -> tuple[_Asked | None, bytes]:
        resolved = self._map.resolve(unit)
        if resolved is None:
            return None, pdu
        number = resolved.unit if resolved.mirror_of is None else resolved.mirror_of
        function = pdu[0]
        if function in TABLE_OF and len(pdu) >= 5:
            address, count = struct.unpack_from(">HH", pdu, 1)
            table = TABLE_OF[function]
            if table == "hr" and address >= MIRROR_AT and not self._are_holding(number, address):
                table, address = "ir", address - MIRROR_AT
            return _Asked(function, number, table, address, count), pdu
        if self._written is None:
            return None, pdu
        passed = self._write_request(t_s, number, function, pdu)
        if passed == pdu:
            return None, pdu
        self.n_changed += 1
        return _Asked(function, sent=pdu if function in (5, 6) else pdu[:5]), passed

    def _are_holding(self, number: int, address: int) -> bool:
        """Tell whether a unit has holding registers of its own at and beyond an address."""
        return self._extents.get((number, "hr"), 0) > address

    def _write_request(self, t_s: float, number: int, function: int, pdu: bytes) -> bytes:
        """Return a write with false values; one that is malformed goes on as it is, to be refused."""
        assert self._written is not None
        where: tuple[float, Image, int] = (t_s, self._written, number)
        if function in (5, 6) and len(pdu) == 5:
            (address,) = struct.unpack_from(">H", pdu, 1)
            if function == 6:
                return pdu[:3] + (self._false_registers(*where, "hr", address, pdu[3:]) or pdu[3:])
            bits = self._false_bits(*where, "co", address, 1, bytes([pdu[3] != 0]))
            return pdu if bits is None else pdu[:3] + (b"\xff\x00" if bits[0] & 1 else b"\x00\x00")
        if function in (15, 16) and len(pdu) > 6 and len(pdu) == 6 + pdu[5]:
            address, count = struct.unpack_from(">HH", pdu, 1)
            if function == 15:
                return pdu[:6] + (self._false_bits(*where, "co", address, count, pdu[6:]) or pdu[6:])
            return pdu[:6] + (self._false_registers(*where, "hr", address, pdu[6:]) or pdu[6:])
        return pdu

    # ---- replies ------------------------------------------------------------------------------

    def _read_reply(self, t_s: float, asked: _Asked, pdu: bytes) -> bytes | None:
        if self._shown is None or len(pdu) < 2 or len(pdu) != 2 + pdu[1]:
            return pdu
        where = asked.number, asked.table, asked.address
        if asked.table in ("co", "di"):
            bits = self._false_bits(t_s, self._shown, *where, asked.count, pdu[2:])
            return None if bits is None else pdu[:2] + bits
        registers = self._false_registers(t_s, self._shown, *where, pdu[2:])
        return None if registers is None else pdu[:2] + registers

    def _inside(self, image: Image, number: int, table: str, first: int, end: int) -> list[Entry]:
        return [
            e
            for e in self._entries
            if e.reference.unit == number
            and e.reference.table == table
            and first <= e.reference.address
            and e.reference.end <= end
            and e.point.tag in image.index
        ]

    def _false_registers(
        self, t_s: float, image: Image, number: int, table: str, address: int, raw: bytes
    ) -> bytes | None:
        """Return registers with false values in them; None when the points are to be lost."""
        entries = self._inside(image, number, table, address, address + len(raw) // 2)
        if not entries:
            return raw
        spans = {e.point.tag: (e.reference, 2 * (e.reference.address - address)) for e in entries}
        seen = {
            tag: decode(raw[at : at + 2 * r.size], r.format, r.order, r.scale)
            for tag, (r, at) in spans.items()
        }
        false = image.false(t_s, seen)
        if false is None:
            return None
        changed = bytearray(raw)
        for tag, value in false.items():
            r, at = spans[tag]
            changed[at : at + 2 * r.size], _ = encode(value, r.format, r.order, r.scale)
        return bytes(changed)

    def _false_bits(
        self, t_s: float, image: Image, number: int, table: str, address: int, count: int, raw: bytes
    ) -> bytes | None:
        """Return bits, packed as in Modbus, with false ones in them; None when they are to be lost."""
        entries = self._inside(image, number, table, address, address + count)
        if not entries or len(raw) != (count + 7) // 8:
            return raw
        packed = int.from_bytes(raw, "little")
        places = {e.point.tag: e.reference.address - address for e in entries}
        false = image.false(t_s, {tag: float(packed >> k & 1) for tag, k in places.items()})
        if false is None:
            return None
        for tag, value in false.items():
            bit = 1 << places[tag]
            packed = packed | bit if value >= 0.5 else packed & ~bit
        return packed.to_bytes(len(raw), "little")
