"""Full power flows of a station for given demand, sun, battery power and taps.

Sites answer their voltage with reactive power (volt-var) and, near the upper limit, with less active power
(volt-watt); both are iterated with the network to rest. Batteries follow at unity power factor.
"""

from __future__ import annotations

import dataclasses as dc
import math

import numpy as np

from forecasting.dispatch.site import Complex, Site
from forecasting.series import Floats
from rtcore.network.grid import Grid, inverters
from rtcore.network.model import Der

SQRT3 = math.sqrt(3.0)
TOL_PU = 1e-6
"""Voltages of sites rest when none moves by more [pu]."""

ROUNDS_MAX = 60
DAMPING = 0.5
"""Part of the way that the sites' answer goes in a round."""


@dc.dataclass(frozen=True)
class Flow:
    """A solved power flow.

    ``v_pu``: shape (n_node,), network order; ``pv_w``, ``pv_var``: shape (n_pv,), what the sites give;
    ``import_w``, ``losses_w``: from the upstream grid, and lost in the network.
    """

    v_pu: Floats
    pv_w: Floats
    pv_var: Floats
    import_w: float
    losses_w: float


class PowerFlow:
    """The network of a site; flows start from the voltages of the one before."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.grid = Grid(site.network)
        if site.source_pu is not None:
            self.grid.set_source(site.source_pu)
        ders = inverters(site.network)
        self.n_pv = sum(d.kind == "pv" for d in ders)
        self._phases = np.array([d.phases for d in ders])
        self._volts = np.array([_phase_v(d) for d in ders])
        self._taps: tuple[int, ...] | None = None

    def solve(self, demand_va: Complex, sun_w: Floats, battery_w: Floats, taps: tuple[int, ...]) -> Flow:
        """Solve.

        Parameters
        ----------
        demand_va : ndarray, shape (n_load,)
        sun_w : ndarray, shape (n_pv,)
            What each site may give at most.
        battery_w : ndarray, shape (n_battery,)
            Positive when discharging.
        taps : tuple of int
            In network order.

        Raises
        ------
        DivergedError
            Demand that the network cannot carry.
        """
        self.grid.set_loads(demand_va)
        if taps != self._taps:
            for regulator, tap in zip(self.site.regulators, taps, strict=True):
                self.grid.set_tap(regulator.name, tap)
            self.grid.refresh()
            self._taps = taps
        sun_w = np.minimum(sun_w, self.site.pv_rated_w)
        pv_w, pv_var, before = sun_w.copy(), np.zeros(self.n_pv), np.zeros(self.n_pv)
        for _ in range(ROUNDS_MAX):
            self._inject(pv_w, pv_var, battery_w)
            self.grid.solve(1e-7)
            v = self._terminals()[: self.n_pv]
            if self.n_pv == 0 or np.max(np.abs(v - before)) < TOL_PU:
                break
            before = v
            wanted_w, wanted_var = self._answer(v, sun_w)
            pv_w, pv_var = pv_w + DAMPING * (wanted_w - pv_w), pv_var + DAMPING * (wanted_var - pv_var)
        import_w = float(self.grid.power_from_sources().real) - float(np.sum(pv_w) + np.sum(battery_w))
        return Flow(
            np.abs(self.grid.voltages) / self.grid.nodes.base_v,
            pv_w,
            pv_var,
            import_w,
            float(self.grid.losses().real),
        )

    def _answer(self, v: Floats, sun_w: Floats) -> tuple[Floats, Floats]:
        curve, rated = self.site.volt_var, self.site.pv_rated_w
        active = sun_w
        if np.isfinite(curve.vw_v1_pu):
            most = np.interp(v, [curve.vw_v1_pu, curve.vw_v2_pu], [1.0, 0.0])
            active = np.minimum(sun_w, most * rated)
        reactive = np.interp(v, curve.v_pu, curve.q_pu) * rated
        room = np.sqrt(np.maximum(rated**2 - reactive**2, 0.0))  # reactive power first (IEEE 1547, 5.4.2)
        return np.minimum(active, room), reactive

    def _across(self) -> Complex:
        i, v = self.grid.arrays.injections, self.grid.arrays.v
        return np.asarray(v[i.at] - v[i.back])

    def _terminals(self) -> Floats:
        u = np.abs(self._across())
        has = np.arange(3) < self._phases[:, None]
        return np.asarray((u * has).sum(1) / self._phases / self._volts)

    def _inject(self, pv_w: Floats, pv_var: Floats, battery_w: Floats) -> None:
        p = np.concatenate([pv_w, battery_w])
        q = np.concatenate([pv_var, np.zeros(len(battery_w))])
        part = ((p + 1j * q) / self._phases)[:, None]
        u = self._across()
        has = (np.arange(3) < self._phases[:, None]) & (np.abs(u) > 0.0)
        i = np.where(has, np.conj(part / np.where(has, u, 1.0)), 0.0)
        self.grid.arrays.injections.i_a[:] = i


def _phase_v(der: Der) -> float:
    """Return the nominal voltage between the two ends of a phase [V]."""
    return 1e3 * der.kv / (SQRT3 if der.conn == "wye" and der.phases > 1 else 1.0)
