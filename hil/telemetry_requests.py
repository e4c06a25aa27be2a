"""Telemetered points as few Modbus requests, with the quality words beside them. Pure: no sockets.

Modbus carries no quality of single points: a device's stamp block has one word for all of its points. What it
says is put down to those points that it fits: a dead section reads 0, what is out of range stands at its end.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Collection, Iterator, Sequence

from protocols import modbus_image as mi
from protocols.modbus_codec import decode
from protocols.modbus_map import BIT_TABLES, STAMP_REGISTERS, Entry, ModbusMap
from protocols.modbus_pdu import READ_BITS_MAX, READ_REGISTERS_MAX
from rtcore.points import Point
from rtcore.quality import Quality

REGISTER_GAP, BIT_GAP = 24, 256
"""Addresses that a request may read in vain: fewer than another request would cost."""


@dc.dataclass(frozen=True, slots=True)
class Request:
    """One contiguous range of one table; ``marks``: point -> place of its device's quality word."""

    unit: int
    table: str
    address: int
    count: int
    entries: tuple[Entry, ...]
    marks: dict[int, int]

    @property
    def is_bits(self) -> bool:
        """Tell whether it reads coils or discrete inputs."""
        return self.table in BIT_TABLES

    def bits(self, read: Sequence[bool]) -> Iterator[tuple[int, float, int]]:
        """Give point, value and quality of every bit; bits have no quality of their own."""
        for entry in self.entries:
            yield entry.index, float(read[entry.reference.address - self.address]), int(Quality.GOOD)

    def registers(self, raw: bytes) -> Iterator[tuple[int, float, int]]:
        """Give point, value in its unit, and quality."""
        for entry in self.entries:
            reference = entry.reference
            at = 2 * (reference.address - self.address)
            part = raw[at : at + 2 * reference.format.registers]
            value = decode(part, reference.format, reference.order) * reference.scale
            mark = self.marks.get(entry.index)
            word = 0 if mark is None else int.from_bytes(raw[2 * mark : 2 * mark + 2], "big")
            yield entry.index, value, quality_of(word, value, entry.point)


def quality_of(word: int, value: float, point: Point) -> int:
    """Return a point's quality from its device's quality word and its own value."""
    if math.isnan(value):
        return int(Quality.BAD)
    if word & mi.COMMS_LOST:
        return int(Quality.BAD_NO_COMMUNICATION)
    if word & mi.BLOCKED:
        return int(Quality.BAD_OUT_OF_SERVICE)
    if word & mi.DE_ENERGISED:
        return int(Quality.BAD_DEENERGISED) if value == 0.0 else int(Quality.GOOD)
    if word & mi.INVALID:
        return int(Quality.BAD_WAITING if word & mi.STALE else Quality.BAD)
    if word & mi.STALE:
        return int(Quality.UNCERTAIN_LAST_USABLE)
    if word & (mi.OUT_OF_RANGE | mi.OVERFLOW):
        is_inside = point.minimum < value < point.maximum
        return int(Quality.GOOD if is_inside else Quality.UNCERTAIN_RANGE)
    return int(Quality.UNCERTAIN_SUBSTITUTE if word & mi.SUBSTITUTED else Quality.GOOD)


def plan_requests(modbus_map: ModbusMap, wanted: Collection[int]) -> list[Request]:
    """Return the requests that read the wanted points and the quality words of their devices."""
    chosen = set(wanted)
    word_at = _quality_words(modbus_map)
    cells: dict[tuple[int, str], list[tuple[int, int, Entry | None]]] = {}
    for entry in modbus_map.entries:
        if entry.index not in chosen:
            continue
        reference = entry.reference
        row = cells.setdefault((reference.unit, reference.table), [])
        row.append((reference.address, reference.end, entry))
        if reference.table == "ir" and entry.index in word_at:
            at = word_at[entry.index]
            row.append((at, at + 1, None))
    return [
        request
        for (unit, table), row in sorted(cells.items())
        for request in _requests(unit, table, row, word_at)
    ]


def _quality_words(modbus_map: ModbusMap) -> dict[int, int]:
    """Return point -> address of the quality word of its device; a whole unit's says nothing of a point."""
    of_unit = {
        s.unit: max(len(x.members) for x in modbus_map.stamps if x.unit == s.unit) for s in modbus_map.stamps
    }
    found: dict[int, int] = {}
    for stamp in modbus_map.stamps:
        if stamp.address == 0 and len(stamp.members) == of_unit[stamp.unit]:
            continue
        found.update(dict.fromkeys(stamp.members, stamp.address + STAMP_REGISTERS - 1))
    return found


def _requests(
    unit: int, table: str, cells: list[tuple[int, int, Entry | None]], word_at: dict[int, int]
) -> Iterator[Request]:
    is_bits = table in BIT_TABLES
    most, gap = (READ_BITS_MAX, BIT_GAP) if is_bits else (READ_REGISTERS_MAX, REGISTER_GAP)
    cells = sorted(cells, key=lambda c: (c[0], c[1]))
    run: list[tuple[int, int, Entry | None]] = []
    end = 0
    for cell in cells:
        if run and (cell[0] > end + gap or max(end, cell[1]) - run[0][0] > most):
            yield _request(unit, table, run, end, word_at)
            run = []
        end = max(end, cell[1]) if run else cell[1]
        run.append(cell)
    if run:
        yield _request(unit, table, run, end, word_at)


def _request(
    unit: int, table: str, run: list[tuple[int, int, Entry | None]], end: int, word_at: dict[int, int]
) -> Request:
    first = run[0][0]
    entries = tuple(e for _, _, e in run if e is not None)
    marks = {
        e.index: word_at[e.index] - first
        for e in entries
        if table == "ir" and first <= word_at.get(e.index, -1) < end
    }
    return Request(unit, table, first, end - first, entries, marks)
