"""What the tables of a station file must agree on among themselves: units, writers, exposure.

Every rule takes the sections that passed their own checks, so that one bad key does not hide
the problems of the rest.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from hil.settings_sections import (
    EstimationSection,
    ForecastSection,
    ModbusSection,
    OpcuaSection,
    SecuritySection,
)
from rtcore.errors import Problem


def check_sections(sections: Mapping[str, Any], file: str) -> list[Problem]:
    """Return the problems between and within sections that passed their own checks."""
    modbus: ModbusSection | None = sections.get("modbus")
    opcua: OpcuaSection | None = sections.get("opcua")
    security: SecuritySection | None = sections.get("security")
    found: list[tuple[str, str]] = []
    if modbus is not None and modbus.enabled:
        found += _units(modbus)
        found += _writers(modbus)
    if security is not None:
        if modbus is not None and modbus.enabled:
            found += _modbus_exposure(modbus, security)
        if opcua is not None and opcua.enabled:
            found += _opcua_exposure(opcua, security)
    if modbus is not None and opcua is not None:
        found += _ports(modbus, opcua)
    estimation: EstimationSection | None = sections.get("estimation")
    if estimation is not None and estimation.enabled:
        found += _estimation(estimation, modbus, opcua)
        if "forecast" in sections:
            found += _pseudo(estimation, sections["forecast"])
    return [Problem(file, place, what) for place, what in found]


def is_loopback(host: str) -> bool:
    """Tell whether an address reaches this machine only."""
    return ipaddress.ip_address(host).is_loopback


def _units(modbus: ModbusSection) -> Iterator[tuple[str, str]]:
    if not modbus.units:
        yield "modbus.units", "no unit is declared; at least one must answer, or set modbus.enabled = false"
        return
    numbers = Counter(u.unit for u in modbus.units)
    own = {u.unit for u in modbus.units if u.mirror_of is None}
    for i, unit in enumerate(modbus.units):
        if numbers[unit.unit] > 1:
            yield f"modbus.units[{i}].unit", f"unit {unit.unit} is declared {numbers[unit.unit]} times"
        if unit.mirror_of is not None and unit.mirror_of not in own:
            what = f"unit {unit.mirror_of} has no registers of its own to mirror; one of {_listed(own)}"
            yield f"modbus.units[{i}].mirror_of", what
    if modbus.default_unit is not None and modbus.default_unit not in numbers:
        yield "modbus.default_unit", f"no unit {modbus.default_unit}; one of {_listed(set(numbers))}"


def _writers(modbus: ModbusSection) -> Iterator[tuple[str, str]]:
    known = {u.unit for u in modbus.units}
    writable = set(command_units(modbus))
    for i, writer in enumerate(modbus.writers or ()):
        for unit in writer.units:
            place = f"modbus.writers[{i}].units"
            if unit not in known:
                yield place, f"no unit {unit}; one of {_listed(writable)}"
            elif unit not in writable:
                yield place, f"unit {unit} is read-only; one of {_listed(writable)}"


def command_units(modbus: ModbusSection) -> list[int]:
    """Return the units that take writes."""
    return [u.unit for u in modbus.units if not u.read_only and u.mirror_of is None]


def _modbus_exposure(modbus: ModbusSection, security: SecuritySection) -> Iterator[tuple[str, str]]:
    if is_loopback(modbus.host):
        return
    yield from _must_expose("modbus", modbus.host, security)
    if not modbus.writers:
        what = (
            f"listening on {modbus.host} needs the masters' address ranges, "
            'like [[modbus.writers]] network = "192.168.7.0/24"'
        )
        yield "modbus.writers", what
    for i, writer in enumerate(modbus.writers or ()):
        if ipaddress.ip_network(writer.network).prefixlen == 0:
            what = (
                f"{writer.network} on {modbus.host} lets anybody on the network operate the plant, "
                "and Modbus knows no users; name the masters' address ranges"
            )
            yield f"modbus.writers[{i}].network", what


def _opcua_exposure(opcua: OpcuaSection, security: SecuritySection) -> Iterator[tuple[str, str]]:
    if not is_loopback(opcua.host):
        yield from _must_expose("opcua", opcua.host, security)


def _must_expose(section: str, host: str, security: SecuritySection) -> Iterator[tuple[str, str]]:
    if not security.expose:
        what = (
            f"{host} can be reached from other machines; keep 127.0.0.1 or ::1, "
            "or set expose = true in [security]"
        )
        yield f"{section}.host", what


def _ports(modbus: ModbusSection, opcua: OpcuaSection) -> Iterator[tuple[str, str]]:
    if modbus.enabled and opcua.enabled and modbus.port == opcua.port != 0:
        yield "opcua.port", f"port {opcua.port} is modbus.port, too; each server needs its own"


def _estimation(
    estimation: EstimationSection, modbus: ModbusSection | None, opcua: OpcuaSection | None
) -> Iterator[tuple[str, str]]:
    """Check that what the estimator reads from is there; without a port of its own it is our server."""
    place = "estimation.reader"
    by_modbus = estimation.reader == "modbus" and estimation.modbus_port is None
    by_opcua = estimation.reader == "opcua" and estimation.opcua_port is None
    if by_modbus and modbus is not None and not modbus.enabled:
        yield place, 'reads Modbus, but modbus.enabled is false; "opcua" or "board", or no [estimation]'
    if by_opcua and opcua is not None and not opcua.enabled:
        yield place, 'reads OPC UA, but opcua.enabled is false; "modbus" or "board", or no [estimation]'
    elif by_opcua and opcua is not None and not opcua.none_policy_on_loopback:
        yield place, "reads OPC UA without encryption, but opcua.none_policy_on_loopback is false"


def _pseudo(estimation: EstimationSection, forecast: ForecastSection | None) -> Iterator[tuple[str, str]]:
    if estimation.pseudo == "forecast" and (forecast is None or not forecast.enabled):
        what = 'there are no forecasts without a table [forecast] that is enabled; "history", or add one'
        yield "estimation.pseudo", what


def _listed(units: set[int]) -> str:
    return ", ".join(map(str, sorted(units))) or "(none)"
