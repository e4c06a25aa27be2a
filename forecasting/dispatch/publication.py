"""From the dispatcher's state to the values and qualities of its points."""

from __future__ import annotations

import numpy as np

from forecasting.dispatch.dispatcher import Dispatcher
from forecasting.dispatch.messages import OPTIMISING, Plan
from forecasting.dispatch.outputs import AHEAD, INSTANCE, State
from rtcore.clock import NS_PER_S
from rtcore.published import Layout, Values
from rtcore.quality import Quality


def state_of(d: Dispatcher, mode: int, *, has_forecast: bool) -> State:
    """Return what the dispatcher does in a mode of the dispatch."""
    if not has_forecast:
        return State.NO_FORECAST
    if mode != OPTIMISING:
        return State.WATCHING
    if d.plan is None:
        return State.NO_PLAN if d.n_failures else State.STARTING
    return State.LAST_PLAN if d.is_last_failed else State.COMMANDING


def publish(layout: Layout, d: Dispatcher, now_ns: int, state: State) -> Values:
    """Return the values of all points; those of a plan are uncertain when it is not the newest wish."""
    out = Values(layout)
    books, plan = d.ledger.books, d.plan
    for name, value in {
        "state": float(state),
        "n_plans": float(d.n_plans),
        "n_failures": float(d.n_failures),
        "number": float(d.number),
        "predicted_cost": books.predicted.get("total", 0.0),
        "realised_cost": books.realised["total"],
        "peak_w": d.ledger.demand.peak_w,
        "violation_h": books.violation_h,
        "tap_operations": books.tap_operations,
    }.items():
        out.put("dispatcher", INSTANCE, name, value)
    if plan is None:
        return out
    quality = Quality.UNCERTAIN_LAST_USABLE if state == State.LAST_PLAN else Quality.GOOD
    step = min(max(0, (now_ns - plan.start_ns) // plan.step_ns), len(plan.import_w) - 1)
    for name, value in {
        "age_s": (now_ns - plan.start_ns) / NS_PER_S,
        "solve_ms": plan.solve_ms,
        "plan_cost": plan.cost["total"],
        "peak_planned_w": plan.peak_w,
        "violation_planned_h": plan.violation_h,
        "import_next_w": float(plan.import_w[step]),
    }.items():
        out.put("dispatcher", INSTANCE, name, value, quality)
    _put_plan(out, d, plan, int(step), quality)
    return out


def _put_plan(out: Values, d: Dispatcher, plan: Plan, step: int, quality: Quality) -> None:
    kind = "dispatch_plan"
    for k in range(min(AHEAD, len(plan.import_w))):
        out.put(kind, INSTANCE, f"import{k + 1}_w", float(plan.import_w[k]), quality)
        out.put(kind, INSTANCE, f"p{k + 1}_w", float(np.sum(plan.battery_w[:, k])), quality)
        for b, battery in enumerate(d.site.batteries):
            out.put(kind, battery.name, f"p{k + 1}_w", float(plan.battery_w[b, k]), quality)
            out.put(kind, battery.name, f"soc{k + 1}_pct", float(plan.soc_pct[b, k]), quality)
    out.put(kind, INSTANCE, "power_next_w", float(np.sum(plan.battery_w[:, step])), quality)
    for b, battery in enumerate(d.site.batteries):
        out.put(kind, battery.name, "power_next_w", float(plan.battery_w[b, step]), quality)
