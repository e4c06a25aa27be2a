"""Solve a day ahead with HiGHS, within a time limit."""

from __future__ import annotations

import dataclasses as dc
import time

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from forecasting.dispatch.problem import PU, Problem
from forecasting.series import Floats, Ints


@dc.dataclass(frozen=True)
class Solution:
    """What was found.

    ``x``: shape (n,), the variables of the problem; ``is_whole`` False where only the problem with taps
    held was solved in time; ``solve_ms``: time that both took.
    """

    x: Floats
    is_whole: bool
    solve_ms: float


def solve(problem: Problem) -> Solution | None:
    """Return the best plan found within the time limit, None where there is none.

    Where no plan with whole taps is found in time, taps stay as they are, which leaves a linear programme.
    """
    begin, limit_s, gap = time.perf_counter(), problem.settings.time_limit_s, problem.settings.gap
    price, low, high, is_whole = problem.columns()
    a, row_low, row_high = problem.matrix()
    rows = LinearConstraint(a, row_low, row_high)
    found = milp(
        price,
        integrality=is_whole.astype(np.int64),
        bounds=Bounds(low, high),
        constraints=rows,
        options={"time_limit": limit_s, "mip_rel_gap": gap},
    )
    if found.x is None:
        held = np.broadcast_to(problem.outlook.taps[:, None], problem.tap.shape)
        low, high = low.copy(), high.copy()
        low[problem.tap], high[problem.tap] = held, held
        found = milp(price, bounds=Bounds(low, high), constraints=rows, options={"time_limit": limit_s})
        is_whole = np.zeros(0, np.bool_)
    if found.x is None:
        return None
    return Solution(np.asarray(found.x), bool(is_whole.any()), 1e3 * (time.perf_counter() - begin))


def cost_of(problem: Problem, x: Floats, steps: int | None = None) -> dict[str, float]:
    """Return what a solution costs by cause, of its first steps only if so many are given.

    The peak counts as far as it raises that of the month.
    """
    price = problem.columns()[0]
    o = problem.outlook
    peak_w = 1e3 * float(np.max(x[problem.taken[:steps]] - x[problem.given[:steps]]))
    outside = [v for t, _, _, v in problem.watched if steps is None or t < steps]

    def of(*variables: Ints) -> float:
        return sum(float(price[v[..., :steps]].ravel() @ x[v[..., :steps]].ravel()) for v in variables)

    parts = {
        "energy": of(problem.taken, problem.given),
        "peak": problem.settings.peak_price * max(peak_w - o.peak_w, 0.0) / 1e3,
        "ageing": of(problem.charge, problem.discharge),
        "taps": of(problem.up, problem.down),
        "curtailment": of(problem.curtail),
        "voltage": float(price[outside] @ x[outside]) if outside else 0.0,
    }
    return parts | {"total": sum(parts.values())}


def violation_hours(problem: Problem, x: Floats) -> float:
    """Return the node-hours that a solution leaves outside the limits, margins apart [h]."""
    beyond = PU * problem.settings.margin_pu + 1e-6
    count = sum(x[slack] > beyond for _, _, _, slack in problem.watched)
    return float(count) * problem.outlook.step_h
