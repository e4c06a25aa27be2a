"""Places of a Modbus device as few requests: one for each contiguous range. Pure: no sockets."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Iterator, Sequence

from protocols.modbus_codec import decode, encode
from protocols.modbus_pdu import READ_BITS_MAX, READ_REGISTERS_MAX, WRITE_BITS_MAX, WRITE_REGISTERS_MAX
from protocols.wiring import BOOL, ModbusPlace

Cell = tuple[int, ModbusPlace]
"""Position in the list of places, and the place."""


@dc.dataclass(frozen=True, slots=True)
class Block:
    """A contiguous range of one table of one unit."""

    unit: int
    table: str
    address: int
    count: int
    cells: tuple[Cell, ...]

    def __str__(self) -> str:
        return f"{self.unit}:{self.table}:{self.address}" + (f"+{self.count}" if self.count > 1 else "")

    def registers(self, values: Sequence[float | None]) -> tuple[bytes, int]:
        """Return its registers and how many values had to be clamped; every value must be there."""
        raw, n_clamped = b"", 0
        for at, place in self.cells:
            value = values[at]
            assert value is not None
            part, is_clamped = encode(_written(value, place), place.codec, place.order)
            raw += part
            n_clamped += is_clamped
        return raw, n_clamped

    def bits(self, values: Sequence[float | None]) -> list[bool]:
        """Return its bits."""
        return [bool(values[at]) for at, _ in self.cells]

    def take_registers(self, raw: bytes, values: list[float | None]) -> None:
        """Put what was read into the list of values."""
        for at, place in self.cells:
            start = 2 * (place.address - self.address)
            value = decode(raw[start : start + 2 * place.codec.registers], place.codec, place.order)
            values[at] = float(value != 0.0) if place.format == BOOL else value

    def take_bits(self, bits: Sequence[bool], values: list[float | None]) -> None:
        """Put what was read into the list of values."""
        for at, place in self.cells:
            values[at] = float(bits[place.address - self.address])


def read_blocks(places: Sequence[ModbusPlace]) -> list[Block]:
    """Return the ranges to be read; places may share registers."""
    return list(_blocks(list(enumerate(places)), READ_BITS_MAX, READ_REGISTERS_MAX))


def write_blocks(places: Sequence[ModbusPlace], values: Sequence[float | None]) -> list[Block]:
    """Return the ranges to be written: those places that have a value. Places do not overlap."""
    cells = [(at, p) for at, p in enumerate(places) if values[at] is not None]
    return list(_blocks(cells, WRITE_BITS_MAX, WRITE_REGISTERS_MAX))


def _blocks(cells: list[Cell], bits_max: int, registers_max: int) -> Iterator[Block]:
    cells = sorted(cells, key=lambda c: (c[1].unit, c[1].table, c[1].address))
    run: list[Cell] = []
    end = 0
    for cell in cells:
        place = cell[1]
        if run:
            first = run[0][1]
            size_max = bits_max if first.is_bit else registers_max
            is_next = (place.unit, place.table) == (first.unit, first.table) and place.address <= end
            if not is_next or max(end, place.end) - first.address > size_max:
                yield _block(run, end)
                run = []
        end = max(end, place.end) if run else place.end
        run.append(cell)
    if run:
        yield _block(run, end)


def _block(run: list[Cell], end: int) -> Block:
    first = run[0][1]
    return Block(first.unit, first.table, first.address, end - first.address, tuple(run))


def _written(value: float, place: ModbusPlace) -> float:
    return float(value != 0.0) if place.format == BOOL else value
