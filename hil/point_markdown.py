"""The point list as a document for the engineer who wires a PLC or configures a master."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from protocols import modbus_image, modbus_map, opcua_space
from protocols.gateway import MODBUS_EXCEPTION, OPCUA_STATUS
from protocols.modbus_codec import FORMATS, ORDERS, encode
from protocols.roles import ROLES, STATION
from rtcore.commands import REASON_TEXT
from rtcore.points import Point

FIRST_REFERENCE = {"co": 1, "di": 100_001, "ir": 300_001, "hr": 400_001}
"""Number that the 1-based notation gives to address 0 of each table."""

FUNCTIONS = {"co": "FC 1, 5, 15", "di": "FC 2", "ir": "FC 4", "hr": "FC 3, 6, 16, 22, 23"}

STAMP_LAYOUT = (
    ("seq", 0, "uint32", "step index modulo 2^32, the same in every block of one answer"),
    ("utc_s", 2, "uint32", "wall-clock UTC of the step, seconds since 1970"),
    ("utc_ms", 4, "uint16", "milliseconds of that second"),
    ("quality", 5, "uint16", "quality bits of all points of the device (of the unit in its own block)"),
)
"""A stamp block: name, offset, format, meaning."""

QUALITY_WORD = (
    ("invalid: do not use the value", modbus_image.INVALID),
    ("stale", modbus_image.STALE),
    ("substituted", modbus_image.SUBSTITUTED),
    ("out of range or inaccurate", modbus_image.OUT_OF_RANGE),
    ("overflow: the value did not fit its registers and was limited", modbus_image.OVERFLOW),
    ("blocked: out of service", modbus_image.BLOCKED),
    ("communication with the source lost", modbus_image.COMMS_LOST),
    ("de-energised: the zero is real", modbus_image.DE_ENERGISED),
)
"""Meaning of each bit that a quality word may carry."""


def to_md(
    points: Sequence[Point],
    stamps: Sequence[Mapping[str, Any]],
    station: str,
    orders: Mapping[int, str] | None = None,
    units: Iterable[modbus_map.Unit] = (),
) -> str:
    """Return the whole map of a station as Markdown, grouped by Modbus unit and device.

    ``orders`` is the word order per unit (default ABCD); ``units`` are those that the station
    serves, for their names and mirrors.
    """
    named = {u.unit: u for u in units}
    blocks = {(s["unit"], s["device"]): int(s["address"]) for s in stamps}
    unit_orders = dict(orders or {})
    parts = [f"# Point map of {station}\n", _summary(points), _addresses(), _numbers()]
    parts += [_units(named)] if named else []
    parts += [_stamp_text(), _quality_text(), _writing(points), _refusals()]
    placed = [(modbus_map.columns(p, unit_orders), p) for p in points]
    for unit in sorted({c["modbus_unit"] for c, _ in placed if c["modbus_unit"] != ""}):
        mine = [(c, p) for c, p in placed if c["modbus_unit"] == unit]
        name = named[unit].name if unit in named else ""
        parts.append(f"## Unit {unit}{' ' + name if name else ''}\n")
        if (unit, "") in blocks:
            parts.append(f"Stamp block of the whole unit: {_place('ir', blocks[unit, ''])}.\n")
        for device, group in itertools.groupby(mine, key=lambda row: row[1].device):
            parts.append(_device(device, list(group), blocks.get((unit, device))))
    others = [p for c, p in placed if c["modbus_unit"] == ""]
    if others:
        parts.append("## Not on Modbus\n")
        parts.append(_table(("tag", "kind", "description"), ((p.tag, p.kind, p.description) for p in others)))
    return "\n".join(parts)


def _table(head: Sequence[str], body: Iterable[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "".join("| " + " | ".join(str(c).replace("|", "\\|") for c in row) + " |\n" for row in lines)


def _place(table: str, address: int) -> str:
    return f"{modbus_map.TABLES[table][:-1]} {address} (reference {_reference(table, address)})"


def _reference(table: str, address: int) -> str:
    return f"{FIRST_REFERENCE[table] + address:06d}"


def _summary(points: Sequence[Point]) -> str:
    devices = len({p.device for p in points})
    writable = sum(p.is_writable for p in points)
    return f"{len(points)} points of {devices} devices, {writable} of them writable.\n"


def _addresses() -> str:
    rows = [
        (f"`{t}`", name, FUNCTIONS[t], f"{_reference(t, 0)} + address")
        for t, name in modbus_map.TABLES.items()
    ]
    mirror = modbus_map.MIRROR_AT
    return (
        "## Addresses\n\n"
        "Addresses count from 0, as in the request on the wire. Tools that count from 1, with the table "
        "in front, want the reference number.\n\n"
        + _table(("table", "name", "functions", "reference, counted from 1"), rows)
        + f"\nFor masters that know function 3 only, holding register {mirror} + n reads what input "
        f"register n reads (reference {_reference('hr', mirror)} + n); it cannot be written.\n"
        "OPC UA node of every point: `ns=2;s=<tag>`, where index 2 stands for the namespace "
        f"`{opcua_space.NAMESPACE}`.\n"
    )


def _units(units: Mapping[int, modbus_map.Unit]) -> str:
    rows = []
    for u in units.values():
        shown = units.get(u.mirror_of, u) if u.mirror_of is not None else u
        remark = f"shows what unit {u.mirror_of} shows" if u.mirror_of is not None else ""
        access = "read-only" if u.read_only or u.mirror_of is not None else "read and write"
        rows.append((u.unit, u.name, shown.order, access, remark))
    return "## Units\n\n" + _table(("unit", "name", "word order", "access", "remark"), rows)


def _numbers() -> str:
    rows = []
    for address, name, value in modbus_map.SELF_TEST:
        for order in ORDERS:
            words = encode(value, FORMATS[name], order)[0].hex(" ", 2).upper()
            rows.append((f"{address}, {address + 1}", name, f"{value:.0f}", order, words))
    return (
        "## Numbers and word order\n\n"
        "Value = raw * scale. Letters of a word order name the bytes of a 32-bit value, A the most "
        "significant; 64-bit values follow the same exchange of words and bytes. Two constants among the "
        "input registers of every unit tell whether a master has it right:\n\n"
        + _table(("input registers", "format", "value", "word order", "registers (hex)"), rows)
    )


def _stamp_text() -> str:
    return (
        "## Stamp blocks\n\n"
        "Every unit, and every device with input registers, starts with a stamp block. One answer comes "
        "from one simulation step; read block and values in one request to know which.\n\n"
        + _table(("offset", "name", "format", "meaning"), ((o, n, f, m) for n, o, f, m in STAMP_LAYOUT))
    )


def _quality_text() -> str:
    rows = [(bit.bit_length() - 1, f"0x{bit:04X}", text) for text, bit in QUALITY_WORD]
    return "## Quality word\n\n0 is good.\n\n" + _table(("bit", "mask", "meaning"), rows)


def _writing(points: Sequence[Point]) -> str:
    controls = sorted({p.name for p in points if str(p.kind) == "control"})
    return (
        "## Writing\n\n"
        f"Controls ({', '.join(controls) or 'none'}) are pulses: write 1 (0xFF00 with function 5); they "
        "read 0. Setpoints read back what is in force. All writes of one request take effect at the same "
        "step or not at all, and the answer is sent only after the plant has decided.\n\n"
        "A setpoint in an integer format takes whole multiples of its scale, over OPC UA too; a value "
        "between two of them is refused as OUT_OF_RANGE. A request that asks one device for two things "
        "at once, such as TRIP and CLOSE of a breaker, is refused as GROUP_REFUSED and moves nothing.\n\n"
        f"The role of a point is the least that may command it, in the order {', '.join(ROLES)}. Over OPC UA "
        "it is that of the user who logged in, over Modbus that of the user whose networks hold the "
        "master's address (`gridhil user`). Where it does not suffice, the refusal is NO_AUTHORITY; points "
        f"of the role {STATION} are set by the station's own processes, and no user may.\n"
    )


def _refusals() -> str:
    rows = [
        (reason.name, f"{code:02X}", OPCUA_STATUS[reason], REASON_TEXT[reason])
        for reason, code in MODBUS_EXCEPTION.items()
    ]
    return "## Refusals\n\n" + _table(("reason", "Modbus exception", "OPC UA status", "meaning"), rows)


def _device(device: str, rows: Sequence[tuple[Mapping[str, Any], Point]], stamp: int | None) -> str:
    template = rows[0][1].template
    title = f"### {device} ({template})\n\n"
    if stamp is not None:
        title += f"Stamp block: {_place('ir', stamp)}.\n\n"
    head = (
        "point",
        "kind",
        "unit",
        "range or states",
        "table",
        "address",
        "reference",
        "format",
        "role",
        "description",
    )
    return title + _table(head, (_row(c, p) for c, p in rows))


def _row(c: Mapping[str, Any], p: Point) -> tuple[Any, ...]:
    fmt = c["modbus_format"] + (f" {c['word_order']}" if c["word_order"] else "")
    if c["scale"] not in ("", 1.0):
        fmt += f" * {c['scale']:g}"
    span = f"0 {p.states[0]}, 1 {p.states[1]}" if p.states else f"{p.minimum:.10g} to {p.maximum:.10g}"
    if str(p.kind) == "control":
        span = "1 acts"
    table, address = c["modbus_table"], c["modbus_address"]
    role = p.role if p.is_writable else ""
    return (
        p.name,
        p.kind,
        p.unit,
        span,
        table,
        address,
        _reference(table, address),
        fmt,
        role,
        p.description,
    )
