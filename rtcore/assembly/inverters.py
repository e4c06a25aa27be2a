"""Photovoltaic sites and batteries of a world."""

from __future__ import annotations

import math

import numpy as np

from rtcore.assembly.store import Store
from rtcore.network.factor import Ints
from rtcore.network.grid import Grid, inverters
from rtcore.network.model import Der, Network
from rtcore.plant import battery, pv_fleet, pv_inverter
from rtcore.world import BatterySeen, Sites, Storage

HOURS = 2.0
"""Energy of a battery whose settings say nothing, in hours of its rating."""

_REGISTERED = (pv_fleet,)  # importing a module declares its kind


def storage(grid: Grid, store: Store) -> Storage:
    """Return the batteries at rest."""
    network, g = grid.network, grid.arrays
    units = [d for d in inverters(network) if d.kind == "battery"]
    first = len(g.injections.at) - len(units)
    p = store.params(
        "battery",
        e_rated_wh=[1e3 * d.kva * HOURS for d in units],
        r_pu=[d.r1_pu for d in units],
        x_pu=[d.x1_pu for d in units],
        **_rating(network, units),
    )
    s = store.rows("battery")
    battery.init(p, s)
    return Storage(
        p=p,
        s=s,
        at=_phases(grid)[first:],
        back=g.injections.back[first:],
        i_a=g.injections.i_a[first:],
        emf_of=np.array([grid.emfs.index(f"der.{d.name}") for d in units], np.int32),
        seen=_seen(len(units)),
    )


def sites(grid: Grid, store: Store, *, ambient_degc: float, m_per_unit: float) -> Sites:
    """Return the photovoltaic sites; ``m_per_unit``: size of a unit of bus coordinates [m]."""
    network, g = grid.network, grid.arrays
    ders = [d for d in inverters(network) if d.kind == "pv"]
    n = len(ders)
    p, s, fleet = store.params("pv", **_rating(network, ders)), store.rows("pv"), store.rows("pv_fleet")
    pv_inverter.init(p, s, ambient_degc)
    fleet["penetration_pct_sp"] = store.params("pv_fleet")["penetration_pct"]
    places = _places(network, ders)
    return Sites(
        p=p,
        s=s,
        fleet=fleet,
        at=_phases(grid)[:n],
        back=g.injections.back[:n],
        i_a=g.injections.i_a[:n],
        v_pu=np.zeros((n, 3)),
        f_hz=np.full(n, network.base_frequency_hz),
        live=np.ones(n),
        clearness=np.ones(n),
        x_m=places[:, 0] * m_per_unit,
        y_m=places[:, 1] * m_per_unit,
    )


def _phases(grid: Grid) -> Ints:
    """Return the nodes of every inverter's phases, -1 where there is none."""
    at = grid.arrays.injections.at
    return np.where(at == grid.n, -1, at).astype(np.int32)


def _seen(n: int) -> BatterySeen:
    return BatterySeen(
        v_pu=np.zeros(n, np.complex128),
        f_hz=np.zeros(n),
        live=np.zeros(n),
        p_w=np.zeros(n),
        q_var=np.zeros(n),
        i_pu=np.zeros(n),
    )


def _rating(network: Network, ders: list[Der]) -> dict[str, list[float]]:
    return {
        "s_rated_va": [1e3 * d.kva for d in ders],
        "v_base_v": [_phase_v(d) for d in ders],
        "f_nominal_hz": [network.base_frequency_hz] * len(ders),
    }


def _phase_v(d: Der) -> float:
    """Return the nominal voltage across one phase of a resource [V]."""
    return 1e3 * d.kv / (math.sqrt(3.0) if d.conn == "wye" and d.phases > 1 else 1.0)


def _places(network: Network, ders: list[Der]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return drawing coordinates, of the bus across a transformer where the own bus has none."""
    xy = {b.name: (b.x, b.y) for b in network.buses if b.x is not None and b.y is not None}
    for t in network.transformers:
        known = next((xy[w.bus] for w in t.windings if w.bus in xy), None)
        for w in t.windings:
            if known is not None:
                xy.setdefault(w.bus, known)
    found = [xy.get(d.bus, (0.0, 0.0)) for d in ders]
    return np.array(found, np.float64).reshape(len(ders), 2)
