"""Wiring table: which point of the plant belongs to which place of a device under test. Pure: no I/O.

The same table serves both ways of connecting a device. Where the emulator is the client of the device
(role ``client``) it says what the cyclic exchange writes and reads; where the device polls the emulator
(role ``server``) only its points matter. ``hil.wiring_files`` reads and checks it.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping
from typing import Any

from protocols.modbus_codec import FORMATS, Format
from protocols.modbus_reference import BIT_TABLES

LAST, INVALID, STOP = "last", "invalid", "stop"
ON_BAD = (LAST, INVALID, STOP)
"""What a place gets while its point is not Good: the last good value, "no value", or nothing at all."""

RISING, FALLING, LEVEL = "rising", "falling", "level"
EDGES = (RISING, FALLING, LEVEL)
"""When an output of the device commands its point: once an edge (controls), or with each new value."""

BOOL = "bool"
MODBUS_FORMATS = (BOOL, "int16", "uint16", "int32", "uint32", "float32", "float64")
OPCUA_TYPES = {
    "Boolean": BOOL,
    "Int16": "int16",
    "UInt16": "uint16",
    "Int32": "int32",
    "UInt32": "uint32",
    "Float": "float32",
    "Double": "float64",
}
"""Built-in type of a node -> format with the same range."""


@dc.dataclass(frozen=True, slots=True)
class ModbusPlace:
    """One value in a table of a Modbus device; addresses are those of the PDU, counted from 0."""

    unit: int
    table: str
    address: int
    format: str
    order: str = "ABCD"

    @property
    def codec(self) -> Format:
        """How its registers hold the value; a truth value in a register is 0 or 1."""
        if self.format == BOOL:
            return FORMATS["bit" if self.is_bit else "uint16"]
        return FORMATS[self.format]

    @property
    def is_bit(self) -> bool:
        """Tell whether it is a coil or a discrete input."""
        return self.table in BIT_TABLES

    @property
    def end(self) -> int:
        """First address behind it."""
        return self.address + max(1, self.codec.registers)

    def __str__(self) -> str:
        return f"{self.unit}:{self.table}:{self.address}:{self.format}"


@dc.dataclass(frozen=True, slots=True)
class OpcuaPlace:
    """The value of one node of an OPC UA device."""

    node: str
    type: str

    @property
    def format(self) -> str:
        """Format with the range of its type."""
        return OPCUA_TYPES[self.type]

    def __str__(self) -> str:
        return self.node


Place = ModbusPlace | OpcuaPlace


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class ToDevice:
    """A measurement that the device gets: raw = (value - offset) / scale."""

    point: str
    place: Place | None
    scale: float = 1.0
    offset: float = 0.0
    on_bad: str = LAST
    quality: Place | None = None
    """Where the point's quality code goes (``rtcore.quality``), if anywhere."""


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class FromDevice:
    """An output of the device that commands a point: value = raw * scale + offset."""

    point: str
    place: Place | None
    scale: float = 1.0
    offset: float = 0.0
    edge: str = RISING


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """The number that the device echoes, for the time of a round trip and as proof that its logic runs."""

    sent: Place | None
    echo: Place | None
    point_out: str = ""
    """Point whose value is sent, such as ``TST.TOKEN_OUT``; "": the exchange counts its cycles."""
    point_in: str = ""
    """Setpoint that an echo is passed on to, such as ``TST.TOKEN_IN``; "": none."""
    pass_on_ms: float = 100.0
    """At least so much time between two echoes that are passed on: each is a command on record [ms]."""


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """Counters by which each side knows that the other one runs."""

    sent: Place | None = None
    received: Place | None = None


@dc.dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """A wiring table; times in the unit that the name ends in.

    Attributes
    ----------
    role : str
        What the emulator is: ``client`` or ``server``.
    protocol : str
        ``modbus`` or ``opcua``.
    failsafe : tuple of (tag, value)
        Commands on entering the fail-safe state; none: everything is held as it is.
    """

    name: str
    role: str
    protocol: str
    cycle_ms: float
    timeout_ms: float
    watchdog_s: float
    to_device: tuple[ToDevice, ...]
    from_device: tuple[FromDevice, ...]
    token: Token | None = None
    heartbeat: Heartbeat = Heartbeat()
    failsafe: tuple[tuple[str, float], ...] = ()

    def commanded(self) -> list[str]:
        """Return the tags of all points that the table may write."""
        tags = [row.point for row in self.from_device] + [tag for tag, _ in self.failsafe]
        if self.token is not None and self.token.point_in:
            tags.append(self.token.point_in)
        return tags

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready mapping; ``from_dict`` is its inverse."""
        return dc.asdict(self)

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Wiring:
        """Build a table from ``to_dict`` output."""
        fields = dict(row)
        fields["to_device"] = tuple(ToDevice(**_with_places(r)) for r in row["to_device"])
        fields["from_device"] = tuple(FromDevice(**_with_places(r)) for r in row["from_device"])
        fields["token"] = Token(**_with_places(row["token"])) if row["token"] is not None else None
        fields["heartbeat"] = Heartbeat(**_with_places(row["heartbeat"]))
        fields["failsafe"] = tuple((tag, float(value)) for tag, value in row["failsafe"])
        return cls(**fields)


def _with_places(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _place(v) if isinstance(v, Mapping) else v for key, v in row.items()}


def _place(row: Mapping[str, Any]) -> Place:
    return OpcuaPlace(**row) if "node" in row else ModbusPlace(**row)
