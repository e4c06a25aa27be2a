"""Man in the middle on Modbus TCP: changes what replies show and what requests write. No sockets, no clock.

Frames go on byte for byte but for the registers and bits of attacked points: transaction, unit, length and
everything else stay. Values are decoded and encoded as the station's own map says, so that a false value has
the format, order and scale of a true one. A value that a reply holds only in part stays as it is. Lost
communication has no form in a register: the whole reply is withheld.

Replies to functions 1 to 4 and 23 are changed, and writes by functions 5, 6, 15, 16 and 23. A mask write
(22) goes on as it is and is counted: its value depends on one that only the server knows.
"""

from __future__ import annotations

import dataclasses as dc
import struct
from collections import OrderedDict

from protocols.modbus_codec import decode, encode
from protocols.modbus_map import MIRROR_AT, Entry, ModbusMap
from protocols.tamper_image import GOOD, Image, Reading

HEADER = struct.Struct(">HHHB")
LENGTH_MIN, LENGTH_MAX = 2, 254
"""Unit and PDU of a frame [bytes]."""
PENDING_MAX = 1024
"""Requests without an answer that are remembered; the oldest is forgotten first."""
READS = {1: "co", 2: "di", 3: "hr", 4: "ir", 23: "hr"}
"""Functions whose replies hold values -> their table."""
BIT_TABLES = ("co", "di")
MASK_WRITE, EXCHANGE = 22, 23
LENGTH_OF = {1: 5, 2: 5, 3: 5, 4: 5, 5: 5, 6: 5, MASK_WRITE: 7}
"""Functions whose requests are always as long [bytes]."""
EXCEPTION = 0x80
"""Set in the function of a reply that refuses."""


@dc.dataclass(slots=True)
class Tally:
    """Counters of all connections of a proxy."""

    streams: int = 0
    """Streams that went on as another protocol than Modbus."""
    malformed: int = 0
    """Frames that were not understood: of an impossible length for their function, answers to nothing."""
    mask_writes: int = 0
    """Mask writes (function 22) to points whose writes are falsified, which went on true."""


class Frames:
    """Cuts a byte stream into frames of Modbus TCP.

    Attributes
    ----------
    is_broken : bool
        Another protocol id or an impossible length came: from ``rest`` on it is no Modbus.
    """

    def __init__(self, tally: Tally | None = None) -> None:
        self._rest, self._tally = b"", tally or Tally()
        self.is_broken = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the frames that are complete now."""
        self._rest += data
        found = []
        while len(self._rest) >= HEADER.size:
            _, protocol, length, _ = HEADER.unpack_from(self._rest)
            if protocol != 0 or not LENGTH_MIN <= length <= LENGTH_MAX:
                self.is_broken = True  # nothing is fed any more then
                self._tally.streams += 1
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

    @property
    def n_bytes(self) -> int:
        """Values in the reply [bytes]."""
        return (self.count + 7) // 8 if self.table in BIT_TABLES else 2 * self.count


class ModbusTamper:
    """What one connection passes through; several may share the images and the tally.

    Parameters
    ----------
    modbus_map : ModbusMap
        Of the station.
    shown : Image or None
        Points whose readings are falsified.
    written : Image or None
        Points whose writes are.
    tally : Tally, optional
    """

    def __init__(
        self,
        modbus_map: ModbusMap,
        shown: Image | None,
        written: Image | None = None,
        tally: Tally | None = None,
    ) -> None:
        self._map, self._shown, self._written = modbus_map, shown, written
        self._tally = tally or Tally()
        self._pending: OrderedDict[tuple[int, int], _Asked] = OrderedDict()
        self._extents = modbus_map.extents()
        tags = {*(shown.index if shown else ()), *(written.index if written else ())}
        self._entries = [e for e in modbus_map.entries if e.point.tag in tags]
        self.n_changed = 0
        """Replies and requests that went on changed, or not at all."""

    def frames(self) -> Frames:
        """Return what cuts one direction's stream."""
        return Frames(self._tally)

    def request(self, t_s: float, frame: bytes) -> bytes:
        """Return the frame that the server is to get in place of a master's."""
        transaction, _, _, unit = HEADER.unpack_from(frame)
        pdu = frame[HEADER.size :]
        if is_whole(pdu):
            asked, passed = self._request(t_s, unit, pdu)
        else:
            asked, passed = _Asked(pdu[0]), pdu
            self._tally.malformed += 1
        self._pending[transaction, unit] = asked
        while len(self._pending) > PENDING_MAX:
            self._pending.popitem(last=False)
        return frame[: HEADER.size] + passed

    def reply(self, t_s: float, frame: bytes) -> bytes | None:
        """Return the frame that the master is to get in place of the server's, None for none."""
        transaction, _, _, unit = HEADER.unpack_from(frame)
        asked = self._pending.pop((transaction, unit), None)
        pdu = frame[HEADER.size :]
        if asked is None or pdu[0] & ~EXCEPTION != asked.function & ~EXCEPTION:
            self._tally.malformed += 1
            return frame
        if pdu[0] & EXCEPTION:
            return frame
        if asked.sent:
            return frame[: HEADER.size] + asked.sent
        if not asked.table:
            return frame
        if len(pdu) != 2 + asked.n_bytes or pdu[1] != asked.n_bytes:
            self._tally.malformed += 1
            return frame
        shown = self._read_reply(t_s, asked, pdu)
        if shown != pdu:
            self.n_changed += 1
        return None if shown is None else frame[: HEADER.size] + shown

    # ---- requests -----------------------------------------------------------------------------

    def _request(self, t_s: float, unit: int, pdu: bytes) -> tuple[_Asked, bytes]:
        function = pdu[0]
        resolved = self._map.resolve(unit)
        if resolved is None:
            return _Asked(function), pdu
        number = resolved.unit if resolved.mirror_of is None else resolved.mirror_of
        passed = pdu if self._written is None else self._write_request(t_s, self._written, number, pdu)
        self.n_changed += passed != pdu
        if function in READS:
            address, count = struct.unpack_from(">HH", pdu, 1)
            table = READS[function]
            if table == "hr" and address >= MIRROR_AT and not self._are_holding(number, address):
                table, address = "ir", address - MIRROR_AT
            return _Asked(function, number, table, address, count), passed
        if passed == pdu:
            return _Asked(function), pdu
        return _Asked(function, sent=pdu if function in (5, 6) else pdu[:5]), passed

    def _are_holding(self, number: int, address: int) -> bool:
        """Tell whether a unit has holding registers of its own at and beyond an address."""
        return self._extents.get((number, "hr"), 0) > address

    def _write_request(self, t_s: float, image: Image, number: int, pdu: bytes) -> bytes:
        """Return a write with false values."""
        function = pdu[0]
        where: tuple[float, Image, int] = (t_s, image, number)
        if function == MASK_WRITE:
            (address,) = struct.unpack_from(">H", pdu, 1)
            self._tally.mask_writes += bool(self._inside(image, number, "hr", address, address + 1))
        elif function in (5, 6):
            (address,) = struct.unpack_from(">H", pdu, 1)
            if function == 6:
                return pdu[:3] + (self._false_registers(*where, "hr", address, pdu[3:]) or pdu[3:])
            bits = self._false_bits(*where, "co", address, 1, bytes([pdu[3] != 0]))
            is_same = bits is None or bits[0] & 1 == (pdu[3] != 0)
            return pdu if is_same or bits is None else pdu[:3] + (b"\xff\x00" if bits[0] & 1 else b"\x00\x00")
        elif function in (15, 16):
            address, count = struct.unpack_from(">HH", pdu, 1)
            if function == 15:
                return pdu[:6] + (self._false_bits(*where, "co", address, count, pdu[6:]) or pdu[6:])
            return pdu[:6] + (self._false_registers(*where, "hr", address, pdu[6:]) or pdu[6:])
        elif function == EXCHANGE:
            (address,) = struct.unpack_from(">H", pdu, 5)
            return pdu[:10] + (self._false_registers(*where, "hr", address, pdu[10:]) or pdu[10:])
        return pdu

    # ---- replies ------------------------------------------------------------------------------

    def _read_reply(self, t_s: float, asked: _Asked, pdu: bytes) -> bytes | None:
        if self._shown is None:
            return pdu
        where = asked.number, asked.table, asked.address
        if asked.table in BIT_TABLES:
            bits = self._false_bits(t_s, self._shown, *where, asked.count, pdu[2:])
            return None if bits is None else pdu[:2] + bits
        registers = self._false_registers(t_s, self._shown, *where, pdu[2:])
        return None if registers is None else pdu[:2] + registers

    # ---- values -------------------------------------------------------------------------------

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

        def read(registers: bytes | bytearray, tag: str) -> Reading:
            r, at = spans[tag]
            return decode(bytes(registers[at : at + 2 * r.size]), r.format, r.order, r.scale), GOOD

        showing = image.showing(t_s, {tag: read(raw, tag) for tag in spans})
        if showing.is_lost:
            showing.was_withheld()
            return None
        changed, numbers = bytearray(raw), showing.numbers
        for tag, value in numbers.items():
            r, at = spans[tag]
            changed[at : at + 2 * r.size], _ = encode(value, r.format, r.order, r.scale)
        showing.went_out({tag: read(changed, tag) for tag in numbers})
        return bytes(changed)

    def _false_bits(
        self, t_s: float, image: Image, number: int, table: str, address: int, count: int, raw: bytes
    ) -> bytes | None:
        """Return bits, packed as in Modbus, with false ones in them; None when they are to be lost."""
        entries = self._inside(image, number, table, address, address + count)
        if not entries:
            return raw
        packed = int.from_bytes(raw, "little")
        places = {e.point.tag: e.reference.address - address for e in entries}
        showing = image.showing(t_s, {tag: (float(packed >> k & 1), GOOD) for tag, k in places.items()})
        if showing.is_lost:
            showing.was_withheld()
            return None
        numbers = showing.numbers
        for tag, value in numbers.items():
            bit = 1 << places[tag]
            packed = packed | bit if value >= 0.5 else packed & ~bit
        showing.went_out({tag: (float(packed >> places[tag] & 1), GOOD) for tag in numbers})
        return packed.to_bytes(len(raw), "little")


def is_whole(pdu: bytes) -> bool:
    """Tell whether a request is as long as its function and counts say; yes where the form is not known."""
    function, n = pdu[0], len(pdu)
    if function in LENGTH_OF:
        return n == LENGTH_OF[function]
    if function in (15, 16):
        if n < 6:
            return False
        (count,) = struct.unpack_from(">H", pdu, 3)
        return n == 6 + pdu[5] and pdu[5] == ((count + 7) // 8 if function == 15 else 2 * count)
    if function == EXCHANGE:
        return n >= 10 and n == 10 + pdu[9] and pdu[9] == 2 * struct.unpack_from(">H", pdu, 7)[0]
    return True
