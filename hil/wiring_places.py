"""Places on a device, as a wiring file writes them: checked against its protocol and each other."""

from __future__ import annotations

import re
from collections.abc import Callable

from hil.wiring_sections import PlaceSection, WiringSection
from protocols.modbus_reference import BIT_TABLES
from protocols.wiring import BOOL, OPCUA_TYPES, ModbusPlace, OpcuaPlace, Place

MODBUS_KEYS = ("unit", "table", "address", "format", "order")
OPCUA_KEYS = ("node", "type")
WRITABLE_TABLES = ("hr", "co")
COUNTER = {"uint16": "UInt16", "uint32": "UInt32", "int32": "Int32"}
"""Formats that hold a 16-bit counter, and the types of nodes that do."""

NODE = re.compile(
    r"(ns=\d{1,5};)?(i=\d{1,10}|s=.+|g=[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|b=[A-Za-z0-9+/=]+)"
)


class Places:
    """Reads the places of one file.

    Parameters
    ----------
    head : WiringSection
        Protocol, role and defaults.
    add : callable
        Takes the place in the file and what is wrong.
    """

    def __init__(self, head: WiringSection, add: Callable[[str, str], None]) -> None:
        self._head, self._add = head, add
        self._written: list[tuple[str, Place]] = []

    def counter(self, at: str, section: PlaceSection | None, *, is_written: bool) -> Place | None:
        """Return the place of a counter; None where there is none."""
        return None if section is None else self.read(at, section, is_written=is_written, counts=True)

    def read(self, at: str, section: PlaceSection, *, is_written: bool, counts: bool = False) -> Place | None:
        """Return a place, None where it has a problem; a server's table may leave places out.

        ``counts`` is for places of 16-bit counters and codes: uint16 unless the file says otherwise.
        """
        is_opcua = self._head.protocol == "opcua"
        own, foreign = (OPCUA_KEYS, MODBUS_KEYS) if is_opcua else (MODBUS_KEYS, OPCUA_KEYS)
        if self._head.role == "server" and all(getattr(section, k) is None for k in (*own, *foreign)):
            return None
        strange = [k for k in foreign if getattr(section, k) is not None]
        for key in strange:
            self._add(f"{at}.{key}", f"no key of a {self._head.protocol} place; allowed: {', '.join(own)}")
        if strange:
            return None
        made = self._opcua(at, section, counts) if is_opcua else self._modbus(at, section, is_written, counts)
        if made is not None and counts and made.format not in COUNTER:
            key = "type" if is_opcua else "format"
            allowed = COUNTER.values() if is_opcua else COUNTER
            self._add(f"{at}.{key}", f"cannot hold a 16-bit counter; one of {', '.join(allowed)}")
            return None
        if made is not None and is_written:
            self._written.append((at, made))
        return made

    def _modbus(self, at: str, section: PlaceSection, is_written: bool, counts: bool) -> ModbusPlace | None:
        head, table = self._head, section.table or "hr"
        n_wrong = 0

        def wrong(key: str, what: str) -> None:
            nonlocal n_wrong
            n_wrong += 1
            self._add(f"{at}.{key}", what)

        if section.address is None:
            wrong("address", "this key is missing and has no default")
        if is_written and table not in WRITABLE_TABLES:
            wrong("table", f"{table!r} cannot be written; one of {', '.join(WRITABLE_TABLES)}")
        form: str | None = section.format
        if table in BIT_TABLES:
            if form not in (None, BOOL):
                wrong("format", f"{form!r} is not allowed in table {table!r}; its places are bool")
            form = BOOL
        elif form is None:
            form = "uint16"
            if not counts:
                wrong("format", "this key is missing; registers hold int16, float32, ..")
        if n_wrong or section.address is None:
            return None
        unit = head.unit if section.unit is None else section.unit
        place = ModbusPlace(unit, table, section.address, form, section.order or head.order)
        if place.end > 1 << 16:
            wrong("address", f"{form} at {section.address} ends behind address 65535")
            return None
        return place

    def _opcua(self, at: str, section: PlaceSection, counts: bool) -> OpcuaPlace | None:
        kind = section.type or ("UInt16" if counts else None)
        for key, value in (("node", section.node), ("type", kind)):
            if value is None:
                self._add(f"{at}.{key}", "this key is missing and has no default")
        if section.node is None or kind is None:
            return None
        if not NODE.fullmatch(section.node):
            self._add(
                f"{at}.node", f"{section.node!r} is not a node id; write it like ns=2;s=Relay.IA or i=85"
            )
            return None
        assert kind in OPCUA_TYPES
        return OpcuaPlace(section.node, kind)

    def check_overlaps(self) -> None:
        """Refuse two rows that write the same register, coil or node."""
        first: dict[object, str] = {}
        for at, place in self._written:
            cells: list[object] = [place]
            if isinstance(place, ModbusPlace):
                cells = [(place.unit, place.table, a) for a in range(place.address, place.end)]
            else:
                cells = [place.node]
            rivals = dict.fromkeys(first[c] for c in cells if c in first)
            for rival in rivals:
                self._add(at, f"{place} is written by {rival}, too")
            for cell in cells:
                first.setdefault(cell, at)
