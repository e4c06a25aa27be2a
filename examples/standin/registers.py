"""Numbers in Modbus registers: format, order of the bytes, scale."""

from __future__ import annotations

import struct

FORMATS = {"int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "float32": "f", "float64": "d"}
ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")


def n_registers(kind: str) -> int:
    """Return how many registers a number takes."""
    return struct.calcsize(">" + FORMATS[kind]) // 2


def _ordered(data: bytes, order: str) -> bytes:
    """Bring the bytes of a number from big-endian into an order, or back: each is its own inverse."""
    words = [data[k : k + 2] for k in range(0, len(data), 2)]
    if order in ("CDAB", "DCBA"):
        words.reverse()
    if order in ("BADC", "DCBA"):
        words = [word[::-1] for word in words]
    return b"".join(words)


def decoded(data: bytes, kind: str, order: str = "ABCD", scale: float = 1.0) -> float:
    """Return the number in a register's bytes: raw value times scale."""
    return float(struct.unpack(">" + FORMATS[kind], _ordered(data, order))[0]) * scale


def encoded(value: float, kind: str, order: str = "ABCD", scale: float = 1.0) -> bytes:
    """Return the bytes of a number; an unsigned one counts round, as a token does."""
    raw: float = value / scale
    if FORMATS[kind] in "hHiI":
        raw = round(raw)
        if FORMATS[kind] in "HI":
            raw %= 1 << (16 * n_registers(kind))
    return _ordered(struct.pack(">" + FORMATS[kind], raw), order)
