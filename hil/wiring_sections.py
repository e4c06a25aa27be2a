"""The tables of a wiring file, their keys, defaults and ranges.

What they must agree on is in ``wiring_files``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hil.settings_errors import Section

UnitId = Annotated[int, Field(ge=0, le=255)]
Finite = Annotated[float, Field(strict=False)]
Order = Literal["ABCD", "CDAB", "BADC", "DCBA"]


class PlaceSection(Section):
    """A place on the device: table and address on Modbus, node on OPC UA."""

    unit: UnitId | None = None
    """Modbus unit id; default: that of [wiring]."""
    table: Literal["co", "di", "hr", "ir"] | None = None
    """Modbus: coils, discrete inputs, holding or input registers. Default: holding registers."""
    address: Annotated[int, Field(ge=0, le=65535)] | None = None
    """Modbus: address in the PDU, counted from 0."""
    format: Literal["bool", "int16", "uint16", "int32", "uint32", "float32", "float64"] | None = None
    """Modbus: how registers hold the value. Coils and discrete inputs are bool."""
    order: Order | None = None
    """Modbus: order of the bytes of values of several registers, A the most significant."""
    node: str | None = None
    """OPC UA: node id, like "ns=2;s=Relay.IA"."""
    type: Literal["Boolean", "Int16", "UInt16", "Int32", "UInt32", "Float", "Double"] | None = None
    """OPC UA: built-in type of the node."""


class ToDeviceSection(PlaceSection):
    """A measurement that the device gets: raw = (value - offset) / scale."""

    point: str
    """Tag of the point."""
    scale: Finite = 1.0
    offset: Finite = 0.0
    on_bad: Literal["last", "invalid", "stop"] = "last"
    """While the point is not Good: the last good value, NaN (integers: their "no value"), or no write."""
    quality: PlaceSection | None = None
    """Where the quality code goes: 0..63 good, 64..127 uncertain, 128.. bad. Default: nowhere."""


class FromDeviceSection(PlaceSection):
    """An output of the device that commands a point: value = raw * scale + offset."""

    point: str
    """Tag of a control or a setpoint."""
    scale: Finite = 1.0
    offset: Finite = 0.0
    edge: Literal["rising", "falling"] | None = None
    """Controls: which change commands, once. Default: rising. Setpoints get each new value."""


class TokenSection(Section):
    """The number that the device echoes."""

    sent: PlaceSection | None = None
    """Where it is written."""
    echo: PlaceSection | None = None
    """Where the device's logic copies it to."""
    point_out: str = ""
    """Point whose value is sent, like "TST.TOKEN_OUT". Default: the exchange counts its cycles."""
    point_in: str = ""
    """Setpoint that the echo is passed on to, like "TST.TOKEN_IN". Default: none."""
    pass_on_ms: Annotated[float, Field(ge=1, le=60_000)] = 100.0
    """Least time between two echoes that are passed on [ms]."""


class HeartbeatSection(Section):
    """Counters by which each side knows that the other one runs."""

    sent: PlaceSection | None = None
    """Counts the cycles; stands still while the plant does."""
    received: PlaceSection | None = None
    """The device's own; it must change within watchdog_s."""


class FailsafeWrite(Section):
    """One command of the fail-safe state."""

    point: str
    """Tag of a control or a setpoint."""
    value: Finite = 1.0


class FailsafeSection(Section):
    """What happens when the device falls silent. Without it everything is held as it is."""

    write: Annotated[tuple[FailsafeWrite, ...], Field(strict=False)] = ()
    """Commands, each given once."""


class WiringSection(Section):
    """How the device is connected."""

    title: str = ""
    """One line for people."""
    role: Literal["client", "server"] = "client"
    """What the emulator is: client of the device, or server that the device polls."""
    protocol: Literal["modbus", "opcua"] = "modbus"
    """What the device speaks."""
    unit: UnitId = 1
    """Modbus unit id of places that name none."""
    order: Order = "ABCD"
    """Byte order of places that name none."""
    cycle_ms: Annotated[float, Field(ge=1, le=60_000)] = 5.0
    """One exchange every so often [ms]."""
    timeout_ms: Annotated[float, Field(ge=1, le=60_000)] = 100.0
    """How long the device may take for one answer [ms]."""
    watchdog_s: Annotated[float, Field(ge=0.01, le=3600)] = 1.0
    """Without a whole exchange, token and heartbeat for so long: fail-safe state [s]."""


class WiringFile(Section):
    """A wiring table."""

    wiring: WiringSection = WiringSection()
    to_device: Annotated[tuple[ToDeviceSection, ...], Field(strict=False)] = ()
    from_device: Annotated[tuple[FromDeviceSection, ...], Field(strict=False)] = ()
    token: TokenSection | None = None
    heartbeat: HeartbeatSection = HeartbeatSection()
    failsafe: FailsafeSection = FailsafeSection()
