"""Make the network and the point list ``iowa240-der``: iowa240 and its protection with sun, storage and
a machine, parted from the grid by its breaker at 69 kV. ``python -m hil.importers.iowa_der`` writes
them; everything here is this project's own.

Sites sit at the services with the largest transformers, as large as the transformer. Their order, which
is the order of the penetration setpoint, is shuffled so that every feeder has its share.
"""

from __future__ import annotations

import dataclasses as dc
import sys

import numpy as np

from hil import paths
from hil.importers import dispatch_points
from hil.importers.forecast_points import site_rows
from hil.importers.protection_points import device, write_devices
from hil.network_files import read_network, write_overlay
from rtcore.network.model import Der, Load, Network

BASE = "iowa240-prot"
NAME = "iowa240-der"
TITLE = "Iowa 240-bus system with 40 photovoltaic sites, two batteries, a machine and a point of connection"
N_SITES = 40
SHUFFLE_SEED = 240
PCC = "cb_hv"
ABC = (1, 2, 3)
KV = 13.8

STORAGE = (
    Der(
        name="bess_1",
        kind="battery",
        bus="bus_xfmr",
        nodes=(*ABC, 0),
        kv=KV,
        kva=5000.0,
        x1_pu=0.1,
        x0_pu=0.1,
    ),
    Der(
        name="bess_2", kind="battery", bus="bus3079", nodes=(*ABC, 0), kv=KV, kva=1000.0, x1_pu=0.1, x0_pu=0.1
    ),
)
MACHINE = Der(
    name="dg_1",
    kind="machine",
    bus="bus1010",
    nodes=(*ABC, 0),
    kv=KV,
    kva=2000.0,
    r1_pu=0.005,
    x1_pu=0.25,
    x0_pu=0.1,
)


def network(base: Network) -> Network:
    """Return the base network with the resources; its breaker at 69 kV is the point of connection."""
    return dc.replace(
        base,
        name=NAME,
        title=TITLE,
        ders=(*sites(base), *STORAGE, MACHINE),
    )


def sites(base: Network) -> list[Der]:
    """Return the photovoltaic sites in the order of the penetration setpoint."""
    kva = {w.bus: t.windings[0].kva for t in base.transformers for w in t.windings[1:]}
    largest = sorted(base.loads, key=lambda x: (-kva[x.bus], x.name))[:N_SITES]
    order = np.random.default_rng(SHUFFLE_SEED).permutation(N_SITES)
    return [_site(largest[k], kva[largest[k].bus]) for k in order]


def _site(load: Load, kva: float) -> Der:
    name = f"pv_{load.name.removeprefix('load_')}"
    return Der(name=name, kind="pv", bus=load.bus, nodes=load.nodes, conn=load.conn, kv=load.kv, kva=kva)


UNIT = 5
"""Modbus unit of the resources."""

SITE_BASE, SITE_SPAN = 1000, 40


def devices(net: Network) -> list[dict[str, str]]:
    """Return the rows of devices.csv that come behind those of the base."""
    rows = [
        _device("DER.PCC", "breaker", f"breaker.{PCC}", terminal=f"switch.{PCC}@1", ir=100, co=16, di=16),
        _device("DER.PCC_25", "sync_check", f"sync_check.{PCC}", ir=140, di=24),
        _device("DER.MGC", "microgrid", f"microgrid.{PCC}", ir=160, co=32, di=32),
        _device("DER.WEATHER", "weather", "weather.weather", ir=200, hr=200),
        _device("DER.FLEET", "pv_fleet", "pv_fleet.all", ir=220, hr=220),
        _device("DER.BESS_1", "battery", "battery.bess_1", ir=240, hr=240, co=48, di=48),
        _device("DER.BESS_2", "battery", "battery.bess_2", ir=280, hr=280, co=64, di=64),
        _device("DER.DG_1", "generator", "generator.dg_1", ir=320, hr=320, co=80, di=80),
        _device("DER.DISPATCH_1", "dispatch", "dispatch.bess_1", ir=360, hr=360, di=96),
        _device("DER.F_BUS1", "frequency", "frequency.bus1", ir=380),
        _device("DER.F_C79", "frequency", "frequency.bus3079", ir=400),
        _device("DER.SHED_302", "load_shedding", "load_shedding.cb_302", ir=420, co=104, di=104),
        _device("DER.SHED_203", "load_shedding", "load_shedding.cb_203", ir=440, co=112, di=112),
        _device("DER.SHED_202", "load_shedding", "load_shedding.cb_202", ir=460, co=120, di=120),
        _device("DER.THD_BUS1", "harmonic_bus", "harmonic_bus.bus1", ir=500, di=136),
        _device("DER.THD_C79", "harmonic_bus", "harmonic_bus.bus3079", ir=520, di=144),
        _device("DER.TDD_201", "harmonic_pcc", "harmonic_pcc.switch.cb_201@1", ir=540, di=152),
        _device("DER.FILTER_5", "tuned_filter", "tuned_filter.bus2057", ir=560, co=160),
        _device("DER.AF_1", "active_filter", "active_filter.bus3079", ir=580, hr=580, co=168),
        _device(
            "DER.CAPC_201", "capacitor_control", "capacitor_control.cap_201", ir=620, hr=620, co=184, di=184
        ),
        _device(
            "DER.CAPC_301", "capacitor_control", "capacitor_control.cap_301", ir=640, hr=640, co=192, di=192
        ),
        _device("DER.PFC", "power_factor_correction", "power_factor_correction.all", ir=660, hr=660, co=200),
        _device("DER.HVAC_3077", "hvac", "hvac.load_3077", ir=600, hr=600, co=176),
    ]
    for k, der in enumerate(d for d in net.ders if d.kind == "pv"):
        at = SITE_BASE + k * SITE_SPAN
        bits = 256 + 8 * k
        rows.append(
            _device(f"DER.{der.name.upper()}", "pv", f"pv.{der.name}", ir=at, hr=at, co=bits, di=bits)
        )
    sites_of, batteries = ([d.name for d in net.ders if d.kind == k] for k in ("pv", "battery"))
    return rows + site_rows(sites_of) + dispatch_points.rows(batteries)


def _device(name: str, template: str, component: str, *, terminal: str = "", **bases: int) -> dict[str, str]:
    return device(name, template, component, UNIT, **bases) | {"terminal": terminal}


def main() -> None:
    """Write both folders."""
    networks = paths.find("networks", BASE).parent
    made = network(read_network(networks / BASE))
    write_overlay(made, networks / NAME, BASE)
    points = paths.find("points", BASE).parent
    write_devices(points / BASE / "devices.csv", points / NAME / "devices.csv", devices(made))
    sys.stdout.write(f"{NAME}: {len(made.ders)} resources\n")


if __name__ == "__main__":
    main()
