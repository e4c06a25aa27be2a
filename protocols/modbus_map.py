"""Modbus map: where every point sits in the tables of every unit, and what is wrong with it.

A wire reference reads ``<unit>:<table>:<address>:<format>[:<order>][*<scale>]``, for example
``2:ir:1000:float32:ABCD`` or ``1:ir:40:int16*0.1``; the value in engineering units is
raw * scale. Addresses are those of the PDU, counted from 0. Pure: no sockets, no files.

Every unit also carries two constants for checking a master's word order, a copy of its input
registers among its holding registers, and the stamp blocks that the station asks for.
"""

from __future__ import annotations

import dataclasses as dc
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from protocols.gateway import MODBUS_EXCEPTION
from protocols.modbus_codec import FORMATS, ORDERS, Format
from rtcore.commands import REASON_TEXT
from rtcore.errors import Problem, UserInputError, did_you_mean
from rtcore.points import Point

TABLES = {"co": "coils", "di": "discrete inputs", "ir": "input registers", "hr": "holding registers"}
BIT_TABLES = ("co", "di")
WRITABLE_TABLES = ("co", "hr")
ADDRESS_MAX = 9999
UNIT_MAX = 247

MIRROR_AT = 10_000
"""Holding register 10000+n reads what input register n reads, for masters with FC3 only."""

SELF_TEST = ((90, "float32", 123456.0), (92, "int32", float(0x01020304)))
"""Constants among the input registers of every unit: address, format, value."""

STAMP_REGISTERS = 6
"""A stamp block: seq uint32, utc_s uint32, utc_ms uint16, quality uint16."""


@dc.dataclass(frozen=True, slots=True)
class Reference:
    """One parsed wire reference; ``order`` is empty when it is left to the unit."""

    unit: int
    table: str
    address: int
    format: Format
    order: str
    scale: float

    @property
    def size(self) -> int:
        """Addresses it takes: registers, or one bit."""
        return max(1, self.format.registers)

    @property
    def end(self) -> int:
        """First address behind it."""
        return self.address + self.size


@dc.dataclass(frozen=True, slots=True)
class Unit:
    """One unit id that answers; a mirror serves another unit's image read-only."""

    unit: int
    name: str
    order: str = "ABCD"
    read_only: bool = False
    mirror_of: int | None = None


@dc.dataclass(frozen=True, slots=True)
class Entry:
    """One point in its place; ``index`` is its position on the board, the order is resolved."""

    index: int
    point: Point
    reference: Reference


@dc.dataclass(frozen=True, slots=True)
class Stamp:
    """A stamp block and the points whose quality it sums up."""

    unit: int
    address: int
    order: str
    members: tuple[int, ...]


@dc.dataclass(frozen=True, slots=True)
class ModbusMap:
    """The whole map of a station, checked."""

    units: Mapping[int, Unit]
    entries: tuple[Entry, ...]
    stamps: tuple[Stamp, ...]
    default_unit: int | None

    def resolve(self, unit: int) -> Unit | None:
        """Return the unit that answers for a unit id on the wire (0 and 255: the default one)."""
        if unit in (0, 255) and self.default_unit is not None:
            return self.units[self.default_unit]
        return self.units.get(unit)

    def extents(self) -> dict[tuple[int, str], int]:
        """Return the number of addresses of every table in use, by (unit, table)."""
        found: dict[tuple[int, str], int] = {}
        spans = [(e.reference.unit, e.reference.table, e.reference.end) for e in self.entries]
        spans += [(s.unit, "ir", s.address + STAMP_REGISTERS) for s in self.stamps]
        for unit in self.units.values():
            if unit.mirror_of is None:
                address, name, _ = SELF_TEST[-1]
                spans.append((unit.unit, "ir", address + FORMATS[name].registers))
        for number, table, end in spans:
            found[number, table] = max(found.get((number, table), 0), end)
        return found


def parse(text: str) -> tuple[Reference | None, list[str]]:
    """Return the reference, or None and everything that is wrong with its text."""
    body, star, scale_text = text.partition("*")
    parts = body.split(":")
    if not 4 <= len(parts) <= 5:
        return None, [f"{text!r} is not <unit>:<table>:<address>:<format>[:<order>][*<scale>]"]
    unit_text, table, address_text, format_name = parts[:4]
    order = parts[4] if len(parts) == 5 else ""
    problems: list[str] = []
    unit = _whole(unit_text, 1, UNIT_MAX, "unit", problems)
    address = _whole(address_text, 0, ADDRESS_MAX, "address", problems)
    _word(table, TABLES, "table", problems)
    fmt = FORMATS.get(format_name)
    _word(format_name, FORMATS, "format", problems)
    if len(parts) == 5:
        _word(order, ORDERS, "word order", problems)
    scale = _scale(scale_text, problems) if star else 1.0
    if fmt is None or problems:
        return None, problems
    reference = Reference(unit, table, address, fmt, order, scale)
    return reference, _shape_problems(reference)


def build(
    points: Sequence[Point],
    stamps: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    file: str = "modbus map",
) -> ModbusMap:
    """Check and build the map of a station.

    Parameters
    ----------
    points : sequence of Point
        In board order; those without a ``modbus`` wire reference are left out.
    stamps : sequence of {"unit", "address", "device"}
        ``device`` "" means every point of the unit.
    settings : mapping
        The station's Modbus settings; ``units`` and ``default_unit`` are read here.
    file : str
        Named in problems.

    Raises
    ------
    UserInputError
        With every problem of the map.
    """
    problems: list[Problem] = []
    units = _units(settings.get("units", ()), file, problems)
    default_unit = settings.get("default_unit")
    if default_unit is not None and default_unit not in units:
        known = ", ".join(map(str, units))
        problems.append(Problem(file, "default_unit", f"no unit {default_unit!r}; allowed {known}"))
    entries = _entries(points, units, file, problems)
    blocks = _stamps(stamps, points, entries, units, file, problems)
    _overlaps(entries, blocks, units, file, problems)
    if problems:
        raise UserInputError(problems)
    return ModbusMap(units, tuple(entries), tuple(s for _, s in blocks), default_unit)


def columns(point: Point, orders: Mapping[int, str] | None = None) -> dict[str, Any]:
    """Return the Modbus columns of the printed map for one point.

    ``orders`` gives the word order of each unit for references that leave it open (default
    ABCD). Points that are not on Modbus, or not in that column, have empty strings.
    """
    names = ("modbus_unit", "modbus_table", "modbus_address", "modbus_format", "word_order", "scale")
    reference, _ = parse(point.wire["modbus"]) if "modbus" in point.wire else (None, [])
    if reference is None:
        return dict.fromkeys(names, "")
    order = reference.order or (orders or {}).get(reference.unit, "ABCD")
    values = (
        reference.unit,
        reference.table,
        reference.address,
        reference.format.name,
        order if reference.size > 1 else "",
        reference.scale,
    )
    return dict(zip(names, values, strict=True))


def refusal_table() -> list[tuple[str, str, str]]:
    """Return (reason, exception code, meaning) for every way a write can be refused."""
    return [(r.name, f"{code:02X}", REASON_TEXT[r]) for r, code in MODBUS_EXCEPTION.items()]


def _whole(text: str, low: int, high: int, what: str, problems: list[str]) -> int:
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        problems.append(f"{what} {text!r} is not a whole number in {low}..{high}")
        return -1
    return int(text)


def _word(text: str, allowed: Iterable[str], what: str, problems: list[str]) -> None:
    names = list(allowed)
    if text not in names:
        problems.append(f"unknown {what} {text!r}; allowed {', '.join(names)}{did_you_mean(text, names)}")


def _scale(text: str, problems: list[str]) -> float:
    try:
        scale = float(text)
    except ValueError:
        scale = math.nan
    if not (math.isfinite(scale) and scale != 0.0):
        problems.append(f"scale {text!r} is not a finite number other than 0")
    return scale


def _shape_problems(reference: Reference) -> list[str]:
    """Problems of a reference whose words are all known."""
    problems = []
    is_bit = reference.format.registers == 0
    if is_bit != (reference.table in BIT_TABLES):
        home = "co, di" if is_bit else "ir, hr"
        problems.append(f"format {reference.format.name} in table {reference.table}; it belongs in {home}")
    if is_bit and reference.scale != 1.0:
        problems.append("a bit has no scale")
    if reference.size > 1 and reference.address % 2:
        problems.append(f"{reference.format.name} at odd address {reference.address}; even addresses only")
    if reference.end - 1 > ADDRESS_MAX:
        problems.append(f"{reference.format.name} at {reference.address} ends behind address {ADDRESS_MAX}")
    return problems


def _units(rows: Iterable[Mapping[str, Any]], file: str, problems: list[Problem]) -> dict[int, Unit]:
    fields = {f.name for f in dc.fields(Unit)}
    units: dict[int, Unit] = {}
    for k, row in enumerate(rows):
        place = f"units[{k}]"
        bad = [
            Problem(file, place, f"unknown key {key!r}{did_you_mean(key, fields)}")
            for key in sorted(set(row) - fields)
        ]
        number = row.get("unit")
        if type(number) is not int or not 1 <= number <= UNIT_MAX:
            bad.append(Problem(file, place, f"unit {number!r} is not a whole number in 1..{UNIT_MAX}"))
        elif number in units:
            bad.append(Problem(file, place, f"unit {number} is declared twice"))
        order = row.get("order", "ABCD")
        words: list[str] = []
        _word(str(order), ORDERS, "word order", words)
        bad += [Problem(file, place, w) for w in words]
        problems += bad
        if not bad:
            units[int(str(number))] = Unit(**{"name": "", **row})
    for unit in units.values():
        target = units.get(unit.mirror_of) if unit.mirror_of is not None else None
        if unit.mirror_of is not None and (target is None or target.mirror_of is not None):
            what = f"mirror_of {unit.mirror_of!r} is not a unit with points of its own"
            problems.append(Problem(file, f"unit {unit.unit}", what))
    if not units and not problems:
        problems.append(Problem(file, "units", "no unit is declared; at least one must answer"))
    return units


def _entries(
    points: Sequence[Point], units: Mapping[int, Unit], file: str, problems: list[Problem]
) -> list[Entry]:
    entries = []
    for index, point in enumerate(points):
        if "modbus" not in point.wire:
            continue
        reference, bad = parse(point.wire["modbus"])
        problems += [Problem(file, point.tag, what) for what in bad]
        if reference is None:
            continue
        unit = units.get(reference.unit)
        if unit is None:
            known = ", ".join(map(str, units))
            problems.append(Problem(file, point.tag, f"no unit {reference.unit}; allowed {known}"))
        elif unit.mirror_of is not None:
            what = f"unit {reference.unit} mirrors unit {unit.mirror_of} and has no points of its own"
            problems.append(Problem(file, point.tag, what))
        if point.is_writable and reference.table not in WRITABLE_TABLES:
            what = f"a {point.kind} in read-only table {reference.table}; allowed co, hr"
            problems.append(Problem(file, point.tag, what))
        order = reference.order or (unit.order if unit else "ABCD")
        entries.append(Entry(index, point, dc.replace(reference, order=order)))
    return entries


def _stamps(
    rows: Sequence[Mapping[str, Any]],
    points: Sequence[Point],
    entries: Sequence[Entry],
    units: Mapping[int, Unit],
    file: str,
    problems: list[Problem],
) -> list[tuple[str, Stamp]]:
    of_unit: dict[int, list[int]] = {}
    of_device: dict[str, list[int]] = {}
    for entry in entries:
        of_unit.setdefault(entry.reference.unit, []).append(entry.index)
    for index, point in enumerate(points):
        of_device.setdefault(point.device, []).append(index)
    blocks = []
    for k, row in enumerate(rows):
        number, address, device = row.get("unit"), row.get("address"), row.get("device")
        place = f"stamps[{k}]"
        unit = units.get(number) if type(number) is int else None
        if unit is None or unit.mirror_of is not None:
            problems.append(Problem(file, place, f"unit {number!r} is not a unit with points of its own"))
            continue
        last = ADDRESS_MAX + 1 - STAMP_REGISTERS
        if type(address) is not int or not 0 <= address <= last or address % 2:
            what = f"address {address!r} is not an even whole number in 0..{last}"
            problems.append(Problem(file, place, what))
            continue
        found = of_unit.get(unit.unit, []) if device == "" else of_device.get(str(device), [])
        if not found and device != "":
            hint = did_you_mean(str(device), of_device)
            problems.append(Problem(file, place, f"no point belongs to device {device!r}{hint}"))
            continue
        name = f"stamp of {device or 'unit ' + str(unit.unit)}"
        blocks.append((name, Stamp(unit.unit, address, unit.order, tuple(found))))
    return blocks


def _overlaps(
    entries: Sequence[Entry],
    blocks: Sequence[tuple[str, Stamp]],
    units: Mapping[int, Unit],
    file: str,
    problems: list[Problem],
) -> None:
    """Report every address that two things claim, naming both."""
    refs = [(e.point.tag, e.reference) for e in entries]
    spans = [(r.unit, r.table, r.address, r.end, tag) for tag, r in refs]
    spans += [(s.unit, "ir", s.address, s.address + STAMP_REGISTERS, name) for name, s in blocks]
    for unit in units.values():
        if unit.mirror_of is None:
            first, last = SELF_TEST[0][0], SELF_TEST[-1][0] + FORMATS[SELF_TEST[-1][1]].registers
            spans.append((unit.unit, "ir", first, last, "the self-test constants"))
    spans.sort()
    reach: dict[tuple[int, str], tuple[int, str]] = {}
    for number, table, start, end, name in spans:
        behind, owner = reach.get((number, table), (0, ""))
        if start < behind:
            what = f"overlaps {owner} at {number}:{table}:{start}"
            problems.append(Problem(file, name, what))
        if end > behind:
            reach[number, table] = (end, name)
