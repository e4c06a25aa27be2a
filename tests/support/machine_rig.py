"""Two-bus systems for tests of machines: one machine against an infinite bus, or with a load of its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from rtcore.assemble import Setup
from rtcore.clock import SimClock
from rtcore.engine import Engine
from rtcore.network import model as m
from rtcore.plant import generator as gen
from rtcore.points import Kind, Point
from tests.unit.rtcore.small_station import INSTRUMENT_KEYS

KV, S_VA = 69.0, 100e6
Z_BASE = (KV * 1e3) ** 2 / S_VA
ABC = (1, 2, 3)


def bus(name: str) -> m.Bus:
    return m.Bus(name=name, base_kv_ln=KV / np.sqrt(3.0))


def source(x_pu: float, at: str = "inf") -> m.Source:
    x = x_pu * Z_BASE
    return m.Source(name="grid", bus=at, nodes=ABC, base_kv=KV, r1_ohm=0.0, x1_ohm=x, r0_ohm=0.0, x0_ohm=x)


def machine(x_pu: float, at: str) -> m.Der:
    return m.Der(
        name="g",
        kind="machine",
        bus=at,
        nodes=(*ABC, 0),
        kv=KV,
        kva=S_VA / 1e3,
        x1_pu=x_pu,
        x0_pu=x_pu,
    )


def load(p_pu: float, at: str, model: int = 1) -> m.Load:
    return m.Load(
        name="load",
        bus=at,
        nodes=(*ABC, 0),
        phases=3,
        conn="wye",
        kv=KV,
        kw=p_pu * S_VA / 1e3,
        kvar=0.0,
        model=model,
        vmin_pu=0.1,
        vmax_pu=2.0,
    )


def reactance(x_pu: float, bus1: str, bus2: str, *, is_closed: bool = True) -> m.Switch:
    return m.Switch(
        name="tie",
        kind="breaker",
        bus1=bus1,
        nodes1=ABC,
        bus2=bus2,
        nodes2=ABC,
        r_ohm=0.0,
        x_ohm=x_pu * Z_BASE,
        is_closed=is_closed,
    )


def point(source_: str, attr: str, kind: Kind = Kind.ANALOG) -> Point:
    tag = f"{source_.replace('.', '_').upper()}.{attr.upper()}"
    return Point(
        tag=tag,
        device=tag.rpartition(".")[0],
        template="test",
        source=source_,
        attr=attr,
        kind=kind,
        unit="",
        minimum=-1e12,
        maximum=1e12,
        deadband=0.0,
        instrument="",
        description=tag,
        wire={},
    )


def engine(
    network: m.Network,
    points: list[Point],
    plant: dict[str, dict[str, dict[str, Any]]],
    dt_ns: int = 1_000_000,
) -> Engine:
    """Return an engine with perfect instruments and no ripple."""
    return Engine(
        Setup(
            network=network,
            points=points,
            instruments={key: np.zeros(len(points)) for key in INSTRUMENT_KEYS},
            unit_factor=np.ones(len(points)),
            clock=SimClock(0, dt_ns),
            seed=1,
            ripple_pu=0.0,
            plant=plant,
        )
    )


def run_machine(e: Engine, i: int, *, e_pu: float, delta_rad: float, pm_pu: float) -> None:
    """Put machine ``i`` into service at an operating point, before the first step."""
    machines = e.world.machines
    s, k = machines.generator, machines.emf_of[i]
    s["state"][i] = gen.RUNNING
    s["e_pu"][i] = s["efd_pu"][i] = s["v_pu_sp"][i] = e_pu
    s["delta_rad"][i], s["omega_pu"][i] = delta_rad, 0.0
    s["pm_pu"][i] = pm_pu
    s["p_w_sp"][i] = pm_pu * machines.generator_p["s_rated_va"][i]
    machines.governor["ref_pu"][i] = pm_pu
    e.world.grid.unit[e.world.grid.emfs.unit[k]] = (1.0, 0.0, 0.0)
    e.world.grid.emfs.scale[k] = e_pu * np.exp(1j * delta_rad)
    e.world.emf.theta_rad[k] = delta_rad
    e.grid.refresh()
    e.grid.solve()
