"""The dispatcher: what to command now, and what to give back when it no longer commands."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from forecasting.dispatch.follow import battery_powers, relay_reference
from forecasting.dispatch.ledger import Ledger
from forecasting.dispatch.messages import MANUAL, OPTIMISING, Command, Decision, Forecast, Plan, Readings
from forecasting.dispatch.planner import Deadline, Planner
from forecasting.dispatch.settings import Settings
from forecasting.dispatch.site import Site
from forecasting.dispatch.voltage_memory import VoltageMemory
from rtcore.network.grid import DivergedError

UNKNOWN = -100.0
"""Limit of a site that was not commanded yet: whoever commanded before may have left one."""

LIMIT_STEP_PCT = 0.5
"""Limits of sites are commanded anew when they change by so much [%]."""


class Dispatcher:
    """Plans whenever there is a new forecast, and follows the plan whenever it is asked in between.

    Parameters
    ----------
    site : Site
    settings : Settings
    deadline : Deadline, optional
    first_number : int
        Number of the last plan of a dispatcher before this one: the next one has another.

    Attributes
    ----------
    plan : Plan or None
        In force; the last good one, when a newer one failed.
    ledger : Ledger
    n_plans, n_failures : int
    number : int
        Of the plan in force; of the last one where none is.
    is_last_failed : bool
        The newest forecast gave no plan.
    """

    def __init__(
        self, site: Site, settings: Settings, *, deadline: Deadline | None = None, first_number: int = 0
    ) -> None:
        self.site, self.settings = site, settings
        self.planner = Planner(site, settings, deadline)
        self.memory = VoltageMemory(self.planner.model.services, len(site.typical_va))
        self.ledger = Ledger(settings, site.utc_offset_s)
        self.plan: Plan | None = None
        self.n_plans = self.n_failures = 0
        self.number = first_number
        self.is_last_failed = False
        self._planned_ns: int | None = None
        self._is_commanding = False
        self._limits = {p.name: UNKNOWN for p in site.pv}

    def decide(self, now_ns: int, readings: Readings, forecast: Forecast | None) -> Decision:
        """Return what to command at a moment.

        Readings are booked whoever commands. In another mode than optimising, and without a plan that covers
        now, nothing is commanded, but what this dispatcher changed is given back once: limits of sites to
        100 %, set values of the voltage relays to their own. Without a forecast the plan in force is followed
        as far as it reaches. While a reading is missing everything stays as it is.
        """
        if not readings.is_complete:
            return Decision((), self.plan, ("a reading is missing",))
        self.ledger.read(
            now_ns,
            readings.import_w,
            readings.battery_w,
            readings.tap,
            readings.service_pu,
            is_planned=self._is_commanding,
        )
        if readings.mode != OPTIMISING:
            return self._released(readings) if self._is_commanding else Decision((), None)
        events: list[str] = []
        commands: list[Command] = []
        if forecast is not None and (self._planned_ns != forecast.end_ns or self.plan is None):
            self._planned_ns = forecast.end_ns
            failure = self._replan(forecast, readings)
            self.is_last_failed = bool(failure)
            if failure:
                self.n_failures += 1
                events.append(failure)
            else:
                commands.append(Command("plan", "", float(self.number)))
        if self.plan is None or not self._step(self.plan, now_ns) < len(self.plan.import_w):
            events += ["given back: no plan that covers now"] if self._is_commanding else []
            given = self._released(readings).commands if self._is_commanding else ()
            return Decision(given, None, tuple(events))
        self._is_commanding = True
        commands += self._follow(self.plan, now_ns, readings)
        return Decision(tuple(commands), self.plan, tuple(events))

    def state(self) -> dict[str, Any]:
        """Return what was learned, booked and commanded, as JSON can hold it; the plan is made anew."""
        return {
            "number": self.number,
            "n_plans": self.n_plans,
            "n_failures": self.n_failures,
            "is_commanding": self._is_commanding,
            "limits": {n: None if math.isnan(x) else x for n, x in self._limits.items()},
            "memory": self.memory.state(),
            "ledger": self.ledger.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state of a dispatcher of the same site.

        Raises
        ------
        ValueError
            It is of another site.
        """
        if set(state["limits"]) != set(self._limits):
            raise ValueError("the state is of other sites")
        self.number = max(self.number, int(state["number"]))
        self.n_plans, self.n_failures = int(state["n_plans"]), int(state["n_failures"])
        self._is_commanding = bool(state["is_commanding"])
        self._limits = {n: UNKNOWN if x is None else float(x) for n, x in state["limits"].items()}
        self.memory.restore(state["memory"])
        self.ledger.restore(state["ledger"])

    def _replan(self, forecast: Forecast, readings: Readings) -> str:
        """Make a new plan; returns what went wrong, if anything did."""
        if not forecast.is_complete:
            return "no plan: a forecast is missing in part"
        slots = [
            self.site.slot(forecast.end_ns + t * forecast.step_ns) for t in range(len(forecast.spread_w))
        ]
        bias = self.memory.bias_pu[slots]
        try:
            made = self.planner.plan(self.number + 1, forecast, readings, self.ledger.demand.peak_w, bias)
        except DivergedError as error:
            return f"no plan: {error}"
        if made is None:
            return "no plan: the solver found none in its time"
        self.plan, first = made
        self.number += 1
        self.n_plans += 1
        self.ledger.planned(forecast.end_ns, first)
        return ""

    def _step(self, plan: Plan, now_ns: int) -> int:
        return max(0, (now_ns - plan.start_ns) // plan.step_ns)

    def _follow(self, plan: Plan, now_ns: int, readings: Readings) -> list[Command]:
        k = self._step(plan, now_ns)
        model_pu = plan.v_pu[k] - self.memory.bias_pu[self.site.slot(now_ns)]
        self.memory.add(self.site.slot(now_ns), model_pu, readings.service_pu)
        left_h = (plan.start_ns + (k + 1) * plan.step_ns - now_ns) / 3.6e12
        deadline = self.planner.deadline
        wanted = None
        if deadline is not None and plan.start_ns + (k + 1) * plan.step_ns == deadline.at_ns:
            wanted = deadline.soc_pct
        powers = battery_powers(self.site, self.settings, plan, k, readings, left_h, wanted)
        commands = [Command("battery_p_w", name, p) for name, p in powers.items()]
        for r, tap in zip(self.site.regulators, plan.taps[:, k], strict=True):
            v = relay_reference(r, float(tap), readings, self.settings)
            if v is not None:
                commands.append(Command("avr_v", r.name, v))
        return commands + self._limit(plan, k)

    def _limit(self, plan: Plan, k: int) -> list[Command]:
        """Limits of the sites where the plan curtails, as shares of their ratings."""
        out = []
        for p, site in enumerate(self.site.pv):
            pct = float(np.clip(100.0 * plan.limit_w[p, k] / site.rated_w, 0.0, 100.0))
            if abs(pct - self._limits[site.name]) > LIMIT_STEP_PCT or (
                pct == 100.0 != self._limits[site.name]
            ):
                self._limits[site.name] = pct
                out.append(Command("pv_limit_pct", site.name, pct))
        return out

    def _released(self, readings: Readings) -> Decision:
        """Give back what was commanded; batteries come to rest unless an operator has taken them."""
        self._is_commanding = False
        commands = [Command("pv_limit_pct", n, 100.0) for n, pct in self._limits.items() if pct != 100.0]
        self._limits = dict.fromkeys(self._limits, 100.0)
        commands += [
            Command("avr_v", r.name, r.vreg_v)
            for r in self.site.regulators
            if readings.vreg_v[r.name] != r.vreg_v
        ]
        if readings.mode != MANUAL:
            commands += [Command("battery_p_w", b.name, 0.0) for b in self.site.batteries]
        self.plan, self._planned_ns = None, None
        return Decision(tuple(commands), None, ("given back: another mode than optimising",))
