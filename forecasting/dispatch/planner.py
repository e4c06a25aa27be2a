"""From forecast and readings to a plan: power flows of the steps ahead, the programme, its solution."""

from __future__ import annotations

import dataclasses as dc
from collections.abc import Mapping

import numpy as np

from forecasting.dispatch.messages import Forecast, Plan, Readings
from forecasting.dispatch.optimiser import cost_of, solve, violation_hours
from forecasting.dispatch.problem import Outlook, Problem
from forecasting.dispatch.settings import Settings
from forecasting.dispatch.site import Site
from forecasting.dispatch.voltage_model import Point, Sensitivity, VoltageModel
from forecasting.series import Floats
from rtcore.clock import NS_PER_HOUR

SUNNY = 0.25
"""Part of the sites' rating that the sun gives in a step of day rather than of night."""

CUT_MIN = 5e-3
"""A cut of less than this part of a site's rating is none."""

NOON_SUN = 0.8
"""Part of the rating at the operating point of the day's derivatives."""


@dc.dataclass(frozen=True)
class Deadline:
    """States of charge wanted at a moment [%], instead of those at the end of a plan that covers it."""

    at_ns: int
    soc_pct: Mapping[str, float]


class Planner:
    """Makes plans of one site."""

    def __init__(self, site: Site, settings: Settings, deadline: Deadline | None = None) -> None:
        self.site, self.settings, self.deadline = site, settings, deadline
        self.model = VoltageModel(site)
        slots = range(len(site.typical_va))
        total = site.typical_va.real.sum(1)
        noon = site.typical_va[len(slots) // 2]
        busiest = site.typical_va[int(np.argmax(total))]
        rest = np.zeros(len(site.batteries))
        taps = tuple(r.tap for r in site.network.regulators)
        self._day = self.model.sensitivity(Point(noon, NOON_SUN * site.pv_rated_w, rest, taps))
        self._night = self.model.sensitivity(Point(busiest, np.zeros(len(site.pv)), rest, taps))

    def plan(
        self, number: int, forecast: Forecast, readings: Readings, peak_w: float, bias_pu: Floats
    ) -> tuple[Plan, dict[str, float]] | None:
        """Return a plan and the predicted cost of its first step; None where the solver found none.

        Parameters
        ----------
        peak_w : float
            Highest demand of the month so far [W].
        bias_pu : ndarray, shape (n_step, n_service)
            What voltages were above the model's at these times of day [pu].

        Raises
        ------
        DivergedError
            A forecast that the network could not carry.
        """
        outlook = self.outlook(forecast, readings, peak_w, bias_pu)
        problem = Problem(self.site, self.settings, outlook)
        found = solve(problem)
        if found is None:
            return None
        x = found.x
        battery_kw = x[problem.discharge] - x[problem.charge]
        taps = np.rint(x[problem.tap])
        cut = 1e3 * x[problem.curtail]
        limit = np.where(cut > CUT_MIN * self.site.pv_rated_w[:, None], outlook.sun_high_w - cut, np.inf)
        curtailed = np.maximum(outlook.sun_w - limit, 0.0)
        v = self._voltages(outlook, 1e3 * battery_kw, taps, curtailed)
        rated_wh = np.array([b.e_rated_wh for b in self.site.batteries])[:, None]
        plan = Plan(
            number=number,
            start_ns=forecast.end_ns,
            step_ns=forecast.step_ns,
            battery_w=1e3 * battery_kw,
            soc_pct=1e5 * x[problem.energy] / rated_wh,
            taps=taps,
            curtailed_w=curtailed,
            limit_w=limit,
            import_w=1e3 * (x[problem.taken] - x[problem.given]),
            peak_w=1e3 * float(x[problem.peak]),
            v_pu=v,
            cost=cost_of(problem, x),
            violation_h=violation_hours(problem, x),
            solve_ms=found.solve_ms,
        )
        return plan, cost_of(problem, x, 1)

    def outlook(self, forecast: Forecast, readings: Readings, peak_w: float, bias_pu: Floats) -> Outlook:
        """Return the steps ahead without anything done."""
        site = self.site
        steps = min(self.settings.horizon, len(forecast.spread_w))
        load_w = np.stack([forecast.load_w[f] for f in site.feeders])
        sun_w, high_w, low_w = (
            self._sun(of, steps) for of in (forecast.sun_w, forecast.sun_high_w, forecast.sun_low_w)
        )
        taps = tuple(round(readings.tap[r.name]) for r in site.regulators)
        rest = np.zeros(len(site.batteries))
        v, v_high, v_low, import_w, parts = [], [], [], [], []
        for t in range(steps):
            # the middle of a step is what its mean is about
            middle_ns = forecast.end_ns + t * forecast.step_ns + forecast.step_ns // 2
            demand = site.demand_va(middle_ns, load_w[:, t])
            v_t, flow = self.model.at(Point(demand, sun_w[:, t], rest, taps))
            more = demand * (1.0 + max(forecast.spread_w[t], 0.0) / max(float(demand.real.sum()), 1.0))
            most, _ = (
                self.model.at(Point(demand, high_w[:, t], rest, taps)) if high_w[:, t].any() else (v_t, 0)
            )
            least, _ = self.model.at(Point(more, low_w[:, t], rest, taps))
            v.append(v_t + bias_pu[t])
            v_high.append(most + bias_pu[t])
            v_low.append(least + bias_pu[t])
            import_w.append(flow.import_w)
            parts.append(self._sensitivity(sun_w[:, t]))
        e_rated = np.array([b.e_rated_wh for b in site.batteries])
        soc = np.array([readings.soc_pct[b.name] for b in site.batteries])
        final_step, final_pct = self._final(forecast, steps)
        return Outlook(
            step_h=forecast.step_ns / NS_PER_HOUR,
            v_pu=np.array(v),
            v_high_pu=np.array(v_high),
            v_low_pu=np.array(v_low),
            import_w=np.array(import_w),
            spread_w=np.maximum(forecast.spread_w[:steps], 0.0),
            sun_w=sun_w,
            sun_high_w=high_w,
            **{
                name: np.array([getattr(s, name) for s in parts])
                for name in ("dv_battery", "dv_tap", "dv_pv", "di_battery", "di_pv")
            },
            energy_wh=e_rated * soc / 100.0,
            taps=np.array(taps, np.float64),
            peak_w=peak_w,
            final_wh=e_rated * final_pct / 100.0,
            final_step=final_step,
        )

    def _sun(self, of: Mapping[str, Floats], steps: int) -> Floats:
        """Return what sites may give, shape (n_pv, n_step) [W]."""
        if not self.site.pv:
            return np.zeros((0, steps))
        stacked = np.stack([of[p.name][:steps] for p in self.site.pv])
        return np.minimum(np.maximum(stacked, 0.0), self.site.pv_rated_w[:, None])

    def _sensitivity(self, sun_w: Floats) -> Sensitivity:
        is_day = float(np.sum(sun_w)) > SUNNY * float(np.sum(self.site.pv_rated_w)) > 0.0
        return self._day if is_day else self._night

    def _final(self, forecast: Forecast, steps: int) -> tuple[int, Floats]:
        """Return the step at whose end states of charge are wanted, and which [%]."""
        wanted = np.full(len(self.site.batteries), self.settings.final_soc_pct)
        if self.deadline is None:
            return steps - 1, wanted
        step = (self.deadline.at_ns - forecast.end_ns) // forecast.step_ns - 1
        if not 0 <= step < steps:
            return steps - 1, wanted
        return int(step), np.array([self.deadline.soc_pct[b.name] for b in self.site.batteries])

    def _voltages(self, o: Outlook, battery_w: Floats, taps: Floats, curtailed_w: Floats) -> Floats:
        """Return the linear model's voltages of the plan, shape (n_step, n_service) [pu]."""
        return np.stack(
            [
                o.v_pu[t]
                + o.dv_battery[t] @ battery_w[:, t]
                + o.dv_tap[t] @ (taps[:, t] - o.taps)
                - o.dv_pv[t] @ curtailed_w[:, t]
                for t in range(len(o.import_w))
            ]
        )
