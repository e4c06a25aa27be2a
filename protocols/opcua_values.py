"""Values in encoded OPC UA answers: where they are, and what stands there with another value in its place.

The bytes around a value stay as they are, time stamps among them (OPC 10000-6, 5.2.2.16 and .17). Bodies are
read with asyncua's codecs, ``opcua_guards.harden_decoder`` in force: anybody's bytes come here.
"""

from __future__ import annotations

import dataclasses as dc
import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_from_binary, variant_from_binary, variant_to_binary

from protocols.opcua_publish import status_table
from protocols.tamper_image import Reading
from rtcore.quality import BAD_FROM, UNCERTAIN_FROM, Quality

_Type = ua.VariantType
INTEGERS = {
    _Type.SByte: (-(1 << 7), (1 << 7) - 1),
    _Type.Byte: (0, (1 << 8) - 1),
    _Type.Int16: (-(1 << 15), (1 << 15) - 1),
    _Type.UInt16: (0, (1 << 16) - 1),
    _Type.Int32: (-(1 << 31), (1 << 31) - 1),
    _Type.UInt32: (0, (1 << 32) - 1),
    _Type.Int64: (-(1 << 63), (1 << 63) - 1),
    _Type.UInt64: (0, (1 << 64) - 1),
}
NUMBERS = frozenset((_Type.Boolean, _Type.Float, _Type.Double, *INTEGERS))
FLOAT_MAX = float(struct.unpack("<f", b"\xff\xff\x7f\x7f")[0])

HAS_VALUE, HAS_STATUS = 1, 2
TAIL = ((4, 8), (8, 8), (16, 2), (32, 2))
"""(flag, size [bytes]) of the time stamps and their picoseconds."""
NULL = b"\x00"
DATA_CHANGE = ua.ObjectIds.DataChangeNotification_Encoding_DefaultBinary

CODE_OF = [status.value for status in status_table()]
"""Status code of every quality byte."""
QUALITY_OF = {CODE_OF[q]: int(q) for q in Quality}


@dc.dataclass(frozen=True, slots=True)
class Spot:
    """An encoded DataValue: its place in the body, and what it says."""

    start: int
    tail: int
    end: int
    variant: bytes
    status: bytes
    kind: Any
    """Type of the value; None for what is no number."""
    reading: Reading

    @property
    def is_number_or_null(self) -> bool:
        """Tell whether a number may stand there."""
        return self.kind is not None or self.variant in (b"", NULL)


@dc.dataclass(frozen=True, slots=True)
class Group:
    """Values of one list, each with its point; ``length_at`` is where the list's length is encoded."""

    spots: Sequence[tuple[str, Spot]]
    length_at: int | None = None


@dc.dataclass(frozen=True, slots=True)
class Edit:
    """Bytes in place of others."""

    start: int
    end: int
    new: bytes


# ---- reading --------------------------------------------------------------------------------------


def int_of(buffer: Buffer, fmt: str = "<I") -> int:
    """Read an integer."""
    (value,) = struct.unpack(fmt, buffer.read(struct.calcsize(fmt)))
    return int(value)


def array_length(buffer: Buffer) -> int:
    """Read the length of an array; nothing and null are both 0."""
    return max(int_of(buffer, "<i"), 0)


def spot_from(buffer: Buffer) -> Spot:
    """Read a DataValue."""
    start = buffer.cur_pos
    (mask,) = buffer.read(1)
    kind, value = None, math.nan
    at = buffer.cur_pos
    if mask & HAS_VALUE:
        found = variant_from_binary(buffer)
        if found.VariantType in NUMBERS and not found.is_array:
            kind, value = found.VariantType, float(found.Value)
    variant = buffer._data[at : buffer.cur_pos]
    status = buffer.read(4) if mask & HAS_STATUS else b""
    tail = buffer.cur_pos
    buffer.skip(sum(size for flag, size in TAIL if mask & flag))
    return Spot(start, tail, buffer.cur_pos, variant, status, kind, (value, _quality(status)))


def _quality(status: bytes) -> int:
    code = int.from_bytes(status, "little") & 0xFFFF0000  # below are flags
    severity = (int(Quality.GOOD), UNCERTAIN_FROM, BAD_FROM, BAD_FROM)[code >> 30]
    return QUALITY_OF.get(code, severity)


def of_read(buffer: Buffer, tags: Sequence[str | None]) -> list[Group]:
    """Return the attacked values of a ReadResponse, from behind its header."""
    if array_length(buffer) != len(tags):
        return []
    found = [(tag, spot_from(buffer)) for tag in tags]
    return [Group([(tag, spot) for tag, spot in found if tag is not None])]


def of_notification(buffer: Buffer, tags: Mapping[int, str]) -> list[Group]:
    """Return the attacked values of a NotificationMessage; ``tags`` go by client handle."""
    buffer.skip(12)  # sequence number, time
    return [g for g in (_group(buffer, tags) for _ in range(array_length(buffer))) if g is not None]


def _group(buffer: Buffer, tags: Mapping[int, str]) -> Group | None:
    """Read one ExtensionObject; None for other notifications than data changes."""
    type_id = nodeid_from_binary(buffer)
    (encoding,) = buffer.read(1)
    if encoding != 1:
        return None
    length_at = buffer.cur_pos
    length = int_of(buffer, "<i")
    inside = buffer.copy(max(length, 0))
    buffer.skip(length)
    if type_id.NamespaceIndex != 0 or type_id.Identifier != DATA_CHANGE:
        return None
    found = []
    for _ in range(array_length(inside)):
        tag, spot = tags.get(int_of(inside)), spot_from(inside)
        if tag is not None:
            found.append((tag, spot))
    return Group(found, length_at)


def scans(spots: Iterable[tuple[str, Spot]]) -> Iterator[dict[str, Spot]]:
    """Split values, oldest first, so that no point comes twice in one scan."""
    scan = dict[str, Spot]()
    for tag, spot in spots:
        if tag in scan:
            yield scan
            scan = {}
        scan[tag] = spot
    if scan:
        yield scan


# ---- writing --------------------------------------------------------------------------------------


def encoded(body: bytes, spot: Spot, shown: Reading, kind: Any) -> bytes | None:
    """Return a DataValue with another reading.

    Parameters
    ----------
    shown : (float, int)
        Value and quality; bad ones are null, as the station has them.
    kind : VariantType or None
        Type of the point's values, for a place where none stands.

    Returns
    -------
    bytes or None
        None: nobody knows which type the value should have.
    """
    value, quality = shown
    is_null = quality >= BAD_FROM and quality != Quality.BAD_DEENERGISED
    if is_null or not math.isfinite(value):
        variant = NULL
    elif kind is None:
        return None
    else:
        variant = variant_to_binary(ua.Variant(_as(kind, value), kind))
    status = spot.status if quality == spot.reading[1] else struct.pack("<I", CODE_OF[quality])
    mask = body[spot.start] | HAS_VALUE | (HAS_STATUS if status else 0)
    return bytes([mask]) + variant + status + body[spot.tail : spot.end]


def _as(kind: Any, value: float) -> bool | int | float:
    """Return a value as its type can hold it."""
    if kind == _Type.Boolean:
        return value >= 0.5
    if kind == _Type.Float:
        return min(max(value, -FLOAT_MAX), FLOAT_MAX)
    if kind not in INTEGERS:
        return value
    low, high = INTEGERS[kind]
    return int(min(max(round(value), low), high))


def length_edit(body: bytes, group: Group, edits: Iterable[Edit]) -> Edit | None:
    """Return what corrects the length of a list after its edits; None when it is still right."""
    growth = sum(len(e.new) - (e.end - e.start) for e in edits)
    if group.length_at is None or growth == 0:
        return None
    at = group.length_at
    (length,) = struct.unpack_from("<i", body, at)
    return Edit(at, at + 4, struct.pack("<i", length + growth))


def edited(body: bytes, edits: Iterable[Edit]) -> bytes:
    """Return a body with its edits, which do not overlap."""
    parts, at = [], 0
    for e in sorted(edits, key=lambda e: e.start):
        parts += [body[at : e.start], e.new]
        at = e.end
    return b"".join((*parts, body[at:]))
