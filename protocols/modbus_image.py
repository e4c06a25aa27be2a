"""Register image: one board snapshot as the bytes that masters read.

All tables of all units lie one behind the other in two byte strings, big-endian registers and
packed bits, rebuilt as a whole from ONE snapshot. A read is a slice, so no value in an answer
is torn and no answer mixes two steps. Pure apart from the board it is handed.
"""

from __future__ import annotations

import dataclasses as dc
import time
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from protocols.gateway import Gateway
from protocols.modbus_codec import FLOAT32_MAX, FORMATS, Format, encode, swaps_bytes, swaps_words
from protocols.modbus_map import BIT_TABLES, SELF_TEST, STAMP_REGISTERS, Entry, ModbusMap, Stamp
from rtcore.board import Snapshot
from rtcore.quality import BAD_FROM, UNCERTAIN_FROM, Quality

INVALID, STALE, SUBSTITUTED, OUT_OF_RANGE, OVERFLOW = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 4
BLOCKED, COMMS_LOST, DE_ENERGISED = 1 << 6, 1 << 8, 1 << 9
"""Bits of a quality word; bit 5 (test) and bit 7 (time bad) are reserved and never set yet."""

_BITS: dict[int, int] = {
    Quality.GOOD: 0,
    Quality.GOOD_LOCAL_OVERRIDE: SUBSTITUTED,
    Quality.UNCERTAIN_LAST_USABLE: STALE,
    Quality.UNCERTAIN_SUBSTITUTE: SUBSTITUTED,
    Quality.UNCERTAIN_INITIAL: STALE,
    Quality.UNCERTAIN_SENSOR: OUT_OF_RANGE,
    Quality.UNCERTAIN_RANGE: OUT_OF_RANGE,
    Quality.BAD: INVALID,
    Quality.BAD_SENSOR: INVALID,
    Quality.BAD_NO_COMMUNICATION: INVALID | COMMS_LOST,
    Quality.BAD_OUT_OF_SERVICE: INVALID | BLOCKED,
    Quality.BAD_DEENERGISED: INVALID | DE_ENERGISED,
    Quality.BAD_WAITING: INVALID | STALE,
    Quality.BAD_NOT_CONVERGED: INVALID,
}

QUALITY_BITS = np.array(
    [
        _BITS.get(code, INVALID if code >= BAD_FROM else STALE if code >= UNCERTAIN_FROM else 0)
        for code in range(256)
    ],
    np.uint16,
)
"""Quality code of a point -> its bits in a quality word."""

TRUST_NS = 5_000_000
"""A heartbeat found fresh is believed for this long before it is looked at again [ns]."""

Ints = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint16]


@dc.dataclass(frozen=True, slots=True)
class Image:
    """One step as masters see it: registers big-endian, bits packed from the lowest."""

    step: int
    registers: bytes
    bits: bytes

    def read_bits(self, start: int, count: int) -> bytes:
        """Return ``count`` bits from bit ``start`` on, packed as FC1 and FC2 answer them."""
        end = start + count
        window = int.from_bytes(self.bits[start >> 3 : (end + 7) >> 3], "little") >> (start & 7)
        return (window & ((1 << count) - 1)).to_bytes((count + 7) >> 3, "little")


class ImageBuilder:
    """Turns snapshots into images; everything that does not change is worked out once."""

    def __init__(self, modbus_map: ModbusMap) -> None:
        self.base: dict[tuple[int, str], int] = {}
        """First register or bit of a table in the image, by (unit, table)."""
        self.extent = modbus_map.extents()
        n_registers = n_bits = 0
        for (unit, table), extent in sorted(self.extent.items()):
            if table in BIT_TABLES:
                self.base[unit, table] = n_bits
                n_bits += -(-extent // 8) * 8
            else:
                self.base[unit, table] = n_registers
                n_registers += extent
        self._registers = np.zeros(n_registers, ">u2").view(np.uint16)
        self._bits = np.zeros(n_bits, np.uint8)
        self._write_constants(modbus_map)
        self._groups = [
            _Group(fmt, byte_swapped, found, self._at)
            for (fmt, byte_swapped), found in _grouped(modbus_map.entries).items()
        ]
        in_bits = [e for e in modbus_map.entries if e.reference.table in BIT_TABLES]
        self._bit_index = np.array([e.index for e in in_bits], np.intp)
        self._bit_at = np.array([self._at(e) for e in in_bits], np.intp)
        self._stamps = _Stamps(modbus_map.stamps, self.base) if modbus_map.stamps else None

    def build(self, snapshot: Snapshot) -> Image:
        """Return the image of one snapshot."""
        overflowed: list[Ints] = []
        with np.errstate(over="ignore"):  # what a scale makes infinite is clamped and flagged
            for group in self._groups:
                over = group.write(snapshot.values, self._registers)
                if over is not None:
                    overflowed.append(over)
        if self._stamps is not None:
            mask = QUALITY_BITS[snapshot.quality]
            for over in overflowed:
                mask[over] |= OVERFLOW
            self._stamps.write(snapshot, mask, self._registers)
        self._bits[self._bit_at] = snapshot.values[self._bit_index] != 0.0
        packed = np.packbits(self._bits, bitorder="little").tobytes()
        return Image(snapshot.step, self._registers.tobytes(), packed)

    def _at(self, entry: Entry) -> int:
        reference = entry.reference
        return self.base[reference.unit, reference.table] + reference.address

    def _write_constants(self, modbus_map: ModbusMap) -> None:
        for unit in modbus_map.units.values():
            if unit.mirror_of is None:
                for address, name, value in SELF_TEST:
                    raw, _ = encode(value, FORMATS[name], unit.order)
                    at = self.base[unit.unit, "ir"] + address
                    self._registers[at : at + len(raw) // 2] = np.frombuffer(raw, np.uint16)


class LiveImage:
    """The newest image of a running core; rebuilt only when the core has published."""

    def __init__(
        self, gateway: Gateway, builder: ImageBuilder, clock_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self.builder = builder
        self._gateway = gateway
        self._board = gateway.board
        self._clock_ns = clock_ns
        self._trusted_until_ns = 0
        self._image: Image | None = None
        self._step = -1

    def current(self) -> Image | None:
        """Return the image of the newest step, None while the core is dead or has none."""
        now_ns = self._clock_ns()
        if now_ns > self._trusted_until_ns:
            if not self._gateway.is_alive(now_ns):
                return None
            self._trusted_until_ns = now_ns + TRUST_NS
        if self._board.published != self._step:
            snapshot = self._board.read()
            if snapshot is not None:
                self._image = self.builder.build(snapshot)
                self._step = snapshot.step
        return self._image


class _Group:
    """All points of one format and byte order, written in one go."""

    def __init__(
        self, fmt: Format, byte_swapped: bool, entries: Sequence[Entry], at: Callable[[Entry], int]
    ) -> None:
        self.fmt = fmt
        self.byte_swapped = byte_swapped
        self.index = np.array([e.index for e in entries], np.intp)
        scale = np.array([e.reference.scale for e in entries])
        self.scale = None if bool(np.all(scale == 1.0)) else scale
        n = fmt.registers
        self.at = np.array(
            [
                [at(e) + (n - 1 - k if swaps_words(e.reference.order) else k) for k in range(n)]
                for e in entries
            ],
            np.intp,
        ).ravel()
        self.dtype = np.dtype(">" + fmt.code)
        self.low, self.high = _limits(fmt)

    def write(self, values: Floats, registers: Words) -> Ints | None:
        """Store the group's registers; return the point indices that were clamped, if any."""
        raw = values[self.index]
        if self.scale is not None:
            raw /= self.scale
        if self.fmt.is_integer:
            np.rint(raw, out=raw)
        over = None
        if raw.max() <= self.high and raw.min() >= self.low:  # false for NaN
            stored = raw.astype(self.dtype)
        else:
            over = self._clamp(raw)
            stored = raw.astype(self.dtype)
            if self.fmt.is_integer:
                stored[raw >= self.high] = self.fmt.high  # the limit of uint64 is not a float64
        words = stored.view(np.uint16)
        registers[self.at] = words.byteswap() if self.byte_swapped else words
        return over

    def _clamp(self, raw: Floats) -> Ints:
        """Force ``raw`` into the format (NaN: "no value" where there is no NaN)."""
        lost = np.isnan(raw)
        outside = (raw < self.low) | (raw > self.high)
        np.clip(raw, self.low, self.high, out=raw)
        if self.fmt.is_integer:
            raw[lost] = self.low if self.fmt.low < 0 else self.high
            outside |= lost
        return self.index[outside]


class _Stamps:
    """All stamp blocks: sequence number, UTC and quality beside the values."""

    def __init__(self, stamps: Sequence[Stamp], base: dict[tuple[int, str], int]) -> None:
        starts = np.array([base[s.unit, "ir"] + s.address for s in stamps], np.intp)
        swapped = np.array([swaps_words(s.order) for s in stamps])
        self._words = np.zeros((len(stamps), STAMP_REGISTERS), ">u2")
        columns = np.tile(np.arange(STAMP_REGISTERS), (len(stamps), 1))
        columns[swapped, :4] = (1, 0, 3, 2)
        self._at = (starts[:, None] + columns).ravel()
        self._byte_swapped = np.array([swaps_bytes(s.order) for s in stamps])
        self._any_byte_swapped = bool(self._byte_swapped.any())
        # reduceat cannot take an empty run: a block without points points at a spare zero.
        members = [s.members or (-1,) for s in stamps]
        self._members = np.array([i for m in members for i in m], np.intp)
        self._runs = np.cumsum([0] + [len(m) for m in members[:-1]])

    def write(self, snapshot: Snapshot, mask: Words, registers: Words) -> None:
        """Store every block; ``mask`` holds the quality bits of every point."""
        utc_ms = snapshot.utc_ns // 1_000_000
        seq, utc_s = snapshot.step & 0xFFFFFFFF, utc_ms // 1000 & 0xFFFFFFFF
        words = self._words
        words[:, :5] = (seq >> 16, seq & 0xFFFF, utc_s >> 16, utc_s & 0xFFFF, utc_ms % 1000)
        bits = np.append(mask, np.uint16(0))[self._members]
        words[:, 5] = np.bitwise_or.reduceat(bits, self._runs)
        stored = words.view(np.uint16)
        if self._any_byte_swapped:
            stored = stored.copy()
            stored[self._byte_swapped, :4] = stored[self._byte_swapped, :4].byteswap()
        registers[self._at] = stored.ravel()


def _grouped(entries: Sequence[Entry]) -> dict[tuple[Format, bool], list[Entry]]:
    groups: dict[tuple[Format, bool], list[Entry]] = {}
    for entry in entries:
        reference = entry.reference
        if reference.table not in BIT_TABLES:
            swapped = reference.size > 1 and swaps_bytes(reference.order)
            groups.setdefault((reference.format, swapped), []).append(entry)
    return groups


def _limits(fmt: Format) -> tuple[float, float]:
    """Return the smallest and largest float64 that the format can hold."""
    if fmt.is_integer:
        high = float(fmt.high)  # 2**64 - 1 rounds up to 2**64, which does not fit
        return float(fmt.low), high if int(high) <= fmt.high else float(np.nextafter(high, 0.0))
    limit = FLOAT32_MAX if fmt.name == "float32" else np.inf
    return -limit, limit
