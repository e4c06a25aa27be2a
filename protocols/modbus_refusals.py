"""Refused writes: why, what they asked for, and the block of registers that shows it to the master.

Exception codes are too few: a tag, a lockout and a device in local are all 04. A master that wants
to know reads this block on the connection of its write, the same on every unit. It lies far behind
the last address that a point or the mirror of the input registers can have, so that no map can ever
cover it, and it needs neither the image nor a living core. Pure: no sockets, no clock.
"""

from __future__ import annotations

import struct
from typing import Any

from protocols.modbus_pdu import ILLEGAL_ADDRESS, ILLEGAL_VALUE, UnitView
from rtcore.commands import Reason

REFUSALS_AT = 65_520
"""First register of the block; 65520 to 65535 belong to it, those behind the last field do not exist."""

FIELDS = (
    (0, "uint16", "reason: 0 the last write was carried out, otherwise a number of the table below"),
    (1, "uint16", "function code of the last write, 0 before the first"),
    (2, "uint16", "its first address, as in the request"),
    (3, "uint16", "its unit id, as in the request"),
    (4, "uint32", "writes refused on this connection; high word first on every unit"),
)
"""Offset in the block, format, meaning."""

_BLOCK = struct.Struct(">HHHHI")
_TWO = struct.Struct(">HH")
_READS = (3, 4)
_WRITES = {5: ("co", 1), 6: ("hr", 1), 15: ("co", 1), 16: ("hr", 1), 22: ("hr", 1), 23: ("hr", 5)}
"""Function code -> table it writes, where the address stands in its PDU."""
_WITH_COUNT = (15, 16, 23)


def is_write(pdu: bytes) -> bool:
    """Tell whether a request is of a function that writes, however wrong the rest of it is."""
    return pdu[0] in _WRITES


def why_refused(view: UnitView, pdu: bytes, code: int) -> Reason:
    """Say why a write got this exception code before it was looked at as a command."""
    if code == ILLEGAL_VALUE:
        return Reason.WRONG_TYPE
    if code != ILLEGAL_ADDRESS:
        return Reason.NO_VERDICT
    table, at = _WRITES[pdu[0]]
    return view.why_not(table, _word(pdu, at), _word(pdu, at + 2) if pdu[0] in _WITH_COUNT else 1)


def asked(unit: int, view: UnitView | None, pdu: bytes) -> dict[str, Any]:
    """Return what a write asked for that names no points, for its audit record.

    ``unit`` and ``address`` are those of the request, ``address`` None where it ends before. ``via``
    is worded as for other writes: an id that stands for another unit shows as that one.
    """
    function = pdu[0]
    table, at = _WRITES[function]
    address = _word(pdu, at) if len(pdu) >= at + 2 else None
    count = _word(pdu, at + 2) if function in _WITH_COUNT else 1
    place = f"{unit if view is None else view.unit.unit}:{table}"
    if address is not None:
        place += f":{address}" + (f"+{count}" if count > 1 else "")
    return {"via": f"{place} FC{function}", "function": function, "unit": unit, "address": address}


class LastWrite:
    """What became of the last write of one connection."""

    __slots__ = ("_block", "n_refused")

    def __init__(self) -> None:
        self._block = bytes(_BLOCK.size)
        self.n_refused = 0

    def settle(self, unit: int, pdu: bytes, reason: Reason) -> None:
        """Keep the outcome of a write; other requests leave the block alone."""
        if pdu[0] in _WRITES:
            self.n_refused += reason is not Reason.DONE
            address = _word(pdu, _WRITES[pdu[0]][1])
            self._block = _BLOCK.pack(reason, pdu[0], address, unit, self.n_refused & 0xFFFFFFFF)

    def answer(self, pdu: bytes, reply: bytes) -> bytes:
        """Return the reply to a request that is no write and got an exception.

        Reads of the block come this way: no table reaches as far, so the point map has just
        refused them, and reads of points need not look whether they mean the block.
        """
        if pdu[0] in _READS and reply[1] == ILLEGAL_ADDRESS:
            return self._read(pdu) or reply
        return reply

    def _read(self, pdu: bytes) -> bytes:
        """Return the reply to a read that lies in the block as a whole, otherwise nothing."""
        address, count = _TWO.unpack_from(pdu, 1)
        at = 2 * (address - REFUSALS_AT)
        if at < 0 or at + 2 * count > _BLOCK.size:
            return b""
        return bytes((pdu[0], 2 * count)) + self._block[at : at + 2 * count]


def _word(pdu: bytes, at: int) -> int:
    """Return a word of a PDU, 0 where it ends before."""
    return int.from_bytes(pdu[at : at + 2], "big") if len(pdu) >= at + 2 else 0
