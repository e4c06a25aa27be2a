"""Modbus addresses of a point list: references in templates, and what may not share a register.

Addresses are a published contract: every one is a device's base plus a template's offset, and
nothing is ever moved to make room. What a reference means on the wire is ``protocols.modbus_map``.
"""

from __future__ import annotations

import dataclasses as dc
import re

from protocols.modbus_codec import FORMATS, ORDERS
from protocols.modbus_map import ADDRESS_MAX, BIT_TABLES, SELF_TEST, STAMP_REGISTERS
from rtcore.errors import did_you_mean
from rtcore.points import Kind

TABLES = {"co": "coil", "di": "discrete input", "ir": "input register", "hr": "holding register"}
RESERVED = {
    "the unit's stamp block": (0, STAMP_REGISTERS),
    "the self-test constants": (
        SELF_TEST[0][0],
        SELF_TEST[-1][0] + FORMATS[SELF_TEST[-1][1]].registers - SELF_TEST[0][0],
    ),
}
"""Input registers of every unit that no point may take: first address, count."""

_REFERENCE = re.compile(r"([a-z]+):(\d+)(?::([a-z0-9]+))?(?::([A-Z]+))?(?:\*(.+))?")


@dc.dataclass(frozen=True, slots=True)
class Reference:
    """One template reference: offset from the device's base, or the address once placed."""

    table: str
    address: int
    format: str
    order: str
    scale: str

    @property
    def width(self) -> int:
        """Registers or bits taken."""
        return max(1, FORMATS[self.format].registers)

    def placed(self, unit: int, base: int, order: str) -> str:
        """Return the wire reference of one device's point."""
        text = f"{unit}:{self.table}:{base + self.address}:{self.format}"
        if (order := self.order or order) and self.width > 1:
            text += f":{order}"
        return text + (f"*{self.scale}" if self.scale else "")


def parse(text: str) -> Reference:
    """Read ``table:offset[:format[:order]][*scale]``; ValueError says what is wrong and allowed."""
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not table:offset:format, e.g. 'ir:6:float32' or 'co:0'")
    table, offset, fmt, order, scale = match[1], int(match[2]), match[3], match[4] or "", match[5] or ""
    is_bit = table in BIT_TABLES
    allowed = ("bit",) if is_bit else tuple(f for f in FORMATS if f != "bit")
    fmt = fmt or ("bit" if is_bit else "")
    for got, known, what in (
        (table, tuple(TABLES), "Modbus table"),
        (fmt, allowed, "register format"),
        (order, ("", *ORDERS), "word order"),
    ):
        if got not in known:
            names = ", ".join(k for k in known if k)
            raise ValueError(
                f"unknown {what} {got!r} in {text!r}; allowed are {names}{did_you_mean(got, known)}"
            )
    if scale:
        try:
            is_good = 0.0 < float(scale) < float("inf") and not is_bit
        except ValueError:
            is_good = False
        if not is_good:
            raise ValueError(f"scale {scale!r} in {text!r} is not a positive number on a register")
    return Reference(table, offset, fmt, order, scale)


def unit_of(placed: str) -> int:
    """Return the Modbus unit of a reference that is placed."""
    return int(placed.partition(":")[0])


def kind_problem(kind: Kind, is_two_state: bool, table: str) -> str:
    """Say why a point of this kind may not live in this table, or return an empty string."""
    home = {
        Kind.ANALOG: "ir",
        Kind.STATUS: "di",
        Kind.CONTROL: "co",
        Kind.SETPOINT: "co" if is_two_state else "hr",
    }[kind]
    if table == home:
        return ""
    what = "two-state setpoint" if kind is Kind.SETPOINT and is_two_state else str(kind)
    return f"{what} points must be {TABLES[home]}s ({home}), not {TABLES[table]}s ({table})"


def range_problem(ref: Reference, minimum: float, maximum: float) -> str:
    """Say why a range cannot be carried by an integer format, or return an empty string."""
    fmt, scale = FORMATS[ref.format], float(ref.scale or 1)
    if not fmt.is_integer or (fmt.low * scale <= minimum and maximum <= fmt.high * scale):
        return ""
    room = f"{fmt.low * scale:g}..{fmt.high * scale:g}"
    return f"range {minimum:g}..{maximum:g} does not fit {ref.format} ({room})"


class AddressBook:
    """Who has which address; refuses overlaps, odd addresses of longer values, reserved registers.

    With ``is_unit`` False it keeps the offsets of one template, where nothing is reserved.
    """

    def __init__(self, *, is_unit: bool = True) -> None:
        self._owner: dict[tuple[int, str, int], str] = {}
        self._units: set[int] = set()
        self._is_unit = is_unit

    def take(self, unit: int, table: str, address: int, width: int, owner: str) -> str:
        """Enter one item; return what is wrong or an empty string."""
        if self._is_unit and unit not in self._units:
            self._units.add(unit)
            for what, (first, count) in RESERVED.items():
                self._owner.update({(unit, "ir", first + k): what for k in range(count)})
        where = f"unit {unit} {TABLES[table]}" if self._is_unit else f"{TABLES[table]} offset"
        if address + width - 1 > ADDRESS_MAX:
            return f"{owner} at {where} {address} ends beyond {ADDRESS_MAX}, the highest address"
        if width > 1 and address % 2:
            return f"{owner} at {where} {address}: values of 2 and more registers start at even addresses"
        taken = {k: self._owner.get((unit, table, k), owner) for k in range(address, address + width)}
        clash = next((k for k, first in taken.items() if first != owner), None)
        if clash is not None:
            return f"{owner} at {where} {clash}: already taken by {taken[clash]}"
        self._owner.update({(unit, table, k): owner for k in taken})
        return ""
