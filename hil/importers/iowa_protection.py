"""Make the network ``iowa240-prot`` (iowa240 with a breaker at 69 kV, two reclosers, fused laterals)
and the point list ``iowa240-prot``.

``python -m hil.importers.iowa_protection`` writes both; everything here is this project's own. A
device in series with a line gets a bus of its own between itself and the line.
"""

from __future__ import annotations

import dataclasses as dc
import sys

from hil import paths
from hil.importers import protection_points, section_meters
from hil.importers.protection_points import device, write_devices
from hil.network_files import read_network, write_overlay
from hil.protection_files import survey_scheme
from rtcore.assembly.instances import ATTACK_COUNT, FAULT_COUNT
from rtcore.errors import UserInputError
from rtcore.network.model import Bus, Network, Switch
from rtcore.protection.scheme import Scheme

BASE, NAME = "iowa240", "iowa240-prot"
TITLE = "Iowa 240-bus system with a 69 kV breaker, two reclosers and fused laterals"
GRID_BUS, SOURCE_BUS, HV_BREAKER = "grid_69kv", "eq_source_bus", "cb_hv"
ABC = (1, 2, 3)

RECLOSERS = {"rcl_1006": "l_1005_1006", "rcl_3107": "l_3082_3107"}
"""Recloser -> the line behind it."""

FUSED = (
    "l_1009_1011",
    "l_2021_2022",
    "l_2027_2028",
    "l_2044_2049",
    "l_3015_3018",
    "l_3022_3026",
    "l_3030_3040",
    "l_3082_3083",
    "l_3082_3092",
    "l_3107_3108",
    "l_3118_3119",
)
"""Lines behind a fuse: laterals without another source or tie."""


def network(base: Network) -> Network:
    """Return the base network with the devices in series."""
    (source,) = base.sources
    at = next(b for b in base.buses if b.name == source.bus)
    hv = Switch(
        name=HV_BREAKER, kind="breaker", bus1=GRID_BUS, nodes1=ABC, bus2=SOURCE_BUS, nodes2=ABC, r_ohm=1e-3
    )
    made = dc.replace(
        base,
        name=NAME,
        title=TITLE,
        buses=(*base.buses, Bus(name=GRID_BUS, base_kv_ln=at.base_kv_ln)),
        sources=(dc.replace(source, bus=GRID_BUS),),
        switches=(*base.switches, hv),
    )
    for name, line in RECLOSERS.items():
        made = in_series(made, line, name, "breaker")
    for line in FUSED:
        made = in_series(made, line, f"fuse_{line.rpartition('_')[2]}", "fuse")
    return made


def in_series(net: Network, line_name: str, name: str, kind: str) -> Network:
    """Return the network with a switch between a line and its first bus."""
    line = next(x for x in net.lines if x.name == line_name)
    at = next(b for b in net.buses if b.name == line.bus1)
    between = dc.replace(at, name=f"{name}_load_side")
    switch = Switch(
        name=name,
        kind=kind,  # type: ignore[arg-type]
        bus1=line.bus1,
        nodes1=line.nodes1,
        bus2=between.name,
        nodes2=line.nodes1,
        r_ohm=1e-4,
    )
    return dc.replace(
        net,
        buses=(*net.buses, between),
        lines=tuple(dc.replace(x, bus1=between.name) if x is line else x for x in net.lines),
        switches=(*net.switches, switch),
    )


FEEDER_UNIT = {"FDR_A": 2, "FDR_B": 3, "FDR_C": 4}
LAB_UNIT = 9
"""Modbus unit of faults, attacks and arming."""
ATTACK_AT, ATTACK_SPAN, ATTACK_BITS = 700, 20, 160
"""First register and first bit of the attack slots, and how many registers each takes."""

SERIES_IR, FUSE_BITS = 400, 128


def area_of(name: str) -> str:
    """Return the first level of the tags of a switching device."""
    digit = next(c for c in name if c.isdigit()) if name != HV_BREAKER else "0"
    return {"0": "SUB", "1": "FDR_A", "2": "FDR_B", "3": "FDR_C"}[digit]


def devices(net: Network, scheme: Scheme) -> list[dict[str, str]]:
    """Return the rows that are added: breakers, fuses, relays, faults, attacks, section meters."""
    rows = [_breaker(HV_BREAKER, 1, ir=440, bits=96)]
    rows += [_breaker(name, FEEDER_UNIT[area_of(name)], ir=360, bits=80) for name in RECLOSERS]
    following = dict.fromkeys(FEEDER_UNIT, 0)
    for switch in net.switches:
        if switch.kind != "fuse":
            continue
        area, unit = area_of(switch.name), FEEDER_UNIT[area_of(switch.name)]
        k = following[area]
        following[area] += 1
        bits = FUSE_BITS + 8 * k
        rows.append(
            device(
                f"{area}.{switch.name.upper()}",
                "fuse",
                f"fuse.{switch.name}",
                unit,
                ir=SERIES_IR + 20 * k,
                co=bits,
                di=bits,
            )
        )
    rows += protection_points.devices(scheme, {r.breaker: area_of(r.breaker) for r in scheme.relays})
    rows.append(
        device("SUB.FC_ALM", "forecaster_alarms", "forecaster_alarms.forecaster", 1, ir=910, co=208, di=208)
    )
    rows.append(device("LAB.ARM", "arming", "arming.station", LAB_UNIT, ir=100, co=0, di=0))
    rows.append(device("LAB.INJECT", "injection", "injection.set", LAB_UNIT, ir=500, hr=500, co=80, di=80))
    for k in range(1, FAULT_COUNT + 1):
        at = 100 + 40 * k
        rows.append(
            device(f"LAB.FAULT_{k}", "fault", f"fault.{k}", LAB_UNIT, ir=at, hr=at, co=8 * k, di=8 * k)
        )
    return rows + attack_devices() + section_meters.devices()


def attack_devices() -> list[dict[str, str]]:
    """Return the rows of the attack slots; late in the list, so that noise of the others stays as it was."""
    rows = []
    for k in range(ATTACK_COUNT):
        at, bit = ATTACK_AT + ATTACK_SPAN * k, ATTACK_BITS + 4 * k
        places = {"ir": at, "hr": at, "co": bit, "di": bit}
        rows.append(device(f"LAB.ATK_{k + 1}", "attack", f"attack.{k + 1}", LAB_UNIT, **places))
    return rows


def _breaker(name: str, unit: int, *, ir: int, bits: int) -> dict[str, str]:
    row = device(
        f"{area_of(name)}.{name.upper()}", "breaker", f"breaker.{name}", unit, ir=ir, co=bits, di=bits
    )
    return row | {"terminal": f"switch.{name}@1"}


def main() -> None:
    """Write the folder and the rows."""
    networks = paths.find("networks", BASE).parent
    made = network(read_network(networks / BASE))
    write_overlay(made, networks / NAME, BASE)
    scheme, problems = survey_scheme(paths.find("protection", BASE), made)
    if scheme is None:
        raise UserInputError(problems)
    rows = devices(made, scheme)
    points = paths.find("points", BASE).parent
    write_devices(points / BASE / "devices.csv", points / NAME / "devices.csv", rows)
    sys.stdout.write(f"{NAME}: {len(made.switches)} switching devices, {len(rows)} rows of points\n")


if __name__ == "__main__":
    main()
