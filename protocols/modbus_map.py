"""Modbus map: where every point sits in the tables of every unit, and what is wrong with it.

What a point's wire reference says is ``modbus_reference``. Pure: no sockets, no files.

Every unit also carries two constants for checking a master's word order, a copy of its input
registers among its holding registers, and the stamp blocks that the station asks for.
"""

from __future__ import annotations

import dataclasses as dc
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from protocols.gateway import MODBUS_EXCEPTION
from protocols.modbus_codec import FORMATS, ORDERS
from protocols.modbus_reference import (
    ADDRESS_MAX,
    BIT_TABLES,
    TABLES,
    UNIT_MAX,
    Reference,
    check_word,
    parse,
)
from rtcore.commands import REASON_TEXT
from rtcore.errors import Problem, UserInputError, did_you_mean
from rtcore.points import Point

__all__ = [
    "ADDRESS_MAX",
    "BIT_TABLES",
    "MIRROR_AT",
    "SELF_TEST",
    "STAMP_REGISTERS",
    "TABLES",
    "UNIT_MAX",
    "WRITABLE_TABLES",
    "Entry",
    "ModbusMap",
    "Reference",
    "Stamp",
    "Unit",
    "build",
    "columns",
    "missing_units",
    "parse",
    "refusal_table",
]

WRITABLE_TABLES = ("co", "hr")

MIRROR_AT = 10_000
"""Holding register 10000+n reads what input register n reads, for masters with FC3 only."""

SELF_TEST = ((90, "float32", 123456.0), (92, "int32", float(0x01020304)))
"""Constants among the input registers of every unit: address, format, value."""

STAMP_REGISTERS = 6
"""A stamp block: seq uint32, utc_s uint32, utc_ms uint16, quality uint16."""


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
    problems += missing_units(points, stamps, settings, file)
    entries = _entries(points, units, file, problems)
    blocks = _stamps(stamps, points, entries, units, file, problems)
    _overlaps(entries, blocks, units, file, problems)
    if problems:
        raise UserInputError(problems)
    return ModbusMap(units, tuple(entries), tuple(s for _, s in blocks), default_unit)


def missing_units(
    points: Sequence[Point], stamps: Sequence[Mapping[str, Any]], settings: Mapping[str, Any], file: str
) -> list[Problem]:
    """Return one problem for every unit that holds points and is not there to answer for them."""
    rows = {row.get("unit"): row for row in settings.get("units", ())}
    own = ", ".join(str(number) for number, row in rows.items() if row.get("mirror_of") is None)
    count, devices = Counter[int](), dict[int, set[str]]()
    for point in points:
        reference = parse(point.wire["modbus"])[0] if "modbus" in point.wire else None
        if reference is not None:
            count[reference.unit] += 1
            devices.setdefault(reference.unit, set()).add(point.device)
    for stamp in stamps:
        if type(stamp.get("unit")) is int:
            devices.setdefault(stamp["unit"], set()).update({str(stamp.get("device"))} - {""})
    problems = []
    for number, names in sorted(devices.items()):
        mirrored = rows[number].get("mirror_of") if number in rows else None
        if rows and (number not in rows or mirrored is not None):
            why = "there is none" if mirrored is None else f"it only shows unit {mirrored}"
            few = ", ".join(sorted(names)[:3]) + (", ..." if len(names) > 3 else "")
            who = f"{count[number]} points of {len(names)} devices ({few})" if names else "stamp blocks"
            what = f"{who} need unit {number}, but {why}"
            problems.append(Problem(file, "modbus.units", f"{what}; units with points of their own: {own}"))
    return problems


def columns(point: Point, orders: Mapping[int, str] | None = None) -> dict[str, Any]:
    """Return the Modbus columns of the printed map for one point.

    ``orders`` gives the word order of each unit for references that leave it open (default
    ABCD). Points that are not on Modbus, or not in that column, have empty strings.
    """
    names = ("modbus_unit", "modbus_table", "modbus_address", "modbus_format", "word_order", "scale")
    reference, _ = parse(point.wire["modbus"]) if "modbus" in point.wire else (None, ())
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


def refusal_table() -> list[tuple[int, str, str, str]]:
    """Return (number, reason, exception code, meaning) for every way a write can be refused."""
    return [(int(r), r.name, f"{code:02X}", REASON_TEXT[r]) for r, code in MODBUS_EXCEPTION.items()]


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
        check_word(str(order), ORDERS, "word order", words)
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
        if point.is_writable and reference.table not in WRITABLE_TABLES:
            what = f"a {point.kind} in read-only table {reference.table}; allowed co, hr"
            problems.append(Problem(file, point.tag, what))
        if not reference.order:
            reference = dc.replace(reference, order=unit.order if unit else "ABCD")
        entries.append(Entry(index, point, reference))
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
    for row in rows:
        number, address, device = row.get("unit"), row.get("address"), row.get("device")
        place = f"stamp of {device or f'unit {number}'}"
        unit = units.get(number) if type(number) is int else None
        if unit is None or unit.mirror_of is not None:
            continue  # one line tells of the unit
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
        blocks.append((place, Stamp(unit.unit, address, unit.order, tuple(found))))
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
