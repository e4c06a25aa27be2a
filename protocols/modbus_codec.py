"""Register formats of the Modbus map: how one value becomes registers and comes back.

Word order follows the letters of the four bytes of a 32-bit value, A being the most
significant; 64-bit values follow the same two swaps. A single register is big-endian always.
"""

from __future__ import annotations

import dataclasses as dc
import math
import struct

ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")


@dc.dataclass(frozen=True, slots=True)
class Format:
    """One register format: struct code, registers it takes (0 = a bit), integer limits."""

    name: str
    code: str
    registers: int
    low: int = 0
    high: int = 0

    @property
    def is_integer(self) -> bool:
        """Tell whether registers hold an integer."""
        return self.registers > 0 and self.high > 0


FORMATS = {
    f.name: f
    for f in (
        Format("bit", "?", 0),
        Format("int16", "h", 1, -(2**15), 2**15 - 1),
        Format("uint16", "H", 1, 0, 2**16 - 1),
        Format("int32", "i", 2, -(2**31), 2**31 - 1),
        Format("uint32", "I", 2, 0, 2**32 - 1),
        Format("uint64", "Q", 4, 0, 2**64 - 1),
        Format("float32", "f", 2),
        Format("float64", "d", 4),
    )
}

FLOAT32_MAX = struct.unpack(">f", b"\x7f\x7f\xff\xff")[0]


def swaps_words(order: str) -> bool:
    """Tell whether the least significant register comes first."""
    return order in ("CDAB", "DCBA")


def swaps_bytes(order: str) -> bool:
    """Tell whether the two bytes of each register of a longer value are exchanged."""
    return order in ("BADC", "DCBA")


def arrange(raw: bytes, order: str) -> bytes:
    """Rearrange big-endian bytes into register order, or back (it is its own inverse)."""
    if len(raw) <= 2:
        return raw
    words = [raw[k : k + 2] for k in range(0, len(raw), 2)]
    if swaps_words(order):
        words.reverse()
    if swaps_bytes(order):
        words = [w[::-1] for w in words]
    return b"".join(words)


def encode(value: float, fmt: Format, order: str = "ABCD", scale: float = 1.0) -> tuple[bytes, bool]:
    """Return the registers of one engineering value and whether it had to be clamped.

    NaN in an integer format becomes the usual "no value" pattern: 0x8000... when signed,
    0xFFFF... when unsigned.
    """
    raw = value / scale
    overflowed = False
    packed: float | int = raw
    if fmt.is_integer:
        packed = round(raw) if math.isfinite(raw) else _limit(raw, fmt)
        overflowed = not (math.isfinite(raw) and fmt.low <= packed <= fmt.high)
        packed = min(max(packed, fmt.low), fmt.high)
    elif fmt.name == "float32" and abs(raw) > FLOAT32_MAX:
        packed, overflowed = math.copysign(FLOAT32_MAX, raw), True
    return arrange(struct.pack(">" + fmt.code, packed), order), overflowed


def decode(registers: bytes, fmt: Format, order: str = "ABCD", scale: float = 1.0) -> float:
    """Return the engineering value of the registers of one value.

    A float32 is read as the shortest decimal that it stands for, so that a master that writes
    the printed limit 1.1 writes 1.1 and not 1.10000002384.
    """
    raw = struct.unpack(">" + fmt.code, arrange(registers, order))[0]
    return scaled(_shortest(raw) if fmt.name == "float32" else float(raw), scale)


def scaled(raw: float, scale: float) -> float:
    """Return the engineering value of a raw number, rounded as little as can be."""
    if scale == 1.0 or not math.isfinite(raw):
        return raw
    inverse = round(1.0 / scale) if abs(scale) < 1.0 else 0
    if inverse and abs(inverse * scale - 1.0) < 1e-12:  # 0.1, 0.01...: dividing rounds only once
        return raw / inverse
    return raw * scale


def _limit(raw: float, fmt: Format) -> int:
    if math.isnan(raw):
        return fmt.low if fmt.low < 0 else fmt.high
    return fmt.high if raw > 0 else fmt.low


def _shortest(raw: float) -> float:
    if not math.isfinite(raw):
        return raw
    wanted = struct.pack(">f", raw)
    for digits in range(6, 9):
        short = float(f"{raw:.{digits}g}")
        if abs(short) <= FLOAT32_MAX and struct.pack(">f", short) == wanted:
            return short
    return raw
