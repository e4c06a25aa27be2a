"""Voltages at the services, linear around an operating point.

    v = v0 + J_battery dP_battery + J_pv dP_pv + J_load dP_feeder + J_tap d_tap

The operating point is a full power flow; the derivatives are differences of full power flows, with the
answer of the sites' volt-var curves in them. So the model is exact at its point. What is left grows with
the square of the distance, and where a site passes a corner of its curve: for changes that plans make
(a battery through its whole range, two taps, 30 % of the sun, 20 % of the load) on the shipped feeders
below 0.005 pu at any service, where the change itself is up to 0.04 pu.
"""

from __future__ import annotations

import dataclasses as dc

import numpy as np

from forecasting.dispatch.power_flow import Flow, PowerFlow
from forecasting.dispatch.site import Complex, Site
from forecasting.series import Floats, Ints

STEP_W = 50e3
"""Difference of power that derivatives are taken over [W]; a site has its rating at most."""


@dc.dataclass(frozen=True)
class Point:
    """An operating point: what a power flow is given (`PowerFlow.solve`)."""

    demand_va: Complex
    sun_w: Floats
    battery_w: Floats
    taps: tuple[int, ...]


@dc.dataclass(frozen=True)
class Sensitivity:
    """Derivatives of voltages at services and of import, the same for all points near one.

    ``dv_*``: shape (n_service, n), [pu/W] and [pu/tap]; ``di_*``: shape (n,), [W/W]. What a tap does to the
    import is left out: 0.1 kW, and no reason to move one.
    """

    dv_battery: Floats
    dv_pv: Floats
    dv_load: Floats
    dv_tap: Floats
    di_battery: Floats
    di_pv: Floats


@dc.dataclass(frozen=True)
class Changes:
    """Distances from an operating point; powers in W."""

    battery_w: Floats
    pv_w: Floats
    load_w: Floats
    taps: Floats


class VoltageModel:
    """Power flows and derivatives of one site.

    Attributes
    ----------
    services : tuple of str
        Nodes of the loads, in network order: where the limits hold.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.flow = PowerFlow(site)
        names = self.flow.grid.nodes.names
        load_buses = {load.bus for load in site.network.loads}
        rows = [k for k, name in enumerate(names) if name.rpartition(".")[0] in load_buses]
        self._rows: Ints = np.array(rows, np.int64)
        self.services = tuple(names[k] for k in rows)

    def at(self, point: Point) -> tuple[Floats, Flow]:
        """Return the voltages at the services [pu] and the flow of a point."""
        flow = self.flow.solve(point.demand_va, point.sun_w, point.battery_w, point.taps)
        return flow.v_pu[self._rows], flow

    def sensitivity(self, point: Point) -> Sensitivity:
        """Return the derivatives at a point: a power flow for each thing that can change."""
        v0, flow0 = self.at(point)
        site = self.site

        def change(other: Point, by: float) -> tuple[Floats, float]:
            v, flow = self.at(other)
            return (v - v0) / by, (flow.import_w - flow0.import_w) / by

        battery = [
            change(dc.replace(point, battery_w=_plus(point.battery_w, k, STEP_W)), STEP_W)
            for k in range(len(site.batteries))
        ]
        pv = [self._of_site(point, k, v0, flow0) for k in range(len(site.pv))]
        load = [
            change(dc.replace(point, demand_va=self._more(point.demand_va, k)), STEP_W)
            for k in range(len(site.feeders))
        ]
        tap = [change(dc.replace(point, taps=tuple(t)), by) for t, by in _moved(point.taps, site)]
        self.at(point)  # the flow rests where it was
        return Sensitivity(
            *(_columns(parts, len(v0)) for parts in (battery, pv, load, tap)),
            *(np.array([x for _, x in parts]) for parts in (battery, pv)),
        )

    def _of_site(self, point: Point, k: int, v0: Floats, flow0: Flow) -> tuple[Floats, float]:
        """Return the derivatives by one site's power: downwards where the sun gives it all there is."""
        room = self.site.pv_rated_w[k] - point.sun_w[k]
        by = min(STEP_W, self.site.pv_rated_w[k])
        by = by if room >= by else -min(by, max(point.sun_w[k], 1.0))
        v, flow = self.at(dc.replace(point, sun_w=_plus(point.sun_w, k, by)))
        return (v - v0) / by, (flow.import_w - flow0.import_w) / by

    def _more(self, demand_va: Complex, feeder: int) -> Complex:
        mine = self.site.feeder_of == feeder
        total = float(np.sum(demand_va.real[mine]))
        return np.asarray(np.where(mine, demand_va * (1.0 + STEP_W / max(total, 1.0)), demand_va))


def voltages(v0: Floats, s: Sensitivity, by: Changes) -> Floats:
    """Return the linear model's voltages at a distance from its point [pu]."""
    return np.asarray(
        v0 + s.dv_battery @ by.battery_w + s.dv_pv @ by.pv_w + s.dv_load @ by.load_w + s.dv_tap @ by.taps
    )


def _plus(x: Floats, k: int, by: float) -> Floats:
    out = x.copy()
    out[k] += by
    return out


def _moved(taps: tuple[int, ...], site: Site) -> list[tuple[list[int], float]]:
    """Return the taps with each regulator moved by one, inwards at its end, and by how much."""
    out = []
    for k, regulator in enumerate(site.regulators):
        by = 1 if taps[k] < regulator.tap_max else -1
        out.append(([t + by * (j == k) for j, t in enumerate(taps)], float(by)))
    return out


def _columns(parts: list[tuple[Floats, float]], n: int) -> Floats:
    return np.column_stack([v for v, _ in parts]) if parts else np.zeros((n, 0))
