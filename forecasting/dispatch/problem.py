"""A day ahead as a mixed-integer linear programme.

Minimised over the steps ahead: energy, peak tariff, ageing of batteries, tap changes, curtailment, and what
voltages outside the limits cost. Power in kW, energy in kWh, voltage in 0.01 pu inside, so that all numbers
are of like size. Every limit that the plan's past could already have broken (voltage, peak, state of charge)
is soft or moved to where the plant is: there always is a solution.
"""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp

from forecasting.dispatch.settings import Settings
from forecasting.dispatch.site import Site
from forecasting.series import Bools, Floats, Ints

PU = 100.0
"""Voltage in the programme: hundredths of a unit."""

INTEGER_STEPS = 8
"""Steps ahead in which taps are whole; what is further ahead is decided again before it comes."""

WATCHED_MAX = 40
"""Nodes watched in a step at each limit, those nearest to it."""

REACH_PU = 0.03
"""A node further than this from a limit is not watched."""


@dc.dataclass(frozen=True)
class Outlook:
    """The steps ahead without anything done: batteries at rest, taps as now, all sun taken.

    Parameters
    ----------
    step_h : float
    v_pu, v_high_pu, v_low_pu : ndarray, shape (n_step, n_service)
        With the sun and load that are expected; with the most sun; with the least sun and the most load.
    import_w, spread_w : ndarray, shape (n_step,)
    sun_w, sun_high_w : ndarray, shape (n_pv, n_step)
    dv_battery, dv_tap, dv_pv : ndarray, shape (n_step, n_service, n)
        [pu/W], [pu/tap], [pu/W]
    di_battery, di_pv : ndarray, shape (n_step, n)
        Of the import [W/W].
    energy_wh : ndarray, shape (n_battery,)
        In the cells now.
    taps : ndarray, shape (n_regulator,)
        Now.
    peak_w : float
        Highest demand of the month so far [W].
    final_wh : ndarray, shape (n_battery,)
        Energy wanted at the end of step ``final_step``.
    final_step : int
        Usually the last one.
    """

    step_h: float
    v_pu: Floats
    v_high_pu: Floats
    v_low_pu: Floats
    import_w: Floats
    spread_w: Floats
    sun_w: Floats
    sun_high_w: Floats
    dv_battery: Floats
    dv_tap: Floats
    dv_pv: Floats
    di_battery: Floats
    di_pv: Floats
    energy_wh: Floats
    taps: Floats
    peak_w: float
    final_wh: Floats
    final_step: int


class Problem:
    """The programme: ``min c x`` with ``low <= A x <= high``, ``lb <= x <= ub``, some ``x`` whole.

    Variables are found by the index arrays below, each of the shape given.

    Attributes
    ----------
    charge, discharge, energy : (n_battery, n_step)
        [kW], [kW], [kWh at the end of the step]
    tap, up, down : (n_regulator, n_step)
    curtail : (n_pv, n_step)
        How far below the most sun a site is limited [kW].
    taken, given : (n_step,)
        From and to the grid [kW].
    peak : ()
        [kW]
    watched : list of (step, service, is_high, variable)
        Voltages that are limited, and by how much they are outside [0.01 pu].
    """

    def __init__(self, site: Site, settings: Settings, outlook: Outlook) -> None:
        self.site, self.settings, self.outlook = site, settings, outlook
        self.n = 0
        self._columns: list[tuple[Floats, Floats, Floats, Bools]] = []
        self._rows: list[tuple[Ints, Ints, Floats]] = []
        self._limits: list[tuple[float, float]] = []
        steps = len(outlook.import_w)
        self._batteries(steps)
        self._taps(steps)
        self._balance(steps)
        self.watched: list[tuple[int, int, bool, int]] = []
        for step in range(steps):
            self._voltages(step)

    # -- assembled ---------------------------------------------------------------------

    def columns(self) -> tuple[Floats, Floats, Floats, Bools]:
        """Return price, lower bound, upper bound and whether it is whole of every variable, each (n,)."""
        price, low, high, whole = (np.concatenate([c[k] for c in self._columns]) for k in range(4))
        return price, low, high, whole.astype(np.bool_)

    def matrix(self) -> tuple[sp.csr_array, Floats, Floats]:
        """Return A with its limits."""
        rows, columns, values = (np.concatenate([r[k] for r in self._rows]) for k in range(3))
        low, high = np.array(self._limits).T
        return sp.csr_array((values, (rows, columns)), shape=(len(low), self.n)), low, high

    # -- parts -------------------------------------------------------------------------

    def _batteries(self, steps: int) -> None:
        o, s = self.outlook, self.settings
        h, units = o.step_h, self.site.batteries
        shape = (len(units), steps)
        age = s.ageing_price * h
        self.charge = self._variables(shape, price=age, high=_each([b.p_charge_max_w / 1e3 for b in units]))
        self.discharge = self._variables(
            shape, price=age, high=_each([b.p_discharge_max_w / 1e3 for b in units])
        )
        e0 = o.energy_wh / 1e3
        own = np.array([b.standby_w * h / 1e3 for b in units])
        least = np.minimum([b.soc_min_pct * b.e_rated_wh / 1e5 for b in units], e0)
        most = np.maximum([b.soc_max_pct * b.e_rated_wh / 1e5 for b in units], e0)
        floor = np.maximum(least[:, None] - own[:, None] * np.arange(1, steps + 1), 0.0)
        self.energy = self._variables(shape, low=floor, high=most[:, None])
        self.missing = self._variables((len(units), 2), price=s.soc_price)
        for k, b in enumerate(units):
            for t in range(steps):
                columns = [self.energy[k, t], self.charge[k, t], self.discharge[k, t]]
                values = [1.0, -h * b.eta_charge, h / b.eta_discharge]
                if t:
                    columns, values = [*columns, self.energy[k, t - 1]], [*values, -1.0]
                before = -own[k] + (0.0 if t else e0[k])
                self._row(columns, values, before, before)
            final = o.final_wh[k] / 1e3
            self._row([self.energy[k, o.final_step], *self.missing[k]], [1.0, 1.0, -1.0], final, final)

    def _taps(self, steps: int) -> None:
        o, s = self.outlook, self.settings
        units = self.site.regulators
        shape = (len(units), steps)
        end = _each([float(r.tap_max) for r in units])
        whole = np.broadcast_to(np.arange(steps) < INTEGER_STEPS, shape)
        self.tap = self._variables(shape, low=-end, high=end, whole=whole)
        self.up = self._variables(shape, price=s.tap_price, high=s.tap_change_max)
        self.down = self._variables(shape, price=s.tap_price, high=s.tap_change_max)
        for k in range(len(units)):
            for t in range(steps):
                columns, values = [self.tap[k, t], self.up[k, t], self.down[k, t]], [1.0, -1.0, 1.0]
                if t:
                    columns, values = [*columns, self.tap[k, t - 1]], [*values, -1.0]
                before = 0.0 if t else float(o.taps[k])
                self._row(columns, values, before, before)

    def _balance(self, steps: int) -> None:
        """Energy from and to the grid, the peak and curtailment."""
        o, s = self.outlook, self.settings
        self.taken = self._variables((steps,), price=s.energy_price * o.step_h)
        self.given = self._variables((steps,), price=-s.export_price * o.step_h)
        high_kw = np.maximum(o.sun_high_w, 0.0) / 1e3
        self.curtail = self._variables(high_kw.shape, price=s.curtail_price * o.step_h, high=high_kw)
        share = o.sun_w / np.maximum(o.sun_high_w, 1.0)  # of a cut, what is expected to be lost by it
        self.peak = self._variables((), price=s.peak_price, low=o.peak_w / 1e3)
        for t in range(steps):
            columns = [self.taken[t], self.given[t]]
            values = [1.0, -1.0]
            for of, sign, d in (
                (self.discharge[:, t], -1.0, o.di_battery[t]),
                (self.charge[:, t], 1.0, o.di_battery[t]),
                (self.curtail[:, t], 1.0, o.di_pv[t] * share[:, t]),
            ):
                columns += of.tolist()
                values += (sign * d).tolist()
            start = o.import_w[t] / 1e3
            self._row(columns, values, start, start)
            room = (o.spread_w[t] + s.reserve_w) / 1e3
            self._row([int(self.peak), self.taken[t], self.given[t]], [1.0, -1.0, 1.0], room, np.inf)

    def _voltages(self, t: int) -> None:
        """Limits of the voltages that could leave them in one step."""
        o, s = self.outlook, self.settings
        for is_high in (True, False):
            end = o.v_high_pu[t] if is_high else o.v_low_pu[t]
            room = s.v_max_pu - s.margin_pu - end if is_high else end - s.v_min_pu - s.margin_pu
            near = np.argsort(room, kind="stable")[:WATCHED_MAX]
            near = near[room[near] < REACH_PU]
            if len(near) == 0:
                continue
            outside = self._variables((len(near),), price=s.violation_price * o.step_h)
            sign = 1.0 if is_high else -1.0
            for node, slack in zip(near.tolist(), outside.tolist(), strict=True):
                self.watched.append((t, node, is_high, slack))
                self._limit(t, node, sign, float(room[node]), slack)

    def _limit(self, t: int, node: int, sign: float, room: float, slack: int) -> None:
        """Sign (change of the voltage) - outside <= room, where the change is linear in what is decided."""
        o = self.outlook
        dv_b, dv_t, dv_p = o.dv_battery[t, node], o.dv_tap[t, node], o.dv_pv[t, node]
        strong = np.flatnonzero(np.abs(dv_p) * o.sun_high_w[:, t] > 1e-4)
        columns = [
            *self.discharge[:, t].tolist(),
            *self.charge[:, t].tolist(),
            *self.tap[:, t].tolist(),
            *self.curtail[strong, t].tolist(),
            slack,
        ]
        values = np.concatenate([1e3 * dv_b, -1e3 * dv_b, dv_t, -1e3 * dv_p[strong]]) * (PU * sign)
        high = PU * (room + sign * float(dv_t @ o.taps))
        self._row(columns, [*values.tolist(), -1.0], -np.inf, high)

    # -- building ----------------------------------------------------------------------

    def _variables(
        self,
        shape: tuple[int, ...],
        *,
        price: float = 0.0,
        low: Floats | float = 0.0,
        high: Floats | float = np.inf,
        whole: Bools | bool = False,
    ) -> Ints:
        size = int(np.prod(shape))
        given = (price, low, high, whole)
        price_, low_, high_, whole_ = (np.broadcast_to(x, shape).reshape(size) for x in given)
        self._columns.append((price_, low_, high_, whole_))
        out: Ints = np.arange(self.n, self.n + size).reshape(shape)
        self.n += size
        return out

    def _row(self, columns: Sequence[int], values: Sequence[float], low: float, high: float) -> None:
        row = len(self._limits)
        at = np.asarray(columns, np.int64)
        self._rows.append((np.full(len(at), row), at, np.asarray(values, np.float64)))
        self._limits.append((low, high))


def _each(values: list[float]) -> Floats:
    """Return one value for each unit, the same in all steps."""
    return np.array(values, np.float64).reshape(-1, 1)
